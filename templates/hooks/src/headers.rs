//! Headers of a message, as the advice of an HTTP library shows them to the hooks.

/// Headers that can be read. Names are in small letters.
pub trait Headers {
    /// Calls `visit` with each value of the header `name`.
    fn named<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8]));

    /// Calls `visit` with each name and value.
    fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a [u8]));
}

/// Headers that can be written, too.
pub trait HeadersMut: Headers {
    /// Puts `value` in the place of all values of the header `name`. Values are valid header text.
    fn set(&mut self, name: &str, value: &[u8]);

    /// Takes all values of the header `name` away.
    fn remove(&mut self, name: &str);
}

/// The first value of a header.
pub(crate) fn first<'a, H: Headers + ?Sized>(headers: &'a H, name: &str) -> Option<&'a [u8]> {
    let mut first = None;
    headers.named(name, &mut |value| {
        if first.is_none() {
            first = Some(value);
        }
    });
    first
}

/// Whether there is a header of that name. Of a few headers, faster than to look it up in a map.
pub(crate) fn is_there(headers: &dyn Headers, name: &str) -> bool {
    let mut is_there = false;
    headers.each(&mut |known, _| is_there |= is_same(known, name));
    is_there
}

/// Whether a header has that name, which is in small letters; those of a message are most often.
#[inline]
fn is_same(known: &str, name: &str) -> bool {
    known.len() == name.len() && (known == name || known.eq_ignore_ascii_case(name))
}

/// Headers that are listed once, since many of them are looked up: to look one up in a map of headers takes longer.
pub(crate) struct Listed<'h> {
    all: &'h dyn Headers,
    listed: [(&'h str, &'h [u8]); MOST_LISTED],
    count: usize,
}

/// Requests with more headers are rare; these are looked up where they are.
const MOST_LISTED: usize = 16;

impl<'h> Listed<'h> {
    // In place: it is large.
    #[inline(always)]
    pub(crate) fn of(all: &'h dyn Headers) -> Listed<'h> {
        let (mut listed, mut count) = ([("", &[][..]); MOST_LISTED], 0);
        all.each(&mut |name, value| {
            if let Some(place) = listed.get_mut(count) {
                *place = (name, value);
            }
            count += 1;
        });
        Listed { all, listed, count }
    }
}

impl Headers for Listed<'_> {
    fn named<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        let Some(listed) = self.listed.get(..self.count) else { return self.all.named(name, visit) };
        for (known, value) in listed {
            if is_same(known, name) {
                visit(value);
            }
        }
    }

    fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a [u8])) {
        self.all.each(visit);
    }
}

/// Defines, in the advice that calls it, `Map`: the headers of the `http` library of the woven crate as the hooks read and
/// write them, which depend on no HTTP library themselves; and `version`, the name of a version of HTTP.
///
/// ```text
/// otel_rs_hooks::http_types!(http);
/// Context::extract(&Map(request.headers()));
/// span.context().inject(&mut Map(request.headers_mut()));
/// ```
#[macro_export]
macro_rules! http_types {
    ($http:ident) => {
        pub(crate) struct Map<M>(pub(crate) M);

        impl<M: std::ops::Deref<Target = $http::HeaderMap>> $crate::Headers for Map<M> {
            fn named<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
                self.0.get_all(name).into_iter().for_each(|value| visit(value.as_bytes()));
            }

            fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a [u8])) {
                self.0.iter().for_each(|(name, value)| visit(name.as_str(), value.as_bytes()));
            }
        }

        impl $crate::HeadersMut for Map<&mut $http::HeaderMap> {
            fn set(&mut self, name: &str, value: &[u8]) {
                let name = $http::header::HeaderName::from_bytes(name.as_bytes());
                if let (Ok(name), Ok(value)) = (name, $http::header::HeaderValue::from_bytes(value)) {
                    self.0.insert(name, value);
                }
            }

            fn remove(&mut self, name: &str) {
                self.0.remove(name);
            }
        }

        #[allow(dead_code)]
        pub(crate) fn version(version: $http::Version) -> &'static str {
            match version {
                $http::Version::HTTP_10 => "1.0",
                $http::Version::HTTP_2 => "2",
                $http::Version::HTTP_3 => "3",
                _ => "1.1",
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Pairs(Vec<(&'static str, &'static str)>);

    impl Headers for Pairs {
        fn named<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
            let named = self.0.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
            named.for_each(|(_, value)| visit(value.as_bytes()));
        }

        fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a [u8])) {
            self.0.iter().for_each(|(name, value)| visit(name, value.as_bytes()));
        }
    }

    #[test]
    fn listed_headers_are_those_that_there_are() {
        let few = [("Host", "a"), ("x-a", "1"), ("x-b", "2"), ("x-a", "3")];
        for others in [0, MOST_LISTED - few.len(), MOST_LISTED - few.len() + 1, 100] {
            let pairs = Pairs(few.iter().copied().chain((0..others).map(|_| ("other", "o"))).collect());
            let listed = Listed::of(&pairs);
            for name in ["host", "x-a", "x-b", "x-c", "x", "", "other"] {
                let values = |headers: &dyn Headers| {
                    let mut values = Vec::new();
                    headers.named(name, &mut |value| values.push(value.to_vec()));
                    values
                };
                assert_eq!(values(&listed), values(&pairs), "{name} of {others}");
            }
            let mut count = 0;
            listed.each(&mut |_, _| count += 1);
            assert_eq!(count, few.len() + others);
        }
    }
}
