//! Headers of messages, whatever type a library keeps them in.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::BuildHasher;
use std::marker::PhantomData;

use crate::headers::{Headers, HeadersMut};

/// A value of a header in one of std's maps or lists.
pub trait Field: AsRef<[u8]> {
    /// The value of that text.
    fn of(text: &[u8]) -> Self;
}

impl Field for String {
    fn of(text: &[u8]) -> Self {
        String::from_utf8_lossy(text).into_owned()
    }
}

impl Field for Vec<u8> {
    fn of(text: &[u8]) -> Self {
        text.to_vec()
    }
}

impl<V: Field> Headers for Vec<(String, V)> {
    fn named<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        self.iter().filter(|(known, _)| known == name).for_each(|(_, value)| visit(value.as_ref()));
    }

    fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a [u8])) {
        self.iter().for_each(|(name, value)| visit(name, value.as_ref()));
    }
}

impl<V: Field> HeadersMut for Vec<(String, V)> {
    fn set(&mut self, name: &str, value: &[u8]) {
        HeadersMut::remove(self, name);
        self.push((name.to_owned(), V::of(value)));
    }

    fn remove(&mut self, name: &str) {
        self.retain(|(known, _)| known != name);
    }
}

macro_rules! map {
    ($map:ty $(, $hasher:ident)?) => {
        impl<V: Field $(, $hasher: BuildHasher)?> Headers for $map {
            fn named<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
                if let Some(value) = self.get(name) {
                    visit(value.as_ref());
                }
            }

            fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a [u8])) {
                self.iter().for_each(|(name, value)| visit(name, value.as_ref()));
            }
        }

        impl<V: Field $(, $hasher: BuildHasher)?> HeadersMut for $map {
            fn set(&mut self, name: &str, value: &[u8]) {
                self.insert(name.to_owned(), V::of(value));
            }

            fn remove(&mut self, name: &str) {
                self.remove(name);
            }
        }
    };
}
map!(BTreeMap<String, V>);
map!(HashMap<String, V, S>, S);

/// Headers of a message that was received, behind a function that finds the value of a name:
/// `Getter::new(|name| message.header(name))`.
pub struct Getter<'h, F> {
    get: F,
    headers: PhantomData<&'h [u8]>,
}

impl<'h, F: Fn(&str) -> Option<&'h [u8]>> Getter<'h, F> {
    /// Headers found by `get`.
    pub fn new(get: F) -> Self {
        Getter { get, headers: PhantomData }
    }
}

impl<'h, F: Fn(&str) -> Option<&'h [u8]>> Headers for Getter<'h, F> {
    fn named<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        if let Some(value) = (self.get)(name) {
            visit(value);
        }
    }

    // A getter cannot list names, so formats with variable header names (`uberctx-*`) are not read.
    fn each<'a>(&'a self, _: &mut dyn FnMut(&'a str, &'a [u8])) {}
}

impl<F> fmt::Debug for Getter<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Getter").finish_non_exhaustive()
    }
}

/// Headers of a message that has none yet, behind a function that adds one:
/// `Setter(|name, value| message.add_header(name, value))`. For messages that may name a trace already, implement
/// [`HeadersMut`], so that it stays.
pub struct Setter<F>(pub F);

impl<F: FnMut(&str, &[u8])> Headers for Setter<F> {
    fn named<'a>(&'a self, _: &str, _: &mut dyn FnMut(&'a [u8])) {}

    fn each<'a>(&'a self, _: &mut dyn FnMut(&'a str, &'a [u8])) {}
}

impl<F: FnMut(&str, &[u8])> HeadersMut for Setter<F> {
    fn set(&mut self, name: &str, value: &[u8]) {
        (self.0)(name, value);
    }

    fn remove(&mut self, _: &str) {}
}

impl<F> fmt::Debug for Setter<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setter").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::first;

    fn check(headers: &mut dyn HeadersMut) {
        headers.set("a", b"1");
        headers.set("b", b"2");
        headers.set("a", b"3");
        headers.remove("b");
        let mut all = Vec::new();
        headers.each(&mut |name, value| all.push((name.to_owned(), value.to_vec())));
        assert_eq!(all, [("a".to_owned(), b"3".to_vec())]);
        assert_eq!(first(headers, "a"), Some(&b"3"[..]));
        assert_eq!(first(headers, "b"), None);
    }

    #[test]
    fn lists_and_maps_of_std_are_headers() {
        check(&mut Vec::<(String, String)>::new());
        check(&mut Vec::<(String, Vec<u8>)>::new());
        check(&mut BTreeMap::<String, Vec<u8>>::new());
        check(&mut HashMap::<String, String>::new());
    }

    #[test]
    fn functions_get_and_set_headers() {
        let list = [("a", "1")];
        let get = |name: &str| list.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_bytes());
        assert_eq!(first(&Getter::new(get), "a"), Some(&b"1"[..]));
        assert_eq!(first(&Getter::new(get), "b"), None);
        let mut written = Vec::new();
        Setter(|name: &str, value: &[u8]| written.push((name.to_owned(), value.to_vec()))).set("a", b"1");
        assert_eq!(written, [("a".to_owned(), b"1".to_vec())]);
    }
}
