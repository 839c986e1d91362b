//! Values of facts: borrowed bytes of a record, and what the SDK makes of them.

use std::borrow::Cow;

use opentelemetry::Array;

use crate::attributes::attribute::AttributeValue;
use crate::wire;

/// The value of a fact about a span or a time series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum FactValue<'a> {
    Bytes(&'a [u8]),
    Int(i64),
    Float(f64),
    Bool(bool),
    /// The items of a list, as in the wire format.
    List(&'a [u8]),
}

impl<'a> FactValue<'a> {
    /// One of `wire::value` from its bytes; `None` if it is none.
    pub(super) fn read(kind: u8, bytes: &'a [u8]) -> Option<FactValue<'a>> {
        match (kind, bytes) {
            (wire::value::STR, bytes) => Some(FactValue::Bytes(bytes)),
            (wire::value::INT, bytes) => Some(FactValue::Int(i64::from_le_bytes(bytes.try_into().ok()?))),
            (wire::value::FLOAT, bytes) => Some(FactValue::Float(f64::from_le_bytes(bytes.try_into().ok()?))),
            (wire::value::BOOL, [truth]) => Some(FactValue::Bool(*truth != 0)),
            (wire::value::LIST, bytes) => Some(FactValue::List(bytes)),
            _ => None,
        }
    }

    /// The items of a list; none of another value.
    pub(crate) fn items(&self) -> impl Iterator<Item = FactValue<'a>> + use<'a> {
        let mut rest = if let FactValue::List(bytes) = self { *bytes } else { &[] };
        std::iter::from_fn(move || {
            let (header, after) = rest.split_at_checked(5)?;
            let length = u32::from_le_bytes([header[1], header[2], header[3], header[4]]) as usize;
            let (value, after) = after.split_at_checked(length)?;
            rest = after;
            Some(FactValue::read(header[0], value))
        })
        .flatten()
        .filter(|item| !matches!(item, FactValue::List(_)))
    }

    /// The value as text, whatever it is.
    pub(crate) fn text(&self) -> Cow<'a, str> {
        match self {
            FactValue::Bytes(bytes) => lossy(bytes),
            FactValue::Int(number) => number.to_string().into(),
            FactValue::Float(number) => number.to_string().into(),
            FactValue::Bool(truth) => truth.to_string().into(),
            FactValue::List(_) => {
                let items: Vec<_> = self.items().map(|item| item.text().into_owned()).collect();
                format!("[{}]", items.join(",")).into()
            }
        }
    }

    /// The value as a number; text that holds one counts.
    pub(crate) fn int(&self) -> Option<i64> {
        match self {
            FactValue::Int(number) => Some(*number),
            FactValue::Bytes(bytes) => std::str::from_utf8(bytes).ok()?.trim().parse().ok(),
            FactValue::Float(_) | FactValue::Bool(_) | FactValue::List(_) => None,
        }
    }

    /// The value as a fraction; a whole number is one, too.
    pub(crate) fn float(&self) -> Option<f64> {
        match self {
            FactValue::Float(number) => Some(*number),
            FactValue::Int(number) => Some(*number as f64),
            FactValue::Bytes(_) | FactValue::Bool(_) | FactValue::List(_) => None,
        }
    }

    /// The value of an attribute.
    pub(crate) fn to_attribute(self) -> AttributeValue<'a> {
        match self {
            FactValue::Bytes(bytes) => lossy(bytes).into(),
            FactValue::Int(number) => AttributeValue::Int(number),
            FactValue::Float(number) => AttributeValue::Float(number),
            FactValue::Bool(truth) => AttributeValue::Bool(truth),
            FactValue::List(_) => AttributeValue::List(self.to_array()),
        }
    }

    /// A list as the SDK holds it, whose items are all of one type: that of the first. Others are left out.
    fn to_array(self) -> Array {
        match self.items().next() {
            Some(FactValue::Int(_)) => Array::I64(
                self.items()
                    .filter_map(|item| if let FactValue::Int(number) = item { Some(number) } else { None })
                    .collect(),
            ),
            Some(FactValue::Float(_)) => Array::F64(
                self.items()
                    .filter_map(|item| if let FactValue::Float(number) = item { Some(number) } else { None })
                    .collect(),
            ),
            Some(FactValue::Bool(_)) => Array::Bool(
                self.items()
                    .filter_map(|item| if let FactValue::Bool(truth) = item { Some(truth) } else { None })
                    .collect(),
            ),
            _ => Array::String(self.items().map(|item| item.text().into_owned().into()).collect()),
        }
    }
}

/// Text, which most often is valid.
fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(bytes),
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::Value;

    use super::*;

    #[test]
    fn a_list_becomes_an_array_of_the_type_of_its_first_item() {
        let list = |items: &[(u8, &[u8])]| {
            let mut bytes = Vec::new();
            for (kind, item) in items {
                bytes.push(*kind);
                bytes.extend((item.len() as u32).to_le_bytes());
                bytes.extend(*item);
            }
            FactValue::List(bytes.leak()).to_attribute().into_sdk()
        };
        let one = 1_i64.to_le_bytes();
        let numbers = list(&[(wire::value::INT, &one), (wire::value::STR, b"x"), (wire::value::LIST, b"")]);
        assert_eq!(numbers, Value::Array(Array::I64(vec![1])));
        let texts = list(&[(wire::value::STR, b"a"), (wire::value::INT, &one), (9, b"?"), (wire::value::BOOL, &[1])]);
        assert_eq!(texts, Value::Array(Array::String(vec!["a".into(), "1".into(), "true".into()])));
        assert_eq!(list(&[]), Value::Array(Array::String(Vec::new())));
        // Cut short: a program that writes what it likes.
        assert_eq!(FactValue::List(&[1, 255, 255, 255, 255, b'x']).items().count(), 0);
        assert_eq!(numbers_text(&one), "[1,1]");
    }

    fn numbers_text(one: &[u8; 8]) -> String {
        let mut bytes = Vec::new();
        for _ in 0..2 {
            bytes.extend([wire::value::INT, 8, 0, 0, 0]);
            bytes.extend(one);
        }
        FactValue::List(&bytes).text().into_owned()
    }
}
