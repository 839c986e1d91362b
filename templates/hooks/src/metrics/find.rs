//! The series of an instrument, found by their attributes: tables that only grow, read without a lock.
//!
//! A series has one canonical entry, and an alias for each way in which its attributes were given.

use std::fmt;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use super::set::{self, AttributeSet, SetFingerprint, MOST};
use crate::region::EntryPlace;

const BUCKETS: usize = 256;

/// An insert-only table, read without a lock. Values stay in it for ever, so the code that adds them enforces a limit.
pub struct AppendOnlyTable<T>([AtomicPtr<Node<T>>; BUCKETS]);

// Fields are read in this order, in one cache line.
#[repr(C, align(64))]
struct Node<T> {
    next: *const Node<T>,
    hash: u64,
    value: T,
}

impl<T> fmt::Debug for AppendOnlyTable<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppendOnlyTable").finish()
    }
}

impl<T> AppendOnlyTable<T> {
    /// For a static or a box.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> AppendOnlyTable<T> {
        // Used only to fill the table.
        #[allow(clippy::declare_interior_mutable_const)]
        let lists = {
            struct Empty<T>(std::marker::PhantomData<T>);
            impl<T> Empty<T> {
                const LIST: AtomicPtr<Node<T>> = AtomicPtr::new(ptr::null_mut());
            }
            [Empty::<T>::LIST; BUCKETS]
        };
        AppendOnlyTable(lists)
    }

    #[inline(always)]
    fn bucket(&self, hash: u64) -> &AtomicPtr<Node<T>> {
        let [first, ..] = &self.0;
        self.0.get((hash >> 56) as usize).unwrap_or(first)
    }

    /// The value with that hash that fits. The highest byte of hashes should differ between values.
    #[inline(always)]
    pub fn find(&self, hash: u64, fits: impl Fn(&T) -> bool) -> Option<&'static T>
    where
        T: Send + Sync + 'static,
    {
        find_until(self.bucket(hash).load(Ordering::Acquire), ptr::null(), hash, fits)
    }

    /// Adds a value, unless one that fits has been added in the meantime: the one that is in the table.
    #[cold]
    pub fn add(&self, hash: u64, value: T, fits: impl Fn(&T) -> bool) -> &'static T
    where
        T: Send + Sync + 'static,
    {
        let bucket = self.bucket(hash);
        let node = Box::into_raw(Box::new(Node { next: ptr::null(), hash, value }));
        let mut seen: *const Node<T> = ptr::null();
        loop {
            let head = bucket.load(Ordering::Acquire);
            if let Some(found) = find_until(head, seen, hash, &fits) {
                // SAFETY: made above, and no other thread has seen it.
                drop(unsafe { Box::from_raw(node) });
                return found;
            }
            seen = head;
            // SAFETY: no other thread sees the node before it is in the list.
            unsafe { (*node).next = head };
            if bucket.compare_exchange(head, node, Ordering::AcqRel, Ordering::Acquire).is_ok() {
                // SAFETY: never freed from now on.
                return unsafe { &(*node).value };
            }
        }
    }
}

/// Searches from `node` up to `end`, which is left out.
#[inline(always)]
fn find_until<T>(
    mut node: *const Node<T>,
    end: *const Node<T>,
    hash: u64,
    fits: impl Fn(&T) -> bool,
) -> Option<&'static T> {
    while node != end {
        // SAFETY: nodes in a list are never freed or changed; the list ends with null.
        let Some(known) = (unsafe { node.as_ref() }) else { break };
        if known.hash == hash && fits(&known.value) {
            return Some(&known.value);
        }
        node = known.next;
    }
    None
}

/// One way of giving a series' attributes.
#[repr(C)]
pub(super) struct Alias {
    count: usize,
    pub(super) place: EntryPlace,
    /// The words of each one's fingerprint.
    words: [[u64; 3]; MOST],
    /// The text that is not known by its address, in order.
    content: Box<[u8]>,
}

