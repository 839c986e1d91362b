//! Bounds of the telemetry that the launcher holds, and the losses by reason.

pub(crate) mod budget;
pub(crate) mod losses;
