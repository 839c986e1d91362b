//! Records of the channel: parsed, and assembled to spans, log records and measurements.

pub(crate) mod assemble;
pub(crate) mod facts;
pub(crate) mod record;
pub(crate) mod scope;
pub(crate) mod value;
