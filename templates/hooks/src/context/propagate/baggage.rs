//! W3C Baggage, passed on as it came; and baggage in headers of its own for each member, as Jaeger and OpenTracing have it.

use super::text::{trim, Line};
use super::MAX_CARRIED;
use crate::headers::{first, Headers, HeadersMut};

pub(super) const BAGGAGE: &str = "baggage";

/// The members of all headers of that name, those left out that are not as the specification has them or find no room.
pub(super) fn extract(headers: &dyn Headers, name: &str) -> Vec<u8> {
    let mut list = Vec::new();
    headers.named(name, &mut |value| {
        for member in value.split(|byte| *byte == b',').map(trim) {
            if is_member(member) && list.len() + member.len() < MAX_CARRIED {
                if !list.is_empty() {
                    list.push(b',');
                }
                list.extend_from_slice(member);
            }
        }
    });
    list
}

/// Baggage that the program set stays, unless there is nothing valid in it.
pub(super) fn inject(list: &[u8], headers: &mut dyn HeadersMut) {
    let mut valid = false;
    headers.named(BAGGAGE, &mut |value| {
        valid |= value.split(|byte| *byte == b',').any(|member| is_member(trim(member)));
    });
    if !valid {
        headers.set(BAGGAGE, list);
    }
}

/// `<key>=<value>`, and any number of `;<property>` or `;<property>=<value>`.
pub(in crate::context) fn is_member(member: &[u8]) -> bool {
    let mut parts = member.split(|byte| *byte == b';').map(trim);
    let pair = |part: &[u8]| {
        let at = part.iter().position(|byte| *byte == b'=')?;
        Some(is_token(trim(part.get(..at)?)) && is_value(trim(part.get(at + 1..)?)))
    };
    parts.next().and_then(pair).unwrap_or(false)
        && parts.all(|property| pair(property).unwrap_or_else(|| property.is_empty() || is_token(property)))
}

/// A token of RFC 9110.
pub(in crate::context) fn is_token(text: &[u8]) -> bool {
    let may = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !text.is_empty() && text.iter().all(may)
}

fn is_value(text: &[u8]) -> bool {
    text.iter().all(|byte| matches!(byte, b'!'..=b'~') && !matches!(byte, b'"' | b',' | b';' | b'\\'))
}

/// The members that stand in headers `<prefix><key>: <value>`, as one list.
pub(super) fn extract_members(headers: &dyn Headers, prefix: &str, list: &mut Vec<u8>) {
    headers.each(&mut |name, value| {
        let Some(key) = name.strip_prefix(prefix) else { return };
        // A list takes no more than some printable characters: any other may become three.
        if !is_token(key.as_bytes()) || list.len() + key.len() + 3 * value.len() + 2 > MAX_CARRIED {
            return;
        }
        if !list.is_empty() {
            list.push(b',');
        }
        list.extend_from_slice(key.as_bytes());
        list.push(b'=');
        for byte in value {
            match byte {
                0x21 | 0x23..=0x2b | 0x2d..=0x3a | 0x3c..=0x5b | 0x5d..=0x7e => list.push(*byte),
                _ => list.extend_from_slice(Line::<3>::EMPTY.text(b"%").hex(&[*byte]).as_bytes()),
            }
        }
    });
}

