//! Spans that a program makes with two versions of OpenTelemetry's API and no SDK: they arrive, in one tree with those of
//! libraries.

use std::process::{Command, Output};

use super::{grown, stderr};
use crate::launcher::launch_file;
use crate::support::expect::{SpanMatcher, Traces, client, of_kind, server, span};
use crate::support::metrics::Metrics;
use crate::support::model::{Kind, Value};
use crate::support::{Fixture, Otlp, clean};

/// The scopes of the journey's spans, one for each version of the API.
const SCOPES: [&str; 2] = ["v27", "v33"];

fn journey(otlp: &Otlp, work: &str) -> Command {
    let mut command = launch_file(&Fixture::of("journey").program);
    command.env("OTEL_TRACES_EXPORTER", "otlp").env("OTEL_EXPORTER_OTLP_ENDPOINT", otlp.url());
    command.env("OTEL_METRICS_EXPORTER", "none").arg(work);
    command
}

/// What was received of a run, and its output.
fn run_with(work: &str, settings: &[(&str, &str)]) -> (Traces, Output) {
    let otlp = Otlp::start();
    let output = journey(&otlp, work).envs(settings.iter().copied()).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    (otlp.traces(), output)
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The output without a launcher.
fn alone(work: &str) -> String {
    let output = clean(&Fixture::of("journey").program).arg(work).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output)
}

fn internal(scope: &str, name: &str) -> SpanMatcher {
    of_kind(Kind::Internal).named(name).recorded_by(scope).in_version("1.2.3").not_failed()
}

#[test]
fn automatic_and_manual_spans_are_one_tree() {
    let (traces, output) = run_with("tree", &[]);
    let sent = traces.require(client().root());
    let order = traces.require(server().attr("url.path", "/order").child_of(&sent));
    let handle = traces.require(internal("v33", "handle").child_of(&order));
    let reserve = traces.require(internal("v27", "reserve").child_of(&handle));
    traces.require(internal("v33", "reserved").child_of(&reserve));
    traces.require(internal("v33", "in a task").child_of(&handle));
    let ask = traces.require(internal("v27", "ask").child_of(&handle));
    let request = traces.require(client().child_of(&ask));
    let stock = traces.require(server().attr("url.path", "/stock").child_of(&request));
    traces.require(internal("v27", "in stock").child_of(&stock));
    assert_eq!(traces.0.len(), 10, "{traces}");
    // A handle of the automatic span sets attributes of it, and does not end it.
    for scope in SCOPES {
        assert_eq!(order.get(&format!("seen.by.{scope}")), Some(&Value::Bool(true)), "{order}");
        let seen = format!("{scope} baggage plain=1 [], shop=tea pot [origin=web]\n");
        assert!(stdout(&output).contains(&seen), "{output:?}");
    }
    assert!(order.end >= handle.end);
    let line = stdout(&output).lines().find_map(|line| line.strip_prefix("sent ").map(str::to_owned)).unwrap();
    let mut members: Vec<&str> = line.split(',').collect();
    members.sort_unstable();
    assert_eq!(members, ["added=by%20hand%2C%20too", "plain=1", "shop=tea%20pot;origin=web"]);
    assert_eq!(alone("tree"), "v33 baggage \nv27 baggage \nsent \n");
}

