//! An arena of fixed size on the stack: values never move, so that they can be borrowed.

use std::cell::{Cell, UnsafeCell};
use std::fmt;
use std::mem::MaybeUninit;

/// Up to `N` values, on the stack. Each stays where it was put, so that it can be borrowed while others are put.
pub struct StackArena<T, const N: usize> {
    values: UnsafeCell<[MaybeUninit<T>; N]>,
    len: Cell<usize>,
}

impl<T, const N: usize> StackArena<T, N> {
    /// An empty one.
    #[allow(clippy::new_without_default)]
    pub fn new() -> StackArena<T, N> {
        // SAFETY: an array of what need not be initialized need not be either.
        let values = unsafe { MaybeUninit::<[MaybeUninit<T>; N]>::uninit().assume_init() };
        StackArena { values: UnsafeCell::new(values), len: Cell::new(0) }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len.get()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts a value where it stays; gives it back when there is no room.
    pub fn put(&self, value: T) -> Result<&T, T> {
        let index = self.len.get();
        if index >= N {
            return Err(value);
        }
        let place = self.values.get().cast::<T>().wrapping_add(index);
        // SAFETY: within the array, and what is not there yet is not borrowed.
        unsafe { place.write(value) };
        self.len.set(index + 1);
        // SAFETY: written just now, and neither moved nor changed while the arena is borrowed.
        Ok(unsafe { &*place })
    }

    /// All that there are, in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> + '_ {
        let first = self.values.get().cast::<T>();
        // SAFETY: written below `len`, and neither moved nor changed while the arena is borrowed.
        (0..self.len.get()).map(move |index| unsafe { &*first.wrapping_add(index) })
    }
}

impl<T, const N: usize> Drop for StackArena<T, N> {
    fn drop(&mut self) {
        let first = self.values.get().cast::<T>();
        // SAFETY: each of these was written, and is no longer borrowed.
        (0..self.len.get()).for_each(|index| unsafe { first.wrapping_add(index).drop_in_place() });
    }
}

impl<T, const N: usize> fmt::Debug for StackArena<T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StackArena").field("len", &self.len.get()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::rc::Rc;

    #[test]
    fn values_stay_where_they_were_put_and_are_dropped_once() {
        let counted = Rc::new(());
        let arena: StackArena<(usize, Rc<()>), 3> = StackArena::new();
        let first = arena.put((1, Rc::clone(&counted))).unwrap();
        for number in 2..=3 {
            assert!(arena.put((number, Rc::clone(&counted))).is_ok());
        }
        assert_eq!(arena.put((4, Rc::clone(&counted))).unwrap_err().0, 4);
        assert_eq!(first.0, 1);
        assert_eq!(arena.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(Rc::strong_count(&counted), 4);
        drop(arena);
        assert_eq!(Rc::strong_count(&counted), 1);
    }
}
