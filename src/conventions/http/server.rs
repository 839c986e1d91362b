//! HTTP requests served.

use std::borrow::Cow;
use std::net::Ipv6Addr;

use opentelemetry::trace::SpanKind;
use opentelemetry_semantic_conventions::attribute as name;

use super::super::forwarded::{Forwarded, first_item};
use super::super::{Attributes, Described, Measured, SpanName, status};
use super::{HttpSettings, host_and_port, http_error_type, method_in_name};
use crate::attributes::attribute::Text;
use crate::conventions::catalog::{
    HTTP_SERVER_REQUEST_BODY_SIZE, HTTP_SERVER_REQUEST_DURATION, HTTP_SERVER_RESPONSE_BODY_SIZE,
};
use crate::records::facts::Facts;
use crate::redact;
use crate::wire::key;

/// The first status code by which a server shows that it has failed.
pub(in crate::conventions) const ERRORS_FROM: i64 = 500;

pub(in crate::conventions) fn describe<'a>(
    facts: &Facts<'a>,
    cut: Option<&'a str>,
    settings: &HttpSettings,
) -> Described<'a> {
    let mut to = Attributes::default();
    let header = facts.text(key::HTTP_FORWARDED).unwrap_or_default();
    let forwarded = Forwarded::first(header.as_bytes());
    let (method, original) = settings.method(facts.text(key::HTTP_METHOD).unwrap_or_default());
    to.text(name::HTTP_REQUEST_METHOD, Some(method.clone()));
    to.text(name::HTTP_REQUEST_METHOD_ORIGINAL, original);
    to.text(name::URL_PATH, facts.text(key::URL_PATH).map(|path| Text::from(path).cleaned(redact::url_path)));
    to.text(name::URL_QUERY, facts.text(key::URL_QUERY).map(|query| Text::from(query).cleaned(redact::query)));
    let scheme = forwarded.scheme.map(Text::Borrowed);
    let scheme = scheme.or_else(|| facts.text(key::URL_SCHEME).map(|text| Text::from(text).cleaned(lower)));
    to.text(name::URL_SCHEME, Some(scheme.unwrap_or("http".into())));
    // Where no instrumentation of the router is, the program may name the route by itself.
    let own = || facts.named_text(name::HTTP_ROUTE).map(|route| Text::from(route).cleaned(redact::url_path));
    let route = facts.text(key::HTTP_ROUTE).map(Text::from).or_else(own);
    to.text(name::HTTP_ROUTE, route.clone());
    let code = facts.int(key::HTTP_STATUS);
    to.int(name::HTTP_RESPONSE_STATUS_CODE, code);
    if let Some((address, port)) = server(facts, forwarded.host, settings) {
        to.text(name::SERVER_ADDRESS, Some(address));
        to.int(name::SERVER_PORT, port);
    }
    let peer = facts.text(key::PEER_ADDRESS).map(Text::from);
    let hops = facts.text(key::HTTP_FORWARDED_FOR).unwrap_or_default();
    let client = forwarded.client.and_then(hop).or_else(|| hop(first_item(hops.as_bytes())));
    to.text(name::CLIENT_ADDRESS, client.map(|client| client.to_owned().into()).or_else(|| peer.clone()));
    to.text(name::NETWORK_PEER_ADDRESS, peer);
    to.int(name::NETWORK_PEER_PORT, facts.port(key::PEER_PORT));
    to.text(name::NETWORK_PROTOCOL_VERSION, facts.text(key::HTTP_VERSION));
    to.text(name::USER_AGENT_ORIGINAL, facts.text(key::USER_AGENT).map(|agent| settings.agent(agent)));
    let error = http_error_type(facts, ERRORS_FROM, cut);
    let failed = error.is_some();
    to.text(name::ERROR_TYPE, error);
    // All three have the same attributes.
    let selected = to.of(&HTTP_SERVER_REQUEST_DURATION);
    let size = |metric, key| Measured::counted(metric, facts.int(key), selected);
    let measured = [
        Some(Measured::duration(&HTTP_SERVER_REQUEST_DURATION, selected)),
        size(&HTTP_SERVER_REQUEST_BODY_SIZE, key::HTTP_REQUEST_BODY_SIZE),
        size(&HTTP_SERVER_RESPONSE_BODY_SIZE, key::HTTP_RESPONSE_BODY_SIZE),
    ];
    to.0.extend(settings.headers(facts, key::HTTP_REQUEST_HEADER, "http.request.header."));
    to.0.extend(settings.headers(facts, key::HTTP_RESPONSE_HEADER, "http.response.header."));
    let span_name = match route {
        Some(route) => SpanName::of_two(method_in_name(method), route),
        None => method_in_name(method).into(),
    };
    Described {
        name: span_name,
        kind: SpanKind::Server,
        status: status(facts, failed, cut),
        measured: measured.into(),
        attributes: to.0,
    }
}

