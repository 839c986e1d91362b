//! Zipkin's B3, as one header or as several. Both are read, whichever is written, and the single one comes first.

use super::super::{flag, Context};
use super::text::{hex, trace_id, Line};
use super::{decision, remote};
use crate::headers::{first, Headers, HeadersMut};

const B3: &str = "b3";
const TRACE_ID: &str = "x-b3-traceid";
const SPAN_ID: &str = "x-b3-spanid";
/// Not read here; replacing the other headers removes it.
const PARENT_ID: &str = "x-b3-parentspanid";
const SAMPLED: &str = "x-b3-sampled";
const FLAGS: &str = "x-b3-flags";

pub(super) const SINGLE_FIELDS: &[&str] = &[B3];
pub(super) const MULTI_FIELDS: &[&str] = &[TRACE_ID, SPAN_ID, PARENT_ID, SAMPLED, FLAGS];

pub(super) fn extract_single(headers: &dyn Headers) -> Option<Context> {
    single(first(headers, B3)?)
}

pub(super) fn inject_single(context: &Context, headers: &mut dyn HeadersMut) {
    let value = Line::<51>::EMPTY.hex(&context.trace).text(b"-").hex(&context.span).text(b"-");
    let state = if context.flags & flag::DEBUG != 0 { b"d" } else { sampled(context) };
    headers.set(B3, value.text(state).as_bytes());
}

pub(super) fn inject_multi(context: &Context, headers: &mut dyn HeadersMut) {
    headers.set(TRACE_ID, Line::<32>::EMPTY.hex(&context.trace).as_bytes());
    headers.set(SPAN_ID, Line::<16>::EMPTY.hex(&context.span).as_bytes());
    if context.flags & flag::DEBUG != 0 {
        headers.set(FLAGS, b"1");
    } else {
        headers.set(SAMPLED, sampled(context));
    }
}

fn sampled(context: &Context) -> &'static [u8; 1] {
    if context.flags & flag::SAMPLED != 0 {
        b"1"
    } else {
        b"0"
    }
}

/// `<trace>-<span>[-<state>[-<parent>]]`, or a state alone.
fn single(value: &[u8]) -> Option<Context> {
    if let [state] = value {
        return state_of(&[*state]).map(decision);
    }
    let mut parts = value.split(|byte| *byte == b'-');
    let (trace, span) = (trace_id(parts.next()?)?, hex(parts.next()?)?);
    let flags = parts.next().map_or(Some(flag::DEFERRED), state_of)?;
    if let Some(parent) = parts.next() {
        hex::<8>(parent)?;
    }
    if parts.next().is_some() {
        return None;
    }
    remote(trace, span, flags)
}

fn state_of(state: &[u8]) -> Option<u8> {
    match state {
        b"0" => Some(0),
        b"1" => Some(flag::SAMPLED),
        b"d" => Some(flag::SAMPLED | flag::DEBUG),
        _ => None,
    }
}

