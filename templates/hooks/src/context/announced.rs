//! Client spans of the program's own that it has put into headers by itself.
//!
//! Such a span need not be current where the request is sent: the headers alone show that the request belongs to it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

const SLOTS: usize = 256;

// Used only to fill the table.
#[allow(clippy::declare_interior_mutable_const)]
const FREE: AtomicU64 = AtomicU64::new(0);
/// The last ones. A span that another one has driven out counts as somebody else's.
static SPANS: [AtomicU64; SLOTS] = [FREE; SLOTS];
static ANY: AtomicBool = AtomicBool::new(false);

fn slot(span: [u8; 8]) -> (u64, Option<&'static AtomicU64>) {
    let id = u64::from_be_bytes(span);
    (id, SPANS.get(id as usize % SLOTS))
}

/// The program has put that span into headers.
pub(super) fn announce(span: [u8; 8]) {
    if let (id, Some(slot)) = slot(span) {
        slot.store(id, Relaxed);
        ANY.store(true, Relaxed);
    }
}

/// Whether the program has put any into headers: most programs have not.
#[inline]
pub(super) fn are_any() -> bool {
    ANY.load(Relaxed)
}

/// Whether the program has put that span into headers.
pub(super) fn is_announced(span: [u8; 8]) -> bool {
    let (id, slot) = slot(span);
    id != 0 && slot.map_or(false, |slot| slot.load(Relaxed) == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_spans_are_known() {
        let (first, second, other) = ([0xa1; 8], [0, 0, 0, 0, 0, 0, 1, 0xa1], [0xa2; 8]);
        assert!(!is_announced(first) && !is_announced([0; 8]));
        announce(first);
        assert!(are_any() && is_announced(first) && !is_announced(second) && !is_announced(other));
        announce(second);
        assert!(is_announced(second) && !is_announced(first), "both have the same slot");
        assert!(!is_announced([0; 8]));
    }
}
