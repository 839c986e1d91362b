//! Values of attributes without their secrets, whatever type they have.

use std::borrow::Cow;

use opentelemetry::{Array, StringValue, Value};

use super::attribute::AttributeValue;
use crate::redact;

/// The value of an attribute that came from outside, without its secrets.
pub(crate) fn attribute_value(name: &str, value: Value) -> Value {
    match value {
        Value::Bool(_) => value,
        _ if redact::is_secret_attribute(name) => redact::REDACTED.into(),
        Value::String(text) => match redact::message(text.as_str()) {
            Cow::Owned(clean) => clean.into(),
            Cow::Borrowed(_) => Value::String(text),
        },
        Value::Array(Array::String(texts)) => {
            let clean = texts.into_iter().map(|text| StringValue::from(redact::message(text.as_str()).into_owned()));
            Value::Array(Array::String(clean.collect()))
        }
        _ => value,
    }
}

/// The same for an attribute that borrows its value.
pub(crate) fn recorded<'a>(name: &str, value: AttributeValue<'a>) -> AttributeValue<'a> {
    match value {
        AttributeValue::Bool(_) => value,
        _ if redact::is_secret_attribute(name) => redact::REDACTED.into(),
        AttributeValue::Text(text) => AttributeValue::Text(text.cleaned(redact::message)),
        AttributeValue::List(list) => AttributeValue::of_sdk(attribute_value(name, Value::Array(list))),
        AttributeValue::Int(_) | AttributeValue::Float(_) => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_hidden_whatever_its_type() {
        assert_eq!(attribute_value("otp", 123_456.into()), redact::REDACTED.into());
        assert_eq!(attribute_value("note", "password=hunter2".into()), "password=REDACTED".into());
        let texts = Value::Array(Array::String(vec!["a".into(), "password=hunter2".into()]));
        assert!(!format!("{:?}", attribute_value("notes", texts)).contains("hunter2"));
        assert_eq!(attribute_value("password", true.into()), true.into());
        for (name, value) in [("otp", 123_456.into()), ("note", "password=hunter2".into()), ("note", Value::F64(0.5))] {
            let borrowed = recorded(name, AttributeValue::of_sdk(value.clone()));
            assert_eq!(borrowed.into_sdk(), attribute_value(name, value));
        }
    }
}
