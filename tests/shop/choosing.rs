//! What a user chooses at launch: no program is compiled anew for it.

use super::get_as_caller;
use crate::support::expect::{Traces, server, span};
use crate::support::http::ClientRequest;
use crate::support::launched::{Launch, Launched};
use crate::support::metrics::Metrics;
use crate::support::model::Value;
use crate::support::{Fixture, Otlp};

/// The small server, with settings: what was received.
fn received(settings: &[(&str, &str)], ask: impl FnOnce(&Launched)) -> (Traces, Metrics) {
    let otlp = Otlp::start();
    let launch = Launch::of(&Fixture::of("hello")).to(&otlp);
    let app = settings.iter().fold(launch, |launch, (name, value)| launch.env(name, value)).start();
    ask(&app);
    app.stop();
    (otlp.traces(), otlp.metrics())
}

#[test]
fn excluded_requests_leave_no_trace_and_no_number() {
    for patterns in ["/health,/internal/*", "http://127.0.0.1:*/health,http://*/internal/*"] {
        let settings = [("OTEL_RS_EXCLUDED_URLS", patterns), ("OTEL_TRACES_SAMPLER", "always_on")];
        let (traces, metrics) = received(&settings, |app| {
            for path in ["/health", "/health?deep=1", "/internal/a/b", "/healthy"] {
                assert_eq!(get_as_caller(app, path, false).0, 200);
            }
        });
        traces.require(span());
        traces.require(server().attr("url.path", "/healthy"));
        assert_eq!(metrics.count("http.server.request.duration", &[]), 1, "{metrics}");
    }
}

#[test]
fn a_disabled_instrumentation_records_nothing() {
    let slow = |app: &Launched| assert_eq!(app.get("/slow").0, 200);
    for (settings, requests, timeouts) in [
        (&[][..], 1, 1),
        (&[("OTEL_RS_DISABLED_INSTRUMENTATIONS", "tower")], 1, 0),
        (&[("OTEL_RS_DISABLED_INSTRUMENTATIONS", "hyper")], 0, 1),
        (&[("OTEL_RS_ENABLED_INSTRUMENTATIONS", "hyper,tokio")], 1, 0),
        (&[("OTEL_RS_DISABLED_INSTRUMENTATIONS", "*")], 0, 0),
    ] {
        let (traces, metrics) = received(settings, slow);
        assert_eq!(traces.all(&server()).len(), requests, "{settings:?}\n{traces}");
        let events = traces.all(&server().event("timeout")).len();
        assert_eq!(events, requests.min(timeouts), "{settings:?}\n{traces}");
        let counted: f64 = metrics.all("tower.timeout.count", &[]).iter().map(|series| series.value()).sum();
        assert_eq!(counted, timeouts as f64, "{settings:?}\n{metrics}");
        assert_eq!(metrics.all("http.server.request.duration", &[]).len(), requests, "{settings:?}\n{metrics}");
    }
}

#[test]
fn configured_headers_are_recorded_and_secrets_are_redacted() {
    let ask = |app: &Launched| {
        let header = |name, value: &str| (name, value.to_owned());
        let headers = vec![
            header("x-tenant", "red"),
            header("x-tenant", "blue"),
            header("authorization", "Bearer hunter2"),
            header("x-own", "hunter2"),
            header("x-api-key", "hunter2"),
            header("referer", "https://me:hun#hunter2@h/cb?code=hunter2&page=3"),
            header("x-long", &"x".repeat(5000)),
        ];
        assert_eq!(app.ask(ClientRequest { method: "GET", url: app.url("/"), headers }).0, 200);
    };
    let (traces, _) = received(&[], ask);
    traces.require(server().without("http.request.header.x-tenant"));
    let (traces, _) = received(
        &[
            ("OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST", "X-Tenant,authorization,x-own,x-long,x-none,x-api-key,referer"),
            ("OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_RESPONSE", "x-none,content-type"),
            ("OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SANITIZE_FIELDS", "x-o*"),
        ],
        ask,
    );
    let request = traces.require(server().without("http.request.header.x-none").without("http.response.header.x-none"));
    let header_text = |name: &str| match request.get(&format!("http.request.header.{name}")) {
        Some(list @ Value::List(_)) => list.to_string(),
        other => panic!("{name} of {request} is {other:?}, not a list"),
    };
    assert!(header_text("x-tenant").contains("red") && header_text("x-tenant").contains("blue"), "{request}");
    assert!(header_text("authorization").contains("REDACTED") && header_text("x-own").contains("REDACTED"), "{request}");
    assert!(header_text("referer").contains("page=3") && header_text("x-api-key").contains("REDACTED"), "{request}");
    assert_eq!(header_text("x-long").matches('x').count(), 1024, "{request}");
    assert!(!request.to_string().contains("hunter2"), "{request}");
}

#[test]
fn known_methods_are_configurable() {
    let ask = |app: &Launched| {
        for method in ["GET", "BREW"] {
            assert_eq!(app.ask(ClientRequest { method, url: app.url("/"), headers: Vec::new() }).0, 200);
        }
    };
    let (traces, _) = received(&[], ask);
    traces.require(server().named("GET"));
    traces.require(server().named("HTTP").attr("http.request.method_original", "BREW"));
    let (traces, _) = received(&[("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS", "BREW")], ask);
    traces.require(server().named("BREW").attr("http.request.method", "BREW"));
    traces.require(server().named("HTTP").attr("http.request.method_original", "GET"));
}
