//! Jaeger's `uber-trace-id`, with baggage in `uberctx-*`.

use super::super::{flag, Context};
use super::text::{padded, Line};
use super::{baggage, remote};
use crate::headers::{first, Headers, HeadersMut};

const UBER_TRACE_ID: &str = "uber-trace-id";
/// Header with a baggage list, which people set by hand when debugging.
const BAGGAGE: &str = "jaeger-baggage";
const MEMBER: &str = "uberctx-";

pub(super) const FIELDS: &[&str] = &[UBER_TRACE_ID];

/// Bits of Jaeger's own flags.
const SAMPLED: u8 = 1;
const DEBUG: u8 = 2;

pub(super) fn extract(headers: &dyn Headers) -> Option<Context> {
    parse(first(headers, UBER_TRACE_ID)?)
}

pub(super) fn extract_baggage(headers: &dyn Headers) -> Vec<u8> {
    let mut list = baggage::extract(headers, BAGGAGE);
    baggage::extract_members(headers, MEMBER, &mut list);
    list
}

pub(super) fn inject(context: &Context, headers: &mut dyn HeadersMut) {
    let flags: &[u8] = match context.flags & (flag::SAMPLED | flag::DEBUG) {
        0 | flag::DEBUG => b"0",
        flag::SAMPLED => b"1",
        _ => b"3",
    };
    // The parent's id is deprecated and always 0.
    let value = Line::<53>::EMPTY.hex(&context.trace).text(b":").hex(&context.span).text(b":0:").text(flags);
    headers.set(UBER_TRACE_ID, value.as_bytes());
}

pub(super) fn inject_baggage(list: &[u8], headers: &mut dyn HeadersMut) {
    baggage::inject_members(list, MEMBER, headers);
}

/// `<trace>:<span>:<parent>:<flags>`, ids of any length up to theirs. Some clients encode the colons as URLs have them.
fn parse(value: &[u8]) -> Option<Context> {
    let (trace, rest) = next(value)?;
    let (span, rest) = next(rest)?;
    let (_parent, flags) = next(rest)?;
    let significant = flags.iter().position(|digit| *digit != b'0').unwrap_or(flags.len().saturating_sub(1));
    let [bits] = padded::<1>(flags.get(significant..)?)?;
    // The debug flag counts only together with the sampled flag.
    let flags = match (bits & SAMPLED != 0, bits & DEBUG != 0) {
        (false, _) => 0,
        (true, false) => flag::SAMPLED,
        (true, true) => flag::SAMPLED | flag::DEBUG,
    };
    remote(padded(trace)?, padded(span)?, flags)
}

/// What stands before the next colon, and what after it.
fn next(value: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = value.iter().position(|byte| matches!(byte, b':' | b'%'))?;
    let (head, rest) = (value.get(..at)?, value.get(at..)?);
    match rest {
        [b':', rest @ ..] | [b'%', b'3', b'A' | b'a', rest @ ..] => Some((head, rest)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{extracted, injected};
    use super::super::Propagator::Jaeger;
    use crate::context::flag::{DEBUG, SAMPLED};

    const TRACE: &str = "a1ce929d0e0e4736a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    fn found(value: &str) -> Option<(String, String, u8)> {
        extracted(&[Jaeger], &[("uber-trace-id", value)])
    }

    // The tables are those of the OpenTelemetry SDKs for Go (jaeger_data_test.go) and Java (JaegerPropagatorTest), but
    // for lengths: Jaeger's documentation has ids of any length padded on the left.

    #[test]
    fn flags_carry_the_sampling_decision() {
        for (parent_and_flags, flags) in [
            ("0:0", 0),
            ("0:1", SAMPLED),
            ("0:3", SAMPLED | DEBUG),
            ("0:2", 0),
            ("0:5", SAMPLED),
            ("0:00001", SAMPLED),
            ("0:ff", SAMPLED | DEBUG),
            ("whatever:1", SAMPLED),
        ] {
            let ids = Some((TRACE.into(), SPAN.into(), flags));
            assert_eq!(found(&format!("{TRACE}:{SPAN}:{parent_and_flags}")), ids, "{parent_and_flags}");
        }
    }

    #[test]
    fn short_ids_are_padded() {
        for (value, trace, span) in [
            ("a3ce929d0e0e4736:00f067aa0ba902b7:0:1", "0000000000000000a3ce929d0e0e4736", SPAN),
            ("4d0000000000000016:17c29:0:5", "000000000000004d0000000000000016", "0000000000017c29"),
            ("236f2e:17c29:0:1", "00000000000000000000000000236f2e", "0000000000017c29"),
            ("4D0000000000000016:17C29:0:1", "000000000000004d0000000000000016", "0000000000017c29"),
        ] {
            assert_eq!(found(value), Some((trace.into(), span.into(), SAMPLED)), "{value}");
        }
    }

    #[test]
    fn colons_may_be_encoded() {
        let ids = Some((TRACE.into(), SPAN.into(), SAMPLED));
        assert_eq!(found(&format!("{TRACE}%3A{SPAN}%3A0%3A1")), ids);
        assert_eq!(found(&format!("{TRACE}%3a{SPAN}:0%3a01")), ids);
    }

    #[test]
    fn malformed_headers_are_refused() {
        for bad in [
            "",
            "aa:bb:cc",
            "aa:bb:cc:dd:ee",
            "abcdefghijklmnopabcdefghijklmnop:0000000000017c29:0:0",
            "000000000000004d000000000000001600:0000000000017c29:0:0",
            "000000000000004d0000000000000016:abcdefghijklmnop:0:0",
            "000000000000004d0000000000000016:0000000000017c2900:0:0",
            "000000000000004d0000000000000016:0000000000017c29:0:",
            "000000000000004d0000000000000016:0000000000017c29:0:10220",
            "000000000000004d0000000000000016:0000000000017c29:0:abcdefr",
            "000000000000004d0000000000000016%0000000000017c29%0%1",
            "zcd00v0000000000a3ce929d0e0e4736:00f067aa0ba902b7:0:1",
            "a1ce929d0e0e4736a3ce929d0e0e4736:00f0wiredba902b7:0:1",
            "a1ce929d0e0e4736a3ce929d0e0e4736:00f067aa0ba902b7:0:wired",
            "a1ce929d0e0e4736a3ce929d0e0e4736-00f067aa0ba902b7-0-1",
            "0:00f067aa0ba902b7:0:1",
            "a1ce929d0e0e4736a3ce929d0e0e4736:0:0:1",
            ":::1",
        ] {
            assert_eq!(found(bad), None, "{bad}");
        }
    }

    #[test]
    fn written_with_all_digits() {
        for (flags, shown) in [(SAMPLED, "1"), (SAMPLED | DEBUG, "3"), (0, "0")] {
            let header = ("uber-trace-id".to_owned(), format!("{TRACE}:{SPAN}:0:{shown}"));
            assert_eq!(injected(&[Jaeger], TRACE, SPAN, flags), [header]);
        }
    }
}
