//! Remote procedure calls, served and sent: on their own, or as requests of HTTP.

use opentelemetry::trace::SpanKind;
use opentelemetry_semantic_conventions::attribute as name;

use super::http::{self, HttpSettings};
use super::{Attributes, Described, Measured, clean, error_type, status};
use crate::attributes::attribute::Text;
use crate::conventions::catalog::{Metric, RPC_CLIENT_CALL_DURATION, RPC_SERVER_CALL_DURATION};
use crate::records::facts::Facts;
use crate::wire::{RpcStatuses, key};

/// A status: its number, its name, and whether a server that answers with it has failed. For a client all but `OK` are
/// errors.
type Known = (i64, &'static str, bool);

const OK: &str = "OK";

const GRPC: [Known; 17] = [
    (0, OK, false),
    (1, "CANCELLED", false),
    (2, "UNKNOWN", true),
    (3, "INVALID_ARGUMENT", false),
    (4, "DEADLINE_EXCEEDED", true),
    (5, "NOT_FOUND", false),
    (6, "ALREADY_EXISTS", false),
    (7, "PERMISSION_DENIED", false),
    (8, "RESOURCE_EXHAUSTED", false),
    (9, "FAILED_PRECONDITION", false),
    (10, "ABORTED", false),
    (11, "OUT_OF_RANGE", false),
    (12, "UNIMPLEMENTED", true),
    (13, "INTERNAL", true),
    (14, "UNAVAILABLE", true),
    (15, "DATA_LOSS", true),
    (16, "UNAUTHENTICATED", false),
];

const CONNECT: [Known; 16] = [
    (1, "canceled", false),
    (2, "unknown", true),
    (3, "invalid_argument", false),
    (4, "deadline_exceeded", true),
    (5, "not_found", false),
    (6, "already_exists", false),
    (7, "permission_denied", false),
    (8, "resource_exhausted", false),
    (9, "failed_precondition", false),
    (10, "aborted", false),
    (11, "out_of_range", false),
    (12, "unimplemented", true),
    (13, "internal", true),
    (14, "unavailable", true),
    (15, "data_loss", true),
    (16, "unauthenticated", false),
];

/// Those of Dubbo's older protocol; the newer one has gRPC's.
const DUBBO: [Known; 12] = [
    (20, OK, false),
    (25, "SERIALIZATION_ERROR", false),
    (30, "CLIENT_TIMEOUT", false),
    (31, "SERVER_TIMEOUT", true),
    (35, "CHANNEL_INACTIVE", false),
    (40, "BAD_REQUEST", false),
    (50, "BAD_RESPONSE", false),
    (60, "SERVICE_NOT_FOUND", false),
    (70, "SERVICE_ERROR", true),
    (80, "SERVER_ERROR", true),
    (90, "CLIENT_ERROR", false),
    (100, "SERVER_THREADPOOL_EXHAUSTED_ERROR", true),
];

/// The statuses that the conventions list, or whose numbers have names.
fn known(statuses: RpcStatuses) -> impl Iterator<Item = &'static Known> {
    let (own, shared): (&[Known], &[Known]) = match statuses {
        RpcStatuses::Grpc => (&GRPC, &[]),
        RpcStatuses::Connect => (&CONNECT, &[]),
        RpcStatuses::Dubbo => (&DUBBO, &GRPC),
        RpcStatuses::AllButOk | RpcStatuses::Errors => (&[], &[]),
    };
    own.iter().chain(shared)
}

/// A call that was served.
pub(super) fn server<'a>(facts: &Facts<'a>, cut: Option<&'a str>, settings: &HttpSettings) -> Described<'a> {
    let recorded = clean(facts, key::SERVER_ADDRESS).map(|address| (address, facts.port(key::SERVER_PORT)));
    let server = recorded.or_else(|| http::server::address(facts, settings));
    describe(facts, cut, SpanKind::Server, server, &RPC_SERVER_CALL_DURATION)
}

/// A call that was sent.
pub(super) fn client<'a>(facts: &Facts<'a>, cut: Option<&'a str>) -> Described<'a> {
    let recorded = clean(facts, key::SERVER_ADDRESS).map(|address| (address, facts.port(key::SERVER_PORT)));
    let server = recorded.or_else(|| match http::client::server(facts) {
        (Some(address), port) => Some((address, port)),
        (None, _) => None,
    });
    describe(facts, cut, SpanKind::Client, server, &RPC_CLIENT_CALL_DURATION)
}

