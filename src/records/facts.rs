//! The facts that were recorded about one span, looked up by key; the last value of a key counts.

use std::borrow::Cow;

use crate::records::record::Fact;
use crate::records::value::FactValue;
use crate::wire::key;

/// Keys below this have a place in the index.
const INDEXED: usize = 160;
/// No place.
const NONE: u8 = u8::MAX;

/// Raw facts about a span, in the order in which they were recorded.
#[derive(Debug)]
pub(crate) struct Facts<'a> {
    all: Vec<Fact<'a>>,
    /// Where the last fact of each key stands, if it is among the first.
    last: [u8; INDEXED],
}

/// Memory for facts.
#[derive(Debug, Default)]
pub(crate) struct FactBuffer(Vec<Fact<'static>>);

impl<'a> Facts<'a> {
    #[cfg(test)]
    pub(crate) fn new(recorded: Vec<Fact<'a>>) -> Self {
        Facts::gather(FactBuffer::default(), recorded.into_iter())
    }

    /// Facts in the memory of others.
    pub(crate) fn gather(buffer: FactBuffer, recorded: impl Iterator<Item = Fact<'a>>) -> Self {
        let (mut all, mut last) = (emptied(buffer.0), [NONE; INDEXED]);
        for fact in recorded {
            if let (Some(place), Ok(at)) = (last.get_mut(usize::from(fact.key)), u8::try_from(all.len())) {
                *place = at;
            }
            all.push(fact);
        }
        Facts { all, last }
    }

    /// The memory, for others.
    pub(crate) fn into_buffer(self) -> FactBuffer {
        FactBuffer(emptied(self.all))
    }

    pub(crate) fn get(&self, key: u16) -> Option<FactValue<'a>> {
        self.find(key).and_then(|at| Some(self.all.get(at)?.value))
    }

    /// Where the last fact of that key stands.
    fn find(&self, key: u16) -> Option<usize> {
        match self.last.get(usize::from(key)) {
            // So many facts have no index.
            Some(at) if self.all.len() < usize::from(NONE) => (*at != NONE).then_some(usize::from(*at)),
            _ => self.all.iter().rposition(|fact| fact.key == key),
        }
    }

    /// Text that is not empty.
    pub(crate) fn text(&self, key: u16) -> Option<Cow<'a, str>> {
        self.get(key).map(|value| value.text()).filter(|text| !text.is_empty())
    }

    /// Text that is not empty, of what the program itself named so.
    pub(crate) fn named_text(&self, name: &str) -> Option<Cow<'a, str>> {
        let is_named = |fact: &&Fact<'a>| fact.key == key::NAMED && fact.name == name.as_bytes();
        let value = self.all.iter().rev().find(is_named).map(|fact| fact.value);
        value.map(|value| value.text()).filter(|text| !text.is_empty())
    }

    pub(crate) fn int(&self, key: u16) -> Option<i64> {
        self.get(key).and_then(|value| value.int())
    }

    /// Whether `key` was recorded, and not before `other` was.
    pub(crate) fn is_recorded_after(&self, key: u16, other: u16) -> bool {
        self.find(key).is_some_and(|at| self.find(other).is_none_or(|before| at > before))
    }

    /// A valid port number.
    pub(crate) fn port(&self, key: u16) -> Option<i64> {
        self.int(key).filter(|port| (1..=65535).contains(port))
    }

    /// The facts that carry their own names, each name once.
    pub(crate) fn named(&self) -> impl Iterator<Item = (Cow<'a, str>, FactValue<'a>)> + '_ {
        let named = self.all.iter().enumerate().filter(|(_, fact)| fact.key == key::NAMED && !fact.name.is_empty());
        named
            .filter(|(index, fact)| {
                !self.all[index + 1..].iter().any(|later| later.key == key::NAMED && later.name == fact.name)
            })
            .map(|(_, fact)| (String::from_utf8_lossy(fact.name), fact.value))
    }

    /// The values of headers that were recorded under `key`, by name, in the order in which they were recorded.
    pub(crate) fn headers(&self, key: u16) -> Vec<(String, Vec<Cow<'a, str>>)> {
        let mut headers: Vec<(String, Vec<_>)> = Vec::new();
        for fact in self.all.iter().filter(|fact| fact.key == key && !fact.name.is_empty()) {
            let name = String::from_utf8_lossy(fact.name).to_ascii_lowercase();
            match headers.iter_mut().find(|(known, _)| *known == name) {
                Some((_, values)) => values.push(fact.value.text()),
                None => headers.push((name, vec![fact.value.text()])),
            }
        }
        headers
    }
}

/// The memory of a list, for items that live shorter or longer.
pub(crate) fn emptied<T, U>(mut list: Vec<T>) -> Vec<U> {
    list.clear();
    // Nothing is left to be turned into anything; the standard library keeps the memory.
    list.into_iter().filter_map(|_| None).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_kept() {
        let list = Vec::<Fact<'static>>::with_capacity(20);
        let place = list.as_ptr() as usize;
        let emptied: Vec<Fact<'_>> = emptied(list);
        assert_eq!((emptied.as_ptr() as usize, emptied.capacity()), (place, 20));
    }

    #[test]
    fn facts_beyond_the_index_are_found() {
        let int = |key, value| Fact { key, name: b"", value: FactValue::Int(value) };
        for count in [10, 254, 255, 256, 1000] {
            let all = (0..count).map(|number| int(1 + (number % 7) as u16, number));
            let facts = Facts::new(all.chain([int(60_000, -1)]).collect());
            for key in 1..=7 {
                let last = (0..count).rev().find(|number| 1 + (number % 7) == key);
                assert_eq!(facts.int(key as u16), last, "{count}");
            }
            assert_eq!((facts.int(8), facts.int(60_000)), (None, Some(-1)));
        }
    }

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
