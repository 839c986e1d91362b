//! Errors, as a span records them.

use std::fmt;

use crate::attribute::Value;
use crate::http::FormattedText;

/// The value of `error.type` of an operation that was dropped before its end.
pub(crate) const CANCELLED: &str = "cancelled";

/// What a span records of an error: its code where the other side gave one, otherwise its class. No message: it may quote
/// values.
#[derive(Clone, Copy, Debug)]
pub struct Failure {
    code: Option<FormattedText<64>>,
    class: &'static str,
}

impl Failure {
    /// An error of a class of which there are few: `io`, `timeout`; `_OTHER` where none fits.
    pub const fn class(class: &'static str) -> Failure {
        Failure { code: None, class }
    }

    /// An error with the code that the other side gave it: `23505`, `WRONGTYPE`. At most 64 bytes of it are kept.
    pub fn code(code: &dyn fmt::Display) -> Failure {
        Failure { code: Some(FormattedText::of(code)), class: "_OTHER" }
    }

    /// The code, if there is one.
    pub(crate) fn status(&self) -> Value<'_> {
        self.code.as_ref().into()
    }

    /// The value of `error.type`.
    pub(crate) fn kind(&self) -> Value<'_> {
        match &self.code {
            Some(code) => code.into(),
            None => self.class.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_outranks_the_class() {
        assert_eq!((Failure::class("io").kind(), Failure::class("io").status()), ("io".into(), Value::None));
        let coded = Failure::code(&1062);
        assert_eq!((coded.kind(), coded.status()), ("1062".into(), "1062".into()));
    }

    #[test]
    fn a_long_code_is_cut() {
        assert_eq!(Failure::code(&"x".repeat(65)).kind(), Value::Bytes(&[b'x'; 64]));
    }
}
