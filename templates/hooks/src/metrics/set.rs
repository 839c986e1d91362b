//! Attributes of a measurement, as the caller holds them, and their fingerprint.
//!
//! A series is found by the attributes as they were given, in that order. Three words stand for an attribute: text that
//! lives as long as the program is known by its address, other text by a hash, and then compared.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::attribute::{self, Attribute, Key, Value};
use crate::seed;

/// Text of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttributeText<'a> {
    /// Text that is never freed or changed, such as a literal: known by its address.
    Static(&'static str),
    /// Any other.
    Borrowed(&'a str),
}

impl<'a> AttributeText<'a> {
    /// The text.
    #[inline(always)]
    pub fn as_str(&self) -> &'a str {
        match self {
            AttributeText::Static(text) => text,
            AttributeText::Borrowed(text) => text,
        }
    }
}

/// Value of an attribute.
#[derive(Clone, Copy)]
pub enum AttributeValue<'a> {
    /// Text.
    Text(AttributeText<'a>),
    /// A signed number.
    Int(i64),
    /// A fraction.
    Float(f64),
    /// A truth value.
    Bool(bool),
    /// Anything else, as text. It costs: its series is looked up by its content.
    Other(&'a dyn fmt::Display),
}

impl fmt::Debug for AttributeValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AttributeValue::Text(text) => write!(f, "{:?}", text.as_str()),
            AttributeValue::Int(number) => write!(f, "{number}"),
            AttributeValue::Float(number) => write!(f, "{number:?}"),
            AttributeValue::Bool(truth) => write!(f, "{truth}"),
            AttributeValue::Other(other) => write!(f, "{other}"),
        }
    }
}

impl From<&'static str> for AttributeValue<'_> {
    fn from(text: &'static str) -> Self {
        AttributeValue::Text(AttributeText::Static(text))
    }
}
impl<'a> From<AttributeText<'a>> for AttributeValue<'a> {
    fn from(text: AttributeText<'a>) -> Self {
        AttributeValue::Text(text)
    }
}
impl From<i64> for AttributeValue<'_> {
    fn from(number: i64) -> Self {
        AttributeValue::Int(number)
    }
}

/// An attribute: key and value.
pub type MetricAttribute<'a> = (AttributeText<'a>, AttributeValue<'a>);

/// Attributes in whatever form the caller has them. Of several with one key the last one counts.
pub trait AttributeSet {
    /// How many there are.
    fn count(&self) -> usize;
    /// One of them; below [`count`](Self::count) there is one.
    fn attribute(&self, index: usize) -> Option<MetricAttribute<'_>>;
    /// The fingerprint of one of them. Each measurement needs it: a type that holds attributes in another form than
    /// [`MetricAttribute`] is faster when it makes the fingerprint of that form at once.
    #[inline(always)]
    fn fingerprint(&self, index: usize) -> Option<Fingerprint<'_>> {
        let (key, value) = self.attribute(index)?;
        match value {
            AttributeValue::Text(text) => Some(Fingerprint::text(key, text)),
            AttributeValue::Int(number) => Some(Fingerprint::int(key, number)),
            AttributeValue::Float(number) => Some(Fingerprint::float(key, number)),
            AttributeValue::Bool(truth) => Some(Fingerprint::bool(key, truth)),
            AttributeValue::Other(_) => None,
        }
    }
    /// The same for the most frequent attributes; where this has none, [`fingerprint`](Self::fingerprint) is used.
    #[inline(always)]
    fn common_fingerprint(&self, index: usize) -> Option<Fingerprint<'_>> {
        self.fingerprint(index)
    }
    /// The words of a literal with a literal or a whole number, which identify the attribute.
    #[inline(always)]
    fn words(&self, index: usize) -> Option<[u64; 3]> {
        self.fingerprint(index)?.whole()
    }
}

impl AttributeSet for [(&'static str, AttributeValue<'_>)] {
    #[inline(always)]
    fn count(&self) -> usize {
        self.len()
    }
    #[inline(always)]
    fn attribute(&self, index: usize) -> Option<MetricAttribute<'_>> {
        self.get(index).map(|(key, value)| (AttributeText::Static(key), *value))
    }
}

