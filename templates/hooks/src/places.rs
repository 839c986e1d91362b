//! What is the same each time the program passes a place of its own, such as a macro's callsite: written once.

use std::borrow::Cow;
use std::fmt;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use crate::attribute::{self, Attribute};

const SLOTS: usize = 2048;
const PROBES: usize = 8;

/// Attributes as they stand in a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    bytes: Cow<'static, [u8]>,
    count: u16,
}

impl Written {
    fn new(attributes: &[Attribute<'_>]) -> Written {
        let (bytes, count) = attribute::encoded(attributes);
        Written { bytes: bytes.into(), count }
    }

    /// The bytes, and how many attributes they are.
    #[inline]
    pub(crate) fn encoded(&self) -> (&[u8], u16) {
        (&self.bytes, self.count)
    }
}

/// The attributes of places of the program. Without a lock; what is written stays for as long as the process. Where there
/// is no room, they are written anew each time.
pub struct Places([AtomicPtr<Place>; SLOTS]);

struct Place {
    address: usize,
    bytes: Vec<u8>,
    count: u16,
}

impl Place {
    fn written(&'static self) -> Written {
        Written { bytes: Cow::Borrowed(&self.bytes), count: self.count }
    }
}

impl Places {
    /// No places.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Places {
        // Used only to fill the table.
        #[allow(clippy::declare_interior_mutable_const)]
        const NONE: AtomicPtr<Place> = AtomicPtr::new(ptr::null_mut());
        Places([NONE; SLOTS])
    }

    /// The attributes of `place`, which `attributes` makes where they are not written yet.
    pub fn written<T, const N: usize>(
        &self,
        place: &'static T,
        attributes: impl FnOnce() -> [Attribute<'static>; N],
    ) -> Written {
        let address = place as *const T as usize;
        let hash = (address >> 3).wrapping_mul(0x9e37_79b9) >> 7;
        for probe in 0..PROBES {
            let Some(slot) = self.0.get(hash.wrapping_add(probe) % SLOTS) else { break };
            // SAFETY: null, or leaked by `put`.
            let known: Option<&'static Place> = unsafe { slot.load(Ordering::Acquire).as_ref() };
            match known {
                Some(known) if known.address == address => return known.written(),
                Some(_) => {}
                None => return put(slot, address, &attributes()),
            }
        }
        Written::new(&attributes())
    }
}

/// Puts a place into an empty slot.
#[cold]
fn put(slot: &AtomicPtr<Place>, address: usize, attributes: &[Attribute<'_>]) -> Written {
    let (bytes, count) = attribute::encoded(attributes);
    let made = Box::into_raw(Box::new(Place { address, bytes, count }));
    if slot.compare_exchange(ptr::null_mut(), made, Ordering::AcqRel, Ordering::Acquire).is_ok() {
        // SAFETY: made above, and never freed from now on.
        return unsafe { &*made }.written();
    }
    // SAFETY: made above, and no other thread has seen it.
    let Place { bytes, count, .. } = *unsafe { Box::from_raw(made) };
    Written { bytes: bytes.into(), count }
}

impl fmt::Debug for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Places").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attribute::{Key, Value};

    #[test]
    fn each_place_has_its_own_attributes_and_writes_them_once_while_there_is_room() {
        static PLACES: Places = Places::new();
        let numbers: &'static [u64] = Box::leak((0..10 * SLOTS as u64).collect());
        let attributes = |number: &u64| [(Key::Named("n"), Value::Int(*number as i64)), (Key::Named("x"), Value::None)];
        for number in numbers.iter().chain(numbers) {
            let written = PLACES.written(number, || attributes(number));
            assert_eq!(written, Written::new(&attributes(number)));
            assert_eq!(written.encoded().1, 1);
        }
        for number in numbers.iter().take(SLOTS / 8) {
            let again = PLACES.written(number, || -> [Attribute<'static>; 1] { panic!("written before") });
            assert_eq!(again, Written::new(&attributes(number)));
        }
    }

    #[test]
    fn threads_that_come_at_once_get_the_same() {
        static PLACES: Places = Places::new();
        static PLACE: u64 = 0;
        let written = || PLACES.written(&PLACE, || [(Key::Named("target"), "shop".into())]);
        let all = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(written)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        assert!(all.iter().all(|one| *one == all[0]));
    }
}
