//! W3C Trace Context: `traceparent`, and `tracestate` in its normal form.

use super::super::{flag, Context};
use super::text::{hex, trim, Line};
use super::{remote, MAX_CARRIED};
use crate::headers::{Headers, HeadersMut};

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";

pub(super) const FIELDS: &[&str] = &[TRACEPARENT, TRACESTATE];

/// Members that a tracestate may have, and how long their keys and values may be.
const MAX_MEMBERS: usize = 32;
const MAX_KEY: usize = 256;
const MAX_TENANT: usize = 241;
const MAX_SYSTEM: usize = 14;
const MAX_VALUE: usize = 256;

pub(super) fn extract(headers: &dyn Headers) -> Option<Context> {
    let mut found = None;
    let mut seen = 0;
    headers.named(TRACEPARENT, &mut |value| {
        seen += 1;
        found = parse(trim(value));
    });
    // Repeated traceparents contradict each other, so all are ignored.
    found.filter(|_| seen == 1)
}

/// The list of all headers of that name; empty if any of its members is not as the specification has it.
pub(super) fn tracestate(headers: &dyn Headers) -> Vec<u8> {
    let mut list = Vec::new();
    let mut members = 0;
    let mut valid = true;
    headers.named(TRACESTATE, &mut |value| {
        for member in value.split(|byte| *byte == b',').map(trim).filter(|member| !member.is_empty()) {
            members += 1;
            let key = key_of(member);
            valid &= members <= MAX_MEMBERS && key.is_some() && list.len() + member.len() < MAX_CARRIED;
            let Some(key) = key.filter(|_| valid) else { return };
            // The first is the latest; the specification leaves open what becomes of the others.
            let has_key = |known: &[u8]| known.strip_prefix(key).map_or(false, |rest| rest.first() == Some(&b'='));
            if list.split(|byte| *byte == b',').any(has_key) {
                continue;
            }
            if !list.is_empty() {
                list.push(b',');
            }
            list.extend_from_slice(member);
        }
    });
    if valid {
        list
    } else {
        Vec::new()
    }
}

/// The key of `<key>=<value>`, if both are valid.
fn key_of(member: &[u8]) -> Option<&[u8]> {
    let at = member.iter().position(|byte| *byte == b'=')?;
    let (key, value) = (member.get(..at)?, member.get(at + 1..)?);
    let mut parts = key.splitn(2, |byte| *byte == b'@');
    let is_key = match (parts.next()?, parts.next()) {
        (key, None) => is_name(key, MAX_KEY),
        (tenant, Some(system)) => {
            is_name(tenant, MAX_TENANT)
                && is_name(system, MAX_SYSTEM)
                && system.first().map_or(false, u8::is_ascii_lowercase)
        }
    };
    let is_value = (1..=MAX_VALUE).contains(&value.len())
        && value.iter().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b',' | b'='));
    Some(key).filter(|_| is_key && is_value)
}