/// Each member of a list in a header of its own; the properties of a member have no place there.
pub(super) fn inject_members(list: &[u8], prefix: &str, headers: &mut dyn HeadersMut) {
    const LONGEST_NAME: usize = 256;
    for member in list.split(|byte| *byte == b',') {
        let member = member.split(|byte| *byte == b';').next().unwrap_or(&[]);
        let mut parts = member.splitn(2, |byte| *byte == b'=');
        let (Some(key), Some(value)) = (parts.next(), parts.next()) else { continue };
        let (key, value) = (trim(key), trim(value));
        if key.is_empty() || prefix.len() + key.len() > LONGEST_NAME {
            continue;
        }
        let mut name = Line::<LONGEST_NAME>::EMPTY.text(prefix.as_bytes());
        key.iter().for_each(|byte| name.push(byte.to_ascii_lowercase()));
        if let Ok(name) = std::str::from_utf8(name.as_bytes()) {
            if first(headers, name).is_none() {
                headers.set(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Map;
    use super::super::Propagator::{Baggage, Jaeger, OtTrace};
    use super::super::{extract_with, inject_with, Propagator};

    fn through(from: &[(&str, &str)], read: &[Propagator], write: &[Propagator]) -> Vec<(String, String)> {
        let mut headers = Map::default();
        inject_with(write, &extract_with(read, &Map::of(from)), &mut headers);
        headers.0
    }

    fn shown(headers: &[(String, String)]) -> Vec<(&str, &str)> {
        headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    #[test]
    fn baggage_is_passed_on_as_it_came() {
        let list = "userId=alice,serverNode=DF%2028,isProduction=false;meta=1";
        let out = through(&[("baggage", list), ("baggage", "more=1")], &[Baggage], &[Baggage]);
        assert_eq!(shown(&out), [("baggage", format!("{list},more=1").as_str())]);
        assert!(through(&[("baggage", list)], &[Propagator::B3], &[Baggage]).is_empty());
    }

    #[test]
    fn malformed_members_are_left_out() {
        for (from, kept) in [
            ("a=1,b,=2,c d=3,e=\"4\",f=5 6,g=\u{e9},h=7", "a=1,h=7"),
            (" a = 1 ; p ; q = 2 ,, b=", "a = 1 ; p ; q = 2,b="),
            ("a=1;p q,b=2;=3,c=3;r=\"", ""),
            ("a==1,b=x=y;z", "a==1,b=x=y;z"),
            (",;=,;,=;", ""),
        ] {
            let out = through(&[("baggage", from)], &[Baggage], &[Baggage]);
            assert_eq!(out.first().map_or("", |(_, value)| value), kept, "{from}");
        }
        // The limits that the specification requires every propagator to support.
        let most = (0..64).map(|number| format!("k{number:03}={}", "v".repeat(122))).collect::<Vec<_>>().join(",");
        assert_eq!(most.len(), 8191);
        assert_eq!(shown(&through(&[("baggage", &most)], &[Baggage], &[Baggage])), [("baggage", most.as_str())]);
    }

    #[test]
    fn jaegers_members_have_a_header_each() {
        // Cases of the OpenTelemetry SDK for Java (JaegerPropagatorTest).
        for (from, list) in [
            (
                &[("uberctx-nometa", "nometa-value"), ("uberctx-meta", "meta-value"), ("another", "value")][..],
                "nometa=nometa-value,meta=meta-value",
            ),
            (&[("uberctx-", "value")], ""),
            (&[("jaeger-baggage", "nometa=nometa-value,meta=meta-value")], "nometa=nometa-value,meta=meta-value"),
            (&[("uberctx-foo", "b r,")], "foo=b%20r%2c"),
        ] {
            let out = through(from, &[Jaeger], &[Baggage]);
            assert_eq!(out.first().map_or("", |(_, value)| value), list);
        }
        let out = through(
            &[("baggage", " nometa = nometa-value ,Meta=meta-value;somemetadata;x=y,,=z,k")],
            &[Baggage],
            &[Jaeger],
        );
        assert_eq!(shown(&out), [("uberctx-nometa", "nometa-value"), ("uberctx-meta", "meta-value")]);
    }

    #[test]
    fn open_tracings_members_need_a_trace() {
        // Cases of the OpenTelemetry SDK for Java (OtTracePropagatorTest).
        let ids = [("ot-tracer-traceid", "ff000000000000000000000000000041"), ("ot-tracer-spanid", "ff00000000000041")];
        let members = [("ot-baggage-foo", "bar"), ("ot-baggage-key", "value")];
        let all: Vec<_> = ids.into_iter().chain(members).collect();
        assert_eq!(shown(&through(&all, &[OtTrace], &[Baggage])), [("baggage", "foo=bar,key=value")]);
        assert!(through(&members, &[OtTrace], &[Baggage]).is_empty());
        assert!(through(&[("baggage", "foo=bar")], &[Baggage], &[OtTrace]).is_empty());
        let out = through(&all, &[OtTrace], &[OtTrace]);
        assert_eq!(shown(&out).get(3..), Some(&members[..]));
    }

    #[test]
    fn baggage_beyond_all_bounds_is_left() {
        let long = "v".repeat(9000);
        for (name, propagator) in [("baggage", Baggage), ("uberctx-a", Jaeger)] {
            assert!(through(&[(name, &long)], &[propagator], &[Baggage]).is_empty(), "{name}");
        }
        let out = through(&[("baggage", &format!("{}=1,b=2", "k".repeat(1000)))], &[Baggage], &[Jaeger]);
        assert_eq!(shown(&out), [("uberctx-b", "2")]);
    }
}
