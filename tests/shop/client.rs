//! Requests that the shop sends.

use super::received;
use crate::support::expect::{client, server};

#[test]
fn a_refused_connection_is_an_error_without_credentials() {
    for versions in ["newest", "axum07"] {
        let (_, traces, metrics) = received(versions, |shop| assert_eq!(shop.get("/unreachable").0, 502));
        let request = traces.require(server().named("GET /unreachable").failed());
        let call = traces.require(
            client().named("GET").child_of(&request).failed().has("error.type").without("http.response.status_code"),
        );
        let url = call.text("url.full");
        assert!(!url.contains("hunter2") && url.contains("127.0.0.1:1/nowhere"), "{url}");
        let error = call.get("error.type").cloned().expect("required above");
        assert_eq!(metrics.count("http.client.request.duration", &[("error.type", error)]), 1, "{metrics}");
    }
}

#[test]
fn a_timeout_is_an_error_of_its_own_kind() {
    for versions in ["newest", "axum07"] {
        let (_, traces, _) = received(versions, |shop| assert_eq!(shop.get("/slow").0, 502));
        let request = traces.require(server().named("GET /slow").attr("http.response.status_code", 502));
        let call = traces.require(client().named("GET").child_of(&request).failed().has("error.type"));
        assert!(call.text("error.type").to_lowercase().contains("time"), "{call}");
        assert!((40..1000).contains(&call.millis()), "{} ms", call.millis());
    }
}

#[test]
fn each_attempt_is_a_span_with_its_number() {
    for versions in ["newest", "axum07"] {
        let (fixture, traces, metrics) =
            received(versions, |shop| assert_eq!(shop.get("/moved"), (200, "31".to_owned())));
        let request = traces.require(server().named("GET /moved"));
        let first = traces.require(
            client()
                .named("GET")
                .child_of(&request)
                .attr("http.response.status_code", 307)
                .without("http.request.resend_count"),
        );
        let second = traces.require(
            client()
                .named("GET")
                .child_of(&request)
                .attr("http.response.status_code", 200)
                .attr("http.request.resend_count", 1),
        );
        let route = |template: &str| format!("GET {}", fixture.route(template));
        traces.require(server().named(route("/moved/{item}")).child_of(&first));
        traces.require(server().named(route("/stock/{item}")).child_of(&second));
        assert_eq!(metrics.count("http.client.request.duration", &[]), 2, "{metrics}");
    }
}
