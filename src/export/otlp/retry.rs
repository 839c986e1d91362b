//! When a failed export is tried again.

use std::hash::{BuildHasher as _, RandomState};
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::RETRY_AFTER;

use crate::export::failure::Failure;

/// The first pause; each further one is twice as long.
const FIRST: Duration = Duration::from_millis(100);
/// The longest pause of our own choice.
const LONGEST: Duration = Duration::from_secs(5);
/// The longest pause that a collector may require.
const LONGEST_REQUIRED: Duration = Duration::from_secs(3600);
/// Retries while there is no answer at all: few, so that an absent collector does not delay the end of the program.
/// Batches that can wait are kept and tried again later.
const WITHOUT_ANSWER: u32 = 3;

/// Whether trying again makes no sense, after `attempt` retries.
pub(super) fn is_enough(failure: &Failure, attempt: u32) -> bool {
    failure.is_without_answer() && attempt >= WITHOUT_ANSWER
}

/// The pause before retry `attempt`, counted from 1: between half of it and all of it, so that many programs that lost
/// the same collector do not come back at the same moment.
pub(super) fn backoff(attempt: u32) -> Duration {
    let whole = FIRST.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(LONGEST);
    let random = RandomState::new().hash_one(attempt) as u32;
    whole / 2 + whole.mul_f64(f64::from(random) / f64::from(u32::MAX) / 2.0)
}

/// The pause that `Retry-After` requires: a number of seconds, or a date.
pub(super) fn after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default(),
    };
    Some(wait.min(LONGEST_REQUIRED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_within_bounds() {
        for (attempt, most) in [(1, 100), (2, 200), (3, 400), (4, 800), (7, 5000), (60, 5000)] {
            let most = Duration::from_millis(most);
            for _ in 0..100 {
                let pause = backoff(attempt);
                assert!(pause >= most / 2 && pause <= most, "{pause:?} of {most:?}");
            }
        }
        assert!((0..100).any(|_| backoff(1) != backoff(1)), "pauses differ");
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let of = |text: &'static str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]);
            after(&headers, now).map(|wait| wait.as_secs())
        };
        assert_eq!(of("3"), Some(3));
        assert_eq!(of(" 0 "), Some(0));
        assert_eq!(of("Sun, 06 Nov 1994 08:50:07 GMT"), Some(30));
        assert_eq!(of("Sun, 06 Nov 1994 08:40:07 GMT"), Some(0));
        assert_eq!(of("99999999999"), Some(3600));
        assert_eq!(of("soon"), None);
        assert_eq!(after(&HeaderMap::new(), now), None);
    }
}
