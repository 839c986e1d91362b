//! The facts that were recorded about one span, looked up by key; the last value of a key counts.

use std::borrow::Cow;

use crate::records::record::Fact;
use crate::records::value::FactValue;
use crate::wire::key;

/// Raw facts about a span, in the order in which they were recorded.
#[derive(Debug, Default)]
pub(crate) struct Facts<'a>(Vec<Fact<'a>>);

impl<'a> Facts<'a> {
    pub(crate) fn new(recorded: Vec<Fact<'a>>) -> Self {
        Facts(recorded)
    }

    pub(crate) fn get(&self, key: u16) -> Option<FactValue<'a>> {
        self.0.iter().rev().find(|fact| fact.key == key).map(|fact| fact.value)
    }

    /// Text that is not empty.
    pub(crate) fn text(&self, key: u16) -> Option<Cow<'a, str>> {
        self.get(key).map(|value| value.text()).filter(|text| !text.is_empty())
    }

    /// Text that is not empty, of what the program itself named so.
    pub(crate) fn named_text(&self, name: &str) -> Option<Cow<'a, str>> {
        let is_named = |fact: &&Fact<'a>| fact.key == key::NAMED && fact.name == name.as_bytes();
        let value = self.0.iter().rev().find(is_named).map(|fact| fact.value);
        value.map(|value| value.text()).filter(|text| !text.is_empty())
    }

    pub(crate) fn int(&self, key: u16) -> Option<i64> {
        self.get(key).and_then(|value| value.int())
    }

    /// Whether `key` was recorded, and not before `other` was.
    pub(crate) fn is_recorded_after(&self, key: u16, other: u16) -> bool {
        let last = |key| self.0.iter().rposition(|fact| fact.key == key);
        last(key).is_some_and(|at| last(other).is_none_or(|before| at > before))
    }

    /// A valid port number.
    pub(crate) fn port(&self, key: u16) -> Option<i64> {
        self.int(key).filter(|port| (1..=65535).contains(port))
    }

    /// The facts that carry their own names, each name once.
    pub(crate) fn named(&self) -> impl Iterator<Item = (Cow<'a, str>, FactValue<'a>)> + '_ {
        let named = self.0.iter().enumerate().filter(|(_, fact)| fact.key == key::NAMED && !fact.name.is_empty());
        named
            .filter(|(index, fact)| {
                !self.0[index + 1..].iter().any(|later| later.key == key::NAMED && later.name == fact.name)
            })
            .map(|(_, fact)| (String::from_utf8_lossy(fact.name), fact.value))
    }

    /// The values of headers that were recorded under `key`, by name, in the order in which they were recorded.
    pub(crate) fn headers(&self, key: u16) -> Vec<(String, Vec<Cow<'a, str>>)> {
        let mut headers: Vec<(String, Vec<_>)> = Vec::new();
        for fact in self.0.iter().filter(|fact| fact.key == key && !fact.name.is_empty()) {
            let name = String::from_utf8_lossy(fact.name).to_ascii_lowercase();
            match headers.iter_mut().find(|(known, _)| *known == name) {
                Some((_, values)) => values.push(fact.value.text()),
                None => headers.push((name, vec![fact.value.text()])),
            }
        }
        headers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_value_of_a_key_counts() {
        let named = |name: &'static str, value| Fact { key: key::NAMED, name: name.as_bytes(), value };
        let facts = Facts::new(vec![
            Fact { key: 16, name: b"", value: FactValue::Int(100) },
            named("a", FactValue::Int(1)),
            named("b", FactValue::Bool(true)),
            Fact { key: 16, name: b"", value: FactValue::Int(200) },
            named("a", FactValue::Int(2)),
        ]);
        assert_eq!(facts.int(16), Some(200));
        let named: Vec<_> = facts.named().map(|(name, value)| (name.into_owned(), value)).collect();
        assert_eq!(named, [("b".into(), FactValue::Bool(true)), ("a".into(), FactValue::Int(2))]);
    }
}
