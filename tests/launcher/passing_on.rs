//! A trace comes in by the headers of one format and goes out by those of others.

use std::collections::BTreeMap;
use std::process::Stdio;

use super::launch;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

/// The headers of a call that a program makes while it serves a request with `headers`.
fn sent(propagators: &str, sampler: &str, headers: &[String]) -> BTreeMap<String, String> {
    let mut command = launch("records_everything");
    command.env("OTEL_PROPAGATORS", propagators).env("OTEL_TRACES_SAMPLER", sampler).args(headers);
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let headers = stdout.lines().filter_map(|line| line.strip_prefix("sent ")?.split_once(' '));
    headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn each_format_is_read_and_written() {
    let right = &TRACE[16..];
    for (propagator, headers, expected) in [
        (
            "tracecontext",
            vec![format!("traceparent=00-{TRACE}-{SPAN}-01")],
            vec![("traceparent", format!("00-{TRACE}-*-01"))],
        ),
        ("b3", vec![format!("b3={TRACE}-{SPAN}-d")], vec![("b3", format!("{TRACE}-*-d"))]),
        (
            "b3",
            vec![format!("x-b3-traceid={right}"), format!("x-b3-spanid={SPAN}")],
            vec![("b3", format!("0000000000000000{right}-*-1"))],
        ),
        (
            "b3multi",
            vec![format!("b3={TRACE}-{SPAN}-0")],
            vec![("x-b3-traceid", TRACE.to_owned()), ("x-b3-spanid", "*".to_owned()), ("x-b3-sampled", "0".to_owned())],
        ),
        (
            "jaeger",
            vec![format!("uber-trace-id={TRACE}%3A{SPAN}%3A0%3A1"), "uberctx-user=7".to_owned()],
            vec![("uber-trace-id", format!("{TRACE}:*:0:1")), ("uberctx-user", "7".to_owned())],
        ),
        (
            "xray",
            vec![format!("x-amzn-trace-id=Parent={SPAN};Sampled=1;Root=1-{}-{}", &TRACE[..8], &TRACE[8..])],
            vec![("x-amzn-trace-id", format!("Root=1-{}-{};Parent=*;Sampled=1", &TRACE[..8], &TRACE[8..]))],
        ),
        (
            "ottrace",
            vec![
                format!("ot-tracer-traceid={right}"),
                format!("ot-tracer-spanid={SPAN}"),
                "ot-baggage-user=7".to_owned(),
            ],
            vec![
                ("ot-tracer-traceid", right.to_owned()),
                ("ot-tracer-spanid", "*".to_owned()),
                ("ot-tracer-sampled", "true".to_owned()),
                ("ot-baggage-user", "7".to_owned()),
            ],
        ),
        ("none", vec![format!("traceparent=00-{TRACE}-{SPAN}-01")], vec![]),
    ] {
        let found = sent(propagator, "parentbased_always_on", &headers);
        let names: Vec<_> = found.keys().map(String::as_str).collect();
        let mut wanted: Vec<_> = expected.iter().map(|(name, _)| *name).collect();
        wanted.sort_unstable();
        assert_eq!(names, wanted, "{propagator} {headers:?}");
        for (name, value) in &expected {
            let (before, after) = value.split_once('*').unwrap_or((value.as_str(), ""));
            let value_sent = &found[*name];
            assert!(
                value_sent.starts_with(before) && value_sent.ends_with(after),
                "{name} is {value_sent}, not {value}"
            );
            assert!(!value_sent.contains(SPAN), "{name}: the call is a span of its own");
        }
    }
}

#[test]
fn several_formats_are_read_in_their_order_and_all_are_written() {
    let other = "80f198ee56343ba864fe8b2a57d3eff7";
    let headers = [format!("traceparent=00-{TRACE}-{SPAN}-01"), format!("b3={other}-{SPAN}-1")];
    for (propagators, trace) in [("tracecontext,b3", other), ("b3,tracecontext", TRACE)] {
        let found = sent(propagators, "parentbased_always_on", &headers);
        assert!(found["traceparent"].contains(trace) && found["b3"].contains(trace), "{propagators}: {found:?}");
    }
}

#[test]
fn the_sampler_decides_for_callers_without_a_decision() {
    for (header, sampler, sampled) in [
        (format!("b3={TRACE}-{SPAN}"), "parentbased_always_on", "1"),
        (format!("b3={TRACE}-{SPAN}"), "parentbased_always_off", "0"),
        (format!("b3={TRACE}-{SPAN}-1"), "parentbased_always_off", "1"),
        ("b3=0".to_owned(), "parentbased_always_on", "0"),
        ("b3=1".to_owned(), "parentbased_always_off", "1"),
        ("b3=0".to_owned(), "always_on", "1"),
    ] {
        let found = sent("b3", sampler, std::slice::from_ref(&header));
        assert!(found["b3"].ends_with(&format!("-{sampled}")), "{header} {sampler}: {found:?}");
    }
}
