//! Decisions that are made once: whether something that has an address for good is wanted.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

const SLOTS: usize = 2048;
const PROBES: usize = 8;
/// A decision is kept in the bits that are zero in an address.
const MASK: usize = 0b11;

/// What was decided about places of the program, such as callsites of macros. Without a lock, and without an end: where
/// there is no room, a decision is made anew each time.
pub struct Decisions([AtomicUsize; SLOTS]);

impl Decisions {
    /// No decisions.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Decisions {
        // Used only to fill the table.
        #[allow(clippy::declare_interior_mutable_const)]
        const NONE: AtomicUsize = AtomicUsize::new(0);
        Decisions([NONE; SLOTS])
    }

    /// What was decided about `place`, or what `decide` decides now: a number up to 3.
    pub fn of<T>(&self, place: &'static T, decide: impl FnOnce() -> u8) -> u8 {
        let address = place as *const T as usize;
        if address & MASK != 0 {
            return decide();
        }
        let hash = (address >> 3).wrapping_mul(0x9e37_79b9) >> 7;
        let mut decide = Some(decide);
        let mut decided = 0;
        for probe in 0..PROBES {
            let Some(slot) = self.0.get(hash.wrapping_add(probe) % SLOTS) else { break };
            let mut known = slot.load(Relaxed);
            if known == 0 {
                if let Some(decide) = decide.take() {
                    decided = decide() & MASK as u8;
                }
                match slot.compare_exchange(0, address | usize::from(decided), Relaxed, Relaxed) {
                    Ok(_) => return decided,
                    Err(other) => known = other,
                }
            }
            if known & !MASK == address {
                return (known & MASK) as u8;
            }
        }
        decide.map_or(decided, |decide| decide() & MASK as u8)
    }
}

impl fmt::Debug for Decisions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decisions").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_is_decided_once_while_there_is_room() {
        static DECISIONS: Decisions = Decisions::new();
        let places: &'static [u64] = Box::leak(vec![0; 10 * SLOTS].into_boxed_slice());
        for (number, place) in places.iter().enumerate() {
            assert_eq!(DECISIONS.of(place, || (number % 4) as u8), (number % 4) as u8);
        }
        for (number, place) in places.iter().enumerate().take(SLOTS / 8) {
            assert_eq!(DECISIONS.of(place, || panic!("decided before")), (number % 4) as u8);
        }
        for (number, place) in places.iter().enumerate() {
            assert_eq!(DECISIONS.of(place, || (number % 4) as u8), (number % 4) as u8);
        }
    }
}
