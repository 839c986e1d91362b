//! Variables that choose what is told: instrumentations, URLs, headers and methods.

use super::told::{Run, Told, by_default, refused, refused_in, with};
use super::variables;
use crate::support::expect::{client, server, span};
use crate::support::model::Value;

/// The layers that told spans of the first round.
fn layers(told: &Told) -> Vec<String> {
    let mut layers: Vec<_> = told.traces.0.iter().map(|span| span.scope.0.clone()).collect();
    layers.sort();
    layers
}

fn texts(texts: &[&str]) -> Value {
    Value::List(texts.iter().map(|text| (*text).into()).collect())
}

/// A header is told by nobody, unless `variable` names it.
fn captured(variable: &str, header: &str, attribute: &str, values: &[&str]) {
    let run = || Run::new().header("x-tenant", "red");
    let has = |told: &Told| told.traces.0.iter().filter_map(|span| span.get(attribute).cloned()).collect::<Vec<_>>();
    assert_eq!(has(&run().tell()), []);
    assert_eq!(has(&run().env(variable, header.to_uppercase()).tell()), [texts(values)], "names have no case");
    refused(variable, "no header");
}

variables! {
    OTEL_RS_ENABLED_INSTRUMENTATIONS => {
        assert_eq!(layers(by_default()), ["client", "database", "server", "work"]);
        assert_eq!(layers(&with("OTEL_RS_ENABLED_INSTRUMENTATIONS", "server, database")), ["database", "server"]);
        assert_eq!(layers(&with("OTEL_RS_ENABLED_INSTRUMENTATIONS", "*")).len(), 4);
        let told = with("OTEL_RS_ENABLED_INSTRUMENTATIONS", "nothing-such");
        let warning = "warning: `nothing-such` in `OTEL_RS_ENABLED_INSTRUMENTATIONS` is no instrumentation\n";
        assert!(told.stderr.contains(warning), "{}", told.stderr);
        assert!(!with("OTEL_RS_ENABLED_INSTRUMENTATIONS", "server").stderr.contains("warning"));
    }

    OTEL_RS_DISABLED_INSTRUMENTATIONS => {
        let told = with("OTEL_RS_DISABLED_INSTRUMENTATIONS", "client,database");
        assert_eq!(layers(&told), ["server", "work"]);
        assert!(told.sent.is_empty(), "what tells nothing sends nothing along");
        assert!(layers(&with("OTEL_RS_DISABLED_INSTRUMENTATIONS", "*")).is_empty());
        let both = Run::new()
            .env("OTEL_RS_ENABLED_INSTRUMENTATIONS", "server,work")
            .env("OTEL_RS_DISABLED_INSTRUMENTATIONS", "work");
        assert_eq!(layers(&both.tell()), ["server"]);
        let told = with("OTEL_RS_DISABLED_INSTRUMENTATIONS", "client,servre");
        assert_eq!(layers(&told), ["database", "server", "work"]);
        let warning = "warning: `servre` in `OTEL_RS_DISABLED_INSTRUMENTATIONS` is no instrumentation\n";
        assert!(told.stderr.contains(warning) && told.stderr.contains("did you mean `server`?"), "{}", told.stderr);
    }

    OTEL_RS_EXCLUDED_URLS => {
        let told = with("OTEL_RS_EXCLUDED_URLS", "/health,/orders/*");
        told.traces.forbid(span());
        assert!(told.metrics.all("http.server.request.duration", &[]).is_empty(), "{}", told.metrics);
        assert!(told.sent["traceparent"].ends_with("-00"), "downstream learns that it is not sampled: {:?}", told.sent);
        let told = with("OTEL_RS_EXCLUDED_URLS", "http://stock.test:3001/*");
        assert_eq!(layers(&told), ["database", "server", "work"]);
        assert!(told.sent.is_empty());
        let told = with("OTEL_RS_EXCLUDED_URLS", "/orders");
        told.traces.require(server());
        told.traces.require(client().named("GET"));
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
        let told = with(name, "set-cookie");
        told.traces.require(server().attr("http.response.header.set-cookie", texts(&["REDACTED"])));
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
        let told = |fields: &str| {
            let run = Run::new().header("x-tenant", "red").env(name, fields);
            let told = run.env("OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST", "x-tenant").tell();
            told.traces.require(server()).get("http.request.header.x-tenant").cloned()
        };
        assert_eq!(told(""), Some(texts(&["red"])));
        assert_eq!(told("x-tenant"), Some(texts(&["REDACTED"])));
        assert_eq!(told("*ten*"), Some(texts(&["REDACTED"])));
        let run = || {
            let run = Run::new().header("x-tenant", "red").header("cookie", "hunter2");
            run.env("OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST", "x-tenant,cookie")
        };
        refused_in(run, name, "no header");
        refused_in(run, name, ".*tenant.*");
    }

    OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS => {
        let told = |known: &str| {
            let run = Run::new().header(":method", "PURGE").env("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS", known);
            run.tell().traces.require(server()).text("http.request.method").to_owned()
        };
        assert_eq!((told("").as_str(), told("GET,PURGE").as_str()), ("_OTHER", "PURGE"));
    }
}
