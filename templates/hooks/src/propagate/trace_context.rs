//! W3C Trace Context: `traceparent`, and `tracestate` as it came.

use super::text::{hex, Line};
use super::{join, remote};
use crate::context::{flag, Context};
use crate::headers::{Headers, HeadersMut};

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";

pub(super) const FIELDS: &[&str] = &[TRACEPARENT, TRACESTATE];

pub(super) fn extract(headers: &dyn Headers) -> Option<Context> {
    let mut found = None;
    let mut seen = 0;
    headers.named(TRACEPARENT, &mut |value| {
        seen += 1;
        found = parse(value);
    });
    // Two of them contradict each other: none counts.
    found.filter(|_| seen == 1)
}

pub(super) fn tracestate(headers: &dyn Headers, into: &mut Vec<u8>) {
    join(headers, TRACESTATE, into);
}

pub(super) fn inject(context: &Context, headers: &mut dyn HeadersMut) {
    let [flags] = [context.flags & flag::W3C];
    let value = Line::<55>::EMPTY.text(b"00-").hex(&context.trace).text(b"-").hex(&context.span);
    headers.set(TRACEPARENT, value.text(b"-").hex(&[flags]).as_bytes());
    if let Some(carried) = context.carried.as_deref().filter(|carried| !carried.tracestate.is_empty()) {
        headers.set(TRACESTATE, &carried.tracestate);
    }
}

/// `00-<32 hex>-<16 hex>-<2 hex>`, W3C Trace Context Level 2 §3.2; lowercase only, versions above 00 may be longer.
fn parse(value: &[u8]) -> Option<Context> {
    let mut parts = value.split(|byte| *byte == b'-');
    let [version] = hex::<1>(parts.next()?)?;
    let (trace, span) = (hex(parts.next()?)?, hex(parts.next()?)?);
    let [flags] = hex::<1>(parts.next()?)?;
    let longer = parts.next().is_some();
    if version == 0xff || (version == 0 && longer) {
        return None;
    }
    remote(trace, span, flags & flag::W3C)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{extracted, injected};
    use super::super::Propagator::TraceContext;
    use super::super::{extract_with, inject_with, testing::Map};

    // Cases of the W3C's own test suite (w3c/trace-context, test/test.py).

    const TRACE: &str = "12345678901234567890123456789012";
    const SPAN: &str = "1234567890123456";

    fn parent(value: &str) -> Option<(String, String, u8)> {
        extracted(&[TraceContext], &[("traceparent", value)])
    }

    #[test]
    fn a_traceparent_survives_the_round_trip() {
        for value in [format!("00-{TRACE}-{SPAN}-01"), format!("00-{TRACE}-{SPAN}-00")] {
            let sampled = u8::from(value.ends_with('1'));
            assert_eq!(parent(&value), Some((TRACE.into(), SPAN.into(), sampled)));
            assert_eq!(injected(&[TraceContext], TRACE, SPAN, sampled), [("traceparent".to_owned(), value)]);
        }
    }

    #[test]
    fn malformed_traceparents_are_refused() {
        for bad in [
            "",
            "00-12345678901234567890123456789012-1234567890123456",
            "00-12345678901234567890123456789012-1234567890123456-01.",
            "00-12345678901234567890123456789012-1234567890123456-01-what-the-future-will-be-like",
            "cc-12345678901234567890123456789012-1234567890123456-01.what-the-future-will-be-like",
            "ff-12345678901234567890123456789012-1234567890123456-01",
            ".0-12345678901234567890123456789012-1234567890123456-01",
            "0.-12345678901234567890123456789012-1234567890123456-01",
            "000-12345678901234567890123456789012-1234567890123456-01",
            "0000-12345678901234567890123456789012-1234567890123456-01",
            "0-12345678901234567890123456789012-1234567890123456-01",
            "00-00000000000000000000000000000000-1234567890123456-01",
            "00-.2345678901234567890123456789012-1234567890123456-01",
            "00-1234567890123456789012345678901.-1234567890123456-01",
            "00-123456789012345678901234567890123-1234567890123456-01",
            "00-1234567890123456789012345678901-1234567890123456-01",
            "00-12345678901234567890123456789012-0000000000000000-01",
            "00-12345678901234567890123456789012-.234567890123456-01",
            "00-12345678901234567890123456789012-12345678901234567-01",
            "00-12345678901234567890123456789012-123456789012345-01",
            "00-12345678901234567890123456789012-1234567890123456-.0",
            "00-12345678901234567890123456789012-1234567890123456-001",
            "00-12345678901234567890123456789012-1234567890123456-1",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        ] {
            assert_eq!(parent(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_future_version_may_be_longer() {
        for good in [format!("cc-{TRACE}-{SPAN}-01"), format!("cc-{TRACE}-{SPAN}-01-what-the-future-will-be-like")] {
            assert_eq!(parent(&good), Some((TRACE.into(), SPAN.into(), 1)));
        }
    }

    #[test]
    fn two_traceparents_are_none() {
        let value = format!("00-{TRACE}-{SPAN}-01");
        assert_eq!(extracted(&[TraceContext], &[("traceparent", &value), ("traceparent", &value)]), None);
    }

    #[test]
    fn unknown_flags_are_not_passed_on() {
        assert_eq!(parent(&format!("00-{TRACE}-{SPAN}-ff")), Some((TRACE.into(), SPAN.into(), 0b11)));
    }

    #[test]
    fn a_tracestate_in_pieces_is_one_list_and_needs_a_parent() {
        let value = format!("00-{TRACE}-{SPAN}-01");
        let pieces =
            [("traceparent", value.as_str()), ("tracestate", "foo=1"), ("tracestate", ""), ("tracestate", "bar=2")];
        let mut headers = Map::default();
        inject_with(&[TraceContext], &extract_with(&[TraceContext], &Map::of(&pieces)), &mut headers);
        assert_eq!(headers.value("tracestate"), Some("foo=1,bar=2"));
        let alone = extract_with(&[TraceContext], &Map::of(&[("tracestate", "foo=1")]));
        assert!(alone.is_empty() && alone.carried.is_none());
    }
}