#[test]
fn a_span_has_all_that_the_program_gave_it() {
    const SECOND: u64 = 1_000_000_000;
    let at = |seconds: u64| (1_700_000_000 + seconds) * SECOND;
    let (traces, _) = run_with("facts", &[]);
    for scope in SCOPES {
        let order = traces.require(of_kind(Kind::Producer).named("order placed").recorded_by(scope).root().failed());
        assert_eq!((order.start, order.end, order.message.as_str()), (at(1), at(5), "no stock"), "{order}");
        let text = |text: &str| Value::Str(text.to_owned());
        for (key, value) in [
            ("text", text("tea")),
            ("owned", text("pot")),
            ("int", Value::Int(7)),
            ("float", Value::Float(0.5)),
            ("bool", Value::Bool(true)),
            ("list", Value::List(vec![text("a"), text("b")])),
            ("numbers", Value::List(vec![Value::Int(1), Value::Int(-2)])),
            ("twice", Value::Int(2)),
            ("many.0", Value::Int(0)),
            ("many.39", Value::Int(39)),
        ] {
            assert_eq!(order.get(key), Some(&value), "{key}: {order}");
        }
        assert_eq!(order.get("after"), None);
        let names: Vec<&str> = order.events.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["built", "later", "exception"]);
        assert_eq!(order.event_times.get(..2), Some(&[at(2), at(3)][..]));
        assert_eq!(order.events[0].1.get("size"), Some(&Value::Int(3)));
        assert_eq!(order.events[2].1.get("exception.message"), Some(&text("broken")));
        let [first, second] = &order.links[..] else { panic!("{:?}", order.links) };
        assert_eq!((first.trace.as_str(), first.span.as_str()), (&*"07".repeat(16), &*"09".repeat(8)));
        assert_eq!((first.trace_state.as_str(), first.attributes.get("why")), ("vendor=1", Some(&text("because"))));
        assert!(second.trace == first.trace && second.attributes.is_empty());
        let fine = traces.require(internal(scope, "fine").root());
        assert_eq!(fine.message, "");
        // Of what is too long, the beginning is kept.
        let long = traces.0.iter().find(|span| span.scope.0 == scope && span.name.starts_with("xxxx")).expect("a span");
        assert!(long.attributes.len() == 5 && long.attributes.keys().all(|key| long.text(key).len() > 1000), "{scope}");
        assert_eq!(long.events.len(), 1);
    }
    assert_eq!(traces.0.len(), 2 * 3, "{traces}");
}

#[test]
fn guards_may_be_dropped_in_any_order() {
    let (traces, _) = run_with("guards", &[]);
    for scope in SCOPES {
        let one = traces.require(internal(scope, "one").root());
        let two = traces.require(internal(scope, "two").child_of(&one));
        let three = traces.require(internal(scope, "three").child_of(&two));
        traces.require(internal(scope, "below three").child_of(&three));
        traces.require(internal(scope, "below one").child_of(&one));
        traces.require(internal(scope, "a root").root());
        let outer = traces.require(internal(scope, "outer").root());
        traces.require(internal(scope, "on a thread").child_of(&outer));
        traces.require(internal(scope, "another root").root());
    }
    assert_eq!(traces.0.len(), 2 * 9, "{traces}");
}

/// The lines of `seen` for one scope.
fn lines<'a>(output: &'a str, scope: &'a str) -> Vec<&'a str> {
    output.lines().filter_map(|line| line.strip_prefix(scope)?.strip_prefix(' ')).collect()
}

#[test]
fn the_global_propagator_is_the_configured_one() {
    let (traces, output) = run_with("seen", &[("OTEL_PROPAGATORS", "tracecontext,baggage,b3")]);
    for scope in SCOPES {
        let seen = stdout(&output);
        let seen = lines(&seen, scope);
        let (trace, span) = ("07".repeat(16), "09".repeat(8));
        for expected in [
            "valid=true sampled=true recording=true",
            "same trace=true same span=false",
            "current=true",
            "after=false",
            "baggage: user=J%C3%BCrgen%3Bx;p=1",
            &format!("b3: {trace}-{span}-1"),
            &format!("traceparent: 00-{trace}-{span}-01"),
            "tracestate: vendor=1",
            "fields=[\"traceparent\", \"tracestate\", \"baggage\", \"b3\"]",
            "baggage=Some(\"J\u{fc}rgen;x p=1\")",
        ] {
            assert!(seen.contains(&expected), "{scope} {expected}: {seen:#?}");
        }
        let extracted = seen.iter().find(|line| line.starts_with("extracted=")).unwrap();
        assert!(extracted.contains("is_remote: true") && extracted.ends_with("kept=Some(5)"), "{extracted}");
        traces.require(internal(scope, "continued").child_of_remote(&trace, &span));
    }
}

