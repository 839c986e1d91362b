//! Limits and redaction of attributes, for all signals.

pub(crate) mod limits;
pub(crate) mod redacted;
