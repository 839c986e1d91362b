//! AWS X-Ray's `x-amzn-trace-id`.

use super::super::{flag, Context};
use super::remote;
use super::text::{hex, Line};
use crate::headers::{first, Headers, HeadersMut};

const TRACE_HEADER: &str = "x-amzn-trace-id";

pub(super) const FIELDS: &[&str] = &[TRACE_HEADER];

pub(super) fn extract(headers: &dyn Headers) -> Option<Context> {
    parse(first(headers, TRACE_HEADER)?)
}

pub(super) fn inject(context: &Context, headers: &mut dyn HeadersMut) {
    let [a, b, c, d, rest @ ..] = context.trace;
    let sampled = if context.flags & flag::SAMPLED != 0 { b"1" } else { b"0" };
    let value = Line::<74>::EMPTY.text(b"Root=1-").hex(&[a, b, c, d]).text(b"-").hex(&rest);
    let value = value.text(b";Parent=").hex(&context.span).text(b";Sampled=").text(sampled);
    headers.set(TRACE_HEADER, value.as_bytes());
}

/// `Root=1-<8 hex>-<24 hex>;Parent=<16 hex>;Sampled=<0, 1 or ?>`, in any order and with fields that others add.
fn parse(value: &[u8]) -> Option<Context> {
    let (mut trace, mut span, mut flags) = (None, None, flag::DEFERRED);
    for field in value.split(|byte| *byte == b';') {
        let start = field.iter().position(|byte| *byte != b' ').unwrap_or(0);
        let field = field.get(start..)?;
        if let Some(root) = field.strip_prefix(b"Root=") {
            trace = Some(trace_id(root)?);
        } else if let Some(parent) = field.strip_prefix(b"Parent=") {
            span = Some(hex(parent)?);
        } else if let Some(sampled) = field.strip_prefix(b"Sampled=") {
            flags = match sampled {
                b"0" => 0,
                b"1" => flag::SAMPLED,
                b"?" => flag::DEFERRED,
                _ => return None,
            };
        }
    }
    remote(trace?, span?, flags)
}

fn trace_id(root: &[u8]) -> Option<[u8; 16]> {
    let rest = root.strip_prefix(b"1-")?;
    let [a, b, c, d] = hex::<4>(rest.get(..8)?)?;
    let unique = hex::<12>(rest.get(8..)?.strip_prefix(b"-")?)?;
    let mut id = [0; 16];
    for (to, from) in id.iter_mut().zip([a, b, c, d].into_iter().chain(unique)) {
        *to = from;
    }
    Some(id)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{extracted, injected};
    use super::super::Propagator::XRay;
    use crate::context::flag::{DEFERRED, SAMPLED};

    const TRACE: &str = "8a3c60f7d188f8fa79d48a391a778fa6";
    const SPAN: &str = "53995c3f42cd8ad8";

    fn found(value: &str) -> Option<(String, String, u8)> {
        extracted(&[XRay], &[("x-amzn-trace-id", value)])
    }

    // Cases of AWS's documentation and of the OpenTelemetry SDKs for Java (AwsXrayPropagatorTest) and Go.

    #[test]
    fn fields_come_in_any_order_and_with_others() {
        for (value, flags) in [
            ("Root=1-8a3c60f7-d188f8fa79d48a391a778fa6;Parent=53995c3f42cd8ad8;Sampled=1", SAMPLED),
            ("Root=1-8a3c60f7-d188f8fa79d48a391a778fa6;Parent=53995c3f42cd8ad8;Sampled=0", 0),
            ("Root=1-8a3c60f7-d188f8fa79d48a391a778fa6;Parent=53995c3f42cd8ad8;Sampled=?", DEFERRED),
            ("Root=1-8a3c60f7-d188f8fa79d48a391a778fa6;Parent=53995c3f42cd8ad8", DEFERRED),
            ("Parent=53995c3f42cd8ad8;Sampled=1;Root=1-8a3c60f7-d188f8fa79d48a391a778fa6", SAMPLED),
            ("Root=1-8a3c60f7-d188f8fa79d48a391a778fa6;Parent=53995c3f42cd8ad8;Sampled=1;Foo=Bar", SAMPLED),
            (
                "Self=1-67891234-12456789abcdef012345678; Root=1-8a3c60f7-d188f8fa79d48a391a778fa6; Parent=53995c3f42cd8ad8; Sampled=1;Lineage=a87bd80c:1|68fd508a:5",
                SAMPLED,
            ),
        ] {
            assert_eq!(found(value), Some((TRACE.into(), SPAN.into(), flags)), "{value}");
        }
        let documented = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
        assert_eq!(found(documented), Some(("5759e988bd862e3fe1be46a994272793".into(), SPAN.into(), SAMPLED)));
    }

    #[test]
    fn malformed_headers_are_refused() {
        for bad in [
            "",
            "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1",
            "Root=abcdefghijklmnopabcdefghijklmnop;Parent=53995c3f42cd8ad8;Sampled=0",
            "Root=1-8a3c60f7-d188f8fa79d48a391a778fa600;Parent=53995c3f42cd8ad8;Sampled=0",
            "Root=1-8a3c60f7-d188f8fa79d48a391a778fa6;Parent=abcdefghijklmnop;Sampled=0",
            "Root=1-8a3c60f7-d188f8fa79d48a391a778fa6;Parent=53995c3f42cd8ad800;Sampled=0",
            "Root=1-8a3c60f7-d188f8fa79d48a391a778fa6;Parent=53995c3f42cd8ad8;Sampled=",
            "Root=1-8a3c60f7-d188f8fa79d48a391a778fa6;Parent=53995c3f42cd8ad8;Sampled=10220",
            "Root=1-8a3c60f7-d188f8fa79d48a391a778fa6;Parent=53995c3f42cd8ad8;Sampled=a",
            "Root=1-8a3c60f7-d188f8fa79d48a391a778fa6;Parent=0000000000000000;Sampled=1",
            "Root=1-82138-1203123;Parent=53995c3f42cd8ad8;Sampled=1",
            "Root=5b00000000b000000000000000000000000;Parent=53995c3f42cd8ad8;Sampled=1",
            "Root=2-8a3c60f7-d188f8fa79d48a391a778fa6;Parent=53995c3f42cd8ad8;Sampled=1",
            "Root=1-8a3c60f7d188f8fa79d48a391a778fa6;Parent=53995c3f42cd8ad8;Sampled=1",
        ] {
            assert_eq!(found(bad), None, "{bad}");
        }
    }

    #[test]
    fn written_as_x_ray_has_it() {
        for (flags, sampled) in [(SAMPLED, "1"), (0, "0")] {
            let value = format!("Root=1-8a3c60f7-d188f8fa79d48a391a778fa6;Parent=53995c3f42cd8ad8;Sampled={sampled}");
            assert_eq!(injected(&[XRay], TRACE, SPAN, flags), [("x-amzn-trace-id".to_owned(), value)]);
        }
    }
}