/// A series by the content of its attributes.
pub(super) struct Canonical {
    pub(super) bytes: Box<[u8]>,
    pub(super) place: EntryPlace,
}

/// Longest text of an alias.
const MOST_CONTENT: usize = 4 << 10;
/// Most memory that all aliases of all instruments take: one series can be given in any number of ways.
const MOST_CLAIMED: usize = 16 << 20;
/// The bytes that they take.
static CLAIMED: AtomicUsize = AtomicUsize::new(0);

/// Adds to a count that has a limit.
fn claim(count: &AtomicUsize, more: usize, most: usize) -> bool {
    let claimed = |now: usize| now.checked_add(more).filter(|now| *now <= most);
    count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, claimed).is_ok()
}

/// All series of an instrument.
pub(super) struct SeriesTable {
    aliases: AppendOnlyTable<Alias>,
    pub(super) series: AppendOnlyTable<Canonical>,
    alias_count: AtomicUsize,
}

impl SeriesTable {
    pub(super) fn new() -> SeriesTable {
        SeriesTable {
            aliases: AppendOnlyTable::new(),
            series: AppendOnlyTable::new(),
            alias_count: AtomicUsize::new(0),
        }
    }

    #[inline(always)]
    pub(super) fn alias<const N: usize>(
        &self,
        fingerprint: &SetFingerprint<N>,
        set: &(impl AttributeSet + ?Sized),
    ) -> Option<EntryPlace> {
        let fits = |alias: &Alias| alias.is(&fingerprint.words, fingerprint.is_whole, set);
        self.aliases.find(fingerprint.hash, fits).map(|alias| alias.place)
    }

    /// For a set of up to [`MOST`] attributes that all have fingerprints; `hash` is the set's.
    #[cold]
    pub(super) fn add_alias(&self, hash: u64, set: &(impl AttributeSet + ?Sized), place: EntryPlace, most: usize) {
        let (mut length, mut words, mut count) = (0, [[0; 3]; MOST], 0);
        for (to, fingerprint) in words.iter_mut().zip((0..set.count()).filter_map(|index| set.fingerprint(index))) {
            length += fingerprint.unknown().map(str::len).sum::<usize>();
            *to = fingerprint.words;
            count += 1;
        }
        // Without an alias a series is found all the same, only slower.
        if length > MOST_CONTENT || !claim(&self.alias_count, 1, most) {
            return;
        }
        if !claim(&CLAIMED, std::mem::size_of::<Node<Alias>>() + length, MOST_CLAIMED) {
            self.alias_count.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        let mut content = Vec::with_capacity(length);
        for fingerprint in (0..set.count()).filter_map(|index| set.fingerprint(index)) {
            fingerprint.unknown().for_each(|text| content.extend_from_slice(text.as_bytes()));
        }
        let alias = Alias { words, count, content: content.into(), place };
        let given = words.get(..count).unwrap_or(&[]);
        self.aliases.add(hash, alias, |known| known.is(given, false, set));
    }
}

impl Alias {
    #[inline(always)]
    fn is(&self, words: &[[u64; 3]], is_whole: bool, set: &(impl AttributeSet + ?Sized)) -> bool {
        self.count == words.len() && set::same(&self.words, words) && (is_whole || self.has_text_of(set))
    }

    /// Lengths are the same: they are in the words.
    fn has_text_of(&self, set: &(impl AttributeSet + ?Sized)) -> bool {
        let mut rest = &*self.content;
        (0..set.count()).filter_map(|index| set.fingerprint(index)).all(|fingerprint| {
            fingerprint.key.map_or(true, |text| is_next(&mut rest, text))
                && fingerprint.value.map_or(true, |text| is_next(&mut rest, text))
        })
    }
}

#[inline]
fn is_next(rest: &mut &[u8], text: &str) -> bool {
    match rest.strip_prefix(text.as_bytes()) {
        Some(left) => {
            *rest = left;
            true
        }
        None => false,
    }
}
