//! How much a span or a log record may hold; see the specification's attribute limits.

use opentelemetry::{Array, StringValue};

use super::attribute::{Attribute, AttributeValue, Text};

/// Keeps the first `most` attributes, and `length` characters of each text. Returns the number of dropped attributes.
pub(crate) fn attributes(attributes: &mut Vec<Attribute<'_>>, most: usize, length: Option<usize>) -> u32 {
    let dropped = first(attributes, most);
    if let Some(length) = length {
        attributes.iter_mut().for_each(|attribute| match &mut attribute.value {
            AttributeValue::Text(value) => {
                let short = text(value, Some(length));
                if short.len() < value.len() {
                    *value = Text::Owned(short.to_owned());
                }
            }
            AttributeValue::List(Array::String(texts)) => {
                texts.iter_mut().for_each(|text| shorten_text(text, length));
            }
            _ => {}
        });
    }
    dropped
}

/// Keeps the first `most` and returns the number of dropped ones.
pub(crate) fn first<T>(all: &mut Vec<T>, most: usize) -> u32 {
    let dropped = all.len().saturating_sub(most);
    all.truncate(most);
    u32::try_from(dropped).unwrap_or(u32::MAX)
}

fn shorten_text(value: &mut StringValue, length: usize) {
    let short = text(value.as_str(), Some(length));
    if short.len() < value.as_str().len() {
        *value = short.to_owned().into();
    }
}

/// The first `length` characters.
pub(crate) fn text(text: &str, length: Option<usize>) -> &str {
    let end = length.and_then(|length| text.char_indices().nth(length));
    end.map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use opentelemetry::{KeyValue, Value};

    use super::*;

    #[test]
    fn limits_count_attributes_and_the_characters_of_texts() {
        let texts = || Value::Array(Array::String(vec!["ab".into(), "a€c".into()]));
        let cut_texts = Value::Array(Array::String(vec!["ab".into(), "a€".into()]));
        let cases: [(Value, Option<usize>, Value); 8] = [
            ("a€cd".into(), None, "a€cd".into()),
            ("a€cd".into(), Some(5), "a€cd".into()),
            ("a€cd".into(), Some(4), "a€cd".into()),
            ("a€cd".into(), Some(2), "a€".into()),
            ("a€cd".into(), Some(0), "".into()),
            (12_345.into(), Some(1), 12_345.into()),
            (texts(), Some(2), cut_texts),
            (true.into(), Some(0), true.into()),
        ];
        for (value, length, expected) in cases {
            let mut all = vec![Attribute::of_sdk(KeyValue::new("a", value))];
            assert_eq!(attributes(&mut all, 1, length), 0);
            assert_eq!(all.remove(0).into_sdk().value, expected);
        }
        for (most, dropped) in [(0, 3), (2, 1), (3, 0), (9, 0)] {
            let mut all: Vec<_> = ["a", "b", "c"].map(|key| Attribute::int(key, 1)).into();
            assert_eq!(attributes(&mut all, most, None), dropped);
            assert!(all.iter().map(|kept| &*kept.name).eq(["a", "b", "c"].into_iter().take(most)));
        }
    }
}