#[test]
fn spans_that_are_not_sampled_have_a_context_and_record_nothing() {
    let (traces, output) = run_with("seen", &[("OTEL_TRACES_SAMPLER", "always_off")]);
    assert_eq!(traces.0.len(), 0, "{traces}");
    for scope in SCOPES {
        let seen = stdout(&output);
        let seen = lines(&seen, scope);
        assert_eq!(seen[0], "valid=true sampled=false recording=false", "{seen:#?}");
        assert_eq!(seen[1], "same trace=true same span=false", "{seen:#?}");
    }
}

#[test]
fn a_disabled_instrumentation_leaves_the_api_as_it_is() {
    let (traces, output) = run_with("seen", &[("OTEL_RS_DISABLED_INSTRUMENTATIONS", "opentelemetry")]);
    assert_eq!(traces.0.len(), 0, "{traces}");
    assert_eq!(stdout(&output), alone("seen"));
    for scope in SCOPES {
        let seen = stdout(&output);
        let seen = lines(&seen, scope);
        assert_eq!(
            seen[..4],
            [
                "valid=false sampled=false recording=false",
                "same trace=true same span=true",
                "current=true",
                "after=false"
            ]
        );
        assert_eq!((seen[4], seen.len()), ("fields=[]", 7), "nothing is injected: {seen:#?}");
    }
}

#[test]
fn a_tracer_provider_of_the_program_s_own_takes_precedence() {
    for (work, scope, other) in [("own", "v33", "v27"), ("own27", "v27", "v33")] {
        let (traces, output) = run_with(work, &[("OTEL_METRICS_EXPORTER", "otlp")]);
        assert_eq!(stdout(&output), "own after below=false\n");
        traces.require(internal(scope, "before").root());
        // A span of the other version is below the program's own.
        traces.require(internal(other, "inside").child_of_remote(&"03".repeat(16), &"05".repeat(8)));
        assert_eq!(traces.0.len(), 2, "{traces}");
        assert_eq!(stderr(&output).matches("tracer provider of its own").count(), 1, "{}", stderr(&output));
    }
}

#[test]
fn work_whose_telemetry_is_suppressed_is_not_recorded() {
    let (traces, _) = run_with("suppressed", &[]);
    traces.require(span().named("afterwards").root());
    assert_eq!(traces.0.len(), 1, "{traces}");
}

#[test]
fn a_hundred_thousand_spans_take_no_memory() {
    let (_, output) = run_with("many", &[]);
    assert!(grown(&output) < 2 << 10, "{}", stdout(&output));
}

/// A run in which the program makes spans and metrics of its requests by itself: what was received, and its stderr.
fn instrumented(settings: &[(&str, &str)]) -> (Traces, Metrics, String) {
    let otlp = Otlp::start();
    let mut command = journey(&otlp, "instrumented");
    let output = command.env("OTEL_METRICS_EXPORTER", "otlp").envs(settings.iter().copied()).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(stdout(&output), alone("instrumented"));
    (otlp.traces(), otlp.metrics(), stderr(&output))
}

/// How many requests each scope has counted in that metric.
fn counted(metrics: &Metrics, name: &str) -> Vec<(String, u64)> {
    let mut counted: Vec<_> = metrics.all(name, &[]).iter().map(|s| (s.scope.clone(), s.count())).collect();
    counted.sort();
    counted
}

const LAYER: &str = "opentelemetry-instrumentation-tower";

