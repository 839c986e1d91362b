//! HTTP requests sent.

use std::borrow::Cow;

use opentelemetry::trace::SpanKind;
use opentelemetry_semantic_conventions::attribute as name;
use url::Url;

use super::super::described::Amount;
use super::super::{Attributes, Described, Measured, Measures, status};
use super::{HttpSettings, host_and_port, http_error_type, method_in_name};
use crate::attributes::attribute::Text;
use crate::conventions::catalog::{
    HTTP_CLIENT_CONNECTION_DURATION, HTTP_CLIENT_REQUEST_BODY_SIZE, HTTP_CLIENT_REQUEST_DURATION,
    HTTP_CLIENT_RESPONSE_BODY_SIZE,
};
use crate::records::facts::Facts;
use crate::redact;
use crate::wire::key;

/// The first status code that is an error for a client.
pub(in crate::conventions) const ERRORS_FROM: i64 = 400;

pub(in crate::conventions) fn describe<'a>(
    facts: &Facts<'a>,
    cut: Option<&'a str>,
    settings: &HttpSettings,
) -> Described<'a> {
    let mut to = Attributes::default();
    let (method, original) = settings.method(facts.text(key::HTTP_METHOD).unwrap_or_default());
    to.text(name::HTTP_REQUEST_METHOD, Some(method.clone()));
    to.text(name::HTTP_REQUEST_METHOD_ORIGINAL, original);
    let url = facts.text(key::URL_FULL);
    to.text(name::URL_FULL, url.map(|url| Text::from(url).cleaned(redact::url)));
    let (address, port) = server(facts);
    to.text(name::SERVER_ADDRESS, address);
    to.int(name::SERVER_PORT, port);
    let code = facts.int(key::HTTP_STATUS);
    to.int(name::HTTP_RESPONSE_STATUS_CODE, code);
    to.int(name::HTTP_REQUEST_RESEND_COUNT, facts.int(key::HTTP_RESEND).filter(|count| *count > 0));
    to.text(name::NETWORK_PROTOCOL_VERSION, facts.text(key::HTTP_VERSION));
    to.text(name::NETWORK_PEER_ADDRESS, facts.text(key::PEER_ADDRESS));
    to.int(name::NETWORK_PEER_PORT, facts.port(key::PEER_PORT));
    let error = http_error_type(facts, ERRORS_FROM, cut);
    let failed = error.is_some();
    to.text(name::ERROR_TYPE, error);
    let lasted = Measured::duration(&HTTP_CLIENT_REQUEST_DURATION, to.of(&HTTP_CLIENT_REQUEST_DURATION));
    to.0.extend(settings.headers(facts, key::HTTP_REQUEST_HEADER, "http.request.header."));
    to.0.extend(settings.headers(facts, key::HTTP_RESPONSE_HEADER, "http.response.header."));
    Described {
        name: method_in_name(method).into(),
        kind: SpanKind::Client,
        status: status(facts, failed, cut),
        measured: [Some(lasted)].into(),
        attributes: to.0,
    }
}

/// The bodies of a request and its response.
pub(in crate::conventions) fn transfer<'a>(facts: &Facts<'a>, settings: &HttpSettings) -> Measures<'a> {
    let mut to = Attributes::default();
    to.text(name::HTTP_REQUEST_METHOD, Some(settings.method(facts.text(key::HTTP_METHOD).unwrap_or_default()).0));
    server_and_version(&mut to, facts);
    to.int(name::HTTP_RESPONSE_STATUS_CODE, facts.int(key::HTTP_STATUS));
    to.text(name::ERROR_TYPE, http_error_type(facts, ERRORS_FROM, None));
    // Both have the same attributes.
    let selected = to.of(&HTTP_CLIENT_REQUEST_BODY_SIZE);
    let size = |metric, key| Measured::counted(metric, facts.int(key), selected);
    let request = size(&HTTP_CLIENT_REQUEST_BODY_SIZE, key::HTTP_REQUEST_BODY_SIZE);
    let response = size(&HTTP_CLIENT_RESPONSE_BODY_SIZE, key::HTTP_RESPONSE_BODY_SIZE);
    // Without a response there is no size of its body.
    let measured = [request, response.filter(|_| facts.get(key::HTTP_STATUS).is_some())].into();
    Measures { attributes: to.0, measured }
}

/// A connection that is closed.
pub(in crate::conventions) fn connection<'a>(facts: &Facts<'a>) -> Measures<'a> {
    let mut to = Attributes::default();
    server_and_version(&mut to, facts);
    let metric = &HTTP_CLIENT_CONNECTION_DURATION;
    let seconds = facts.get(key::METRIC_VALUE).and_then(|value| value.float());
    let measured = |seconds| Measured { metric, amount: Amount::Recorded(seconds), attributes: to.of(metric) };
    let measured = [seconds.filter(|seconds| *seconds >= 0.0).map(measured)].into();
    Measures { attributes: to.0, measured }
}

fn server_and_version<'a>(to: &mut Attributes<'a>, facts: &Facts<'a>) {
    to.text(name::SERVER_ADDRESS, facts.text(key::SERVER_ADDRESS));
    to.int(name::SERVER_PORT, facts.port(key::SERVER_PORT));
    to.text(name::NETWORK_PROTOCOL_VERSION, facts.text(key::HTTP_VERSION));
    to.overflow(facts);
}

