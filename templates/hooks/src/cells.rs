//! Counters and up-down counters: one number in shared memory per time series, exact whatever happens to the process.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::attribute::{key, Attribute, Key, Value};
use crate::scope::Scope;
use crate::{attach, wire};

/// Whether a cell's value may fall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum CellKind {
    /// A monotonic sum.
    Counter = wire::cell_kind::COUNTER,
    /// A sum that may fall.
    UpDownCounter = wire::cell_kind::UP_DOWN_COUNTER,
}

/// One time series of an instrument; a static of the woven crate.
#[derive(Debug)]
pub struct Cell {
    scope: &'static Scope,
    kind: CellKind,
    name: &'static str,
    unit: &'static str,
    description: &'static str,
    attributes: &'static [(&'static str, &'static str)],
    place: CellSlot,
}

impl Cell {
    /// Describes a time series: at most 8 attributes, all text together at most 400 bytes. Unit and description may be
    /// left empty where the launcher's catalogue has the metric.
    pub const fn new(
        scope: &'static Scope,
        kind: CellKind,
        name: &'static str,
        unit: &'static str,
        description: &'static str,
        attributes: &'static [(&'static str, &'static str)],
    ) -> Cell {
        Cell { scope, kind, name, unit, description, attributes, place: CellSlot::new() }
    }

    /// Adds to the sum. Lock-free; nothing happens while its instrumentation is disabled.
    #[inline]
    pub fn add(&self, amount: i64) {
        if self.scope.enabled() {
            self.place.add(amount, || self.describe());
        }
    }

    #[cold]
    fn describe(&self) -> Option<u32> {
        let mut series = [(key::METRIC_NAME, Value::None); 8];
        for (slot, (name, value)) in series.iter_mut().zip(self.attributes) {
            *slot = (Key::Named(name), Value::from(*value));
        }
        describe(self.scope, self.kind, [self.name, self.unit, self.description], &series)
    }
}

/// Where a time series is counted, once it has been described.
#[derive(Debug, Default)]
pub(crate) struct CellSlot {
    /// Index in the region plus one; 0 before the first use, `REFUSED` when there was no room.
    id: AtomicU32,
}

const REFUSED: u32 = u32::MAX;

impl CellSlot {
    pub(crate) const fn new() -> CellSlot {
        CellSlot { id: AtomicU32::new(0) }
    }

    /// Adds to the sum. `describe` makes the cell, once; whether there is one.
    #[inline]
    pub(crate) fn add(&self, amount: i64, describe: impl FnOnce() -> Option<u32>) -> bool {
        let mut id = self.id.load(Relaxed);
        if id == 0 {
            id = self.register(describe());
        }
        if id != REFUSED {
            attach::add_to_cell(id - 1, amount);
        }
        id != REFUSED
    }

    #[cold]
    fn register(&self, index: Option<u32>) -> u32 {
        let id = index.map_or(REFUSED, |index| index + 1);
        // Two threads may register at once: the second cell stays at zero and both are summed by the launcher.
        match self.id.compare_exchange(0, id, Relaxed, Relaxed) {
            Ok(_) => id,
            Err(first) => first,
        }
    }
}

/// Claims a cell for a time series of the instrument with that name, unit and description; its index.
#[cold]
pub(crate) fn describe(
    scope: &'static Scope,
    kind: CellKind,
    [name, unit, description]: [&str; 3],
    series: &[Attribute<'_>],
) -> Option<u32> {
    let mut all = [(key::METRIC_NAME, Value::None); 12];
    let described = [
        (key::METRIC_NAME, name.into()),
        (key::METRIC_UNIT, unit.into()),
        (key::METRIC_DESCRIPTION, description.into()),
        (key::SCOPE, scope.marker().into()),
    ];
    for (slot, attribute) in all.iter_mut().zip(described.iter().chain(series)) {
        *slot = *attribute;
    }
    attach::new_cell(kind as u8, &all)
}
