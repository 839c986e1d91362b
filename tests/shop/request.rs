//! Requests that the shop serves.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::{SPAN, TRACE, get_as_caller, received, received_with, traceparent};
use crate::support::expect::{client, server, span};
use crate::support::http::ClientRequest;

#[test]
fn a_request_without_a_parent_starts_a_trace() {
    let (_, traces, _) = received("newest", |shop| assert_eq!(shop.get("/hello").0, 200));
    traces.require(server().named("GET /hello").root().without("url.query"));
}

#[test]
fn a_nested_route_has_its_full_template() {
    for versions in ["newest", "axum07"] {
        let (fixture, traces, _) = received(versions, |shop| {
            assert_eq!(shop.get("/api/v1/catalog/all").0, 200);
            assert_eq!(shop.get("/nested/items/3").0, 200);
        });
        let route = fixture.route("/api/{version}/catalog/all");
        traces.require(server().named(format!("GET {route}")).attr("http.route", &route));
        let route = fixture.route("/nested/items/{id}");
        traces.require(server().named(format!("GET {route}")).attr("http.route", &route));
    }
}

#[test]
fn a_path_without_a_route_is_named_after_its_method_alone() {
    let (_, traces, _) = received("newest", |shop| assert_eq!(shop.get("/nowhere/1").0, 404));
    traces.require(
        server()
            .named("GET")
            .attr("http.response.status_code", 404)
            .without("http.route")
            .without("error.type")
            .not_failed(),
    );
}

#[test]
fn a_server_error_fails_the_span_and_a_client_error_does_not() {
    let (_, traces, metrics) = received("newest", |shop| {
        assert_eq!(shop.get("/broken").0, 500);
        assert_eq!(shop.get("/orders/99").0, 404);
    });
    traces.require(
        server().named("GET /broken").attr("http.response.status_code", 500).attr("error.type", "500").failed(),
    );
    traces.require(
        server().named("GET /orders/{id}").attr("http.response.status_code", 404).without("error.type").not_failed(),
    );
    let broken = [("error.type", "500".into()), ("http.response.status_code", 500.into())];
    assert_eq!(metrics.count("http.server.request.duration", &broken), 1, "{metrics}");
}

#[test]
fn an_unknown_method_is_kept_apart() {
    let ask = |shop: &crate::support::Launched| {
        let url = shop.url("/hello");
        assert_eq!(shop.ask(ClientRequest { method: "BREW", url, headers: Vec::new() }).0, 405);
    };
    let (_, traces, metrics) = received("newest", ask);
    let brewed =
        traces.require(server().attr("http.request.method", "_OTHER").attr("http.request.method_original", "BREW"));
    assert!(brewed.name.starts_with("HTTP"), "{brewed}");
    assert_eq!(
        metrics.count("http.server.request.duration", &[("http.request.method", "_OTHER".into())]),
        1,
        "{metrics}"
    );
}

#[test]
fn a_span_lasts_until_the_body_has_been_sent() {
    let (_, traces, _) = received("newest", |shop| assert_eq!(shop.get("/stream").1.lines().count(), 3));
    let streamed = traces.require(server().named("GET /stream").attr("http.response.status_code", 200));
    assert!(streamed.millis() >= 170, "three parts, 60 ms apart: {} ms", streamed.millis());
}

#[test]
fn a_span_ends_when_the_client_is_gone() {
    let (_, traces, _) = received("newest", |shop| {
        let mut stream = TcpStream::connect(("127.0.0.1", shop.shop)).unwrap();
        write!(stream, "GET /stream HTTP/1.1\r\nhost: shop\r\n\r\n").unwrap();
        let mut some = [0; 20];
        stream.read_exact(&mut some).unwrap();
        drop(stream);
        std::thread::sleep(Duration::from_millis(500));
    });
    let gone = traces.require(server().named("GET /stream"));
    assert!(gone.millis() < 450, "it ended when the client went: {} ms", gone.millis());
}

