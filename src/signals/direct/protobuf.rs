//! Fields of protobuf, written straight into bytes. As proto3 demands, a field with its default value is left out, unless
//! it is one of several of which one is set.

use opentelemetry::Array;

use crate::attributes::attribute::{Attribute, AttributeValue};

const VARINT: u8 = 0;
const FIXED64: u8 = 1;
const LENGTH: u8 = 2;
const FIXED32: u8 = 5;

/// Appends a number in seven bits a byte.
pub(super) fn varint(to: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        to.push(number as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}

/// The bytes of a number as [`varint`] writes it.
pub(super) fn varint_size(number: u64) -> usize {
    let bits = u64::BITS - (number | 1).leading_zeros();
    bits.div_ceil(7) as usize
}

fn tag(to: &mut Vec<u8>, field: u8, kind: u8) {
    varint(to, (u64::from(field) << 3) | u64::from(kind));
}

/// The bytes of a field of so many bytes; fields have numbers below 16 where this is used.
pub(super) fn sized(length: usize) -> usize {
    1 + varint_size(length as u64) + length
}

/// Begins a field of so many bytes, which follow.
#[inline]
pub(super) fn begin(to: &mut Vec<u8>, field: u8, length: usize) {
    if length < 0x80 && field < 16 {
        return to.extend_from_slice(&[(field << 3) | LENGTH, length as u8]);
    }
    tag(to, field, LENGTH);
    varint(to, length as u64);
}

/// Bytes or text that may be empty.
pub(super) fn bytes(to: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    if !bytes.is_empty() {
        begin(to, field, bytes.len());
        to.extend_from_slice(bytes);
    }
}

fn size_of_bytes(bytes: &[u8]) -> usize {
    if bytes.is_empty() { 0 } else { sized(bytes.len()) }
}

/// A number that may be zero.
pub(super) fn number(to: &mut Vec<u8>, field: u8, number: u64) {
    if number != 0 {
        tag(to, field, VARINT);
        varint(to, number);
    }
}

/// A number of eight bytes that may be zero.
pub(super) fn fixed64(to: &mut Vec<u8>, field: u8, number: u64) {
    if number != 0 {
        tag(to, field, FIXED64);
        to.extend_from_slice(&number.to_le_bytes());
    }
}

/// A number of four bytes that may be zero.
pub(super) fn fixed32(to: &mut Vec<u8>, field: u8, number: u32) {
    if number != 0 {
        tag(to, field, FIXED32);
        to.extend_from_slice(&number.to_le_bytes());
    }
}

/// A value of an attribute or of a list: OTLP's `AnyValue`.
#[derive(Debug, Clone, Copy)]
pub(super) enum Any<'a> {
    Text(&'a str),
    Bool(bool),
    Int(i64),
    Float(f64),
    List(&'a Array),
    /// Values of several types.
    Values(&'a [Any<'a>]),
}

impl<'a> Any<'a> {
    /// The value of an attribute.
    pub(super) fn of(value: &'a AttributeValue<'_>) -> Any<'a> {
        match value {
            AttributeValue::Text(text) => Any::Text(text),
            AttributeValue::Int(number) => Any::Int(*number),
            AttributeValue::Float(number) => Any::Float(*number),
            AttributeValue::Bool(truth) => Any::Bool(*truth),
            AttributeValue::List(list) => Any::List(list),
        }
    }

    /// The bytes that it takes.
    fn size(self) -> usize {
        match self {
            Any::Text(text) => sized(text.len()),
            Any::Bool(_) => 2,
            Any::Int(number) => 1 + varint_size(number as u64),
            Any::Float(_) => 9,
            Any::List(_) | Any::Values(_) => sized(self.items_size()),
        }
    }

    /// The bytes of a list's items.
    fn items_size(self) -> usize {
        let mut size = 0;
        self.items(|item| size += sized(item.size()));
        size
    }

    /// Calls `each` with the items of a list.
    fn items(self, mut each: impl FnMut(Any<'_>)) {
        match self {
            Any::Values(values) => values.iter().for_each(|value| each(*value)),
            Any::List(Array::String(texts)) => texts.iter().for_each(|text| each(Any::Text(text.as_str()))),
            Any::List(Array::I64(numbers)) => numbers.iter().for_each(|number| each(Any::Int(*number))),
            Any::List(Array::F64(numbers)) => numbers.iter().for_each(|number| each(Any::Float(*number))),
            Any::List(Array::Bool(truths)) => truths.iter().for_each(|truth| each(Any::Bool(*truth))),
            // There are no more types of lists.
            _ => {}
        }
    }

    fn write(self, to: &mut Vec<u8>) {
        match self {
            Any::Text(text) => {
                begin(to, 1, text.len());
                to.extend_from_slice(text.as_bytes());
            }
            Any::Bool(truth) => to.extend_from_slice(&[(2 << 3) | VARINT, u8::from(truth)]),
            Any::Int(number) => {
                tag(to, 3, VARINT);
                varint(to, number as u64);
            }
            Any::Float(number) => {
                tag(to, 4, FIXED64);
                to.extend_from_slice(&number.to_le_bytes());
            }
            Any::List(_) | Any::Values(_) => {
                begin(to, 5, self.items_size());
                self.items(|item| {
                    begin(to, 1, item.size());
                    item.write(to);
                });
            }
        }
    }

    /// A field that holds the value.
    pub(super) fn field(self, to: &mut Vec<u8>, field: u8) {
        begin(to, field, self.size());
        self.write(to);
    }
}

/// A name and a value: OTLP's `KeyValue`.
pub(super) fn named(to: &mut Vec<u8>, field: u8, name: &str, value: Any<'_>) {
    if let Any::Text(text) = value
        && name.len() + text.len() < SHORT
        && !name.is_empty()
    {
        return short(to, field, name, text);
    }
    begin(to, field, size_of_bytes(name.as_bytes()) + sized(value.size()));
    bytes(to, 1, name.as_bytes());
    value.field(to, 2);
}

/// A name and a text that are so short together have lengths of one byte, whatever precedes them.
const SHORT: usize = 0x80 - 6;

/// The same for a short name and a short text, as most are.
fn short(to: &mut Vec<u8>, field: u8, name: &str, text: &str) {
    let (name, text) = (name.as_bytes(), text.as_bytes());
    let message = name.len() + text.len() + 6;
    to.reserve(message + 2);
    to.extend_from_slice(&[(field << 3) | LENGTH, message as u8, (1 << 3) | LENGTH, name.len() as u8]);
    to.extend_from_slice(name);
    let value = text.len() as u8;
    to.extend_from_slice(&[(2 << 3) | LENGTH, value + 2, (1 << 3) | LENGTH, value]);
    to.extend_from_slice(text);
}

/// Attributes, each a field of its own.
pub(super) fn attributes(to: &mut Vec<u8>, field: u8, attributes: &[Attribute<'_>]) {
    attributes.iter().for_each(|attribute| named(to, field, &attribute.name, Any::of(&attribute.value)));
}

#[cfg(test)]
mod tests {
    use opentelemetry::KeyValue;
    use opentelemetry_proto::tonic::common::v1 as proto;
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    use prost::Message;

    use super::*;

    #[test]
    fn numbers_are_as_long_as_computed() {
        for number in (0..64).flat_map(|bit| [(1_u64 << bit) - 1, 1 << bit, (1 << bit) + 1]).chain([u64::MAX]) {
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            varint(&mut ours, number);
            prost::encoding::encode_varint(number, &mut theirs);
            assert_eq!((ours.len(), &ours), (varint_size(number), &theirs), "{number}");
        }
    }

    #[test]
    fn attributes_are_those_of_prost() {
        let texts = Array::String(vec!["".into(), "a€".into(), "x".repeat(300).into()]);
        let values: Vec<opentelemetry::Value> = vec![
            "".into(),
            "x".repeat(20_000).into(),
            0.into(),
            (-1).into(),
            i64::MIN.into(),
            0.0.into(),
            (-0.0).into(),
            1.5.into(),
            false.into(),
            true.into(),
            opentelemetry::Value::Array(texts),
            opentelemetry::Value::Array(Array::I64(vec![0, -1, i64::MAX])),
            opentelemetry::Value::Array(Array::F64(vec![0.0, 0.5])),
            opentelemetry::Value::Array(Array::Bool(vec![true, false])),
            opentelemetry::Value::Array(Array::String(vec![])),
        ];
        for value in values {
            for name in ["", "a", &"n".repeat(120), &"n".repeat(121), &"n".repeat(122), &"n".repeat(200)] {
                let attribute = Attribute::of_sdk(KeyValue::new(name.to_owned(), value.clone()));
                let mut ours = Vec::new();
                attributes(&mut ours, 9, std::slice::from_ref(&attribute));
                let theirs =
                    proto::KeyValue { key: name.to_owned(), value: Some(value.clone().into()), key_strindex: 0 };
                let mut expected = Vec::new();
                prost::encoding::message::encode(9, &theirs, &mut expected);
                assert_eq!(ours, expected, "{name} {value}");
            }
        }
    }

    #[test]
    fn lists_may_hold_values_of_several_types() {
        let mut ours = Vec::new();
        Any::Values(&[Any::Text("a"), Any::Int(1), Any::Values(&[Any::Bool(true)])]).field(&mut ours, 5);
        let any = |value| proto::AnyValue { value: Some(value) };
        let list = |values| any(Value::ArrayValue(proto::ArrayValue { values }));
        let inner = list(vec![any(Value::BoolValue(true))]);
        let theirs = list(vec![any(Value::StringValue("a".into())), any(Value::IntValue(1)), inner]);
        let mut expected = Vec::new();
        prost::encoding::message::encode(5, &theirs, &mut expected);
        assert_eq!(ours, expected);
        assert!(theirs.encoded_len() > 0);
    }
}