fn is_name(name: &[u8], longest: usize) -> bool {
    let may = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/');
    name.len() <= longest && name.first().map_or(false, u8::is_ascii_alphanumeric) && name.iter().all(may)
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
            "00-12345678901234567890123456789012-1234567890ABCDEF-01",
            "CC-12345678901234567890123456789012-1234567890123456-01",
            "00-12345678901234567890123456789012-1234567890123456-0A",
            "00-12345678901234567890123456789012-1234567890123456-01-",
            "00_12345678901234567890123456789012_1234567890123456_01",
            "00-12345678901234567890123456789012-1234567890123456-01,00-12345678901234567890123456789012-1234567890123456-01",
        ] {
            assert_eq!(parent(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_future_version_may_be_longer() {
        for good in [
            format!("cc-{TRACE}-{SPAN}-01"),
            format!("cc-{TRACE}-{SPAN}-01-what-the-future-will-be-like"),
            format!(" 01-{TRACE}-{SPAN}-01-\t"),
        ] {
            assert_eq!(parent(&good), Some((TRACE.into(), SPAN.into(), 1)));
        }
    }

    #[test]
    fn repeated_traceparents_are_ignored() {
        let value = format!("00-{TRACE}-{SPAN}-01");
        assert_eq!(extracted(&[TraceContext], &[("traceparent", &value), ("traceparent", &value)]), None);
    }

    #[test]
    fn unknown_flags_are_not_passed_on() {
        assert_eq!(parent(&format!("00-{TRACE}-{SPAN}-ff")), Some((TRACE.into(), SPAN.into(), 0b11)));
    }

    /// What is passed on of a tracestate that came in these headers.
    fn state(pieces: &[&str]) -> String {
        let value = format!("00-{TRACE}-{SPAN}-01");
        let parent = ("traceparent", value.as_str());
        let all: Vec<_> = std::iter::once(parent).chain(pieces.iter().map(|piece| ("tracestate", *piece))).collect();
        let mut headers = Map::default();
        inject_with(&[TraceContext], &extract_with(&[TraceContext], &Map::of(&all)), &mut headers);
        headers.value("tracestate").unwrap_or("").to_owned()
    }

    // The next five bear the names of the cases of the W3C's suite that they stand for.

    #[test]
    fn test_tracestate_key_illegal_characters() {
        for key in ["foo ", "Foo", "FOO", "foo.bar", "foo\tbar", "_foo", "-foo", "*foo", "/foo", "fo\u{f6}", ""] {
            assert_eq!(state(&[&format!("{key}=1")]), "", "{key}");
            assert_eq!(state(&[&format!("good=1,{key}=1")]), "", "all of it goes: {key}");
        }
        for key in ["foo", "0foo", "a-b_c*d/e", "t1@s", "241@system"] {
            assert_eq!(state(&[&format!("{key}=1")]), format!("{key}=1"));
        }
    }

    #[test]
    fn test_tracestate_key_illegal_vendor_format() {
        for key in ["foo@", "@foo", "@", "foo@@bar", "foo@bar@baz", "foo@Bar", "foo@1bar", "foo@_bar"] {
            assert_eq!(state(&[&format!("{key}=1,bar=2")]), "", "{key}");
        }
    }

    #[test]
    fn test_tracestate_key_length_limit() {
        for (tenant, system, fits) in
            [(256, 0, true), (257, 0, false), (241, 14, true), (242, 14, false), (1, 15, false)]
        {
            let key = match system {
                0 => "k".repeat(tenant),
                _ => format!("{}@{}", "t".repeat(tenant), "s".repeat(system)),
            };
            let member = format!("{key}=1");
            assert_eq!(state(&[&member]), if fits { member.as_str() } else { "" }, "{tenant} {system}");
        }
    }

    #[test]
    fn test_tracestate_member_count_limit() {
        let members = |count: usize| (0..count).map(|number| format!("k{number}={number}")).collect::<Vec<_>>();
        let (most, more) = (members(32), members(33));
        assert_eq!(state(&[&most.join(",")]), most.join(","));
        assert_eq!(state(&[&format!("{},,", most.join(" , ,"))]), most.join(","), "empty members do not count");
        assert_eq!(state(&[&more.join(",")]), "");
        assert_eq!(state(&[&most.join(","), "one=more"]), "", "several headers are one list");
    }

    #[test]
    fn test_tracestate_value_illegal_characters() {
        for value in ["", "bar=baz", "=", "b\u{e4}r", "b\u{7f}r", "b\u{1}r", &"v".repeat(257)] {
            assert_eq!(state(&[&format!("foo={value}")]), "", "{value}");
            assert_eq!(state(&[&format!("good=1,foo={value},bar=3")]), "", "all of it goes: {value}");
        }
        for value in ["b r", "!~\"#$%&'()*+-./:;<>?@[\\]^_`{|}", &"v".repeat(256)] {
            assert_eq!(state(&[&format!("foo={value}")]), format!("foo={value}"));
        }
    }

    #[test]
    fn a_tracestate_has_each_key_once_and_no_blanks_around_members() {
        assert_eq!(state(&["foo=1,bar=2,foo=3"]), "foo=1,bar=2");
        assert_eq!(state(&["foo=1", "foo=2"]), "foo=1");
        assert_eq!(state(&["  foo=1 \t,\tbar=2 ", ", ", "rojo=00f067@x"]), "foo=1,bar=2,rojo=00f067@x");
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
