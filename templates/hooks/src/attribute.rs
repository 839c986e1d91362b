//! Attributes: what a hook records of a span, borrowed and on the stack.

use crate::wire;
use crate::writer::Writer;

/// The key of an attribute: a number that both ends define, or a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key<'a> {
    /// One of [`wire::key`].
    Known(u16),
    /// A name of its own, at most 255 bytes; longer ones are cut.
    Named(&'a str),
    /// A header of a request, by its name in small letters. Each of its values is an attribute of its own.
    RequestHeader(&'a str),
    /// A header of a response.
    ResponseHeader(&'a str),
}

/// The value of an attribute. `None` stands for "not known" and writes nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// Not known.
    None,
    /// Text that should be UTF-8; the launcher replaces what is not.
    Bytes(&'a [u8]),
    /// A signed number.
    Int(i64),
    /// A fraction.
    Float(f64),
    /// A truth value.
    Bool(bool),
}

/// A key and its value.
pub type Attribute<'a> = (Key<'a>, Value<'a>);

/// The well-known keys of [`wire::key`], ready for use: `(key::HTTP_ROUTE, route.into())`.
pub mod key {
    use super::Key;

    macro_rules! known {
        ($($(#[$doc:meta])* $name:ident = $number:literal $(, $attribute:literal)?;)*) => {
            $($(#[$doc])* pub const $name: Key<'static> = Key::Known($number);)*
        };
    }
    crate::wire::attribute_keys!(known);
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Value::Bytes(text.as_bytes())
    }
}
impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(text: &'a [u8]) -> Self {
        Value::Bytes(text)
    }
}
macro_rules! from_int {
    ($($int:ty),*) => {
        $(impl From<$int> for Value<'_> {
            fn from(number: $int) -> Self {
                Value::Int(number as i64)
            }
        })*
    };
}
from_int!(i64, i32, u16, u32, u64, usize);
impl From<f64> for Value<'_> {
    fn from(number: f64) -> Self {
        Value::Float(number)
    }
}
impl From<bool> for Value<'_> {
    fn from(truth: bool) -> Self {
        Value::Bool(truth)
    }
}
impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::None, Into::into)
    }
}

/// Cuts `bytes` to what a record may hold.
fn cut(bytes: &[u8], max: usize) -> &[u8] {
    bytes.get(..max).unwrap_or(bytes)
}

impl Key<'_> {
    pub(crate) fn name(&self) -> &[u8] {
        match self {
            Key::Known(_) => &[],
            Key::Named(name) | Key::RequestHeader(name) | Key::ResponseHeader(name) => {
                cut(name.as_bytes(), u8::MAX as usize)
            }
        }
    }
}

impl<'a> Value<'a> {
    /// Text, of which an empty one stands for "not known".
    pub(crate) fn known(text: &'a str) -> Value<'a> {
        if text.is_empty() {
            Value::None
        } else {
            text.into()
        }
    }

    fn len(&self) -> usize {
        match self {
            Value::None => 0,
            Value::Bytes(bytes) => cut(bytes, wire::MAX_VALUE).len(),
            Value::Int(_) | Value::Float(_) => 8,
            Value::Bool(_) => 1,
        }
    }
}

/// Bytes the attributes take in a record, and how many they are.
pub(crate) fn size(attributes: &[Attribute<'_>]) -> (usize, u16) {
    let mut bytes = 0;
    let mut count = 0;
    for (key, value) in attributes {
        if *value != Value::None {
            bytes += wire::ATTRIBUTE_HEADER + key.name().len() + value.len();
            count += 1;
        }
    }
    (bytes, count)
}

/// What stands before an attribute's name and value: key, type, length of the name, length of the value.
#[inline(always)]
pub(crate) fn header(key: &Key<'_>, kind: u8, length: usize) -> [u8; wire::ATTRIBUTE_HEADER] {
    let number = match key {
        Key::Known(number) => *number,
        Key::Named(_) => wire::key::NAMED,
        Key::RequestHeader(_) => wire::key::HTTP_REQUEST_HEADER,
        Key::ResponseHeader(_) => wire::key::HTTP_RESPONSE_HEADER,
    };
    let name = key.name().len() as u64;
    (u64::from(number) | u64::from(kind) << 16 | name << 24 | (length as u64) << 32).to_le_bytes()
}

/// Appends the attributes to a record being written.
pub(crate) fn write(to: &mut Writer<'_>, attributes: &[Attribute<'_>]) {
    for (key, value) in attributes {
        let name = key.name();
        let kind = match value {
            Value::None => continue,
            Value::Bytes(_) => wire::value::STR,
            Value::Int(_) => wire::value::INT,
            Value::Float(_) => wire::value::FLOAT,
            Value::Bool(_) => wire::value::BOOL,
        };
        // In one store.
        to.array(header(key, kind, value.len()));
        if !name.is_empty() {
            to.bytes(name);
        }
        match value {
            Value::None => {}
            Value::Bytes(bytes) => to.bytes(cut(bytes, wire::MAX_VALUE)),
            Value::Int(number) => to.array(number.to_le_bytes()),
            Value::Float(number) => to.array(number.to_le_bytes()),
            Value::Bool(truth) => to.array([u8::from(*truth)]),
        }
    }
}

/// Attributes as in a record.
pub(crate) fn encoded(attributes: &[Attribute<'_>]) -> (Vec<u8>, u16) {
    let (length, count) = size(attributes);
    let mut bytes = vec![0; length];
    // SAFETY: the bytes are ours, and the writer ends before they do.
    let mut to = unsafe { Writer::new(bytes.as_mut_ptr(), length) };
    write(&mut to, attributes);
    (bytes, count)
}