/// The server that the request was for, as its headers name it.
pub(in crate::conventions) fn address<'a>(
    facts: &Facts<'a>,
    settings: &HttpSettings,
) -> Option<(Text<'a>, Option<i64>)> {
    let header = facts.text(key::HTTP_FORWARDED).unwrap_or_default();
    server(facts, Forwarded::first(header.as_bytes()).host, settings)
}

/// The server that the request was for: the original host where a proxy passes it on, with its port if that is known.
fn server<'a>(facts: &Facts<'a>, forwarded: Option<&[u8]>, settings: &HttpSettings) -> Option<(Text<'a>, Option<i64>)> {
    let proxied = facts.text(key::HTTP_FORWARDED_HOST).unwrap_or_default();
    let candidates = [forwarded.unwrap_or_default(), first_item(proxied.as_bytes())];
    let named = candidates.into_iter().find_map(host).map(|(host, port)| (Text::Owned(host.to_owned()), port));
    let (address, port) = named.or_else(|| own(facts, settings))?;
    let proxied = facts.text(key::HTTP_FORWARDED_PORT).unwrap_or_default();
    let proxied = || std::str::from_utf8(first_item(proxied.as_bytes())).ok()?.parse::<u16>().ok();
    Some((address, port.or_else(|| proxied().filter(|port| *port > 0).map(i64::from))))
}

/// The server as the client named it.
fn own<'a>(facts: &Facts<'a>, settings: &HttpSettings) -> Option<(Text<'a>, Option<i64>)> {
    match facts.text(key::HTTP_HOST)? {
        Cow::Borrowed(own) => settings.host(own, |own| host(own.as_bytes())),
        Cow::Owned(own) => host(own.as_bytes()).map(|(host, port)| (Text::Owned(host.to_owned()), port)),
    }
}

/// In small letters.
fn lower(text: &str) -> Cow<'_, str> {
    match text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Owned(text.to_ascii_lowercase()),
        false => Cow::Borrowed(text),
    }
}

/// A name or an address, and a port; `None` for what can be neither.
fn host(authority: &[u8]) -> Option<(&str, Option<i64>)> {
    let (host, port) = host_and_port(std::str::from_utf8(authority).ok()?);
    let may = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte);
    let valid = match host.contains(':') {
        true => host.split('%').next().is_some_and(|address| address.parse::<Ipv6Addr>().is_ok()),
        false => !host.is_empty() && host.bytes().all(may),
    };
    valid.then_some((host, port))
}

