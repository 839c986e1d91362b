//! Takes secrets out of whatever leaves us: URLs, headers, attributes, command lines, messages. A function for each kind
//! of text, one table of names ([`names`]) and one of shapes ([`shapes`]) for all of them.
//!
//! A secret without a telling name or shape cannot be found. If the end of a value is ambiguous, the longer reading is
//! hidden.

mod arguments;
mod database;
mod names;
mod shapes;
#[cfg(test)]
mod table;
mod text;
mod url;
mod value;

use std::borrow::Cow;

pub(crate) use arguments::arguments;
pub(crate) use database::database_message;
use names::{Secrecy, secrecy};
pub(crate) use text::message;
pub(crate) use url::{endpoint, query, url, url_path, written};

/// What stands where a secret stood.
pub(crate) const REDACTED: &str = "REDACTED";

/// The value of a header.
pub(crate) fn header<'t>(name: &str, value: &'t str) -> Cow<'t, str> {
    if secrecy(name) >= Secrecy::Parameter { Cow::Borrowed(REDACTED) } else { text::parameters(value) }
}

/// Whether nothing may be shown of an attribute of this name, of whatever type its value is.
pub(crate) fn is_secret_attribute(name: &str) -> bool {
    secrecy(name) >= Secrecy::Pair
}
