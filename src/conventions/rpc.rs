//! Remote procedure calls, served and sent: on their own, or as requests of HTTP.

use std::borrow::Cow;

use opentelemetry::trace::SpanKind;
use opentelemetry_semantic_conventions::attribute as name;

use super::http::host_and_port;
use super::{Attributes, Described, Measured, error_type, status};
use crate::conventions::catalog::{Metric, RPC_CLIENT_CALL_DURATION, RPC_SERVER_CALL_DURATION};
use crate::records::facts::Facts;
use crate::wire::key;

/// The one system whose statuses the conventions list.
const GRPC: &str = "grpc";

/// gRPC's statuses by their numbers; and whether a server that answers with one has failed. For a client all but the
/// first are errors.
const GRPC_STATUSES: [(&str, bool); 17] = [
    ("OK", false),
    ("CANCELLED", false),
    ("UNKNOWN", true),
    ("INVALID_ARGUMENT", false),
    ("DEADLINE_EXCEEDED", true),
    ("NOT_FOUND", false),
    ("ALREADY_EXISTS", false),
    ("PERMISSION_DENIED", false),
    ("RESOURCE_EXHAUSTED", false),
    ("FAILED_PRECONDITION", false),
    ("ABORTED", false),
    ("OUT_OF_RANGE", false),
    ("UNIMPLEMENTED", true),
    ("INTERNAL", true),
    ("UNAVAILABLE", true),
    ("DATA_LOSS", true),
    ("UNAUTHENTICATED", false),
];

/// A call that was served.
pub(super) fn server(facts: &Facts<'_>, cut: Option<&str>) -> Described {
    let host = facts.text(key::HTTP_HOST).map(|host| host_and_port(&host));
    let address = facts.text(key::SERVER_ADDRESS).map(Cow::into_owned);
    let server = match (address, host) {
        (Some(address), _) => Some((address, facts.port(key::SERVER_PORT))),
        (None, host) => host.filter(|(address, _)| !address.is_empty()),
    };
    describe(facts, cut, SpanKind::Server, server, &RPC_SERVER_CALL_DURATION)
}

/// A call that was sent.
pub(super) fn client(facts: &Facts<'_>, cut: Option<&str>) -> Described {
    let server = facts.text(key::SERVER_ADDRESS).map(|address| (address.into_owned(), facts.port(key::SERVER_PORT)));
    describe(facts, cut, SpanKind::Client, server, &RPC_CLIENT_CALL_DURATION)
}

fn describe(
    facts: &Facts<'_>,
    cut: Option<&str>,
    kind: SpanKind,
    server: Option<(String, Option<i64>)>,
    metric: &'static Metric,
) -> Described {
    let mut to = Attributes::default();
    let system = facts.text(key::RPC_SYSTEM).unwrap_or("other".into());
    let own = facts.text(key::RPC_METHOD);
    let original = facts.text(key::RPC_METHOD_ORIGINAL).filter(|_| own.is_none());
    to.text(name::RPC_SYSTEM_NAME, Some(system.as_ref()));
    to.text(name::RPC_METHOD, own.as_deref().or(original.as_ref().map(|_| "_OTHER")));
    to.text(name::RPC_METHOD_ORIGINAL, original.as_deref());
    let answer = answer(facts, &system);
    to.text(name::RPC_RESPONSE_STATUS_CODE, answer.as_deref());
    if let Some((address, port)) = server {
        to.text(name::SERVER_ADDRESS, Some(address));
        to.int(name::SERVER_PORT, port);
    }
    to.as_recorded(facts, &[key::PEER_ADDRESS]);
    to.int(name::NETWORK_PEER_PORT, facts.port(key::PEER_PORT));
    let error = error(facts, cut, &system, answer.as_deref(), &kind);
    to.text(name::ERROR_TYPE, error.as_deref());
    Described {
        name: own.unwrap_or(system).into_owned().into(),
        kind,
        status: status(facts, error.is_some(), cut),
        measured: vec![Measured::duration(metric, to.of(metric))],
        attributes: to.0,
    }
}

/// The status as the system writes it.
fn answer<'a>(facts: &Facts<'a>, system: &str) -> Option<Cow<'a, str>> {
    let recorded = facts.text(key::RPC_STATUS)?;
    let number = facts.int(key::RPC_STATUS).filter(|_| system == GRPC);
    let known = number.and_then(|number| GRPC_STATUSES.get(usize::try_from(number).ok()?));
    Some(known.map_or(recorded, |(status, _)| Cow::Borrowed(*status)))
}