impl<const N: usize> AttributeSet for [(&'static str, AttributeValue<'_>); N] {
    #[inline(always)]
    fn count(&self) -> usize {
        N
    }
    #[inline(always)]
    fn attribute(&self, index: usize) -> Option<MetricAttribute<'_>> {
        self.as_slice().attribute(index)
    }
}

/// Most attributes of a set that is found as it was given; a larger one is looked up by its content.
pub(super) const MOST: usize = 8;

/// What identifies an attribute.
#[derive(Clone, Copy, Debug)]
pub struct Fingerprint<'a> {
    /// All but text that is not known by its address.
    pub(super) words: [u64; 3],
    pub(super) key: Option<&'a str>,
    pub(super) value: Option<&'a str>,
}

const STATIC_KEY: u64 = 1 << 56;
const STATIC_VALUE: u64 = 1 << 57;
const K: u64 = 0x9e37_79b9_7f4a_7c15;

impl<'a> Fingerprint<'a> {
    /// Its words, if they identify the attribute.
    #[inline(always)]
    pub fn whole(&self) -> Option<[u64; 3]> {
        match self {
            Fingerprint { words, key: None, value: None } => Some(*words),
            _ => None,
        }
    }

    /// The text that is not identified by its address.
    pub(super) fn unknown(&self) -> impl Iterator<Item = &'a str> {
        [self.key, self.value].into_iter().flatten()
    }

    /// An attribute that is text.
    #[inline(always)]
    pub fn text(key: AttributeText<'a>, value: AttributeText<'a>) -> Fingerprint<'a> {
        // A text is never so long that its length reaches the bits of the marks.
        let long = (value.as_str().len() as u64).rotate_left(28);
        match value {
            AttributeText::Static(text) => Fingerprint::of(key, STATIC_VALUE ^ long, text.as_ptr() as u64, None),
            AttributeText::Borrowed(text) => Fingerprint::of(key, 1 << 58 ^ long, 0, Some(text)),
        }
    }

    /// A signed number.
    #[inline(always)]
    pub fn int(key: AttributeText<'a>, value: i64) -> Fingerprint<'a> {
        Fingerprint::of(key, 2 << 58, value as u64, None)
    }

    /// A fraction.
    #[inline(always)]
    pub fn float(key: AttributeText<'a>, value: f64) -> Fingerprint<'a> {
        Fingerprint::of(key, 3 << 58, value.to_bits(), None)
    }

    /// A truth value.
    #[inline(always)]
    pub fn bool(key: AttributeText<'a>, value: bool) -> Fingerprint<'a> {
        Fingerprint::of(key, 4 << 58, u64::from(value), None)
    }

    #[inline(always)]
    fn of(key: AttributeText<'a>, about: u64, last: u64, value: Option<&'a str>) -> Fingerprint<'a> {
        let about = about ^ key.as_str().len() as u64;
        match key {
            AttributeText::Static(text) => {
                Fingerprint { words: [text.as_ptr() as u64, about ^ STATIC_KEY, last], key: None, value }
            }
            AttributeText::Borrowed(text) => Fingerprint { words: [0, about, last], key: Some(text), value },
        }
    }
}

#[inline(always)]
fn fold(a: u64, b: u64) -> u64 {
    let wide = u128::from(a).wrapping_mul(u128::from(b));
    (wide >> 64) as u64 ^ wide as u64
}

/// What identifies a set of `N` attributes, as it is given. It stays in registers.
pub(super) struct SetFingerprint<const N: usize> {
    pub(super) words: [[u64; 3]; N],
    pub(super) hash: u64,
    /// Whether the words identify the set.
    pub(super) is_whole: bool,
}

impl<const N: usize> SetFingerprint<N> {
    /// Of a set of `N`; `None` where one has no fingerprint.
    #[inline(always)]
    pub(super) fn new(set: &(impl AttributeSet + ?Sized)) -> Option<SetFingerprint<N>> {
        let mut fingerprint = SetFingerprint { words: [[0; 3]; N], hash: K, is_whole: true };
        for (index, to) in fingerprint.words.iter_mut().enumerate() {
            let Fingerprint { words, key, value } = match set.common_fingerprint(index) {
                Some(known) => known,
                None => rare_fingerprint(set, index)?,
            };
            *to = words;
            let [mut first, about, mut last] = words;
            if let Some(text) = key {
                fingerprint.is_whole = false;
                first = self::hash(text.as_bytes());
            }
            if let Some(text) = value {
                fingerprint.is_whole = false;
                last = self::hash(text.as_bytes());
            }
            fingerprint.hash = mix(fingerprint.hash, [first, about, last]);
        }
        Some(fingerprint)
    }

    /// The same, of a set that its words identify; `None` where there is any other attribute.
    #[inline(always)]
    pub(super) fn whole(set: &(impl AttributeSet + ?Sized)) -> Option<SetFingerprint<N>> {
        let mut fingerprint = SetFingerprint { words: [[0; 3]; N], hash: K, is_whole: true };
        for (index, to) in fingerprint.words.iter_mut().enumerate() {
            *to = set.words(index)?;
            fingerprint.hash = mix(fingerprint.hash, *to);
        }
        Some(fingerprint)
    }
}

/// Not inlined: this rare path would make the common one larger and slower.
#[inline(never)]
fn rare_fingerprint<'a>(set: &'a (impl AttributeSet + ?Sized), index: usize) -> Option<Fingerprint<'a>> {
    set.fingerprint(index)
}

