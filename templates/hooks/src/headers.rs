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
