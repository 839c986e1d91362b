//! The time of records.

use std::time::{SystemTime, UNIX_EPOCH};

/// Unix time in nanoseconds.
#[inline]
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}