/// The server that the request was for: the recorded one, else the one in the URL.
pub(in crate::conventions) fn server<'a>(facts: &Facts<'a>) -> (Option<Text<'a>>, Option<i64>) {
    let recorded = facts.text(key::SERVER_ADDRESS).map(|address| match address {
        Cow::Borrowed(address) => Text::Borrowed(host_and_port(address).0),
        Cow::Owned(address) => Text::Owned(host_and_port(&address).0.to_owned()),
    });
    let port = facts.port(key::SERVER_PORT);
    if recorded.is_some() && port.is_some() {
        return (recorded, port);
    }
    let parsed = facts.text(key::URL_FULL).and_then(|url| Url::parse(&url).ok());
    let from_url = parsed.as_ref().and_then(Url::host_str).map(|host| host.trim_matches(['[', ']']).to_owned().into());
    let port = port.or_else(|| parsed.as_ref().and_then(Url::port_or_known_default).map(i64::from));
    (recorded.or(from_url), port)
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
                (key::URL_FULL, "http://u:p@127.0.0.1:3001/stock/7?api_key=k"),
                (key::HTTP_STATUS, "200"),
                (key::HTTP_RESEND, "1"),
            ]),
            None,
        );
        assert_eq!((described.name.to_string().as_str(), described.kind.clone()), ("GET", SpanKind::Client));
        assert_eq!(
            shown(&described.attributes),
            [
                "http.request.method=GET",
                "http.request.resend_count=1",
                "http.response.status_code=200",
                "server.address=127.0.0.1",
                "server.port=3001",
                "url.full=http://REDACTED:REDACTED@127.0.0.1:3001/stock/7?api_key=REDACTED",
            ]
        );
        assert_eq!(
            testing::measured(&described, 0),
            [
                "http.request.method=GET",
                "http.response.status_code=200",
                "server.address=127.0.0.1",
                "server.port=3001",
            ]
        );
    }

    #[test]
    fn sizes_of_both_bodies_have_the_same_attributes() {
        assert_eq!(HTTP_CLIENT_REQUEST_BODY_SIZE.attributes, HTTP_CLIENT_RESPONSE_BODY_SIZE.attributes);
    }

    #[test]
    fn bodies_are_measured_with_what_is_known_of_their_request() {
        let measured = |recorded: &[(u16, &str)]| {
            let all = transfer(&facts(recorded), &HttpSettings::default());
            let line = |measured: &Measured| {
                let Amount::Recorded(bytes) = measured.amount else { panic!("{measured:?}") };
                format!("{} {bytes} {}", measured.metric.name, shown(measured.attributes.of(&all.attributes)).join(" "))
            };
            all.measured.iter().map(line).collect::<Vec<_>>()
        };
        let request = [
            (key::HTTP_METHOD, "POST"),
            (key::SERVER_ADDRESS, "a.test"),
            (key::SERVER_PORT, "80"),
            (key::HTTP_REQUEST_BODY_SIZE, "7"),
            (key::HTTP_RESPONSE_BODY_SIZE, "0"),
        ];
        let answered = [(key::HTTP_VERSION, "2"), (key::HTTP_STATUS, "404")];
        let attributes = "error.type=404 http.request.method=POST http.response.status_code=404 \
                          network.protocol.version=2 server.address=a.test server.port=80";
        assert_eq!(
            measured(&[&request[..], &answered].concat()),
            [
                format!("http.client.request.body.size 7 {attributes}"),
                format!("http.client.response.body.size 0 {attributes}"),
            ]
        );
        let attributes = "error.type=cancelled http.request.method=POST server.address=a.test server.port=80";
        assert_eq!(
            measured(&[&request[..], &[(key::ERROR_TYPE, "cancelled")]].concat()),
            [format!("http.client.request.body.size 7 {attributes}")]
        );
        assert_eq!(measured(&[(key::HTTP_REQUEST_BODY_SIZE, "-1")]), Vec::<String>::new());
    }

    #[test]
    fn statuses_from_400_on_and_errors_set_error_type_and_the_spans_status() {
        for (recorded, error) in [
            (vec![(key::HTTP_STATUS, "399")], None),
            (vec![(key::HTTP_STATUS, "404")], Some("404")),
            (vec![(key::HTTP_STATUS, "500")], Some("500")),
            (vec![(key::ERROR_TYPE, "connection_refused")], Some("connection_refused")),
        ] {
            let described = described(&facts(&recorded), None);
            assert_eq!(testing::error(&described).as_deref(), error);
            assert_eq!(matches!(described.status, Status::Error { .. }), error.is_some());
        }
    }

    #[test]
    fn the_server_follows_from_the_url() {
        for (url, address, port) in [
            ("https://example.com/", "example.com", 443),
            ("http://example.com/", "example.com", 80),
            ("http://[::1]:81/", "::1", 81),
        ] {
            let attributes = shown(&described(&facts(&[(key::URL_FULL, url)]), None).attributes);
            assert!(attributes.contains(&format!("server.address={address}")), "{url}");
            assert!(attributes.contains(&format!("server.port={port}")), "{url}");
        }
    }
}
