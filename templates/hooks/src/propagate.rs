//! W3C Trace Context and Baggage, read from and written to headers.

use std::sync::Arc;

use crate::context::{Carried, Context};
use crate::settings;

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";
const BAGGAGE: &str = "baggage";
/// Longer headers are not carried: the specifications ask for at least 512 (tracestate) and 8192 (baggage) bytes.
const MAX_CARRIED: usize = 8192;

type Headers<'a> = &'a dyn Fn(&str, &mut dyn FnMut(&[u8]));

pub(crate) fn extract(headers: Headers<'_>) -> Context {
    let Some(settings) = settings::get() else { return Context::EMPTY };
    let mut context = Context::EMPTY;
    let mut carried = Carried::default();
    if settings.trace_context {
        let mut seen = 0;
        headers(TRACEPARENT, &mut |value| {
            seen += 1;
            context = traceparent(value).unwrap_or(Context::EMPTY);
        });
        if seen > 1 {
            context = Context::EMPTY;
        }
        if !context.is_empty() {
            join(headers, TRACESTATE, &mut carried.tracestate);
        }
    }
    if settings.baggage {
        join(headers, BAGGAGE, &mut carried.baggage);
    }
    if !carried.tracestate.is_empty() || !carried.baggage.is_empty() {
        context.carried = Some(Arc::new(carried));
    }
    context
}

/// A list header may come in several pieces; they are one list (RFC 9110 §5.3).
fn join(headers: Headers<'_>, name: &str, into: &mut Vec<u8>) {
    headers(name, &mut |value| {
        if !value.is_empty() && into.len() + value.len() < MAX_CARRIED {
            if !into.is_empty() {
                into.push(b',');
            }
            into.extend_from_slice(value);
        }
    });
}

pub(crate) fn inject(context: &Context, set: &mut dyn FnMut(&'static str, &[u8])) {
    let Some(settings) = settings::get() else { return };
    let carried = context.carried.as_deref();
    if settings.trace_context && !context.is_empty() {
        set(TRACEPARENT, &format_traceparent(context));
        if let Some(carried) = carried.filter(|carried| !carried.tracestate.is_empty()) {
            set(TRACESTATE, &carried.tracestate);
        }
    }
    if settings.baggage {
        if let Some(carried) = carried.filter(|carried| !carried.baggage.is_empty()) {
            set(BAGGAGE, &carried.baggage);
        }
    }
}

/// `00-<32 hex>-<16 hex>-<2 hex>`, W3C Trace Context Level 2 §3.2; lowercase only, versions above 00 may be longer.
fn traceparent(value: &[u8]) -> Option<Context> {
    let mut parts = value.split(|byte| *byte == b'-');
    let [version] = hex::<1>(parts.next()?)?;
    let trace = hex::<16>(parts.next()?)?;
    let span = hex::<8>(parts.next()?)?;
    let [flags] = hex::<1>(parts.next()?)?;
    let longer = parts.next().is_some();
    if version == 0xff || (version == 0 && longer) || trace == [0; 16] || span == [0; 8] {
        return None;
    }
    Some(Context { trace, span, flags: flags & 0b11, remote: true, ..Context::EMPTY })
}

fn hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    if text.len() != 2 * N {
        return None;
    }
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        if let [high, low] = pair {
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
    }
    Some(bytes)
}

fn format_traceparent(context: &Context) -> [u8; 55] {
    let mut text = [b'-'; 55];
    let mut at = 0;
    let mut put = |bytes: &[u8], text: &mut [u8; 55]| {
        for byte in bytes {
            for digit in [byte >> 4, byte & 15] {
                if let Some(slot) = text.get_mut(at) {
                    *slot = if digit < 10 { b'0' + digit } else { b'a' + digit - 10 };
                }
                at += 1;
            }
        }
        at += 1;
    };
    put(&[0], &mut text);
    put(&context.trace, &mut text);
    put(&context.span, &mut text);
    put(&[context.flags], &mut text);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &[u8] = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_traceparent_survives_the_round_trip() {
        let context = traceparent(VALID).unwrap();
        assert_eq!(format_traceparent(&context), VALID);
        assert!(context.remote && context.flags == 1);
    }

    #[test]
    fn malformed_traceparents_are_refused() {
        for bad in [
            &b""[..],
            b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-extra",
            b"ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            b"00-00000000000000000000000000000000-b7ad6b7169203331-01",
            b"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            b"00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333x-01",
        ] {
            assert!(traceparent(bad).is_none(), "{}", String::from_utf8_lossy(bad));
        }
    }

    #[test]
    fn a_future_version_may_be_longer() {
        assert!(traceparent(b"01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-comes").is_some());
    }
}