fn describe<'a>(
    facts: &Facts<'a>,
    cut: Option<&'a str>,
    kind: SpanKind,
    server: Option<(Text<'a>, Option<i64>)>,
    metric: &'static Metric,
) -> Described<'a> {
    let mut to = Attributes::default();
    let system = clean(facts, key::RPC_SYSTEM).unwrap_or("other".into());
    let own = clean(facts, key::RPC_METHOD);
    let original = clean(facts, key::RPC_METHOD_ORIGINAL).filter(|_| own.is_none());
    to.text(name::RPC_SYSTEM_NAME, Some(system.clone()));
    to.text(name::RPC_METHOD, own.clone().or(original.as_ref().map(|_| "_OTHER".into())));
    to.text(name::RPC_METHOD_ORIGINAL, original);
    let statuses = facts.int(key::RPC_STATUSES).and_then(RpcStatuses::of);
    let answer = answer(facts, statuses);
    to.text(name::RPC_RESPONSE_STATUS_CODE, answer.clone());
    if let Some((address, port)) = server {
        to.text(name::SERVER_ADDRESS, Some(address));
        to.int(name::SERVER_PORT, port);
    }
    to.as_recorded(facts, &[key::PEER_ADDRESS]);
    to.int(name::NETWORK_PEER_PORT, facts.port(key::PEER_PORT));
    let error = match answer.as_deref() {
        Some(answer) => error(facts, cut, statuses, answer, &kind),
        // Nothing but HTTP shows how the call went, if anything does.
        None => {
            to.int(name::HTTP_RESPONSE_STATUS_CODE, facts.int(key::HTTP_STATUS));
            let is_server = kind == SpanKind::Server;
            let from = if is_server { http::server::ERRORS_FROM } else { http::client::ERRORS_FROM };
            http::http_error_type(facts, from, cut)
        }
    };
    let failed = error.is_some();
    to.text(name::ERROR_TYPE, error);
    Described {
        name: own.unwrap_or(system).into(),
        kind,
        status: status(facts, failed, cut),
        measured: [Some(Measured::duration(metric, to.of(metric)))].into(),
        attributes: to.0,
    }
}

/// The status as the system writes it.
fn answer<'a>(facts: &Facts<'a>, statuses: Option<RpcStatuses>) -> Option<Text<'a>> {
    let recorded = clean(facts, key::RPC_STATUS)?;
    let number = facts.int(key::RPC_STATUS);
    let named = statuses.and_then(|statuses| known(statuses).find(|(known, ..)| Some(*known) == number));
    Some(named.map_or(recorded, |(_, status, _)| Text::Borrowed(status)))
}

/// The error: a status that counts as one at this end, or whatever else went wrong.
fn error<'a>(
    facts: &Facts<'a>,
    cut: Option<&'a str>,
    statuses: Option<RpcStatuses>,
    answer: &str,
    kind: &SpanKind,
) -> Option<Text<'a>> {
    let recorded = error_type(facts, cut);
    let Some(is_error) = statuses.and_then(|statuses| is_error(statuses, answer, kind)) else { return recorded };
    // A recorded error that only repeats the status is an error if the status is one.
    let repeats = |error: &Text<'_>| **error == *answer || clean(facts, key::RPC_STATUS).as_ref() == Some(error);
    recorded.filter(|error| !repeats(error)).or_else(|| is_error.then(|| answer.to_owned().into()))
}

