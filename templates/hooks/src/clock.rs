//! The time of records.

use crate::sys;

/// Unix time in nanoseconds.
#[inline]
pub(crate) fn now() -> u64 {
    sys::unix_time()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn it_is_the_time_of_the_standard_library() {
        let before = UNIX_EPOCH.elapsed().unwrap();
        let now = Duration::from_nanos(super::now());
        assert!(before <= now && now <= UNIX_EPOCH.elapsed().unwrap(), "{before:?} {now:?}");
    }
}
