//! Which local root spans are open, without allocation: a fixed table of their ids.
//!
//! A spawned task carries the context of the request that spawned it. Some tasks outlive it by seconds (a mail after the
//! response) and are still its work; others live for ever (a cache refresher started by the first request) and must not
//! hang all they do under that request. [`crate::carry()`] looks up here whether the request is over.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

const SLOTS: usize = 4096;
const PROBES: usize = 8;

// Used only to fill the table.
#[allow(clippy::declare_interior_mutable_const)]
const FREE: AtomicU32 = AtomicU32::new(0);
static TABLE: [AtomicU32; SLOTS] = [FREE; SLOTS];

/// A claim in the table: slot and id. A root that found no slot counts as open for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Live {
    id: u32,
    slot: u16,
}

impl Live {
    /// No local root: it never counts as ended.
    pub(crate) const NEVER: Live = Live { id: 0, slot: 0 };

    /// Marks the root span `id` as open.
    pub(crate) fn claim(id: [u8; 8]) -> Live {
        // Half the id is enough to distinguish one root from the next in its slot.
        let [a, b, c, d, ..] = id;
        let id = u32::from_ne_bytes([a, b, c, d]).max(1);
        for probe in 0..PROBES {
            let slot = (id as usize).wrapping_add(probe) % SLOTS;
            let free = TABLE.get(slot).map(|entry| entry.compare_exchange(0, id, Relaxed, Relaxed));
            if let Some(Ok(_)) = free {
                return Live { id, slot: slot as u16 };
            }
        }
        Live::NEVER
    }

    /// Marks the root span as ended.
    pub(crate) fn release(self) {
        if self.id != 0 {
            // Only its owner changes a slot that is taken.
            if let Some(entry) = TABLE.get(self.slot as usize).filter(|entry| entry.load(Relaxed) == self.id) {
                entry.store(0, Relaxed);
            }
        }
    }

    /// Whether the root span has ended.
    pub(crate) fn is_over(self) -> bool {
        self.id != 0 && TABLE.get(self.slot as usize).map_or(true, |entry| entry.load(Relaxed) != self.id)
    }
}
