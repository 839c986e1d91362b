//! Variables of the program as a whole, and of what is told.

use super::told::{Run, by_default, refused, with};
use super::variables;
use crate::support::expect::{client, server, span};
use crate::support::model::Attributes;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

variables! {
    OTEL_SERVICE_NAME => {
        assert_eq!(by_default().traces.require(server()).resource["service.name"], "tells_all".into());
        assert_eq!(with("OTEL_SERVICE_NAME", "corner shop").traces.require(server()).resource["service.name"],
            "corner shop".into());
    }

    OTEL_RESOURCE_ATTRIBUTES => {
        assert!(!by_default().traces.require(server()).resource.contains_key("team"));
        let told = with("OTEL_RESOURCE_ATTRIBUTES", "team=red%2C%20mostly,service.name=named");
        let resource = &told.traces.require(server()).resource;
        assert_eq!((&resource["team"], &resource["service.name"]), (&"red, mostly".into(), &"named".into()));
        let both = Run::new().env("OTEL_RESOURCE_ATTRIBUTES", "service.name=a").env("OTEL_SERVICE_NAME", "b").tell();
        assert_eq!(both.traces.require(server()).resource["service.name"], "b".into());
        refused("OTEL_RESOURCE_ATTRIBUTES", "no-value");
    }

    OTEL_EXPERIMENTAL_RESOURCE_DETECTORS => {
        let all = &by_default().traces.require(server()).resource;
        let has = |resource: &Attributes, names: &[&str]| names.iter().all(|name| resource.contains_key(*name));
        assert!(has(all, &["process.pid", "host.name", "os.type", "service.instance.id"]), "{all:?}");
        let told = with("OTEL_EXPERIMENTAL_RESOURCE_DETECTORS", "os");
        let some = &told.traces.require(server()).resource;
        assert!(has(some, &["os.type"]) && !has(some, &["process.pid"]) && !has(some, &["host.name"]), "{some:?}");
        refused("OTEL_EXPERIMENTAL_RESOURCE_DETECTORS", "gps");
    }

    OTEL_PROPAGATORS => {
        assert_eq!(by_default().sent.keys().collect::<Vec<_>>(), ["traceparent"]);
        let called = || Run::new().header("traceparent", &format!("00-{TRACE}-{SPAN}-01"));
        let told = called().tell();
        let call = told.traces.require(client().named("GET").in_trace(TRACE));
        assert_eq!(told.sent["traceparent"], format!("00-{TRACE}-{}-01", call.id));
        let none = called().env("OTEL_PROPAGATORS", "none").tell();
        assert!(none.sent.is_empty());
        none.traces.forbid(span().in_trace(TRACE));
        let b3 = Run::new().env("OTEL_PROPAGATORS", "b3").header("b3", &format!("{TRACE}-{SPAN}-1")).tell();
        let call = b3.traces.require(client().named("GET").in_trace(TRACE));
        assert_eq!(b3.sent.keys().collect::<Vec<_>>(), ["b3"]);
        assert!(b3.sent["b3"].starts_with(&format!("{TRACE}-{}-1", call.id)), "{:?}", b3.sent);
        refused("OTEL_PROPAGATORS", "pigeon");
    }

    OTEL_SDK_DISABLED => {
        by_default().traces.require(server());
        let told = with("OTEL_SDK_DISABLED", "true");
        assert_eq!((told.traces.0.len(), told.otlp.ways().len(), told.stderr.as_str()), (0, 0, ""));
        refused("OTEL_SDK_DISABLED", "yes");
    }

    OTEL_LOG_LEVEL => {
        let warned = |level: &str| {
            let run = Run::new().env("OTEL_LOG_LEVEL", level).env("OTEL_TRACES_SAMPLER_ARG", "many");
            run.tell().stderr.contains("OTEL_TRACES_SAMPLER_ARG")
        };
        assert!(warned("") && warned("warn"), "warnings are said");
        assert!(!warned("error") && !warned("none"), "unless they are not wanted");
        refused("OTEL_LOG_LEVEL", "loud");
    }

    OTEL_SEMCONV_STABILITY_OPT_IN => {
        let stable = |told: &super::told::Told| told.traces.require(server().has("http.request.method")).attributes;
        let told = with("OTEL_SEMCONV_STABILITY_OPT_IN", "http,database");
        assert_eq!(stable(&told).keys().collect::<Vec<_>>(), stable(by_default()).keys().collect::<Vec<_>>());
        let both = with("OTEL_SEMCONV_STABILITY_OPT_IN", "http/dup");
        assert!(both.stderr.contains("`/dup` in `OTEL_SEMCONV_STABILITY_OPT_IN` has no effect"), "{}", both.stderr);
        refused("OTEL_SEMCONV_STABILITY_OPT_IN", "quantum");
    }

    OTEL_RS_HOST_METRICS => {
        let told = |value: &str| {
            let metrics = with("OTEL_RS_HOST_METRICS", value).metrics;
            ["process.cpu.time", "system.cpu.time"].map(|name| !metrics.all(name, &[]).is_empty())
        };
        assert_eq!(told(""), [true, true], "both by default");
        assert_eq!((told("process"), told("system"), told("none")), ([true, false], [false, true], [false, false]));
        refused("OTEL_RS_HOST_METRICS", "everything");
    }

    OTEL_RS_PROCESS_SPAN => {
        // What stands in the span and below it is seen in `launcher::run`.
        let run = || span().named("tells_all");
        by_default().traces.forbid(run());
        with("OTEL_RS_PROCESS_SPAN", "true").traces.require(run().attr("process.exit.code", 0));
        with("OTEL_RS_PROCESS_SPAN", "false").traces.forbid(run());
        refused("OTEL_RS_PROCESS_SPAN", "perhaps");
    }

    OTEL_RS_PROCESS_SPAN_ARGS => {
        let run = || Run::new().env("OTEL_RS_PROCESS_SPAN", "true");
        run().tell().traces.require(span().named("tells_all").has("process.command_args"));
        let without = run().env("OTEL_RS_PROCESS_SPAN_ARGS", "false").tell();
        without.traces.require(span().named("tells_all").without("process.command_args"));
        refused("OTEL_RS_PROCESS_SPAN_ARGS", "some");
    }

    OTEL_RS_ENVIRONMENT_PARENT => {
        // Whose parent it becomes is seen in `launcher::run`; a request served is not among them.
        let parent = || Run::new().env("TRACEPARENT", format!("00-{TRACE}-{SPAN}-01"));
        parent().env("OTEL_RS_ENVIRONMENT_PARENT", "true").tell().traces.require(server().root());
        parent().tell().traces.require(server().root());
        refused("OTEL_RS_ENVIRONMENT_PARENT", "mother");
    }

    OTEL_RS_RUNTIME_POLL_TIMES => {
        // What is told then is seen in `metrics::runtimes`.
        use crate::support::{Fixture, Otlp, launched::Launch};
        let told = |value: &str| {
            let otlp = Otlp::start();
            let launch = Launch::of(&Fixture::runtime("newest")).to(&otlp).env("COUNTS", 1);
            let end = launch.env("OTEL_RS_RUNTIME_POLL_TIMES", value).start().end();
            assert!(end.status.success(), "{end:?}");
            !otlp.metrics().all("tokio.runtime.worker.poll_duration", &[]).is_empty()
        };
        assert_eq!(["", "false", "true"].map(told), [false, false, true]);
        refused("OTEL_RS_RUNTIME_POLL_TIMES", "seldom");
    }

    OTEL_RS_DETACH_AFTER => {
        // What it does to tasks is seen with real tasks in `shop::tasks`.
        by_default().traces.require(server());
        with("OTEL_RS_DETACH_AFTER", 1).traces.require(server());
        refused("OTEL_RS_DETACH_AFTER", "0");
    }
}

#[test]
fn a_flag_beats_the_environment_in_either_spelling() {
    for flag in ["--service-name=flag", "--service_name=flag"] {
        let told = Run::new().env("OTEL_SERVICE_NAME", "environment").flag(flag).tell();
        assert_eq!(told.traces.require(span().named("work")).resource["service.name"], "flag".into());
    }
}
