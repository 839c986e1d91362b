//! OpenTracing's basic tracers (Lightstep): `ot-tracer-*`, with baggage in `ot-baggage-*`.

use super::super::{flag, Context};
use super::text::{hex, trace_id, Line};
use super::{baggage, remote};
use crate::headers::{first, Headers, HeadersMut};

const TRACE_ID: &str = "ot-tracer-traceid";
const SPAN_ID: &str = "ot-tracer-spanid";
const SAMPLED: &str = "ot-tracer-sampled";
const MEMBER: &str = "ot-baggage-";

pub(super) const FIELDS: &[&str] = &[TRACE_ID, SPAN_ID, SAMPLED];

pub(super) fn extract(headers: &dyn Headers) -> Option<Context> {
    let flags = match first(headers, SAMPLED) {
        Some(b"1" | b"true") => flag::SAMPLED,
        Some(b"0" | b"false") => 0,
        Some(_) => return None,
        None => flag::DEFERRED,
    };
    remote(trace_id(first(headers, TRACE_ID)?)?, hex(first(headers, SPAN_ID)?)?, flags)
}

pub(super) fn extract_baggage(headers: &dyn Headers) -> Vec<u8> {
    let mut list = Vec::new();
    baggage::extract_members(headers, MEMBER, &mut list);
    list
}

pub(super) fn inject(context: &Context, headers: &mut dyn HeadersMut) {
    // These tracers have ids of 64 bits: the trace's right half.
    let [_, _, _, _, _, _, _, _, right @ ..] = context.trace;
    headers.set(TRACE_ID, Line::<16>::EMPTY.hex(&right).as_bytes());
    headers.set(SPAN_ID, Line::<16>::EMPTY.hex(&context.span).as_bytes());
    headers.set(SAMPLED, if context.flags & flag::SAMPLED != 0 { b"true" } else { b"false" });
}

pub(super) fn inject_baggage(list: &[u8], headers: &mut dyn HeadersMut) {
    baggage::inject_members(list, MEMBER, headers);
}

#[cfg(test)]
mod tests {
    use super::super::testing::{extracted, injected};
    use super::super::Propagator::OtTrace;
    use crate::context::flag::{DEFERRED, SAMPLED};

    const TRACE: &str = "a1ce929d0e0e4736a3ce929d0e0e4736";
    const SHORT: &str = "a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    fn found(trace: &str, span: &str, sampled: Option<&str>) -> Option<(String, String, u8)> {
        let ids = [("ot-tracer-traceid", trace), ("ot-tracer-spanid", span)];
        let headers: Vec<_> = ids.into_iter().chain(sampled.map(|sampled| ("ot-tracer-sampled", sampled))).collect();
        extracted(&[OtTrace], &headers)
    }

    // The tables are those of the OpenTelemetry SDKs for Java (OtTracePropagatorTest) and Go (ot_data_test.go).

    #[test]
    fn ids_and_states() {
        for (sampled, flags) in
            [(Some("1"), SAMPLED), (Some("true"), SAMPLED), (Some("0"), 0), (Some("false"), 0), (None, DEFERRED)]
        {
            assert_eq!(found(TRACE, SPAN, sampled), Some((TRACE.into(), SPAN.into(), flags)), "{sampled:?}");
            let padded = "0000000000000000a3ce929d0e0e4736".to_owned();
            assert_eq!(found(SHORT, SPAN, sampled), Some((padded, SPAN.into(), flags)), "{sampled:?}");
        }
    }

    #[test]
    fn malformed_headers_are_refused() {
        for (trace, span, sampled) in [
            ("a1ce929d0e0e4736a3ce929d0e0e47360000", SPAN, "1"),
            ("1234567890abcd01234", SPAN, "1"),
            (TRACE, "00f067aa0ba902b70000", "1"),
            ("zcd00v0000000000a3ce929d0e0e4736", SPAN, "1"),
            ("abcdefghijklmnopabcdefghijklmnop", SPAN, "1"),
            (TRACE, "00f0wiredba902b7", "1"),
            (TRACE, SPAN, "wired"),
            ("", SPAN, "1"),
            (TRACE, "", "1"),
            ("00000000000000000000000000000000", SPAN, "1"),
        ] {
            assert_eq!(found(trace, span, Some(sampled)), None, "{trace} {span} {sampled}");
        }
        assert_eq!(extracted(&[OtTrace], &[("ot-tracer-traceid", TRACE)]), None);
    }

    #[test]
    fn written_with_half_of_the_trace_s_id() {
        for (flags, sampled) in [(SAMPLED, "true"), (0, "false")] {
            let headers = [("ot-tracer-traceid", SHORT), ("ot-tracer-spanid", SPAN), ("ot-tracer-sampled", sampled)];
            let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
            assert_eq!(injected(&[OtTrace], TRACE, SPAN, flags), headers);
        }
    }
}
