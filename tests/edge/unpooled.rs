//! Requests over connections that the program made by itself, without a pool.

use super::{get, run, versions};
use crate::support::expect::{client, server};

#[test]
fn a_request_without_a_pool_is_a_span_and_one_with_a_pool_is_one_only() {
    for versions in &versions() {
        let mut stock = 0;
        let (traces, metrics) = run(versions, &[], |edge| {
            stock = edge.stock;
            for way in ["reqwest", "pool", "http1", "http2"] {
                let (status, body) = get(edge, &format!("/proxy/{way}"), &[]);
                assert_eq!((status, body.matches("traceparent: ").count()), (200, 1), "{body}");
            }
        });
        for (way, library, version, targets) in [
            ("reqwest", "hyper-util", "1.1", &["/echo"][..]),
            ("pool", "hyper-util", "1.1", &["/echo"]),
            ("http1", "hyper", "1.1", &["/echo?page=2"]),
            ("http2", "hyper", "2", &["/first", "/echo"]),
        ] {
            let request = traces.require(server().attr("url.path", &format!("/proxy/{way}")));
            traces.require_count(targets.len(), client().child_of(&request));
            for target in targets {
                let call = traces.require(
                    client()
                        .named("GET")
                        .child_of(&request)
                        .recorded_by(library)
                        .attr("http.request.method", "GET")
                        .attr("url.full", format!("http://127.0.0.1:{stock}{target}").as_str())
                        .attr("server.address", "127.0.0.1")
                        .attr("server.port", stock)
                        .attr("http.response.status_code", 200)
                        .attr("network.protocol.version", version)
                        .without("error.type")
                        .not_failed(),
                );
                let path = target.split('?').next().unwrap();
                traces.require(server().attr("url.path", path).child_of(&call));
            }
        }
        assert_eq!(metrics.count("http.client.request.duration", &[("server.port", stock.into())]), 5, "{metrics}");
        let active = metrics.require("http.client.active_requests", &[("server.port", stock.into())]);
        assert_eq!(active.value(), 0.0, "{metrics}");
    }
}

#[test]
fn a_request_that_gets_no_answer_fails() {
    for versions in &versions() {
        let (traces, metrics) = run(versions, &[], |edge| {
            assert_eq!(get(edge, "/proxy/nobody", &[]).0, 200, "the error is the body");
        });
        let request = traces.require(server().attr("url.path", "/proxy/nobody"));
        let call = traces.require(client().child_of(&request).failed().has("error.type"));
        assert_eq!(call.text("url.full"), "http://nobody.test/nobody");
        assert_eq!((call.text("server.address"), call.get("server.port")), ("nobody.test", Some(&80.into())));
        let error = call.get("error.type").cloned().unwrap();
        assert_eq!(metrics.count("http.client.request.duration", &[("error.type", error)]), 1, "{metrics}");
    }
}

#[test]
fn a_disabled_pool_leaves_its_requests_unrecorded() {
    for versions in &versions() {
        let settings = [("OTEL_RS_DISABLED_INSTRUMENTATIONS", "hyper-util")];
        let (traces, _) = run(versions, &settings, |edge| {
            assert_eq!(get(edge, "/proxy/pool", &[]).0, 200);
            assert_eq!(get(edge, "/proxy/http1", &[]).0, 200);
        });
        let of = |way: &str| traces.require(server().attr("url.path", way));
        traces.forbid(client().child_of(&of("/proxy/pool")));
        traces.require(client().child_of(&of("/proxy/http1")).recorded_by("hyper"));
    }
}