#[test]
fn two_requests_on_one_connection_are_two_traces() {
    let (_, traces, _) = received("newest", |shop| {
        let mut stream = TcpStream::connect(("127.0.0.1", shop.shop)).unwrap();
        let first = format!("GET /orders/1 HTTP/1.1\r\nhost: shop\r\n{}: {}\r\n\r\n", traceparent().0, traceparent().1);
        write!(stream, "{first}GET /orders/2 HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n").unwrap();
        let mut all = String::new();
        stream.read_to_string(&mut all).unwrap();
        assert!(all.contains("teapot 4") && all.contains("kettle 7"), "{all}");
    });
    let first = traces.require(server().attr("url.path", "/orders/1").child_of_remote(TRACE, SPAN));
    let second = traces.require(server().attr("url.path", "/orders/2").root());
    assert_ne!(first.trace, second.trace);
    traces.require(client().named("SELECT orders").child_of(&first));
    traces.require(client().named("SELECT orders").child_of(&second));
}

#[test]
fn requests_that_the_caller_did_not_sample_are_counted_and_not_exported() {
    let (_, traces, metrics) = received("newest", |shop| {
        let headers = vec![("traceparent", format!("00-{TRACE}-{SPAN}-00"))];
        assert_eq!(shop.ask(ClientRequest { method: "GET", url: shop.url("/orders/1"), headers }).0, 200);
    });
    traces.forbid(span().in_trace(TRACE));
    assert_eq!(metrics.count("http.server.request.duration", &[]), 2, "{metrics}");
    assert_eq!(metrics.count("http.client.request.duration", &[]), 1, "{metrics}");
    assert_eq!(
        metrics.count("db.client.operation.duration", &[("db.operation.name", "SELECT".into())]),
        2,
        "{metrics}"
    );
}

#[test]
fn tracestate_and_baggage_go_on_to_the_next_service() {
    for versions in ["newest", "oldest"] {
        let mut headers_of_the_stock = String::new();
        let (_, traces, _) = received(versions, |shop| {
            let headers =
                vec![traceparent(), ("tracestate", "vendor=abc".to_owned()), ("baggage", "tenant=7".to_owned())];
            headers_of_the_stock = shop.ask(ClientRequest { method: "GET", url: shop.url("/headers"), headers }).1;
        });
        let call = traces.require(client().named("GET").in_trace(TRACE));
        assert_eq!(headers_of_the_stock, format!("00-{TRACE}-{}-01 vendor=abc tenant=7", call.id));
        assert_eq!(call.trace_state, "vendor=abc");
    }
}

#[test]
fn the_caller_behind_a_proxy_is_the_client() {
    let (_, traces, _) = received("newest", |shop| {
        let headers = vec![("x-forwarded-for", "203.0.113.7, 10.0.0.1".to_owned())];
        assert_eq!(shop.ask(ClientRequest { method: "GET", url: shop.url("/hello"), headers }).0, 200);
    });
    traces.require(
        server().named("GET /hello").attr("client.address", "203.0.113.7").attr("network.peer.address", "127.0.0.1"),
    );
}

#[test]
fn settings_reach_resource_and_sampler() {
    let settings = |launch: crate::support::launched::Launch| {
        launch
            .env("OTEL_SERVICE_NAME", "corner-shop")
            .env("OTEL_RESOURCE_ATTRIBUTES", "team=red,deployment.environment.name=ci")
    };
    let (_, traces, _) = received_with("newest", settings, |shop| {
        get_as_caller(shop, "/hello", false);
    });
    let hello = traces.require(server().named("GET /hello"));
    assert_eq!(hello.resource["service.name"], "corner-shop".into());
    assert_eq!(hello.resource["team"], "red".into());
    assert_eq!(hello.resource["deployment.environment.name"], "ci".into());

    let never = |launch: crate::support::launched::Launch| launch.env("OTEL_TRACES_SAMPLER", "always_off");
    let (_, traces, metrics) = received_with("newest", never, |shop| {
        get_as_caller(shop, "/hello", false);
    });
    traces.forbid(span());
    assert_eq!(metrics.count("http.server.request.duration", &[]), 1, "{metrics}");
}

#[test]
fn the_lowest_versions_of_hyper_and_tower_are_recorded() {
    let otlp = crate::support::Otlp::start();
    let hello = crate::support::Fixture::of("hello");
    let app = crate::support::launched::Launch::of(&hello).to(&otlp).start();
    assert_eq!(get_as_caller(&app, "/quick", false), (200, "hello".to_owned()));
    assert_eq!(app.get("/slow").0, 200);
    app.stop();
    let traces = otlp.traces();
    traces.require(
        server().attr("url.path", "/quick").child_of_remote(TRACE, SPAN).attr("http.response.status_code", 200),
    );
    traces.require(server().attr("url.path", "/slow").root().event("timeout"));
}
