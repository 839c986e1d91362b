//! Counters and up-down counters: one number in shared memory per time series, exact whatever happens to the process.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::attribute::{key, Attribute, Key, Value};
use crate::span::Scope;
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
    /// Index in the region plus one; 0 before the first use, `REFUSED` when there was no room.
    id: AtomicU32,
}

const REFUSED: u32 = u32::MAX;

impl Cell {
    /// Describes a time series: at most 8 attributes, all text together at most 400 bytes. Unit and description may be
    /// left empty where the launcher knows the metric.
    pub const fn new(
        scope: &'static Scope,
        kind: CellKind,
        name: &'static str,
        unit: &'static str,
        description: &'static str,
        attributes: &'static [(&'static str, &'static str)],
    ) -> Cell {
        Cell { scope, kind, name, unit, description, attributes, id: AtomicU32::new(0) }
    }

    /// Adds to the sum. Lock-free; nothing happens when its instrumentation does not speak.
    #[inline]
    pub fn add(&self, amount: i64) {
        if !self.scope.enabled() {
            return;
        }
        let mut id = self.id.load(Relaxed);
        if id == 0 {
            id = self.register();
        }
        if id != REFUSED {
            attach::add_to_cell(id - 1, amount);
        }
    }

    #[cold]
    fn register(&self) -> u32 {
        let mut all = [(key::METRIC_NAME, Value::None); 12];
        let described = [
            (key::METRIC_NAME, self.name.into()),
            (key::METRIC_UNIT, self.unit.into()),
            (key::METRIC_DESCRIPTION, self.description.into()),
            (key::SCOPE, self.scope.marker().into()),
        ];
        let series = self.attributes.iter().map(|(name, value)| (Key::Named(name), Value::from(*value)));
        for (slot, attribute) in all.iter_mut().zip(described.into_iter().chain(series)) {
            *slot = attribute;
        }
        let all: &[Attribute<'_>] = &all;
        // Two threads may register at once: the second cell stays at zero and both are summed by the launcher.
        let id = attach::new_cell(self.kind as u8, all).map_or(REFUSED, |index| index + 1);
        match self.id.compare_exchange(0, id, Relaxed, Relaxed) {
            Ok(_) => id,
            Err(first) => first,
        }
    }
}
