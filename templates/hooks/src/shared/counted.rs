//! A reference count like `Arc`'s, which takes fewer atomic steps where the last owner was the only one.

use std::fmt;
use std::mem::MaybeUninit;
use std::ops::Deref;
use std::process::abort;
use std::ptr::NonNull;
use std::sync::atomic::{fence, AtomicU64, Ordering};

/// An owner in the count; weak references are counted by ones. All owners together count as one weak reference.
const OWNER: u64 = 1 << 32;
/// One owner and no weak reference.
const ALONE: u64 = OWNER + 1;
/// More owners, or weak references, than there can be.
const MANY: u64 = 1 << 31;

struct Inner<T> {
    /// Both counts in one, so that both are read at the same moment.
    count: AtomicU64,
    value: T,
}

/// An owner: the value is dropped with its last one.
pub(crate) struct Counted<T>(NonNull<Inner<T>>);

/// A weak reference: it yields an owner while there is one.
pub(crate) struct Weak<T>(NonNull<Inner<T>>);

// SAFETY: as for `Arc` and `Weak`: threads share the value, and any may be the one that drops it.
unsafe impl<T: Send + Sync> Send for Counted<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Counted<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Send for Weak<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Weak<T> {}

/// Ends the process, as `Arc` does, before a count could begin anew at zero.
#[inline(always)]
fn check(number: u64) {
    if number >= MANY {
        abort();
    }
}

impl<T> Counted<T> {
    #[inline]
    pub(crate) fn new(value: T) -> Counted<T> {
        let made = Box::new(Inner { count: AtomicU64::new(ALONE), value });
        Counted(NonNull::from(Box::leak(made)))
    }

    #[inline(always)]
    fn inner(&self) -> &Inner<T> {
        // SAFETY: it lives as long as it has an owner.
        unsafe { self.0.as_ref() }
    }

    /// One that finds the value for as long as it has owners.
    #[inline]
    pub(crate) fn downgrade(&self) -> Weak<T> {
        let count = self.inner().count.fetch_add(1, Ordering::Relaxed);
        check(count % OWNER);
        Weak(self.0)
    }

    /// Drops one of several owners, or the last one while there are weak references.
    #[cold]
    fn drop_one(&self) {
        if self.inner().count.fetch_sub(OWNER, Ordering::Release) / OWNER > 1 {
            return;
        }
        fence(Ordering::Acquire);
        // Weak references find no owner from now on. This one goes after the value: all owners together are one.
        let _last = Weak(self.0);
        // SAFETY: the last owner is gone, and its memory lives on until the last weak reference is.
        unsafe { std::ptr::drop_in_place(std::ptr::addr_of_mut!((*self.0.as_ptr()).value)) };
    }
}

impl<T> Clone for Counted<T> {
    #[inline]
    fn clone(&self) -> Counted<T> {
        let count = self.inner().count.fetch_add(OWNER, Ordering::Relaxed);
        check(count / OWNER);
        Counted(self.0)
    }
}

impl<T> Deref for Counted<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.inner().value
    }
}

impl<T> Drop for Counted<T> {
    // Inlined, it costs 2 ns wherever an `Option` of it is dropped that is `None`: most spans of programs without a launcher.
    #[inline(never)]
    fn drop(&mut self) {
        if self.inner().count.load(Ordering::Acquire) == ALONE {
            // SAFETY: made by `new`, and no one else is there who could reach it.
            drop(unsafe { Box::from_raw(self.0.as_ptr()) });
        } else {
            self.drop_one();
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Counted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<T> Weak<T> {
    #[inline(always)]
    fn count(&self) -> &AtomicU64 {
        // SAFETY: the memory lives as long as it has a weak reference. The value may be gone, so there is no reference to all of it.
        unsafe { &*std::ptr::addr_of!((*self.0.as_ptr()).count) }
    }

    /// An owner, if there still is one.
    pub(crate) fn upgrade(&self) -> Option<Counted<T>> {
        let more = |count: u64| if count < OWNER { None } else { Some(count + OWNER) };
        let count = self.count().fetch_update(Ordering::Acquire, Ordering::Relaxed, more).ok()?;
        check(count / OWNER);
        Some(Counted(self.0))
    }

    /// Whether the value has no owner any more.
    pub(crate) fn has_no_owner(&self) -> bool {
        self.count().load(Ordering::Relaxed) < OWNER
    }

    /// Whether it refers to what `owner` owns.
    #[inline]
    pub(crate) fn is_of(&self, owner: &Counted<T>) -> bool {
        self.0 == owner.0
    }
}

impl<T> Drop for Weak<T> {
    #[inline]
    fn drop(&mut self) {
        if self.count().fetch_sub(1, Ordering::Release) == 1 {
            fence(Ordering::Acquire);
            // SAFETY: made by `new` and of that layout; the value was dropped, and no one else is there.
            drop(unsafe { Box::from_raw(self.0.as_ptr().cast::<MaybeUninit<Inner<T>>>()) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::sync::Arc;

    struct Dropped(Arc<AtomicUsize>);

    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    fn counted() -> (Counted<Dropped>, impl Fn() -> usize) {
        let times = Arc::new(AtomicUsize::new(0));
        (Counted::new(Dropped(Arc::clone(&times))), move || times.load(SeqCst))
    }

    #[test]
    fn a_value_is_dropped_once_with_its_last_owner() {
        let (only, times) = counted();
        drop(only);
        assert_eq!(times(), 1);
        let (first, times) = counted();
        let second = first.clone();
        drop(first);
        assert_eq!(times(), 0);
        drop(second);
        assert_eq!(times(), 1);
    }

    #[test]
    fn a_weak_reference_finds_an_owner_while_there_is_one() {
        let (first, times) = counted();
        let (weak, another) = (first.downgrade(), first.downgrade());
        let found = weak.upgrade().unwrap();
        assert!(weak.is_of(&first) && weak.is_of(&found));
        drop(first);
        assert!(!weak.has_no_owner() && times() == 0);
        drop(found);
        assert!(weak.has_no_owner() && weak.upgrade().is_none());
        assert_eq!(times(), 1);
        drop(weak);
        assert!(another.upgrade().is_none());
        drop(another);
        assert_eq!(times(), 1);
    }

    #[test]
    fn owners_and_weak_references_on_many_threads_drop_it_once() {
        for round in 0..200 {
            let (first, times) = counted();
            let weak = first.downgrade();
            std::thread::scope(|scope| {
                for thread in 0..4 {
                    let (owner, weak) = (first.clone(), first.downgrade());
                    scope.spawn(move || {
                        for step in 0..50 {
                            let found = weak.upgrade();
                            let other = owner.downgrade();
                            if (step + thread + round) % 2 == 0 {
                                drop(other.upgrade().unwrap());
                            }
                            assert!(found.is_some());
                        }
                        drop(owner);
                        while weak.upgrade().is_some() {
                            std::thread::yield_now();
                        }
                    });
                }
                drop(first);
            });
            assert!(weak.has_no_owner());
            assert_eq!(times(), 1);
        }
    }
}
