//! Variables that choose what is recorded: instrumentations, URLs, headers and methods.

use super::run::{Outcome, Run, by_default, refused, refused_in, with};
use super::variables;
use crate::support::expect::{client, server, span};
use crate::support::model::Value;

/// The layers that recorded spans of the first round.
fn layers(outcome: &Outcome) -> Vec<String> {
    let mut layers: Vec<_> = outcome.traces.0.iter().map(|span| span.scope.0.clone()).collect();
    layers.sort();
    layers
}

fn texts(texts: &[&str]) -> Value {
    Value::List(texts.iter().map(|text| (*text).into()).collect())
}

/// A header is recorded only if `variable` names it.
fn captured(variable: &str, header: &str, attribute: &str, values: &[&str]) {
    let run = || Run::new().header("x-tenant", "red");
    let has =
        |outcome: &Outcome| outcome.traces.0.iter().filter_map(|span| span.get(attribute).cloned()).collect::<Vec<_>>();
    assert_eq!(has(&run().outcome()), []);
    assert_eq!(has(&run().env(variable, header.to_uppercase()).outcome()), [texts(values)], "names have no case");
    refused(variable, "no header");
}

variables! {
    OTEL_RS_ENABLED_INSTRUMENTATIONS => {
        assert_eq!(layers(by_default()), ["client", "database", "server", "work"]);
        assert_eq!(layers(&with("OTEL_RS_ENABLED_INSTRUMENTATIONS", "server, database")), ["database", "server"]);
        assert_eq!(layers(&with("OTEL_RS_ENABLED_INSTRUMENTATIONS", "*")).len(), 4);
        let outcome = with("OTEL_RS_ENABLED_INSTRUMENTATIONS", "nothing-such");
        let warning = "warning: unknown instrumentation `nothing-such` in `OTEL_RS_ENABLED_INSTRUMENTATIONS`\n";
        assert!(outcome.stderr.contains(warning), "{}", outcome.stderr);
        assert!(!with("OTEL_RS_ENABLED_INSTRUMENTATIONS", "server").stderr.contains("warning"));
    }

    OTEL_RS_DISABLED_INSTRUMENTATIONS => {
        let outcome = with("OTEL_RS_DISABLED_INSTRUMENTATIONS", "client,database");
        assert_eq!(layers(&outcome), ["server", "work"]);
        assert!(outcome.sent.is_empty(), "a disabled instrumentation sends no headers along");
        assert!(layers(&with("OTEL_RS_DISABLED_INSTRUMENTATIONS", "*")).is_empty());
        let both = Run::new()
            .env("OTEL_RS_ENABLED_INSTRUMENTATIONS", "server,work")
            .env("OTEL_RS_DISABLED_INSTRUMENTATIONS", "work");
        assert_eq!(layers(&both.outcome()), ["server"]);
        let outcome = with("OTEL_RS_DISABLED_INSTRUMENTATIONS", "client,servre");
        assert_eq!(layers(&outcome), ["database", "server", "work"]);
        let warning = "warning: unknown instrumentation `servre` in `OTEL_RS_DISABLED_INSTRUMENTATIONS`\n";
        assert!(outcome.stderr.contains(warning) && outcome.stderr.contains("did you mean `server`?"), "{}", outcome.stderr);
    }

    OTEL_RS_BAGGAGE_ATTRIBUTES => {
        let run = || Run::new().header("baggage", "tenant=acme%20inc,user.id=7;p=1,user.token=hunter2,other=1");
        let entries = |outcome: &Outcome| {
            let spans = outcome.traces.0.iter().map(|span| &span.attributes);
            let all = spans.chain(outcome.logs.iter().map(|log| &log.attributes));
            let keys = ["tenant", "user.id", "user.token", "other"];
            all.map(|attributes| keys.map(|key| attributes.get(key).cloned())).collect::<Vec<_>>()
        };
        let found = entries(&run().outcome());
        assert!(found.len() == 5 && found.iter().flatten().all(Option::is_none), "{found:?}");
        let found = entries(&run().env("OTEL_RS_BAGGAGE_ATTRIBUTES", "tenant, user.*").outcome());
        let expected = [Some("acme inc".into()), Some("7".into()), Some("REDACTED".into()), None];
        assert_eq!(found, vec![expected; 5], "four spans and a log record");
        let one = run().env("OTEL_RS_BAGGAGE_ATTRIBUTES", "tenant").env("OTEL_PROPAGATORS", "tracecontext");
        assert!(entries(&one.outcome()).iter().flatten().all(Option::is_none), "no baggage is read");
    }

    OTEL_RS_EXCLUDED_URLS => {
        let outcome = with("OTEL_RS_EXCLUDED_URLS", "/health,/orders/*");
        outcome.traces.forbid(span());
        assert!(outcome.metrics.all("http.server.request.duration", &[]).is_empty(), "{}", outcome.metrics);
        assert!(outcome.sent["traceparent"].ends_with("-00"), "the callee gets the decision not to sample: {:?}", outcome.sent);
        let outcome = with("OTEL_RS_EXCLUDED_URLS", "http://stock.test:3001/*");
        assert_eq!(layers(&outcome), ["database", "server", "work"]);
        assert!(outcome.sent.is_empty());
        let outcome = with("OTEL_RS_EXCLUDED_URLS", "/orders");
        outcome.traces.require(server());
        outcome.traces.require(client().named("GET"));
        refused("OTEL_RS_EXCLUDED_URLS", "orders/.*");
    }

    OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST => {
        let name = "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST";
        captured(name, "x-tenant", "http.request.header.x-tenant", &["red"]);
        refused(name, "x-.*");
    }

    OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_RESPONSE => {
        let name = "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_RESPONSE";
        captured(name, "x-served-by", "http.response.header.x-served-by", &["shop"]);
        let outcome = with(name, "set-cookie");
        outcome.traces.require(server().attr("http.response.header.set-cookie", texts(&["REDACTED"])));
    }

    OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_REQUEST => {
        let name = "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_REQUEST";
        captured(name, "x-asked-by", "http.request.header.x-asked-by", &["shop"]);
    }

    OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_RESPONSE => {
        let name = "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_RESPONSE";
        captured(name, "x-stock", "http.response.header.x-stock", &["plenty", "of it"]);
    }

    OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SANITIZE_FIELDS => {
        let name = "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SANITIZE_FIELDS";
        let recorded = |fields: &str| {
            let run = Run::new().header("x-tenant", "red").env(name, fields);
            let outcome = run.env("OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST", "x-tenant").outcome();
            outcome.traces.require(server()).get("http.request.header.x-tenant").cloned()
        };
        assert_eq!(recorded(""), Some(texts(&["red"])));
        assert_eq!(recorded("x-tenant"), Some(texts(&["REDACTED"])));
        assert_eq!(recorded("*ten*"), Some(texts(&["REDACTED"])));
        let run = || {
            let run = Run::new().header("x-tenant", "red").header("cookie", "hunter2");
            run.env("OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST", "x-tenant,cookie")
        };
        refused_in(run, name, "no header");
        refused_in(run, name, ".*tenant.*");
    }

    OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS => {
        let recorded = |known: &str| {
            let run = Run::new().header(":method", "PURGE").env("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS", known);
            run.outcome().traces.require(server()).text("http.request.method").to_owned()
        };
        assert_eq!((recorded("").as_str(), recorded("GET,PURGE").as_str()), ("_OTHER", "PURGE"));
    }
}
