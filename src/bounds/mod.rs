//! How much telemetry the launcher may hold, and what was dropped or lost, by reason.

pub(crate) mod budget;
pub(crate) mod losses;