pub(super) fn extract_multi(headers: &dyn Headers) -> Option<Context> {
    // Some tracers from before the specification write `true` and `false`.
    let flags = match (first(headers, FLAGS), first(headers, SAMPLED)) {
        (Some(b"1"), _) => flag::SAMPLED | flag::DEBUG,
        (_, Some(b"1" | b"true")) => flag::SAMPLED,
        (_, Some(b"0" | b"false")) => 0,
        (_, Some(_)) => return None,
        (_, None) => flag::DEFERRED,
    };
    match (first(headers, TRACE_ID), first(headers, SPAN_ID)) {
        (Some(trace), Some(span)) => remote(trace_id(trace)?, hex(span)?, flags),
        (None, None) if flags != flag::DEFERRED => Some(decision(flags)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{extracted, injected, Map};
    use super::super::{extract_with, Propagator::B3Multi, Propagator::B3 as Single};
    use crate::context::flag::{DEBUG, DECIDED, DEFERRED, SAMPLED};

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SHORT: &str = "a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    fn found(headers: &[(&str, &str)]) -> Option<(String, String, u8)> {
        let found = extracted(&[Single], headers);
        assert_eq!(found, extracted(&[B3Multi], headers), "both read both: {headers:?}");
        found
    }

    fn some(trace: &str, flags: u8) -> Option<(String, String, u8)> {
        Some((trace.into(), SPAN.into(), flags))
    }

    // The tables are those of the OpenTelemetry SDK for Go (b3_data_test.go); further cases stand in the README of
    // openzipkin/b3-propagation.

    #[test]
    fn the_single_header_in_all_its_states() {
        for (state, flags) in
            [("", DEFERRED), ("-0", 0), ("-1", SAMPLED), ("-d", SAMPLED | DEBUG), ("-1-00000000000000cd", SAMPLED)]
        {
            assert_eq!(found(&[("b3", &format!("{TRACE}-{SPAN}{state}"))]), some(TRACE, flags), "{state}");
            let padded = format!("0000000000000000{SHORT}");
            assert_eq!(found(&[("b3", &format!("{SHORT}-{SPAN}{state}"))]), some(&padded, flags), "{state}");
        }
        let readme = "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1-05e3ac9a4f6e3b90";
        let ids = ("80f198ee56343ba864fe8b2a57d3eff7".into(), "e457b5a2e4d86bd1".into(), SAMPLED);
        assert_eq!(found(&[("b3", readme)]), Some(ids));
    }

    #[test]
    fn several_headers_in_all_their_states() {
        for (more, flags) in [
            (&[][..], DEFERRED),
            (&[("x-b3-sampled", "0")], 0),
            (&[("x-b3-sampled", "1")], SAMPLED),
            (&[("x-b3-sampled", "true")], SAMPLED),
            (&[("x-b3-sampled", "false")], 0),
            (&[("x-b3-flags", "1")], SAMPLED | DEBUG),
            (&[("x-b3-sampled", "1"), ("x-b3-flags", "2")], SAMPLED),
            (&[("x-b3-sampled", "0"), ("x-b3-flags", "1")], SAMPLED | DEBUG),
            (&[("x-b3-sampled", "1"), ("x-b3-parentspanid", "00f067aa0ba90200")], SAMPLED),
            (&[("x-b3-sampled", "1"), ("x-b3-sampled", "0")], SAMPLED), // the first value wins
        ] {
            for (trace, padded) in [(TRACE, TRACE.to_owned()), (SHORT, format!("0000000000000000{SHORT}"))] {
                let headers: Vec<_> =
                    [("x-b3-traceid", trace), ("x-b3-spanid", SPAN)].into_iter().chain(more.iter().copied()).collect();
                assert_eq!(found(&headers), some(&padded, flags), "{headers:?}");
            }
        }
    }

    #[test]
    fn the_single_header_comes_first_if_it_is_good() {
        let multi = |state| [("x-b3-traceid", TRACE), ("x-b3-spanid", SPAN), ("x-b3-sampled", state)];
        for (single, state, flags) in [("-1", "0", SAMPLED), ("-", "0", 0), ("-1", "invalid", SAMPLED)] {
            let value = format!("{TRACE}-{SPAN}{single}");
            let headers: Vec<_> = std::iter::once(("b3", value.as_str())).chain(multi(state)).collect();
            assert_eq!(found(&headers), some(TRACE, flags), "{headers:?}");
        }
    }

    #[test]
    fn a_decision_may_come_alone() {
        for (headers, flags) in [
            (&[("b3", "0")][..], DECIDED),
            (&[("b3", "1")], DECIDED | SAMPLED),
            (&[("b3", "d")], DECIDED | SAMPLED | DEBUG),
            (&[("x-b3-sampled", "0")], DECIDED),
            (&[("x-b3-sampled", "1")], DECIDED | SAMPLED),
            (&[("x-b3-flags", "1")], DECIDED | SAMPLED | DEBUG),
        ] {
            let context = extract_with(&[Single], &Map::of(headers));
            assert!(context.is_empty() && context.flags == flags, "{headers:?}: {:b}", context.flags);
        }
        assert_eq!(extract_with(&[Single], &Map::of(&[("x-b3-flags", "0")])).flags, 0);
    }

    #[test]
    fn malformed_headers_are_refused() {
        for bad in [
            "",
            "q",
            "ab00000000000000000000000000000000-cd00000000000000-1",
            "ab000000000000000000000000000000-cd0000000000000000-1",
            "00-ab000000000000000000000000000000-cd00000000000000-01",
            "ab000000000000000000000000000000-cd00000000000000-1-cd0000000000000000",
            "qw000000000000000000000000000000-cd00000000000000-1",
            "ab000000000000000000000000000000-qw00000000000000-1",
            "ab000000000000000000000000000000-cd00000000000000-q",
            "ab000000000000000000000000000000-cd00000000000000-1-qw00000000000000",
            "AB000000000000000000000000000000-cd00000000000000-1",
            "ab000000000000000000000000000000-CD00000000000000-1",
            "ab000000000000000000000000000000-cd00000000000000-1-EF00000000000000",
            "00000000000000000000000000000000-0000000000000000-1",
            "ab000000000000000000000000000000-cd00000000000000-true",
            "ab000000000000000000000000000000-cd00000000000000-1-cd00000000000000-1",
        ] {
            assert_eq!(found(&[("b3", bad)]), None, "{bad}");
        }
        let (trace, span) = ("ab000000000000000000000000000000", "cd00000000000000");
        for (trace, span, sampled) in [
            ("ab00000000000000000000000000000000", span, "1"),
            ("ab0000000000000000000000000000", span, "1"),
            ("ab0000000000", span, "1"),
            (trace, "cd0000000000000000", "1"),
            (trace, span, "10"),
            ("qw000000000000000000000000000000", span, "1"),
            (trace, "qw00000000000000", "1"),
            (trace, span, "d"),
            ("AB000000000000000000000000000000", span, "1"),
            (trace, "CD00000000000000", "1"),
            ("00000000000000000000000000000000", span, "1"),
            (trace, "0000000000000000", "1"),
        ] {
            let headers = [("x-b3-traceid", trace), ("x-b3-spanid", span), ("x-b3-sampled", sampled)];
            assert_eq!(found(&headers), None, "{headers:?}");
        }
        assert_eq!(found(&[("x-b3-traceid", trace), ("x-b3-sampled", "1")]), None);
        assert_eq!(found(&[("x-b3-spanid", span), ("x-b3-sampled", "1")]), None);
    }

    #[test]
    fn written_as_one_header_or_as_several() {
        for (flags, state, (name, value)) in [
            (SAMPLED, "1", ("x-b3-sampled", "1")),
            (0, "0", ("x-b3-sampled", "0")),
            (SAMPLED | DEBUG, "d", ("x-b3-flags", "1")),
        ] {
            let single = [("b3".to_owned(), format!("{TRACE}-{SPAN}-{state}"))];
            assert_eq!(injected(&[Single], TRACE, SPAN, flags), single);
            let multi = [("x-b3-traceid", TRACE), ("x-b3-spanid", SPAN), (name, value)];
            assert_eq!(injected(&[B3Multi], TRACE, SPAN, flags), multi.map(|(n, v)| (n.to_owned(), v.to_owned())));
        }
    }
}
