//! What is the same each time the program passes a place of its own, such as a macro's callsite: written once.

use std::fmt;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use crate::attach;
use crate::attribute::{self, key, Attribute};

const SLOTS: usize = 2048;
const PROBES: usize = 8;
/// The attributes' number stands before them.
const COUNT: usize = 2;

/// The attributes of a place, as they stand in a record.
#[derive(Clone, Debug)]
pub struct Written(Kept);

#[derive(Clone, Debug)]
enum Kept {
    Once(&'static Place),
    Anew(Vec<u8>, u16),
}

impl Written {
    /// Gives `then` what stands for the attributes in a record, and how many attributes that is: one that names them where
    /// the string table has them.
    #[inline]
    pub(crate) fn with<R>(&self, then: impl FnOnce((&[u8], u16)) -> R) -> R {
        match &self.0 {
            Kept::Once(place) => match place.id() {
                0 => then(place.attributes()),
                id => then((&attribute::of_int(&key::PLACE, id.into()), 1)),
            },
            Kept::Anew(bytes, count) => then((bytes, *count)),
        }
    }
}

/// The attributes of places of the program. Without a lock; what is written stays for as long as the process. Where there
/// is no room, they are written anew each time.
pub struct Places([AtomicPtr<Place>; SLOTS]);

#[derive(Debug)]
struct Place {
    address: usize,
    /// As in the string table: how many attributes, and the attributes.
    entry: Vec<u8>,
    /// Its id there; 0 while it has none.
    id: AtomicU32,
}

impl Place {
    fn new(address: usize, attributes: &[Attribute<'_>]) -> Place {
        let (mut bytes, count) = attribute::encoded(attributes);
        let mut entry = count.to_le_bytes().to_vec();
        entry.append(&mut bytes);
        Place { address, entry, id: AtomicU32::new(0) }
    }

    fn attributes(&self) -> (&[u8], u16) {
        let (count, bytes) = self.entry.split_at(COUNT.min(self.entry.len()));
        (bytes, <[u8; COUNT]>::try_from(count).map_or(0, u16::from_le_bytes))
    }

    /// Its id in the string table. 0 while another thread is adding to the table, and where that is full.
    #[inline]
    fn id(&self) -> u32 {
        match self.id.load(Ordering::Relaxed) {
            0 => self.intern(),
            id => id,
        }
    }

    #[cold]
    fn intern(&self) -> u32 {
        let id = attach::intern(&self.entry);
        self.id.store(id, Ordering::Relaxed);
        id
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
    #[inline]
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
                Some(known) if known.address == address => return Written(Kept::Once(known)),
                Some(_) => {}
                None => return put(slot, Place::new(address, &attributes())),
            }
        }
        let (bytes, count) = attribute::encoded(&attributes());
        Written(Kept::Anew(bytes, count))
    }
}

/// Puts a place into an empty slot.
#[cold]
fn put(slot: &AtomicPtr<Place>, place: Place) -> Written {
    let made = Box::into_raw(Box::new(place));
    if slot.compare_exchange(ptr::null_mut(), made, Ordering::AcqRel, Ordering::Acquire).is_ok() {
        // SAFETY: made above, and never freed from now on.
        return Written(Kept::Once(unsafe { &*made }));
    }
    // SAFETY: made above, and no other thread has seen it.
    let place = unsafe { Box::from_raw(made) };
    let (bytes, count) = place.attributes();
    Written(Kept::Anew(bytes.to_vec(), count))
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

    /// The attributes themselves, whether the string table of another test has them or not.
    fn of(written: &Written) -> (Vec<u8>, u16) {
        let (bytes, count) = match &written.0 {
            Kept::Once(place) => place.attributes(),
            Kept::Anew(bytes, count) => (&bytes[..], *count),
        };
        (bytes.to_vec(), count)
    }

    #[test]
    fn each_place_has_its_own_attributes_and_writes_them_once_while_there_is_room() {
        static PLACES: Places = Places::new();
        let numbers: &'static [u64] = Box::leak((0..10 * SLOTS as u64).collect());
        let attributes = |number: &u64| [(Key::Named("n"), Value::Int(*number as i64)), (Key::Named("x"), Value::None)];
        for number in numbers.iter().chain(numbers) {
            let written = PLACES.written(number, || attributes(number));
            assert_eq!(of(&written), attribute::encoded(&attributes(number)));
            assert_eq!(of(&written).1, 1);
        }
        for number in numbers.iter().take(SLOTS / 8) {
            let again = PLACES.written(number, || -> [Attribute<'static>; 1] { panic!("written before") });
            assert_eq!(of(&again), attribute::encoded(&attributes(number)));
        }
    }

    #[test]
    fn a_place_in_the_string_table_is_named() {
        static PLACES: Places = Places::new();
        static PLACE: u64 = 0;
        let written = PLACES.written(&PLACE, || [(Key::Named("target"), "shop".into())]);
        let Kept::Once(place) = &written.0 else { panic!("there is room") };
        assert_eq!(place.entry[..COUNT], [1, 0]);
        place.id.store(16, Ordering::Relaxed);
        let recorded = written.with(|(bytes, count)| (bytes.to_vec(), count));
        assert_eq!(recorded, attribute::encoded(&[(key::PLACE, Value::Int(16))]));
    }

    #[test]
    fn threads_that_come_at_once_get_the_same() {
        static PLACES: Places = Places::new();
        static PLACE: u64 = 0;
        let written = || of(&PLACES.written(&PLACE, || [(Key::Named("target"), "shop".into())]));
        let all = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(written)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        assert!(all.iter().all(|one| *one == all[0]));
    }
}
