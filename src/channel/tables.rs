//! Tables of a region that telemetry reads at any time: counters and interned strings.

use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed};

use super::region::Region;
use crate::wire::{self, cell, header};

/// The counters of one process, readable at any time.
#[derive(Debug, Clone)]
pub(crate) struct CellTable(Arc<Region>);

/// The description of a cell: its kind and attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CellDescription {
    /// A `wire::cell_kind`.
    pub(crate) kind: u8,
    /// The number of attributes in `bytes`.
    pub(crate) attributes: u8,
    /// Attributes as in a record.
    pub(crate) bytes: Vec<u8>,
}

impl CellTable {
    /// The cells of a region.
    pub(crate) fn new(region: &Arc<Region>) -> CellTable {
        CellTable(Arc::clone(region))
    }

    /// The number of cells, described or not.
    pub(crate) fn len(&self) -> usize {
        self.0.geometry.cell_count
    }

    /// The description of a cell, once the app has published it. It does not change: read it once.
    pub(crate) fn description(&self, index: usize) -> Option<CellDescription> {
        let at = self.at(index)?;
        let memory = &self.0.memory;
        if memory.u32(at + cell::STATE).load(Acquire) != 2 {
            return None;
        }
        let [kind, attributes, low, high] = memory.u32(at + cell::KIND).load(Relaxed).to_le_bytes();
        let length = usize::from(u16::from_le_bytes([low, high])).min(wire::CELL_SIZE - cell::DESCRIPTION);
        Some(CellDescription { kind, attributes, bytes: memory.copy(at + cell::DESCRIPTION, length) })
    }

    /// The cell's sum so far.
    pub(crate) fn value(&self, index: usize) -> Option<i64> {
        let at = self.at(index)?;
        Some(self.0.memory.u64(at + cell::VALUE).load(Relaxed) as i64)
    }

    fn at(&self, index: usize) -> Option<usize> {
        (index < self.len()).then(|| self.0.geometry.cells + index * wire::CELL_SIZE)
    }
}

/// What a process has reported of its program when it attached. `None` for what it left out, as older hooks do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Introduction {
    /// The path of its executable, as the process sees it.
    pub(crate) executable: Option<String>,
    /// OTEL_SERVICE_NAME in its environment.
    pub(crate) service_name: Option<String>,
    /// OTEL_RESOURCE_ATTRIBUTES in its environment.
    pub(crate) resource_attributes: Option<String>,
}

/// The interned strings of one process, readable at any time.
#[derive(Debug, Clone)]
pub(crate) struct StringTable(Arc<Region>);

impl StringTable {
    /// The strings of a region.
    pub(crate) fn new(region: &Arc<Region>) -> StringTable {
        StringTable(Arc::clone(region))
    }

    /// What the process has reported of its program.
    pub(crate) fn introduction(&self) -> Introduction {
        let text = |field| {
            let bytes = self.get(self.0.memory.u32(field).load(Relaxed))?;
            Some(String::from_utf8_lossy(&bytes).into_owned())
        };
        Introduction {
            executable: text(header::EXECUTABLE),
            service_name: text(header::SERVICE_NAME),
            resource_attributes: text(header::RESOURCE_ATTRIBUTES),
        }
    }

    /// The entry with this id. It does not change.
    pub(crate) fn get(&self, id: u32) -> Option<Vec<u8>> {
        let Region { memory, geometry, .. } = &*self.0;
        let used = (memory.u32(header::STRINGS_LEN).load(Acquire) as usize).min(geometry.strings_size);
        let start = id as usize;
        if id < wire::FIRST_STRING || !id.is_multiple_of(4) || used < start.checked_add(4)? {
            return None;
        }
        let length = memory.u32(geometry.strings + start).load(Relaxed) as usize;
        if used < start + 4 + length {
            return None;
        }
        Some(memory.copy(geometry.strings + start + 4, length))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::FakeRegion;
    use super::*;

    #[test]
    fn strings_and_cells_outlive_the_rings() {
        let fake = FakeRegion::new();
        let region = Arc::new(Region::map(fake.sealed()).unwrap());
        let (cells, strings) = (CellTable::new(&region), StringTable::new(&region));
        let first = fake.string(wire::FIRST_STRING, "hyper");
        let second = fake.string(16, "axum");
        fake.cell(2, -5, b"described");
        region.forget_rings();
        drop(region);
        assert_eq!(strings.get(first).as_deref(), Some(b"hyper".as_slice()));
        assert_eq!(strings.get(second).as_deref(), Some(b"axum".as_slice()));
        for nonsense in [0, 5, 24, 4096, u32::MAX - 3] {
            assert_eq!(strings.get(nonsense), None, "{nonsense}");
        }
        assert_eq!(strings.introduction(), Introduction::default());
        fake.put(header::EXECUTABLE, &first.to_le_bytes());
        fake.put(header::SERVICE_NAME, &second.to_le_bytes());
        fake.put(header::RESOURCE_ATTRIBUTES, &u32::MAX.to_le_bytes());
        let (executable, service_name) = (Some("hyper".to_owned()), Some("axum".to_owned()));
        assert_eq!(strings.introduction(), Introduction { executable, service_name, resource_attributes: None });
        assert_eq!(cells.description(1), None);
        assert_eq!(cells.description(2).unwrap().bytes, b"described");
        assert_eq!((cells.value(2), cells.value(4)), (Some(-5), None));
    }
}
