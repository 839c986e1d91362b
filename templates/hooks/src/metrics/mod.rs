//! Metrics: instruments and their time series, added up in shared memory where even SIGKILL leaves them.
//!
//! An instrument is described once, as a static ([`Metric`]) or at run time ([`instrument()`]). A measurement finds its
//! series by the attributes as they were given, without a lock or an allocation, and changes numbers in place. What only
//! the program can look up is observed by a callback ([`on_collect`]) when metrics are read.

mod bounds;
mod callbacks;
mod count;
mod description;
mod distribution;
mod find;
mod instrument;
mod invalid;
mod metric;
mod set;
#[cfg(test)]
mod tests;

pub(crate) use callbacks::{catch_up, look_for_threads};
pub use callbacks::{idle, on_collect, on_collect_or_idle};
pub use description::{Description, Owner};
pub use distribution::Distribution;
pub use find::AppendOnlyTable;
pub use instrument::{instrument, Instrument, Series};
pub use metric::Metric;
pub use set::{AttributeSet, AttributeText, AttributeValue, Fingerprint, MetricAttribute};

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::wire::series::{instrument_kind, note, number};
use crate::{attach, settings};

/// What an instrument does with its measurements. See "Instrument" in OpenTelemetry's metrics API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum InstrumentKind {
    /// Adds; never falls.
    Counter = instrument_kind::COUNTER,
    /// Adds.
    UpDownCounter = instrument_kind::UP_DOWN_COUNTER,
    /// Counts values by their size.
    Histogram = instrument_kind::HISTOGRAM,
    /// Keeps the last value.
    Gauge = instrument_kind::GAUGE,
    /// A sum that a callback observes; never falls.
    ObservableCounter = instrument_kind::OBSERVABLE_COUNTER,
    /// A sum that a callback observes.
    ObservableUpDownCounter = instrument_kind::OBSERVABLE_UP_DOWN_COUNTER,
    /// A value that a callback observes.
    ObservableGauge = instrument_kind::OBSERVABLE_GAUGE,
}

/// The type of an instrument's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum NumberKind {
    /// Whole numbers from zero.
    U64 = number::U64,
    /// Whole numbers.
    I64 = number::I64,
    /// Fractions.
    F64 = number::F64,
}

/// A measured number. One of another type than its instrument's becomes the nearest of that.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// A whole number from zero.
    U64(u64),
    /// A whole number.
    I64(i64),
    /// A fraction.
    F64(f64),
}

impl From<u64> for Number {
    fn from(number: u64) -> Number {
        Number::U64(number)
    }
}
impl From<i64> for Number {
    fn from(number: i64) -> Number {
        Number::I64(number)
    }
}
impl From<f64> for Number {
    fn from(number: f64) -> Number {
        Number::F64(number)
    }
}

impl Number {
    #[inline(always)]
    fn to_f64(self) -> f64 {
        match self {
            Number::U64(number) => number as f64,
            Number::I64(number) => number as f64,
            Number::F64(number) => number,
        }
    }

    /// The number's 64 bits as one of `kind`.
    #[inline(always)]
    fn bits(self, kind: NumberKind) -> u64 {
        match (kind, self) {
            (NumberKind::U64, Number::U64(number)) => number,
            (NumberKind::U64, Number::I64(number)) => number.max(0) as u64,
            (NumberKind::U64, Number::F64(number)) => number as u64,
            (NumberKind::I64, Number::U64(number)) => number.min(i64::MAX as u64),
            (NumberKind::I64, Number::I64(number)) => number as u64,
            (NumberKind::I64, Number::F64(number)) => number as i64 as u64,
            (NumberKind::F64, number) => number.to_f64().to_bits(),
        }
    }
}

/// Replaces a number by what it becomes, if it becomes anything. Others may do so at the same time, but not for ever:
/// a process that writes to shared memory over and over does not hold up the program.
#[inline(always)]
fn replace(to: &AtomicU64, becomes: impl Fn(u64) -> Option<u64>) {
    const MOST_TRIES: u32 = 10_000;
    let mut known = to.load(Relaxed);
    for _ in 0..MOST_TRIES {
        let Some(next) = becomes(known) else { return };
        match to.compare_exchange_weak(known, next, Relaxed, Relaxed) {
            Ok(_) => return,
            Err(now) => known = now,
        }
    }
}

/// Adds to a fraction.
#[inline(always)]
fn add_fraction(to: &AtomicU64, more: f64) {
    replace(to, |sum| Some((f64::from_bits(sum) + more).to_bits()));
}

/// Stores a value that is better than the one known: the smallest, or the largest.
#[inline(always)]
fn lower(to: &AtomicU64, value: f64, is_better: impl Fn(f64) -> bool) {
    replace(to, |known| Some(value.to_bits()).filter(|_| is_better(f64::from_bits(known))));
}

/// Whether metrics are exported.
#[inline]
pub fn enabled() -> bool {
    attach::active() && settings::series_limit() > 0
}

/// Whether the durations of a runtime's polls are recorded, which costs two clock readings each.
pub fn poll_times() -> bool {
    enabled() && settings::poll_times()
}

/// Counts something of the program's metrics for which there is no room.
#[cold]
pub fn count_without_room() {
    if let (true, Some(region)) = (enabled(), attach::region()) {
        region.count_without_room();
    }
}

/// Reports to the launcher that the program has a meter provider of its own, which gets its metrics.
#[cold]
pub fn report_own_provider() {
    if let (true, Some(region)) = (enabled(), attach::region()) {
        region.note(note::OWN_PROVIDER, &[]);
    }
}

/// Reports to the launcher that the program has installed a recorder of its own, which gets its metrics.
#[cold]
pub fn report_own_recorder() {
    if let (true, Some(region)) = (enabled(), attach::region()) {
        region.note(note::OWN_RECORDER, &[]);
    }
}

/// Reports to the launcher that the program has a tracer provider of its own, which gets its spans. Metrics must be
/// exported for it, since notes stand among them.
#[cold]
pub fn report_own_tracer_provider() {
    if let (true, Some(region)) = (enabled(), attach::region()) {
        region.note(note::OWN_TRACER_PROVIDER, &[]);
    }
}