/// Whether a call with that status has failed, as this end sees it; `None` for a status that does not show that.
fn is_error(statuses: RpcStatuses, answer: &str, kind: &SpanKind) -> Option<bool> {
    match statuses {
        RpcStatuses::Errors => Some(true),
        RpcStatuses::AllButOk => Some(answer != OK),
        _ if *kind != SpanKind::Server => Some(answer != OK),
        listed => known(listed).find(|(_, status, _)| *status == answer).map(|(.., fails_server)| *fails_server),
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::Status;

    use super::super::testing::{self, facts, shown};
    use super::*;
    use crate::conventions::Settings;

    fn server<'a>(facts: &Facts<'a>, cut: Option<&'a str>) -> Described<'a> {
        super::server(facts, cut, &HttpSettings::default())
    }
    use crate::wire::Domain;

    const SYSTEM: (u16, &str) = (key::RPC_SYSTEM, "grpc");
    const OF_GRPC: (u16, &str) = (key::RPC_STATUSES, "1");
    const METHOD: (u16, &str) = (key::RPC_METHOD, "shop.Orders/Place");

    #[test]
    fn a_call_has_the_attributes_of_the_conventions() {
        let recorded = [
            SYSTEM,
            METHOD,
            (key::RPC_STATUS, "OK"),
            (key::SERVER_ADDRESS, "shop.test"),
            (key::SERVER_PORT, "50051"),
            (key::PEER_ADDRESS, "10.0.0.9"),
            (key::PEER_PORT, "4711"),
        ];
        let attributes = [
            "network.peer.address=10.0.0.9",
            "network.peer.port=4711",
            "rpc.method=shop.Orders/Place",
            "rpc.response.status_code=OK",
            "rpc.system.name=grpc",
            "server.address=shop.test",
            "server.port=50051",
        ];
        let (sent, served) = (client(&facts(&recorded), None), server(&facts(&recorded), None));
        for (described, kind, metric) in [
            (&sent, SpanKind::Client, "rpc.client.call.duration"),
            (&served, SpanKind::Server, "rpc.server.call.duration"),
        ] {
            assert_eq!((described.name.to_string().as_str(), &described.kind), ("shop.Orders/Place", &kind));
            assert_eq!(shown(&described.attributes), attributes);
            assert_eq!(described.status, Status::Unset);
            let measured: Vec<_> = described.measured.iter().map(|each| each.metric.name).collect();
            assert_eq!(measured, [metric]);
        }
        assert_eq!(testing::measured(&sent, 0), attributes[2..]);
        assert_eq!(testing::measured(&served, 0), attributes[2..5]);
    }

    #[test]
    fn unknown_methods_are_counted_as_other() {
        let described = server(&facts(&[SYSTEM, (key::RPC_METHOD_ORIGINAL, "shop.Orders/Nope")]), None);
        assert_eq!(described.name, "grpc");
        assert_eq!(
            shown(&described.attributes),
            ["rpc.method=_OTHER", "rpc.method_original=shop.Orders/Nope", "rpc.system.name=grpc"]
        );
        let described = client(&facts(&[(key::RPC_SYSTEM, "jsonrpc")]), None);
        assert_eq!(
            (described.name.to_string().as_str(), shown(&described.attributes)),
            ("jsonrpc", vec!["rpc.system.name=jsonrpc".to_owned()])
        );
    }

    #[test]
    fn a_status_is_an_error_where_the_conventions_call_it_one() {
        use RpcStatuses::{AllButOk, Connect, Dubbo, Errors, Grpc};

        /// A status, a recorded error, and the error at a server and at a client.
        type Case = (&'static str, Option<&'static str>, Option<&'static str>, Option<&'static str>);
        let cases: &[(Option<RpcStatuses>, &[Case])] = &[
            (
                Some(Grpc),
                &[
                    ("0", None, None, None),
                    ("OK", None, None, None),
                    ("5", None, None, Some("NOT_FOUND")),
                    ("NOT_FOUND", None, None, Some("NOT_FOUND")),
                    ("14", None, Some("UNAVAILABLE"), Some("UNAVAILABLE")),
                    ("5", Some("5"), None, Some("NOT_FOUND")),
                    ("5", Some("NOT_FOUND"), None, Some("NOT_FOUND")),
                    ("5", Some("io"), Some("io"), Some("io")),
                    ("99", None, None, Some("99")),
                    ("99", Some("99"), Some("99"), Some("99")),
                    ("", Some("timeout"), Some("timeout"), Some("timeout")),
                    ("", None, None, None),
                ],
            ),
            (
                Some(Connect),
                &[
                    ("not_found", None, None, Some("not_found")),
                    ("5", Some("5"), None, Some("not_found")),
                    ("data_loss", None, Some("data_loss"), Some("data_loss")),
                    ("DATA_LOSS", None, None, Some("DATA_LOSS")),
                ],
            ),
            (
                Some(Dubbo),
                &[
                    ("20", None, None, None),
                    ("0", None, None, None),
                    ("31", None, Some("SERVER_TIMEOUT"), Some("SERVER_TIMEOUT")),
                    ("BAD_REQUEST", None, None, Some("BAD_REQUEST")),
                    ("100", None, Some("SERVER_THREADPOOL_EXHAUSTED_ERROR"), Some("SERVER_THREADPOOL_EXHAUSTED_ERROR")),
                    ("13", None, Some("INTERNAL"), Some("INTERNAL")),
                    ("5", None, None, Some("NOT_FOUND")),
                ],
            ),
            (Some(AllButOk), &[("OK", None, None, None), ("odd", None, Some("odd"), Some("odd"))]),
            (Some(Errors), &[("-32601", None, Some("-32601"), Some("-32601")), ("", None, None, None)]),
            (
                None,
                &[
                    ("-32601", None, None, None),
                    ("14", None, None, None),
                    ("-32601", Some("-32601"), Some("-32601"), Some("-32601")),
                ],
            ),
        ];
        for (statuses, (answer, recorded, at_server, at_client)) in
            cases.iter().flat_map(|(statuses, cases)| cases.iter().map(move |case| (*statuses, *case)))
        {
            let number = statuses.map(|statuses| (statuses as u8).to_string());
            let mut given = vec![SYSTEM, (key::RPC_STATUS, answer)];
            given.extend(number.as_deref().map(|number| (key::RPC_STATUSES, number)));
            given.extend(recorded.map(|error| (key::ERROR_TYPE, error)));
            let recorded = given;
            let (served, sent) = (server(&facts(&recorded), None), client(&facts(&recorded), None));
            for (described, error) in [(served, at_server), (sent, at_client)] {
                assert_eq!(testing::error(&described).as_deref(), error, "{recorded:?}");
                assert_eq!(matches!(described.status, Status::Error { .. }), error.is_some(), "{recorded:?}");
            }
        }
        let cut = server(&facts(&[SYSTEM, METHOD, (key::RPC_STATUS, "0")]), Some("SIGKILL"));
        assert!(shown(&cut.attributes).contains(&"error.type=SIGKILL".to_owned()));
    }

    #[test]
    fn a_call_over_http_is_described_as_a_call() {
        let recorded = [
            (key::HTTP_METHOD, "POST"),
            (key::URL_PATH, "/shop.Orders/Place"),
            (key::HTTP_HOST, "shop.test:50051"),
            (key::HTTP_STATUS, "200"),
            SYSTEM,
            OF_GRPC,
            METHOD,
            (key::RPC_STATUS, "0"),
        ];
        let describe =
            |domain: Domain| super::super::describe(domain as u8, &facts(&recorded), None, &Settings::default());
        let described = describe(Domain::HttpServer);
        assert_eq!((described.name.to_string().as_str(), &described.kind), ("shop.Orders/Place", &SpanKind::Server));
        assert_eq!(
            shown(&described.attributes),
            [
                "rpc.method=shop.Orders/Place",
                "rpc.response.status_code=OK",
                "rpc.system.name=grpc",
                "server.address=shop.test",
                "server.port=50051",
            ]
        );
        assert_eq!(describe(Domain::HttpClient).kind, SpanKind::Client);
    }

    #[test]
    fn a_call_over_http_that_has_no_status_ends_as_its_request_did() {
        const FORWARDED: (u16, &str) = (key::HTTP_FORWARDED, "for=10.0.0.1;host=\"shop.example:8443\"");
        const URL: (u16, &str) = (key::URL_FULL, "https://shop.test/shop.Orders/Place");
        let request = [(key::HTTP_HOST, "10.0.0.2:50051"), FORWARDED, URL, SYSTEM, OF_GRPC, METHOD];
        let (at_server, at_client) =
            (["server.address=shop.example", "server.port=8443"], ["server.address=shop.test", "server.port=443"]);
        const IO: (u16, &str) = (key::ERROR_TYPE, "io");
        let http = |status| (key::HTTP_STATUS, status);
        for (domain, more, error, status) in [
            (Domain::HttpServer, vec![http("503")], Some("error.type=503"), Some("http.response.status_code=503")),
            (Domain::HttpServer, vec![http("404")], None, Some("http.response.status_code=404")),
            (Domain::HttpClient, vec![http("404")], Some("error.type=404"), Some("http.response.status_code=404")),
            (Domain::HttpClient, vec![http("200")], None, Some("http.response.status_code=200")),
            (Domain::HttpClient, vec![http("200"), IO], Some("error.type=io"), Some("http.response.status_code=200")),
            // A retry came through.
            (Domain::HttpClient, vec![IO, http("200")], None, Some("http.response.status_code=200")),
            (Domain::HttpServer, vec![http("503"), (key::RPC_STATUS, "OK")], None, Some("rpc.response.status_code=OK")),
            (Domain::HttpClient, vec![IO], Some("error.type=io"), None),
            (Domain::HttpClient, vec![], None, None),
        ] {
            let recorded = [&request[..], &more].concat();
            let described = super::super::describe(domain as u8, &facts(&recorded), None, &Settings::default());
            let server = if domain == Domain::HttpServer { at_server } else { at_client };
            let method = ["rpc.method=shop.Orders/Place", "rpc.system.name=grpc"];
            let mut expected: Vec<_> = error.into_iter().chain(status).chain(server).chain(method).collect();
            expected.sort_unstable();
            assert_eq!(shown(&described.attributes), expected, "{domain:?} {more:?}");
            assert_eq!(matches!(described.status, Status::Error { .. }), error.is_some(), "{domain:?} {more:?}");
        }
    }
}