/// The hash with one attribute more. Each is multiplied for itself, so that none waits for those before it.
#[inline(always)]
fn mix(hash: u64, [first, about, last]: [u64; 3]) -> u64 {
    hash.rotate_left(23).wrapping_add(fold(first ^ K, about ^ last.rotate_left(17) ^ K))
}

/// Whether words are the same, with one branch for all.
#[inline(always)]
pub(super) fn same(some: &[[u64; 3]], others: &[[u64; 3]]) -> bool {
    some.iter().zip(others).fold(0, |all, ([a, b, c], [x, y, z])| all | a ^ x | b ^ y | c ^ z) == 0
}

/// A hash that cannot be foreseen: values may be chosen by strangers.
#[inline(never)]
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
    let made = seed::of_process() | 1;
    match to.compare_exchange(0, made, Relaxed, Relaxed) {
        Ok(_) => made,
        Err(first) => first,
    }
}

/// The attributes as in a record, by key, each key once: the same bytes for the same set. And how many they are.
pub(super) fn canonical(set: &(impl AttributeSet + ?Sized)) -> (Vec<u8>, u16) {
    let items: Vec<MetricAttribute<'_>> = (0..set.count()).rev().filter_map(|index| set.attribute(index)).collect();
    let texts: Vec<String> = items.iter().map(|(_, value)| other(value)).collect();
    let mut attributes: Vec<Attribute<'_>> = items.iter().zip(&texts).map(written).collect();
    attributes.sort_by(|a, b| a.0.name().cmp(b.0.name()));
    attributes.dedup_by(|later, earlier| later.0.name() == earlier.0.name());
    attribute::encoded(&attributes)
}

fn other(value: &AttributeValue<'_>) -> String {
    match value {
        AttributeValue::Other(other) => other.to_string(),
        _ => String::new(),
    }
}

fn written<'a>(((key, value), text): (&'a MetricAttribute<'_>, &'a String)) -> Attribute<'a> {
    let value = match value {
        AttributeValue::Text(text) => text.as_str().into(),
        AttributeValue::Int(number) => Value::Int(*number),
        AttributeValue::Float(number) => Value::Float(*number),
        AttributeValue::Bool(truth) => Value::Bool(*truth),
        AttributeValue::Other(_) => text.as_str().into(),
    };
    (Key::Named(key.as_str()), value)
}
