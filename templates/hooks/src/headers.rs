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
