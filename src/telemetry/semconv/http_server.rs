//! HTTP requests served.

use opentelemetry::trace::SpanKind;
use opentelemetry_semantic_conventions::attribute as name;

use super::{Attributes, Conventions, Described, Measured, host_and_port, http_error_type, method_in_name, status};
use crate::channel::wire::key;
use crate::redact;
use crate::telemetry::definition::{
    HTTP_SERVER_REQUEST_BODY_SIZE, HTTP_SERVER_REQUEST_DURATION, HTTP_SERVER_RESPONSE_BODY_SIZE,
};
use crate::telemetry::facts::Facts;

pub(super) fn describe(facts: &Facts<'_>, cut: Option<&str>, conventions: &Conventions) -> Described {
    let mut to = Attributes::default();
    let forwarded = facts.text(key::HTTP_FORWARDED).map(|header| Forwarded::first(&header)).unwrap_or_default();
    let (method, original) = conventions.method(&facts.text(key::HTTP_METHOD).unwrap_or_default());
    to.text(name::HTTP_REQUEST_METHOD, Some(method.clone()));
    to.text(name::HTTP_REQUEST_METHOD_ORIGINAL, original);
    to.text(name::URL_PATH, facts.text(key::URL_PATH).map(|path| redact::url_path(&path).into_owned()));
    to.text(name::URL_QUERY, facts.text(key::URL_QUERY).map(|query| redact::query(&query).into_owned()));
    let scheme = forwarded.scheme.or_else(|| facts.text(key::URL_SCHEME).map(|text| text.to_ascii_lowercase()));
    to.text(name::URL_SCHEME, Some(scheme.unwrap_or_else(|| "http".into())));
    let route = facts.text(key::HTTP_ROUTE);
    to.text(name::HTTP_ROUTE, route.as_deref());
    let code = facts.int(key::HTTP_STATUS);
    to.int(name::HTTP_RESPONSE_STATUS_CODE, code);
    let host = forwarded.host.or_else(|| facts.text(key::HTTP_HOST).map(|host| host.into_owned()));
    if let Some((address, port)) = host.map(|host| host_and_port(&host)).filter(|(address, _)| !address.is_empty()) {
        to.text(name::SERVER_ADDRESS, Some(address));
        to.int(name::SERVER_PORT, port);
    }
    let peer = facts.text(key::PEER_ADDRESS);
    let client = forwarded.client.or_else(|| facts.text(key::HTTP_FORWARDED_FOR).and_then(|list| first_hop(&list)));
    to.text(name::CLIENT_ADDRESS, client.or_else(|| peer.as_deref().map(str::to_owned)));
    to.text(name::NETWORK_PEER_ADDRESS, peer.as_deref());
    to.int(name::NETWORK_PEER_PORT, facts.port(key::PEER_PORT));
    to.text(name::NETWORK_PROTOCOL_VERSION, facts.text(key::HTTP_VERSION));
    to.text(name::USER_AGENT_ORIGINAL, facts.text(key::USER_AGENT).map(|agent| redact::message(&agent).into_owned()));
    to.0.extend(conventions.headers(facts, key::HTTP_REQUEST_HEADER, "http.request.header."));
    to.0.extend(conventions.headers(facts, key::HTTP_RESPONSE_HEADER, "http.response.header."));
    let error = http_error_type(facts, 500, cut);
    to.text(name::ERROR_TYPE, error.as_deref());
    let size = |metric, key| Measured::counted(metric, facts.int(key), to.of(metric));
    let span_name = match &route {
        Some(route) => format!("{} {route}", method_in_name(method)).into(),
        None => method_in_name(method),
    };
    Described {
        name: span_name,
        kind: SpanKind::Server,
        status: status(facts, error.is_some(), cut),
        measured: [
            Some(Measured::duration(&HTTP_SERVER_REQUEST_DURATION, to.of(&HTTP_SERVER_REQUEST_DURATION))),
            size(&HTTP_SERVER_REQUEST_BODY_SIZE, key::HTTP_REQUEST_BODY_SIZE),
            size(&HTTP_SERVER_RESPONSE_BODY_SIZE, key::HTTP_RESPONSE_BODY_SIZE),
        ]
        .into_iter()
        .flatten()
        .collect(),
        attributes: to.0,
    }
}