#[test]
fn a_request_that_the_program_has_a_span_of_is_one_span() {
    let (traces, metrics, stderr) = instrumented(&[]);
    let sent = |path: &str| traces.require(client().root().like("url.full", Value::Str(format!("http://{{}}{path}"))));
    // One layer within another, and the span below them.
    let layered = traces.require(server().named("GET /{way}").child_of(&sent("/layered")).not_failed());
    assert_eq!((layered.get("of.layer"), layered.text("http.route")), (Some(&Value::Bool(true)), "/{way}"));
    assert_eq!(layered.scope.0, "hyper");
    traces.require(internal("v33", "in the layer").child_of(&layered));
    // A span whose parent is what the program itself found in the headers.
    let by_hand = traces.require(server().named("GET").child_of(&sent("/by-hand")).failed());
    assert_eq!((by_hand.message.as_str(), by_hand.text("url.path")), ("out of tea", "/by-hand"));
    assert_eq!((by_hand.get("of.hand"), by_hand.get("after")), (Some(&Value::Bool(true)), None), "{by_hand}");
    assert!(by_hand.events.iter().any(|(name, _)| name == "answered"), "{by_hand}");
    assert_eq!(by_hand.links.iter().map(|link| link.span.as_str()).collect::<Vec<_>>(), ["09".repeat(8)]);
    // A call in two attempts, which goes along in their headers.
    let call = traces.require(of_kind(Kind::Internal).named("call").child_of(&by_hand));
    let attempts = traces.require_count(2, client().child_of(&call));
    let query = traces.require(client().named("query").child_of(&by_hand).recorded_by("by hand"));
    let asked = traces.require(client().child_of(&query));
    for attempt in attempts.iter().chain([&asked]) {
        traces.require(server().attr("url.path", "/stock").child_of(attempt));
    }
    // Work between the request and what the program takes for another one.
    let below = traces.require(server().attr("url.path", "/below").child_of(&sent("/below")));
    let handling = traces.require(of_kind(Kind::Internal).named("handling").child_of(&below));
    traces.require(of_kind(Kind::Internal).named("below").child_of(&handling));
    traces.require_count(3 + 3, server());
    traces.require_count(3 + 4, client());
    // Each request is counted once.
    for (name, requests) in [("http.server.request.duration", 6), ("http.server.response.body.size", 6)] {
        let all = counted(&metrics, name);
        assert!(all.iter().all(|(scope, _)| scope == "hyper"), "{name}: {all:?}");
        assert_eq!(all.iter().map(|(_, count)| count).sum::<u64>(), requests, "{name}: {all:?}");
    }
    metrics.require("http.server.request.duration", &[("http.route", "/{way}".into())]);
    assert_eq!(stderr.matches("recorded automatically").count(), 1, "{stderr}");
    for name in ["request.duration", "active_requests", "response.body.size"] {
        assert_eq!(stderr.matches(&format!("`http.server.{name}` of `{LAYER}`")).count(), 1, "{stderr}");
    }
}

#[test]
fn the_user_chooses_which_side_records_a_request() {
    // The program's side.
    let (traces, metrics, stderr) = instrumented(&[("OTEL_RS_DISABLED_INSTRUMENTATIONS", "hyper")]);
    traces.require_count(2, server().named("GET /{way}").recorded_by(LAYER));
    traces.require(server().named("by hand").recorded_by("by hand").failed());
    traces.require(client().named("call").recorded_by("by hand"));
    traces.forbid(span().recorded_by("hyper"));
    assert_eq!(counted(&metrics, "http.server.request.duration"), [(LAYER.to_owned(), 2)]);
    assert!(!stderr.contains("recorded automatically"), "{stderr}");
    // The automatic one.
    let (traces, metrics, stderr) = instrumented(&[("OTEL_RS_ENABLED_INSTRUMENTATIONS", "hyper,tokio")]);
    assert!(traces.0.iter().all(|span| span.scope.0 == "hyper"), "{traces}");
    let scopes = counted(&metrics, "http.server.request.duration");
    assert!(scopes.iter().all(|(scope, _)| scope == "hyper"), "{scopes:?}");
    assert!(!stderr.contains("recorded automatically"), "{stderr}");
}