/// The error: a status that counts as one at this end, or whatever else went wrong.
fn error(facts: &Facts<'_>, cut: Option<&str>, system: &str, answer: Option<&str>, kind: &SpanKind) -> Option<String> {
    let known = GRPC_STATUSES.iter().find(|(status, _)| system == GRPC && Some(*status) == answer);
    let Some((status, is_servers)) = known else { return error_type(facts, cut) };
    let is_error = if *kind == SpanKind::Server { *is_servers } else { *status != "OK" };
    // A recorded error that only repeats the status is an error if the status is one.
    let repeats = |error: &String| error == status || facts.text(key::RPC_STATUS).as_deref() == Some(error);
    error_type(facts, cut).filter(|error| !repeats(error)).or_else(|| is_error.then(|| (*status).to_owned()))
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::Status;

    use super::super::testing::{facts, shown};
    use super::*;
    use crate::conventions::HttpSettings;
    use crate::wire::Domain;

    const SYSTEM: (u16, &str) = (key::RPC_SYSTEM, GRPC);
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
            assert_eq!((described.name.as_ref(), &described.kind), ("shop.Orders/Place", &kind));
            assert_eq!(shown(&described.attributes), attributes);
            assert_eq!(described.status, Status::Unset);
            let measured: Vec<_> = described.measured.iter().map(|each| each.metric.name).collect();
            assert_eq!(measured, [metric]);
        }
        assert_eq!(shown(&sent.measured[0].attributes), attributes[2..]);
        assert_eq!(shown(&served.measured[0].attributes), attributes[2..5]);
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
            (described.name.as_ref(), shown(&described.attributes)),
            ("jsonrpc", vec!["rpc.system.name=jsonrpc".to_owned()])
        );
    }

    #[test]
    fn a_status_is_an_error_where_the_conventions_call_it_one() {
        for (recorded, at_server, at_client) in [
            (vec![SYSTEM, (key::RPC_STATUS, "0")], None, None),
            (vec![SYSTEM, (key::RPC_STATUS, "5")], None, Some("NOT_FOUND")),
            (vec![SYSTEM, (key::RPC_STATUS, "NOT_FOUND")], None, Some("NOT_FOUND")),
            (vec![SYSTEM, (key::RPC_STATUS, "14")], Some("UNAVAILABLE"), Some("UNAVAILABLE")),
            (vec![SYSTEM, (key::RPC_STATUS, "5"), (key::ERROR_TYPE, "5")], None, Some("NOT_FOUND")),
            (vec![SYSTEM, (key::RPC_STATUS, "5"), (key::ERROR_TYPE, "NOT_FOUND")], None, Some("NOT_FOUND")),
            (vec![SYSTEM, (key::RPC_STATUS, "5"), (key::ERROR_TYPE, "io")], Some("io"), Some("io")),
            (vec![SYSTEM, (key::RPC_STATUS, "99")], None, None),
            (vec![SYSTEM, (key::ERROR_TYPE, "timeout")], Some("timeout"), Some("timeout")),
            (vec![(key::RPC_SYSTEM, "jsonrpc"), (key::RPC_STATUS, "-32601")], None, None),
            (
                vec![(key::RPC_SYSTEM, "jsonrpc"), (key::RPC_STATUS, "-32601"), (key::ERROR_TYPE, "-32601")],
                Some("-32601"),
                Some("-32601"),
            ),
        ] {
            let (served, sent) = (server(&facts(&recorded), None), client(&facts(&recorded), None));
            for (described, error) in [(served, at_server), (sent, at_client)] {
                let found = described.attributes.iter().find(|kv| kv.key.as_str() == "error.type");
                assert_eq!(found.map(|kv| kv.value.to_string()).as_deref(), error, "{recorded:?}");
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
            METHOD,
            (key::RPC_STATUS, "0"),
        ];
        let describe =
            |domain: Domain| super::super::describe(domain as u8, &facts(&recorded), None, &HttpSettings::default());
        let described = describe(Domain::HttpServer);
        assert_eq!((described.name.as_ref(), &described.kind), ("shop.Orders/Place", &SpanKind::Server));
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
}
