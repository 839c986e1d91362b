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
    /// Several values, none of which is a list. As many as there is room for.
    List(&'a [Value<'a>]),
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
    #[inline(always)]
    pub(crate) fn name(&self) -> &[u8] {
        match self {
            Key::Known(_) => &[],
            Key::Named(name) | Key::RequestHeader(name) | Key::ResponseHeader(name) => {
                cut(name.as_bytes(), u8::MAX as usize)
            }
        }
    }
}

/// What stands before an item of a list: type and length.
const ITEM_HEADER: usize = 5;

impl<'a> Value<'a> {
    /// Text, of which an empty one stands for "not known".
    pub(crate) fn known(text: &'a str) -> Value<'a> {
        if text.is_empty() {
            Value::None
        } else {
            text.into()
        }
    }

    #[inline(always)]
    fn len(&self) -> usize {
        match self {
            Value::None => 0,
            Value::Bytes(bytes) => bytes.len().min(wire::MAX_VALUE),
            Value::Int(_) | Value::Float(_) => 8,
            Value::Bool(_) => 1,
            Value::List(items) => list_len(items),
        }
    }

    /// `wire::value`; `None` for what is not written.
    #[inline(always)]
    fn kind(&self) -> Option<u8> {
        match self {
            Value::None => None,
            Value::Bytes(_) => Some(wire::value::STR),
            Value::Int(_) => Some(wire::value::INT),
            Value::Float(_) => Some(wire::value::FLOAT),
            Value::Bool(_) => Some(wire::value::BOOL),
            Value::List(_) => Some(wire::value::LIST),
        }
    }
}

/// Bytes of a list's items. Lists are rare, and so not part of the code around them.
#[inline(never)]
fn list_len(items: &[Value<'_>]) -> usize {
    listed(items).map(|item| ITEM_HEADER + scalar_len(item)).sum()
}

/// Bytes of a value that is no list.
#[inline(always)]
fn scalar_len(value: &Value<'_>) -> usize {
    if matches!(value, Value::List(_)) {
        0
    } else {
        value.len()
    }
}

#[inline(never)]
fn write_list(to: &mut Writer<'_>, items: &[Value<'_>]) {
    for item in listed(items) {
        to.array([item.kind().unwrap_or(0)]);
        to.array((scalar_len(item) as u32).to_le_bytes());
        match item {
            Value::Bytes(bytes) => to.bytes(cut(bytes, wire::MAX_VALUE)),
            Value::Int(number) => to.array(number.to_le_bytes()),
            Value::Float(number) => to.array(number.to_le_bytes()),
            Value::Bool(truth) => to.array([u8::from(*truth)]),
            Value::None | Value::List(_) => {}
        }
    }
}

/// The items of a list that are written: values that are no lists, as long as there is room.
fn listed<'a, 'b>(items: &'b [Value<'a>]) -> impl Iterator<Item = &'b Value<'a>> {
    let mut room = wire::MAX_VALUE;
    let scalars = items.iter().filter(|item| !matches!(item, Value::None | Value::List(_)));
    scalars.take_while(move |item| {
        let length = ITEM_HEADER + scalar_len(item);
        let fits = length <= room;
        room = room.saturating_sub(length);
        fits
    })
}

/// Bytes the attributes take in a record, and how many they are.
pub(crate) fn size(attributes: &[Attribute<'_>]) -> (usize, u16) {
    let mut bytes = 0;
    let mut count = 0;
    for (key, value) in attributes {
        if !matches!(value, Value::None) {
            // Most keys are known, and have no name.
            let name = if matches!(key, Key::Known(_)) { 0 } else { key.name().len() };
            bytes += wire::ATTRIBUTE_HEADER + name + value.len();
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

/// A number under a key without a name, as in a record.
#[inline(always)]
pub(crate) fn of_int(key: &Key<'_>, value: i64) -> [u8; wire::ATTRIBUTE_HEADER + 8] {
    let mut bytes = [0; wire::ATTRIBUTE_HEADER + 8];
    let parts = header(key, wire::value::INT, 8).into_iter().chain(value.to_le_bytes());
    bytes.iter_mut().zip(parts).for_each(|(to, byte)| *to = byte);
    bytes
}

/// Appends the attributes to a record being written.
pub(crate) fn write(to: &mut Writer<'_>, attributes: &[Attribute<'_>]) {
    for (key, value) in attributes {
        match value {
            Value::None => {}
            Value::Bytes(bytes) => {
                let bytes = cut(bytes, wire::MAX_VALUE);
                write_key(to, key, wire::value::STR, bytes.len());
                to.bytes(bytes);
            }
            Value::Int(number) => {
                write_key(to, key, wire::value::INT, 8);
                to.array(number.to_le_bytes());
            }
            Value::Float(number) => {
                write_key(to, key, wire::value::FLOAT, 8);
                to.array(number.to_le_bytes());
            }
            Value::Bool(truth) => {
                write_key(to, key, wire::value::BOOL, 1);
                to.array([u8::from(*truth)]);
            }
            Value::List(items) => {
                write_key(to, key, wire::value::LIST, list_len(items));
                write_list(to, items);
            }
        }
    }
}

#[inline(always)]
fn write_key(to: &mut Writer<'_>, key: &Key<'_>, kind: u8, length: usize) {
    // In one store.
    to.array(header(key, kind, length));
    if !matches!(key, Key::Known(_)) {
        to.bytes(key.name());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_holds_scalars_as_long_as_there_is_room() {
        let items = [Value::Int(1), Value::None, "ab".into(), Value::List(&[Value::Int(2)]), Value::Bool(true)];
        let (bytes, count) = encoded(&[(Key::Named("l"), Value::List(&items))]);
        let mut expected = vec![0, 0, wire::value::LIST, 1, 26, 0, 0, 0, b'l', wire::value::INT, 8, 0, 0, 0];
        expected.extend(1_u64.to_le_bytes());
        expected.extend([wire::value::STR, 2, 0, 0, 0, b'a', b'b', wire::value::BOOL, 1, 0, 0, 0, 1]);
        assert_eq!((bytes, count), (expected, 1));
        let long = "x".repeat(wire::MAX_VALUE / 2);
        let many = [long.as_str().into(), long.as_str().into(), Value::Int(1)];
        let (bytes, _) = encoded(&[(Key::Named("l"), Value::List(&many))]);
        assert!(bytes.len() <= wire::MAX_VALUE + 9 && bytes.len() > wire::MAX_VALUE / 2, "{}", bytes.len());
    }
}
