//! All that was said about one span, looked up by key; what was said last counts.

use std::borrow::Cow;

use crate::records::record::{Attribute, Value};
use crate::wire::key;

/// Raw facts about a span, in the order in which they were said.
#[derive(Debug, Default)]
pub(crate) struct Facts<'a>(Vec<Attribute<'a>>);

impl<'a> Facts<'a> {
    pub(crate) fn new(said: Vec<Attribute<'a>>) -> Self {
        Facts(said)
    }

    pub(crate) fn get(&self, key: u16) -> Option<Value<'a>> {
        self.0.iter().rev().find(|said| said.key == key).map(|said| said.value)
    }

    /// Text that is not empty.
    pub(crate) fn text(&self, key: u16) -> Option<Cow<'a, str>> {
        self.get(key).map(|value| value.text()).filter(|text| !text.is_empty())
    }

    pub(crate) fn int(&self, key: u16) -> Option<i64> {
        self.get(key).and_then(|value| value.int())
    }

    /// Whether `key` was said, and not before `other` was.
    pub(crate) fn is_said_after(&self, key: u16, other: u16) -> bool {
        let last = |wanted| self.0.iter().rposition(|said| said.key == wanted);
        last(key).is_some_and(|at| last(other).is_none_or(|before| at > before))
    }

    /// A port that is one.
    pub(crate) fn port(&self, key: u16) -> Option<i64> {
        self.int(key).filter(|port| (1..=65535).contains(port))
    }

    /// The facts that carry their own names, each name once.
    pub(crate) fn named(&self) -> impl Iterator<Item = (Cow<'a, str>, Value<'a>)> + '_ {
        let named = self.0.iter().enumerate().filter(|(_, said)| said.key == key::NAMED && !said.name.is_empty());
        named
            .filter(|(index, said)| {
                !self.0[index + 1..].iter().any(|later| later.key == key::NAMED && later.name == said.name)
            })
            .map(|(_, said)| (String::from_utf8_lossy(said.name), said.value))
    }

    /// The values of headers that were said under `key`, by name, in the order in which they were said.
    pub(crate) fn headers(&self, key: u16) -> Vec<(String, Vec<Cow<'a, str>>)> {
        let mut headers: Vec<(String, Vec<_>)> = Vec::new();
        for said in self.0.iter().filter(|said| said.key == key && !said.name.is_empty()) {
            let name = String::from_utf8_lossy(said.name).to_ascii_lowercase();
            match headers.iter_mut().find(|(known, _)| *known == name) {
                Some((_, values)) => values.push(said.value.text()),
                None => headers.push((name, vec![said.value.text()])),
            }
        }
        headers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_last_counts() {
        let named = |name: &'static str, value| Attribute { key: key::NAMED, name: name.as_bytes(), value };
        let facts = Facts::new(vec![
            Attribute { key: 16, name: b"", value: Value::Int(100) },
            named("a", Value::Int(1)),
            named("b", Value::Bool(true)),
            Attribute { key: 16, name: b"", value: Value::Int(200) },
            named("a", Value::Int(2)),
        ]);
        assert_eq!(facts.int(16), Some(200));
        let named: Vec<_> = facts.named().map(|(name, value)| (name.into_owned(), value)).collect();
        assert_eq!(named, [("b".into(), Value::Bool(true)), ("a".into(), Value::Int(2))]);
    }
}
