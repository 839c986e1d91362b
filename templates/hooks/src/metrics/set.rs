//! Attributes of a measurement, as the caller holds them, and their fingerprint.
//!
//! A series is found by the attributes as they were given, in that order. Three words stand for an attribute: text that
//! lives as long as the program is known by its address, other text by a hash, and then compared.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::attribute::{self, Attribute, Key, Value};
use crate::ring::Writer;

/// Text of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Text<'a> {
    /// Text that is never freed or changed, such as a literal: known by its address.
    Static(&'static str),
    /// Any other.
    Borrowed(&'a str),
}

impl<'a> Text<'a> {
    /// The text.
    #[inline(always)]
    pub fn as_str(&self) -> &'a str {
        match self {
            Text::Static(text) => text,
            Text::Borrowed(text) => text,
        }
    }
}

/// Value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum ItemValue<'a> {
    /// Text.
    Text(Text<'a>),
    /// A signed number.
    Int(i64),
    /// A fraction.
    Float(f64),
    /// A truth value.
    Bool(bool),
    /// Text that had to be made.
    Owned(String),
}

impl From<&'static str> for ItemValue<'_> {
    fn from(text: &'static str) -> Self {
        ItemValue::Text(Text::Static(text))
    }
}
impl From<i64> for ItemValue<'_> {
    fn from(number: i64) -> Self {
        ItemValue::Int(number)
    }
}

/// An attribute: key and value.
pub type Item<'a> = (Text<'a>, ItemValue<'a>);

/// Attributes in whatever form the caller has them. Of several with one key the last one counts.
pub trait AttributeSet {
    /// How many there are.
    fn count(&self) -> usize;
    /// One of them; below [`count`](Self::count) there is one.
    fn item(&self, index: usize) -> Option<Item<'_>>;
}

impl AttributeSet for [(&'static str, ItemValue<'_>)] {
    #[inline(always)]
    fn count(&self) -> usize {
        self.len()
    }
    #[inline(always)]
    fn item(&self, index: usize) -> Option<Item<'_>> {
        self.get(index).map(|(key, value)| (Text::Static(key), value.clone()))
    }
}

impl<const N: usize> AttributeSet for [(&'static str, ItemValue<'_>); N] {
    #[inline(always)]
    fn count(&self) -> usize {
        N
    }
    #[inline(always)]
    fn item(&self, index: usize) -> Option<Item<'_>> {
        self.as_slice().item(index)
    }
}

/// Attributes that have a fingerprint; with more the series is looked for by what they say.
pub(super) const MOST: usize = 8;

/// Three words for each attribute.
#[derive(Clone, Copy, Debug)]
pub(super) struct Print {
    pub(super) count: usize,
    pub(super) words: [[u64; 3]; MOST],
    pub(super) hash: u64,
    /// Whether the words say it all.
    pub(super) is_whole: bool,
}

const STATIC_KEY: u64 = 1 << 24;
const STATIC_VALUE: u64 = 1 << 25;
const K: u64 = 0x9e37_79b9_7f4a_7c15;

#[inline(always)]
fn fold(a: u64, b: u64) -> u64 {
    let wide = u128::from(a).wrapping_mul(u128::from(b));
    (wide >> 64) as u64 ^ wide as u64
}

