//! A proxy between an exporter and a collector.

use std::fmt;

/// A proxy before a collector.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Proxy {
    /// Its URL, without credentials.
    pub(crate) url: String,
    /// The value of `Proxy-Authorization`, a secret.
    pub(crate) authorization: Option<http::HeaderValue>,
    /// The variable that names it.
    pub(crate) variable: &'static str,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("url", &self.url).field("variable", &self.variable).finish_non_exhaustive()
    }
}