/// The client's address as a proxy passes it on, unless it hides that.
fn hop(node: &[u8]) -> Option<&str> {
    let node = node.strip_prefix(b"\"").and_then(|node| node.strip_suffix(b"\"")).unwrap_or(node);
    let (host, _) = host(node)?;
    (!host.eq_ignore_ascii_case("unknown") && !host.starts_with('_')).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{self, facts, shown};
    use super::*;
    use opentelemetry::trace::Status;

    fn described<'a>(facts: &Facts<'a>, cut: Option<&'a str>) -> Described<'a> {
        describe(facts, cut, &HttpSettings::default())
    }

    #[test]
    fn a_request_has_the_attributes_of_the_conventions() {
        let described = described(
            &facts(&[
                (key::HTTP_METHOD, "GET"),
                (key::URL_PATH, "/orders/7;sid=hunter2"),
                (key::URL_QUERY, "a=1&token=abc"),
                (key::URL_SCHEME, "http"),
                (key::HTTP_ROUTE, "/orders/{id}"),
                (key::HTTP_STATUS, "200"),
                (key::HTTP_HOST, "shop.test:3000"),
                (key::HTTP_VERSION, "1.1"),
                (key::PEER_ADDRESS, "10.0.0.9"),
                (key::PEER_PORT, "5555"),
                (key::USER_AGENT, "curl/8"),
            ]),
            None,
        );
        assert_eq!(described.name, "GET /orders/{id}");
        assert_eq!((&described.kind, &described.status), (&SpanKind::Server, &Status::Unset));
        assert_eq!(
            shown(&described.attributes),
            [
                "client.address=10.0.0.9",
                "http.request.method=GET",
                "http.response.status_code=200",
                "http.route=/orders/{id}",
                "network.peer.address=10.0.0.9",
                "network.peer.port=5555",
                "network.protocol.version=1.1",
                "server.address=shop.test",
                "server.port=3000",
                "url.path=/orders/7;sid=REDACTED",
                "url.query=a=1&token=REDACTED",
                "url.scheme=http",
                "user_agent.original=curl/8",
            ]
        );
        assert_eq!(
            testing::measured(&described, 0),
            [
                "http.request.method=GET",
                "http.response.status_code=200",
                "http.route=/orders/{id}",
                "network.protocol.version=1.1",
                "url.scheme=http",
            ]
        );
    }

    #[test]
    fn failures_are_errors_and_unknown_methods_are_other() {
        for (recorded, cut, name, error) in [
            (vec![(key::HTTP_METHOD, "GET"), (key::HTTP_STATUS, "404")], None, "GET", None),
            (vec![(key::HTTP_METHOD, "GET"), (key::HTTP_STATUS, "503")], None, "GET", Some("503")),
            (vec![(key::HTTP_METHOD, "BREW"), (key::HTTP_ROUTE, "/pot")], None, "HTTP /pot", None),
            (vec![(key::HTTP_METHOD, "GET"), (key::ERROR_TYPE, "timeout")], None, "GET", Some("timeout")),
            (vec![(key::ERROR_TYPE, "timeout"), (key::HTTP_STATUS, "503")], None, "HTTP", Some("timeout")),
            (vec![(key::ERROR_TYPE, "timeout"), (key::HTTP_STATUS, "200")], None, "HTTP", None),
            (vec![(key::HTTP_STATUS, "200"), (key::ERROR_TYPE, "body")], None, "HTTP", Some("body")),
            (vec![(key::HTTP_METHOD, "GET")], Some("SIGKILL"), "GET", Some("SIGKILL")),
            (vec![], None, "HTTP", None),
        ] {
            let described = described(&facts(&recorded), cut);
            assert_eq!(described.name, name, "{recorded:?}");
            assert_eq!(testing::error(&described).as_deref(), error, "{recorded:?}");
            assert_eq!(matches!(described.status, Status::Error { .. }), error.is_some(), "{recorded:?}");
        }
        let described = described(&facts(&[(key::HTTP_METHOD, "BREW")]), None);
        assert!(shown(&described.attributes).contains(&"http.request.method_original=BREW".to_owned()));
    }

    #[test]
    fn the_clients_address_is_taken_from_proxies_headers() {
        for (header, value, client) in [
            (key::HTTP_FORWARDED_FOR, "203.0.113.7, 10.0.0.1", "203.0.113.7"),
            (key::HTTP_FORWARDED_FOR, "203.0.113.7:4711", "203.0.113.7"),
            (key::HTTP_FORWARDED_FOR, "unknown, 10.0.0.1", "10.9.9.9"),
            (key::HTTP_FORWARDED, "For=\"[2001:db8::17]:4711\";proto=https, for=1.2.3.4", "2001:db8::17"),
            (key::HTTP_FORWARDED, "for=_hidden", "10.9.9.9"),
            (key::HTTP_FORWARDED, "nonsense", "10.9.9.9"),
            (key::HTTP_FORWARDED, "for=\"1.2.3.4, 5.6.7.8\"", "10.9.9.9"),
            (key::HTTP_FORWARDED_FOR, "<script>", "10.9.9.9"),
            (key::HTTP_FORWARDED_FOR, ", 203.0.113.7", "10.9.9.9"),
            (key::HTTP_FORWARDED_FOR, "2001:db8::17, 10.0.0.1", "2001:db8::17"),
        ] {
            let described = described(&facts(&[(header, value), (key::PEER_ADDRESS, "10.9.9.9")]), None);
            assert!(shown(&described.attributes).contains(&format!("client.address={client}")), "{value}");
        }
    }

    #[test]
    fn the_original_host_is_taken_from_proxies_headers() {
        let (host, port) = (key::HTTP_FORWARDED_HOST, key::HTTP_FORWARDED_PORT);
        for (recorded, address, number) in [
            (vec![], "in.test", Some(81)),
            (vec![(key::HTTP_FORWARDED, "host=\"a.test:8443\";proto=HTTPS"), (host, "b.test")], "a.test", Some(8443)),
            (vec![(host, "b.test:8443, c.test")], "b.test", Some(8443)),
            (vec![(host, "b.test"), (port, "443, 80")], "b.test", Some(443)),
            (vec![(host, "b.test")], "b.test", None),
            (vec![(host, "b.test"), (port, "0")], "b.test", None),
            (vec![(host, "b.test"), (port, "many")], "b.test", None),
            (vec![(host, "[2001:db8::1]:8443")], "2001:db8::1", Some(8443)),
            (vec![(host, "2001:db8::1")], "2001:db8::1", None),
            (vec![(host, "a b"), (port, "443")], "in.test", Some(81)),
            (vec![(host, "a/b")], "in.test", Some(81)),
            (vec![(host, "1:2:3")], "in.test", Some(81)),
            (vec![(host, "")], "in.test", Some(81)),
            (vec![(key::HTTP_FORWARDED, "host=\"a b\"")], "in.test", Some(81)),
            (vec![(key::HTTP_FORWARDED, "proto=https"), (host, "b.test")], "b.test", None),
        ] {
            let all: Vec<_> = std::iter::once((key::HTTP_HOST, "in.test:81")).chain(recorded).collect();
            let shown = shown(&described(&facts(&all), None).attributes);
            let server: Vec<_> = shown.iter().filter(|attribute| attribute.starts_with("server.")).cloned().collect();
            let port = number.map(|port: i64| format!("server.port={port}"));
            assert_eq!(
                server,
                std::iter::once(format!("server.address={address}")).chain(port).collect::<Vec<_>>(),
                "{all:?}"
            );
        }
        let forwarded = described(&facts(&[(key::HTTP_FORWARDED, "proto=HTTPS"), (key::URL_SCHEME, "http")]), None);
        for attributes in [shown(&forwarded.attributes), testing::measured(&forwarded, 0)] {
            assert!(attributes.contains(&"url.scheme=https".to_owned()));
        }
    }

    #[test]
    fn sizes_have_the_attributes_of_durations() {
        for metric in [&HTTP_SERVER_REQUEST_BODY_SIZE, &HTTP_SERVER_RESPONSE_BODY_SIZE] {
            assert_eq!(metric.attributes, HTTP_SERVER_REQUEST_DURATION.attributes);
        }
    }

    #[test]
    fn an_invalid_host_is_left_out() {
        for host in ["", "a b", "<x>", "a/b", "caf\u{e9}", ":80"] {
            let shown = shown(&described(&facts(&[(key::HTTP_HOST, host)]), None).attributes);
            assert!(!shown.iter().any(|attribute| attribute.starts_with("server.")), "{host}");
        }
    }
}