/// The first element of a `Forwarded` header (RFC 7239): what the proxy nearest to the client saw.
#[derive(Debug, Default, PartialEq)]
struct Forwarded {
    client: Option<String>,
    host: Option<String>,
    scheme: Option<String>,
}

impl Forwarded {
    fn first(header: &str) -> Forwarded {
        let mut found = Forwarded::default();
        for pair in header.split(',').next().unwrap_or_default().split(';') {
            let Some((parameter, value)) = pair.split_once('=') else { continue };
            let value = value.trim().trim_matches('"');
            match parameter.trim().to_ascii_lowercase().as_str() {
                "for" => found.client = first_hop(value),
                "host" if !value.is_empty() => found.host = Some(value.to_owned()),
                "proto" if !value.is_empty() => found.scheme = Some(value.to_ascii_lowercase()),
                _ => {}
            }
        }
        found
    }
}

/// The client's address in a list of hops, unless it hides itself.
fn first_hop(list: &str) -> Option<String> {
    let first = list.split(',').next().unwrap_or_default().trim().trim_matches('"');
    let (host, _) = host_and_port(first);
    (!host.is_empty() && !host.eq_ignore_ascii_case("unknown") && !host.starts_with('_')).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{facts, shown};
    use super::*;
    use opentelemetry::trace::Status;

    fn described(facts: &Facts<'_>, cut: Option<&str>) -> Described {
        describe(facts, cut, &Conventions::default())
    }

    #[test]
    fn a_request_as_the_conventions_describe_it() {
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
        assert_eq!((described.kind, &described.status), (SpanKind::Server, &Status::Unset));
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
        let measured = &described.measured[0];
        assert_eq!(
            shown(&measured.attributes),
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
    fn failures_and_odd_methods() {
        for (said, cut, name, error) in [
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
            let described = described(&facts(&said), cut);
            assert_eq!(described.name, name, "{said:?}");
            let found = described.attributes.iter().find(|kv| kv.key.as_str() == "error.type");
            assert_eq!(found.map(|kv| kv.value.to_string()).as_deref(), error, "{said:?}");
            assert_eq!(matches!(described.status, Status::Error { .. }), error.is_some(), "{said:?}");
        }
        let described = described(&facts(&[(key::HTTP_METHOD, "BREW")]), None);
        assert!(shown(&described.attributes).contains(&"http.request.method_original=BREW".to_owned()));
    }

    #[test]
    fn proxies_tell_who_the_client_was() {
        for (header, value, client) in [
            (key::HTTP_FORWARDED_FOR, "203.0.113.7, 10.0.0.1", "203.0.113.7"),
            (key::HTTP_FORWARDED_FOR, "203.0.113.7:4711", "203.0.113.7"),
            (key::HTTP_FORWARDED_FOR, "unknown, 10.0.0.1", "10.9.9.9"),
            (key::HTTP_FORWARDED, "For=\"[2001:db8::17]:4711\";proto=https, for=1.2.3.4", "2001:db8::17"),
            (key::HTTP_FORWARDED, "for=_hidden", "10.9.9.9"),
            (key::HTTP_FORWARDED, "nonsense", "10.9.9.9"),
        ] {
            let described = described(&facts(&[(header, value), (key::PEER_ADDRESS, "10.9.9.9")]), None);
            assert!(shown(&described.attributes).contains(&format!("client.address={client}")), "{value}");
        }
        let described =
            described(&facts(&[(key::HTTP_FORWARDED, "host=\"a.test:81\";proto=HTTPS"), (key::HTTP_HOST, "b")]), None);
        let shown = shown(&described.attributes);
        assert!(shown.contains(&"server.address=a.test".to_owned()) && shown.contains(&"url.scheme=https".to_owned()));
    }
}
