//! The original request as proxies report it: `Forwarded` (RFC 7239), and the headers from before it. Of several
//! hops the first counts, which is the one next to the client. Compiled at both ends.

/// The first element of a `Forwarded` header. What is malformed is left out.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Forwarded<'a> {
    pub(crate) client: Option<&'a [u8]>,
    pub(crate) host: Option<&'a [u8]>,
    pub(crate) scheme: Option<&'static str>,
}

impl<'a> Forwarded<'a> {
    pub(crate) fn first(header: &'a [u8]) -> Forwarded<'a> {
        let mut found = Forwarded::default();
        let mut rest = split(header, b',').0;
        while !rest.is_empty() {
            let (pair, others) = split(rest, b';');
            rest = others;
            let (name, value) = split(pair, b'=');
            let Some(value) = unquoted(trim(value)) else { continue };
            let name = trim(name);
            if name.eq_ignore_ascii_case(b"for") {
                found.client = found.client.or(Some(value));
            } else if name.eq_ignore_ascii_case(b"host") {
                found.host = found.host.or(Some(value));
            } else if name.eq_ignore_ascii_case(b"proto") {
                found.scheme = found.scheme.or_else(|| scheme(value));
            }
        }
        found
    }
}

/// The first item of a list.
pub(crate) fn first_item(list: &[u8]) -> &[u8] {
    trim(split(list, b',').0)
}

/// The scheme of a forwarding header or a URL; `None` if it is not a scheme of HTTP. A WebSocket is opened by a
/// request of HTTP (RFC 6455, RFC 8441).
pub(crate) fn scheme(word: &[u8]) -> Option<&'static str> {
    let known = [("http", "http"), ("https", "https"), ("ws", "http"), ("wss", "https")];
    known.iter().find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(word)).map(|(_, scheme)| *scheme)
}

/// What stands before the first `at` that is not in quotes, and what after it.
fn split(text: &[u8], at: u8) -> (&[u8], &[u8]) {
    let (mut quoted, mut escaped) = (false, false);
    for (place, byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if !quoted && *byte == at => {
                return (text.get(..place).unwrap_or(text), text.get(place + 1..).unwrap_or(&[]));
            }
            _ => {}
        }
    }
    (text, &[])
}

/// The value without its quotes. Nothing that may stand here needs a quoted pair.
fn unquoted(value: &[u8]) -> Option<&[u8]> {
    let value = match value {
        [b'"', inner @ .., b'"'] => inner,
        plain => plain,
    };
    Some(value).filter(|value| !value.is_empty() && !value.iter().any(|byte| matches!(byte, b'"' | b'\\')))
}

fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_element_counts_quotes_or_not() {
        for (header, client, host, scheme) in [
            ("for=192.0.2.60;proto=http;host=a.test", Some("192.0.2.60"), Some("a.test"), Some("http")),
            ("For=\"[2001:db8:cafe::17]:4711\"", Some("[2001:db8:cafe::17]:4711"), None, None),
            (" PROTO = \"HTTPS\" ; Host = \"a.test:81\" , proto=http", None, Some("a.test:81"), Some("https")),
            ("for=1.2.3.4, proto=https;host=b", Some("1.2.3.4"), None, None),
            ("host=\"a,b;c=d\";for=5.6.7.8", Some("5.6.7.8"), Some("a,b;c=d"), None),
            ("for=_hidden;by=secret;ext=\"\\\"x,\";proto=wss", Some("_hidden"), None, Some("https")),
            ("proto=gopher;proto=https", None, None, Some("https")),
            ("for=1.1.1.1;for=2.2.2.2", Some("1.1.1.1"), None, None),
            ("host=\"open;proto=https", None, None, None),
            ("host=\"a\\\"b\";proto=https", None, None, Some("https")),
            ("nonsense", None, None, None),
            (";=;,;for=;host=\"\"", None, None, None),
            ("", None, None, None),
        ] {
            let expected = Forwarded { client: client.map(str::as_bytes), host: host.map(str::as_bytes), scheme };
            assert_eq!(Forwarded::first(header.as_bytes()), expected, "{header}");
        }
    }

    #[test]
    fn only_schemes_of_http_are_schemes() {
        for (word, expected) in [
            ("http", Some("http")),
            ("HTTPS", Some("https")),
            ("ws", Some("http")),
            ("wss", Some("https")),
            ("", None),
            ("https://", None),
            ("javascript", None),
            ("ftp", None),
        ] {
            assert_eq!(scheme(word.as_bytes()), expected, "{word}");
        }
        assert_eq!(first_item(b" https , http"), b"https");
        assert_eq!(first_item(b""), b"");
    }
}
