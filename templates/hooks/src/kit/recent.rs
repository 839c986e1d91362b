//! The newest entries by key, for libraries that offer no place for them.

use std::cell::UnsafeCell;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};

/// How often a thread tries to take the entries before it goes on without them. Others have them for a microsecond at most; a
/// child that was forked meanwhile goes on without them for good.
const TRIES: usize = 100;

/// The newest entries by their keys. No thread waits: while another one has the entries, they count as absent.
pub struct Recent<K, V> {
    is_taken: AtomicBool,
    entries: UnsafeCell<Vec<(K, V)>>,
    most: usize,
}

// SAFETY: only the thread that has taken the entries reaches them, see `Taken`.
unsafe impl<K: Send, V: Send> Sync for Recent<K, V> {}

// Whoever panics while it has the entries gives them back.
impl<K, V> UnwindSafe for Recent<K, V> {}
impl<K, V> RefUnwindSafe for Recent<K, V> {}

/// The entries, for one thread.
struct Taken<'a, K, V>(&'a Recent<K, V>);

impl<K, V> Deref for Taken<'_, K, V> {
    type Target = Vec<(K, V)>;

    fn deref(&self) -> &Self::Target {
        // SAFETY: of this thread alone until this is dropped.
        unsafe { &*self.0.entries.get() }
    }
}

impl<K, V> DerefMut for Taken<'_, K, V> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        // SAFETY: of this thread alone until this is dropped.
        unsafe { &mut *self.0.entries.get() }
    }
}

impl<K, V> Drop for Taken<'_, K, V> {
    fn drop(&mut self) {
        self.0.is_taken.store(false, Ordering::Release);
    }
}

impl<K: PartialEq, V> Recent<K, V> {
    /// Keeps so many entries.
    pub const fn new(most: usize) -> Recent<K, V> {
        Recent { is_taken: AtomicBool::new(false), entries: UnsafeCell::new(Vec::new()), most }
    }

    fn entries(&self) -> Option<Taken<'_, K, V>> {
        for _ in 0..TRIES {
            if self.is_taken.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_ok() {
                return Some(Taken(self));
            }
            std::hint::spin_loop();
        }
        None
    }

    /// Puts an entry in, in place of the oldest if there is no room. One of that key stays.
    pub fn put(&self, key: K, value: V) {
        let Some(mut entries) = self.entries() else { return };
        if entries.iter().any(|(known, _)| *known == key) {
            return;
        }
        let oldest = if entries.len() >= self.most { Some(entries.remove(0)) } else { None };
        entries.push((key, value));
        drop(entries);
        drop(oldest);
    }

    /// Takes the entry of that key out.
    pub fn take(&self, key: &K) -> Option<V> {
        let mut entries = self.entries()?;
        let index = entries.iter().rposition(|(known, _)| known == key)?;
        Some(entries.remove(index).1)
    }

    /// A copy of the value of that key.
    pub fn get(&self, key: &K) -> Option<V>
    where
        V: Clone,
    {
        self.entries()?.iter().rev().find(|(known, _)| known == key).map(|(_, value)| value.clone())
    }
}

impl<K, V> fmt::Debug for Recent<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recent").field("most", &self.most).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_entries_are_kept_and_taken_once() {
        let recent = Recent::new(3);
        (0..5).for_each(|number| recent.put(number, number * 10));
        recent.put(4, 0);
        assert_eq!([1, 2, 3, 4].map(|key| recent.get(&key)), [None, Some(20), Some(30), Some(40)]);
        assert_eq!((recent.take(&3), recent.take(&3), recent.get(&4)), (Some(30), None, Some(40)));
    }

    #[test]
    fn threads_take_each_entry_once() {
        let recent = Recent::new(1000);
        (0..1000).for_each(|number| recent.put(number, ()));
        let take = || (0..1000).filter(|number| recent.take(number).is_some()).count();
        let taken: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(take)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        let left = recent.entries().unwrap().len();
        assert_eq!(taken + left, 1000);
    }

    #[test]
    fn entries_that_are_taken_block_no_thread() {
        let recent = Recent::new(3);
        recent.put("a", 1);
        let held = recent.entries().unwrap();
        recent.put("b", 2);
        assert_eq!((recent.get(&"a"), recent.take(&"a")), (None, None));
        drop(held);
        assert_eq!((recent.get(&"a"), recent.get(&"b")), (Some(1), None));
    }
}
