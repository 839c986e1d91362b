//! Attributes, their limits and their redaction, for all signals.

pub(crate) mod attribute;
pub(crate) mod limits;
pub(crate) mod redacted;
