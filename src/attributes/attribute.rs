//! Attributes on their way out: they borrow from records where they can, and become the SDK's only where it takes them.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use opentelemetry::{Array, Key, KeyValue, StringValue, Value};

/// Text that is borrowed from a record, made, or shared with a cache.
#[derive(Clone)]
pub(crate) enum Text<'a> {
    Borrowed(&'a str),
    Owned(String),
    Shared(Arc<str>),
}

impl Deref for Text<'_> {
    type Target = str;
    fn deref(&self) -> &str {
        match self {
            Text::Borrowed(text) => text,
            Text::Owned(text) => text,
            Text::Shared(text) => text,
        }
    }
}

impl Text<'_> {
    /// The same text, owned or shared.
    pub(crate) fn into_string(self) -> String {
        match self {
            Text::Borrowed(text) => text.to_owned(),
            Text::Owned(text) => text,
            Text::Shared(text) => (*text).to_owned(),
        }
    }

    /// What [`Cow`] and its borrower make of each other: text that `clean` leaves as it is stays as it is.
    pub(crate) fn cleaned(self, clean: impl FnOnce(&str) -> Cow<'_, str>) -> Self {
        let replaced = match clean(&self) {
            Cow::Borrowed(_) => None,
            Cow::Owned(clean) => Some(clean),
        };
        replaced.map_or(self, Text::Owned)
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, to)
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(self)
    }
}

impl PartialEq for Text<'_> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl PartialEq<&str> for Text<'_> {
    fn eq(&self, other: &&str) -> bool {
        **self == **other
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Text::Borrowed(text)
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        Text::Owned(text)
    }
}

impl From<Arc<str>> for Text<'_> {
    fn from(text: Arc<str>) -> Self {
        Text::Shared(text)
    }
}

impl<'a> From<Cow<'a, str>> for Text<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        match text {
            Cow::Borrowed(text) => Text::Borrowed(text),
            Cow::Owned(text) => Text::Owned(text),
        }
    }
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum AttributeValue<'a> {
    Text(Text<'a>),
    Int(i64),
    Float(f64),
    Bool(bool),
    List(Array),
}

impl AttributeValue<'_> {
    /// As the SDK holds it.
    pub(crate) fn into_sdk(self) -> Value {
        match self {
            AttributeValue::Text(Text::Shared(text)) => Value::String(StringValue::from(text)),
            AttributeValue::Text(text) => Value::String(text.into_string().into()),
            AttributeValue::Int(number) => Value::I64(number),
            AttributeValue::Float(number) => Value::F64(number),
            AttributeValue::Bool(truth) => Value::Bool(truth),
            AttributeValue::List(list) => Value::Array(list),
        }
    }
}

impl AttributeValue<'_> {
    /// What the SDK holds.
    pub(crate) fn of_sdk(value: Value) -> Self {
        match value {
            Value::String(text) => AttributeValue::Text(Text::Owned(text.into())),
            Value::I64(number) => AttributeValue::Int(number),
            Value::F64(number) => AttributeValue::Float(number),
            Value::Bool(truth) => AttributeValue::Bool(truth),
            Value::Array(list) => AttributeValue::List(list),
            // The SDK may add types; the records have none but these.
            other => AttributeValue::Text(Text::Owned(other.to_string())),
        }
    }
}

impl<'a, T: Into<Text<'a>>> From<T> for AttributeValue<'a> {
    fn from(text: T) -> Self {
        AttributeValue::Text(text.into())
    }
}

/// The name of an attribute.
#[derive(Clone)]
pub(crate) enum Name<'a> {
    /// One of those that are known when this is compiled.
    Known(&'static str),
    /// As the program recorded it.
    Recorded(Text<'a>),
}

impl Deref for Name<'_> {
    type Target = str;
    fn deref(&self) -> &str {
        match self {
            Name::Known(name) => name,
            Name::Recorded(name) => name,
        }
    }
}

impl fmt::Debug for Name<'_> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, to)
    }
}

impl PartialEq for Name<'_> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

/// A name and a value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Attribute<'a> {
    pub(crate) name: Name<'a>,
    pub(crate) value: AttributeValue<'a>,
}

impl<'a> Attribute<'a> {
    /// A text.
    pub(crate) fn new(name: &'static str, value: impl Into<Text<'a>>) -> Self {
        Attribute { name: Name::Known(name), value: AttributeValue::Text(value.into()) }
    }

    pub(crate) fn int(name: &'static str, value: i64) -> Self {
        Attribute { name: Name::Known(name), value: AttributeValue::Int(value) }
    }

    pub(crate) fn truth(name: &'static str, value: bool) -> Self {
        Attribute { name: Name::Known(name), value: AttributeValue::Bool(value) }
    }

    pub(crate) fn list(name: &'static str, value: Array) -> Self {
        Attribute { name: Name::Known(name), value: AttributeValue::List(value) }
    }

    /// As the SDK holds it.
    pub(crate) fn into_sdk(self) -> KeyValue {
        let key = match self.name {
            Name::Known(name) => Key::from_static_str(name),
            Name::Recorded(name) => Key::from(name.into_string()),
        };
        KeyValue::new(key, self.value.into_sdk())
    }

    /// One of the SDK's.
    #[cfg(test)]
    pub(crate) fn of_sdk(attribute: KeyValue) -> Attribute<'static> {
        let name = Name::Recorded(Text::Owned(attribute.key.into()));
        Attribute { name, value: AttributeValue::of_sdk(attribute.value) }
    }
}

/// All of them as the SDK holds them.
pub(crate) fn into_sdk(attributes: Vec<Attribute<'_>>) -> Vec<KeyValue> {
    attributes.into_iter().map(Attribute::into_sdk).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_pass_through_the_sdk_unchanged() {
        let list = Array::String(vec!["a".into()]);
        for value in ["x".into(), Value::I64(1), Value::F64(0.5), Value::Bool(true), Value::Array(list)] {
            let attribute = Attribute::of_sdk(KeyValue::new("a", value.clone()));
            assert_eq!(attribute.into_sdk(), KeyValue::new("a", value));
        }
        assert_eq!(AttributeValue::Text(Text::from(Arc::<str>::from("x"))).into_sdk(), Value::from("x"));
    }

    #[test]
    fn clean_text_is_not_copied() {
        let text = Text::from("abc").cleaned(|text| Cow::Borrowed(text));
        assert!(matches!(text, Text::Borrowed("abc")));
        assert_eq!(text.cleaned(|text| Cow::Owned(text.to_uppercase())), "ABC");
    }
}