impl Print {
    /// `None` when there are too many attributes, or too long ones.
    #[inline(always)]
    pub(super) fn of(set: &(impl AttributeSet + ?Sized)) -> Option<Print> {
        let count = set.count();
        let mut print = Print { count, words: [[0; 3]; MOST], hash: K, is_whole: true };
        if count > MOST {
            return None;
        }
        for (index, words) in print.words.iter_mut().enumerate().take(count) {
            let (key, value) = set.item(index)?;
            let length = key.as_str().len() as u64;
            let mut about = length;
            let first = match key {
                Text::Static(text) => {
                    about |= STATIC_KEY;
                    text.as_ptr() as u64
                }
                Text::Borrowed(text) => {
                    print.is_whole = false;
                    hash(text.as_bytes())
                }
            };
            let (tag, long, last) = match &value {
                ItemValue::Text(Text::Static(text)) => {
                    about |= STATIC_VALUE;
                    (1, text.len() as u64, text.as_ptr() as u64)
                }
                ItemValue::Text(Text::Borrowed(text)) => {
                    print.is_whole = false;
                    (1, text.len() as u64, hash(text.as_bytes()))
                }
                ItemValue::Int(number) => (2, 0, *number as u64),
                ItemValue::Float(number) => (3, 0, number.to_bits()),
                ItemValue::Bool(truth) => (4, 0, u64::from(*truth)),
                ItemValue::Owned(text) => {
                    print.is_whole = false;
                    (1, text.len() as u64, hash(text.as_bytes()))
                }
            };
            if length > 0xffff || long > 0xffff_ffff {
                return None;
            }
            about |= tag << 16 | long << 32;
            *words = [first, about, last];
            print.hash = fold(print.hash ^ first, about.rotate_left(17) ^ last ^ K);
        }
        Some(print)
    }
}

/// Calls with the bytes that the words do not say for certain, in order, for as long as it likes them.
#[inline]
pub(super) fn each_content(set: &(impl AttributeSet + ?Sized), mut visit: impl FnMut(&[u8]) -> bool) -> bool {
    (0..set.count()).all(|index| {
        let Some((key, value)) = set.item(index) else { return false };
        if let Text::Borrowed(text) = key {
            if !visit(text.as_bytes()) {
                return false;
            }
        }
        match &value {
            ItemValue::Text(Text::Borrowed(text)) => visit(text.as_bytes()),
            ItemValue::Owned(text) => visit(text.as_bytes()),
            _ => true,
        }
    })
}

/// A hash that cannot be foreseen: values may be chosen by strangers.
#[inline]
pub(super) fn hash(bytes: &[u8]) -> u64 {
    let seed = seed();
    let mut hash = seed ^ (bytes.len() as u64).wrapping_mul(K);
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        let word = chunk.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
        hash = fold(hash ^ word, seed | 1);
    }
    let rest = chunks.remainder().iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
    fold(hash ^ rest ^ K, seed.rotate_left(32) | 1)
}

#[inline(always)]
fn seed() -> u64 {
    static SEED: AtomicU64 = AtomicU64::new(0);
    let seed = SEED.load(Relaxed);
    if seed != 0 {
        return seed;
    }
    first_seed(&SEED)
}

#[cold]
fn first_seed(to: &AtomicU64) -> u64 {
    let made = RandomState::new().build_hasher().finish() | 1;
    match to.compare_exchange(0, made, Relaxed, Relaxed) {
        Ok(_) => made,
        Err(first) => first,
    }
}

/// The attributes as in a record, by key, each key once: the same bytes for the same set. And how many they are.
pub(super) fn canonical(set: &(impl AttributeSet + ?Sized)) -> (Vec<u8>, u16) {
    let items: Vec<Item<'_>> = (0..set.count()).rev().filter_map(|index| set.item(index)).collect();
    let mut attributes: Vec<Attribute<'_>> = items.iter().map(written).collect();
    attributes.sort_by(|a, b| a.0.name().cmp(b.0.name()));
    attributes.dedup_by(|later, earlier| later.0.name() == earlier.0.name());
    encoded(&attributes)
}

fn written<'a>((key, value): &'a Item<'_>) -> Attribute<'a> {
    let value = match value {
        ItemValue::Text(text) => text.as_str().into(),
        ItemValue::Int(number) => Value::Int(*number),
        ItemValue::Float(number) => Value::Float(*number),
        ItemValue::Bool(truth) => Value::Bool(*truth),
        ItemValue::Owned(text) => text.as_str().into(),
    };
    (Key::Named(key.as_str()), value)
}

/// Attributes as in a record.
pub(super) fn encoded(attributes: &[Attribute<'_>]) -> (Vec<u8>, u16) {
    let (length, count) = attribute::size(attributes);
    let mut bytes = vec![0; length];
    // SAFETY: the bytes are ours, and the writer ends before they do.
    let mut to = unsafe { Writer::new(bytes.as_mut_ptr(), length) };
    attribute::write(&mut to, attributes);
    (bytes, count)
}
