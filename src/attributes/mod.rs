//! Attributes of telemetry: what all signals do with their values.

pub(crate) mod limits;
pub(crate) mod redacted;
