//! Headers that are copied from the request served to the one that is sent.

use super::{SHORT, SPAN, TRACE, get, run, versions};
use crate::support::expect::{Traces, client, server};
use crate::support::model::Span;

/// Each way of sending, and its target.
const WAYS: [(&str, &str); 4] = [
    ("/proxy/reqwest", "/echo"),
    ("/proxy/pool", "/echo"),
    ("/proxy/http1", "/echo?page=2"),
    ("/proxy/http2", "/echo"),
];

/// The request sent on behalf of `request` and the one served for it.
#[track_caller]
fn onward(traces: &Traces, request: &Span, stock: u16, target: &str) -> (Span, Span) {
    let url = format!("http://127.0.0.1:{stock}{target}");
    let call = traces.require(client().child_of(request).attr("url.full", url.as_str()));
    let served = traces.require(server().attr("url.path", "/echo").child_of(&call));
    (call, served)
}

#[test]
fn copied_headers_do_not_break_the_trace() {
    let parent = format!("00-{TRACE}-{SPAN}-01");
    let (b3, uber) = (format!("{TRACE}-{SPAN}-1"), format!("{TRACE}:{SPAN}:0:1"));
    let amazon = format!("Root=1-00000000-000000008448eb211c80319c;Parent={SPAN};Sampled=1");
    let all: [(&str, &[(&'static str, &str)]); 7] = [
        ("tracecontext,baggage", &[("traceparent", &parent), ("tracestate", "a=1"), ("baggage", "k=v")]),
        ("b3", &[("b3", &b3)]),
        (
            "b3multi",
            &[("x-b3-traceid", TRACE), ("x-b3-spanid", SPAN), ("x-b3-sampled", "1"), ("x-b3-parentspanid", SPAN)],
        ),
        ("jaeger", &[("uber-trace-id", &uber), ("uberctx-k", "v")]),
        ("xray", &[("x-amzn-trace-id", &amazon)]),
        ("ottrace", &[("ot-tracer-traceid", SHORT), ("ot-tracer-spanid", SPAN), ("ot-tracer-sampled", "true")]),
        (
            "tracecontext,b3multi",
            &[("traceparent", &parent), ("b3", &b3), ("x-b3-traceid", TRACE), ("x-b3-spanid", SPAN)],
        ),
    ];
    for versions in &versions() {
        for (propagators, headers) in all {
            let mut stock = 0;
            let (traces, _) = run(versions, &[("OTEL_PROPAGATORS", propagators)], |edge| {
                stock = edge.stock;
                for (way, _) in WAYS {
                    let (status, body) = get(edge, way, headers);
                    assert_eq!(status, 200, "{body}");
                    for name in ["traceparent", "tracestate", "baggage", "b3", "x-b3-parentspanid", "uberctx-k"] {
                        let count = body.lines().filter(|line| line.starts_with(&format!("{name}: "))).count();
                        assert!(count <= 1, "{propagators} {way}: {body}");
                    }
                }
            });
            for (way, target) in WAYS {
                let request = traces.require(server().attr("url.path", way).child_of_remote(TRACE, SPAN));
                onward(&traces, &request, stock, target);
            }
        }
    }
}

#[test]
fn every_format_is_written_whichever_was_copied() {
    for versions in &versions() {
        let mut answers = Vec::new();
        let (traces, _) = run(versions, &[("OTEL_PROPAGATORS", "tracecontext,b3,jaeger")], |edge| {
            let b3 = format!("{TRACE}-{SPAN}-1");
            answers.extend(WAYS.map(|(way, _)| get(edge, way, &[("b3", &b3), ("traceparent", "00-malformed")]).1));
        });
        for ((way, _), answer) in WAYS.iter().zip(answers) {
            let request = traces.require(server().attr("url.path", *way).child_of_remote(TRACE, SPAN));
            let ids: Vec<_> = traces.all(&client().child_of(&request)).into_iter().map(|call| call.id).collect();
            let written = |id: &String| {
                [
                    format!("traceparent: 00-{TRACE}-{id}-01"),
                    format!("b3: {TRACE}-{id}-1"),
                    format!("uber-trace-id: {TRACE}:{id}:0:1"),
                ]
                .iter()
                .all(|line| answer.lines().any(|found| found == line))
            };
            assert_eq!(ids.iter().filter(|id| written(id)).count(), 1, "{way} {ids:?}: {answer}");
        }
    }
}

#[test]
fn malformed_headers_that_were_copied_are_replaced() {
    for versions in &versions() {
        let mut stock = 0;
        let mut answers = Vec::new();
        let (traces, _) = run(versions, &[], |edge| {
            stock = edge.stock;
            let headers =
                [("traceparent", "00-00000000000000000000000000000000-b7ad6b7169203331-01"), ("tracestate", "a=1")];
            answers.extend(WAYS.map(|(way, _)| get(edge, way, &headers).1));
        });
        for ((way, target), answer) in WAYS.iter().zip(answers) {
            let request = traces.require(server().attr("url.path", *way).root());
            let (call, _) = onward(&traces, &request, stock, target);
            assert!(answer.contains(&format!("traceparent: 00-{}-{}-01", call.trace, call.id)), "{way}: {answer}");
            assert!(!answer.contains("tracestate"), "it belongs to no trace: {answer}");
        }
    }
}

#[test]
fn a_trace_header_of_the_program_stays_and_is_the_parent() {
    let (trace, span) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    let own = format!("00-{trace}-{span}-01");
    let caller = format!("00-{TRACE}-{SPAN}-01");
    for versions in &versions() {
        let mut answers = Vec::new();
        let (traces, _) = run(versions, &[("OTEL_PROPAGATORS", "tracecontext,b3")], |edge| {
            let headers =
                [("traceparent", caller.as_str()), ("x-set-traceparent", &own), ("x-set-tracestate", "own=1")];
            answers.extend(WAYS.map(|(way, _)| get(edge, way, &headers).1));
        });
        for ((way, _), answer) in WAYS.iter().zip(answers) {
            traces.require(server().attr("url.path", *way).child_of_remote(TRACE, SPAN));
            for line in [format!("traceparent: {own}"), "tracestate: own=1".to_owned(), format!("b3: {trace}-{span}-1")]
            {
                assert!(answer.lines().any(|found| found == line), "{way} without {line}: {answer}");
            }
        }
        traces.require_count(4, client().child_of_remote(trace, span));
        traces.require_count(4, server().attr("url.path", "/echo").child_of_remote(trace, span));
    }
}
