//! Variables of the program as a whole, and of what is recorded.

use std::os::unix::ffi::OsStringExt as _;

use super::run::{Run, by_default, refused, refused_in, with};
use super::variables;
use crate::launcher::{launch, program};
use crate::support::expect::{client, server, span};
use crate::support::model::Attributes;
use crate::support::{OTEL_RS, clean};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

variables! {
    OTEL_SERVICE_NAME => {
        assert_eq!(by_default().traces.require(server()).resource["service.name"], "records_everything".into());
        assert_eq!(with("OTEL_SERVICE_NAME", "corner shop").traces.require(server()).resource["service.name"],
            "corner shop".into());
        // Any text is valid; bytes that are not UTF-8 are not.
        let outcome = Run::new().bytes("OTEL_SERVICE_NAME", std::ffi::OsString::from_vec(b"caf\xe9".to_vec())).outcome();
        outcome.warns("OTEL_SERVICE_NAME", "expected text in UTF-8");
        outcome.is_as(by_default(), "OTEL_SERVICE_NAME");
    }

    OTEL_RESOURCE_ATTRIBUTES => {
        assert!(!by_default().traces.require(server()).resource.contains_key("team"));
        let outcome = with("OTEL_RESOURCE_ATTRIBUTES", "team=red%2C%20mostly,service.name=named");
        let resource = &outcome.traces.require(server()).resource;
        assert_eq!((&resource["team"], &resource["service.name"]), (&"red, mostly".into(), &"named".into()));
        let both = Run::new().env("OTEL_RESOURCE_ATTRIBUTES", "service.name=a").env("OTEL_SERVICE_NAME", "b").outcome();
        assert_eq!(both.traces.require(server()).resource["service.name"], "b".into());
        refused("OTEL_RESOURCE_ATTRIBUTES", "no-value");
    }

    OTEL_ENTITIES => {
        let pod = "k8s.pod{k8s.pod.uid=7f3a}[k8s.pod.name=shop%2C1,team=blue]@https://opentelemetry.io/schemas/1.21.0";
        let outcome = Run::new().env("OTEL_ENTITIES", pod).env("OTEL_RESOURCE_ATTRIBUTES", "team=red,zone=eu").outcome();
        let resource = &outcome.traces.require(server()).resource;
        let of = |key: &str| resource.get(key).cloned();
        assert_eq!((of("k8s.pod.uid"), of("k8s.pod.name")), (Some("7f3a".into()), Some("shop,1".into())));
        assert_eq!((of("team"), of("zone")), (Some("blue".into()), Some("eu".into())), "an entity counts more");
        assert_eq!(outcome.stderr, "");
        // An invalid part is ignored without the others.
        let outcome = with("OTEL_ENTITIES", "host{host.id=1}[rack=7];invalid{syntax");
        outcome.warns("OTEL_ENTITIES", "invalid{syntax");
        assert_eq!(outcome.traces.require(server()).resource["rack"], "7".into());
        refused("OTEL_ENTITIES", "service{}");
    }

    OTEL_EXPERIMENTAL_RESOURCE_DETECTORS => {
        let all = &by_default().traces.require(server()).resource;
        let has = |resource: &Attributes, names: &[&str]| names.iter().all(|name| resource.contains_key(*name));
        assert!(has(all, &["process.pid", "host.name", "os.type", "service.instance.id"]), "{all:?}");
        let outcome = with("OTEL_EXPERIMENTAL_RESOURCE_DETECTORS", "os");
        let some = &outcome.traces.require(server()).resource;
        assert!(has(some, &["os.type"]) && !has(some, &["process.pid"]) && !has(some, &["host.name"]), "{some:?}");
        refused("OTEL_EXPERIMENTAL_RESOURCE_DETECTORS", "gps");
    }

    OTEL_RS_MEMORY_LIMIT => {
        let silent = format!("http://127.0.0.1:{}", crate::support::services::free_port());
        let many = |run: Run| {
            let mut running = run.env("OTEL_EXPORTER_OTLP_ENDPOINT", &silent).start();
            running.rounds(2500);
            running.end().stderr
        };
        let is_reached = "the memory limit is reached";
        assert!(!many(Run::new()).contains(is_reached));
        assert!(many(Run::new().env("OTEL_RS_MEMORY_LIMIT", "1MB")).contains(is_reached));
        assert!(many(Run::new().flag("--memory-limit=1000000")).contains(is_reached));
        refused("OTEL_RS_MEMORY_LIMIT", "64 potatoes");
        refused("OTEL_RS_MEMORY_LIMIT", "1KB");
    }

    OTEL_PROPAGATORS => {
        assert_eq!(by_default().sent.keys().collect::<Vec<_>>(), ["traceparent"]);
        let called = || Run::new().header("traceparent", &format!("00-{TRACE}-{SPAN}-01"));
        let outcome = called().outcome();
        let call = outcome.traces.require(client().named("GET").in_trace(TRACE));
        assert_eq!(outcome.sent["traceparent"], format!("00-{TRACE}-{}-01", call.id));
        let none = called().env("OTEL_PROPAGATORS", "none").outcome();
        assert!(none.sent.is_empty());
        none.traces.forbid(span().in_trace(TRACE));
        let b3 = Run::new().env("OTEL_PROPAGATORS", "b3").header("b3", &format!("{TRACE}-{SPAN}-1")).outcome();
        let call = b3.traces.require(client().named("GET").in_trace(TRACE));
        assert_eq!(b3.sent.keys().collect::<Vec<_>>(), ["b3"]);
        assert!(b3.sent["b3"].starts_with(&format!("{TRACE}-{}-1", call.id)), "{:?}", b3.sent);
        refused("OTEL_PROPAGATORS", "pigeon");
    }

    OTEL_SDK_DISABLED => {
        by_default().traces.require(server());
        let off = || Run::new().env("OTEL_SDK_DISABLED", "true");
        let outcome = off().outcome();
        assert_eq!((outcome.traces.0.len(), outcome.otlp.ways().len(), outcome.stderr.as_str()), (0, 0, ""));
        assert!(outcome.sent.is_empty(), "{:?}", outcome.sent);
        // It has no effect on propagators: who calls and who is called are one trace, as without this service.
        let called = || off().header("traceparent", &format!("00-{TRACE}-{SPAN}-01")).header("baggage", "a=b");
        let outcome = called().outcome();
        assert_eq!(outcome.sent["traceparent"], format!("00-{TRACE}-{SPAN}-01"));
        assert_eq!(outcome.sent["baggage"], "a=b");
        assert_eq!((outcome.traces.0.len(), outcome.otlp.ways().len(), outcome.stderr.as_str()), (0, 0, ""));
        let b3 = called().env("OTEL_PROPAGATORS", "tracecontext,b3").outcome();
        assert_eq!(b3.sent["b3"], format!("{TRACE}-{SPAN}-1"));
        assert!(called().env("OTEL_PROPAGATORS", "none").outcome().sent.is_empty());
        refused("OTEL_SDK_DISABLED", "yes");
    }

    OTEL_LOG_LEVEL => {
        let warned = |level: &str| {
            let run = Run::new().env("OTEL_LOG_LEVEL", level).env("OTEL_TRACES_SAMPLER_ARG", "many");
            run.outcome().stderr.contains("OTEL_TRACES_SAMPLER_ARG")
        };
        assert!(warned("") && warned("warn"), "warnings are written");
        assert!(!warned("error") && !warned("none"), "unless the level excludes them");
        // Notes are written by default, details are not.
        let written = |level: &str| {
            let page = Run::new().env("OTEL_METRICS_EXPORTER", "prometheus").env("OTEL_EXPORTER_PROMETHEUS_PORT", 0);
            let outcome = page.env("OTEL_LOG_LEVEL", level).outcome();
            let details = outcome.stderr.contains("`OTEL_METRICS_EXPORTER` is `prometheus`, by the environment");
            (outcome.stderr.contains("metrics are at http://"), details)
        };
        assert_eq!((written("warn"), written("debug")), ((false, false), (true, true)));
        assert_eq!((written(""), written("info")), ((true, false), (true, false)));
        assert_eq!(written("loud"), written(""));
        refused("OTEL_LOG_LEVEL", "loud");
    }

    OTEL_SEMCONV_STABILITY_OPT_IN => {
        let stable = |outcome: &super::run::Outcome| outcome.traces.require(server().has("http.request.method")).attributes;
        let outcome = with("OTEL_SEMCONV_STABILITY_OPT_IN", "http,database");
        assert_eq!(stable(&outcome).keys().collect::<Vec<_>>(), stable(by_default()).keys().collect::<Vec<_>>());
        let both = with("OTEL_SEMCONV_STABILITY_OPT_IN", "http/dup");
        assert!(both.stderr.contains("`/dup` in `OTEL_SEMCONV_STABILITY_OPT_IN` has no effect"), "{}", both.stderr);
        // Each word is for one kind of instrumentation; an unknown word is ignored without the others.
        let others = with("OTEL_SEMCONV_STABILITY_OPT_IN", "rpc,messaging,gen_ai_latest_experimental");
        assert_eq!(others.stderr, "");
        let some = with("OTEL_SEMCONV_STABILITY_OPT_IN", "http,quantum,rpc/dup");
        some.warns("OTEL_SEMCONV_STABILITY_OPT_IN", "quantum");
        assert!(some.stderr.contains("`/dup` in `OTEL_SEMCONV_STABILITY_OPT_IN` has no effect"), "{}", some.stderr);
        refused("OTEL_SEMCONV_STABILITY_OPT_IN", "quantum");
    }

    OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN => {
        let name = "OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN";
        let logs = with(name, "logs");
        assert_eq!(logs.stderr, "");
        logs.is_as(by_default(), name);
        let both = with(name, "logs/dup");
        assert!(both.stderr.contains(&format!("`/dup` in `{name}` has no effect")), "{}", both.stderr);
        refused(name, "spans");
    }

    OTEL_RS_HOST_METRICS => {
        let measured = |value: &str| {
            let metrics = with("OTEL_RS_HOST_METRICS", value).metrics;
            ["process.cpu.time", "system.cpu.time"].map(|name| !metrics.all(name, &[]).is_empty())
        };
        assert_eq!(measured(""), [true, true], "both by default");
        assert_eq!((measured("process"), measured("system"), measured("none")), ([true, false], [false, true], [false, false]));
        let has_pid = |value: &str| {
            let all = with("OTEL_RS_HOST_METRICS", value).metrics.all("process.cpu.time", &[]);
            assert!(!all.is_empty(), "{value}");
            all.iter().any(|series| series.attributes.contains_key("process.pid"))
        };
        assert_eq!((has_pid("process"), has_pid("process.pid")), (false, true));
        assert_eq!(measured("everything"), [true, true]);
        with("OTEL_RS_HOST_METRICS", "everything").warns("OTEL_RS_HOST_METRICS", "everything");
    }

    OTEL_RS_PROCESS_SPAN => {
        // The content of the span and its children is tested in `launcher::run`.
        let run = || span().named("records_everything");
        by_default().traces.forbid(run());
        with("OTEL_RS_PROCESS_SPAN", "true").traces.require(run().attr("process.exit.code", 0));
        with("OTEL_RS_PROCESS_SPAN", "false").traces.forbid(run());
        refused("OTEL_RS_PROCESS_SPAN", "perhaps");
    }

    OTEL_RS_PROCESS_SPAN_ARGS => {
        let run = || Run::new().env("OTEL_RS_PROCESS_SPAN", "true");
        run().outcome().traces.require(span().named("records_everything").has("process.command_args"));
        let without = run().env("OTEL_RS_PROCESS_SPAN_ARGS", "false").outcome();
        without.traces.require(span().named("records_everything").without("process.command_args"));
        refused_in(run, "OTEL_RS_PROCESS_SPAN_ARGS", "some");
    }

    OTEL_RS_ENVIRONMENT_PARENT => {
        let job = || Run::of("does_a_job").env("TRACEPARENT", format!("00-{TRACE}-{SPAN}-01"));
        let outcome = job().env("OTEL_RS_ENVIRONMENT_PARENT", "true").outcome();
        outcome.traces.require(span().named("work").child_of_remote(TRACE, SPAN));
        outcome.traces.require(server().root());
        job().outcome().traces.require(span().named("work").root());
        refused_in(job, "OTEL_RS_ENVIRONMENT_PARENT", "mother");
    }

    OTEL_RS_FOLLOW => {
        // Other cases of following are tested in `launcher::attaching`.
        let ends = |value: &str| {
            let mut command = crate::launcher::launch_file("/bin/sh");
            command.args(["-c", "(sleep 1; echo daemon) & exit 0"]).env("OTEL_RS_FOLLOW", value);
            let output = command.stderr(std::process::Stdio::piped()).output().expect("a launcher");
            String::from_utf8(output.stderr).expect("text").contains("`sh` has exited and left 1 process")
        };
        assert_eq!(["", "true", "false"].map(ends), [true, true, false]);
        refused("OTEL_RS_FOLLOW", "perhaps");
    }

    OTEL_RS_RUNTIME_POLL_TIMES => {
        // What is recorded then is tested in `metrics::runtimes`.
        use crate::support::{Fixture, Otlp, launched::Launch};
        let measured = |value: &str| {
            let otlp = Otlp::start();
            let launch = Launch::of(&Fixture::with("runtime", "newest")).to(&otlp).env("COUNTS", 1);
            let end = launch.env("OTEL_RS_RUNTIME_POLL_TIMES", value).start().end();
            assert!(end.status.success(), "{end:?}");
            !otlp.metrics().all("tokio.runtime.worker.poll_duration", &[]).is_empty()
        };
        assert_eq!(["", "false", "true"].map(measured), [false, false, true]);
        refused("OTEL_RS_RUNTIME_POLL_TIMES", "seldom");
    }

    OTEL_RS_SPANS => {
        // Targets and what they cover are tested in `spans::values`.
        let exported = |value: &str| {
            let fixture = crate::support::Fixture::with("spans", "newest");
            let otlp = crate::support::Otlp::start();
            let mut command = crate::launcher::launch_file(&fixture.program);
            command.args(["levels", "none"]).env("OTEL_TRACES_EXPORTER", "otlp");
            command.env("OTEL_EXPORTER_OTLP_ENDPOINT", otlp.url());
            assert!(command.env("OTEL_RS_SPANS", value).output().unwrap().status.success());
            otlp.traces().0.len()
        };
        assert_eq!(["", "warn", "off"].map(exported), [5, 2, 0]);
        refused("OTEL_RS_SPANS", "shop=loud");
    }

    OTEL_RS_LOGS => {
        // What the program shows meanwhile is tested in `logging::usual`.
        let exported = |value: &str| {
            let fixture = crate::support::Fixture::with("loggers", "newest");
            let otlp = crate::support::Otlp::start();
            let mut command = crate::launcher::launch_file(&fixture.program);
            command.arg("env_logger").env("OTEL_LOGS_EXPORTER", "otlp").env("OTEL_EXPORTER_OTLP_ENDPOINT", otlp.url());
            assert!(command.env("OTEL_RS_LOGS", value).output().unwrap().status.success());
            otlp.logs().len()
        };
        assert_eq!(["", "warn", "debug", "off,loggers::inner=debug", "off"].map(exported), [3, 2, 4, 1, 0]);
        refused("OTEL_RS_LOGS", "shop=loud");
    }

    OTEL_RS_LOG_IDS => {
        // The lines themselves are tested in `logging::usual`.
        let shows = |value: &str| {
            let fixture = crate::support::Fixture::with("loggers", "newest");
            let mut command = crate::launcher::launch_file(&fixture.program);
            command.arg("json").env("OTEL_LOGS_EXPORTER", "console").env("OTEL_RS_ENVIRONMENT_PARENT", "true");
            command.env("TRACEPARENT", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
            let output = command.env("OTEL_RS_LOG_IDS", value).output().unwrap();
            String::from_utf8_lossy(&output.stdout).contains(r#""trace_id":"0af7651916cd43dd8448eb211c80319c""#)
        };
        assert_eq!(["", "false", "true"].map(shows), [false, false, true]);
        refused("OTEL_RS_LOG_IDS", "seldom");
    }

    OTEL_RS_LOG_SPAN_FIELDS => {
        let exported = |value: &str| {
            let fixture = crate::support::Fixture::with("spans", "newest");
            let otlp = crate::support::Otlp::start();
            let mut command = crate::launcher::launch_file(&fixture.program);
            command.args(["tree", "none"]).env("OTEL_LOGS_EXPORTER", "otlp");
            command.env("OTEL_EXPORTER_OTLP_ENDPOINT", otlp.url());
            assert!(command.env("OTEL_RS_LOG_SPAN_FIELDS", value).output().unwrap().status.success());
            let logs = otlp.logs();
            let inner = logs.iter().find(|log| log.body == "the end".into()).expect("the record in `inner`");
            (inner.attributes.get("depth").cloned(), inner.attributes.contains_key("target"))
        };
        // Of three spans that have the field, the innermost counts.
        assert_eq!(["", "false", "true"].map(exported), [(None, false), (None, false), (Some(0.into()), false)]);
        refused("OTEL_RS_LOG_SPAN_FIELDS", "seldom");
    }

    OTEL_RS_SPAN_EVENTS => {
        let exported = |value: &str, logs: &str| {
            let fixture = crate::support::Fixture::with("spans", "newest");
            let otlp = crate::support::Otlp::start();
            let mut command = crate::launcher::launch_file(&fixture.program);
            command.args(["tree", "none"]).env("OTEL_TRACES_EXPORTER", "otlp").env("OTEL_LOGS_EXPORTER", logs);
            command.env("OTEL_EXPORTER_OTLP_ENDPOINT", otlp.url());
            assert!(command.env("OTEL_RS_SPAN_EVENTS", value).output().unwrap().status.success());
            let events: Vec<_> = otlp.traces().0.into_iter().flat_map(|span| span.events).collect();
            (events, otlp.logs().len())
        };
        let (events, logs) = exported("", "otlp");
        assert_eq!((events.len(), logs > 5), (0, true));
        for exporter in ["otlp", "none"] {
            let (events, left) = exported("true", exporter);
            assert_eq!((events.len(), left), (logs, 0), "{exporter}: {events:?}");
            let (_, attributes) = events.iter().find(|(name, _)| name == "the end").expect("an event by its message");
            assert_eq!((&attributes["level"], &attributes["target"]), (&"ERROR".into(), &"spans_newest::ways".into()));
            assert!(attributes.contains_key("code.file.path") && attributes.contains_key("code.line.number"));
        }
        refused("OTEL_RS_SPAN_EVENTS", "seldom");
    }

    OTEL_RS_OBSERVER_THREAD => {
        // The thread and the time of observations are tested in `launcher::observed`.
        let threads = |value: &str| {
            let mut command = launch("observes");
            command.env("OTEL_METRICS_EXPORTER", "console").env("OTEL_RS_OBSERVER_THREAD", value);
            let output = command.output().unwrap();
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            text.split_whitespace().nth(2).and_then(|count| count.parse::<u32>().ok())
        };
        assert_eq!(["", "auto", "never", "always"].map(threads), [Some(1), Some(1), Some(1), Some(2)]);
        refused("OTEL_RS_OBSERVER_THREAD", "true");
    }

    OTEL_RS_DETACH_AFTER => {
        // A task goes on 200 ms after its request; `shop::tasks` has real ones.
        let run = || Run::of("outlives_its_request");
        let outcome = run().outcome();
        let request = outcome.traces.require(server());
        outcome.traces.require(span().named("first").child_of(&request));
        outcome.traces.require(span().named("second").child_of(&request));
        let outcome = run().env("OTEL_RS_DETACH_AFTER", 50).outcome();
        outcome.traces.require(span().named("first").child_of(&outcome.traces.require(server())));
        outcome.traces.require(span().named("second").root());
        refused_in(run, "OTEL_RS_DETACH_AFTER", "0");
    }
}

/// An invalid value of a flag is an error that names the flag.
#[test]
fn a_flag_with_a_bad_value_is_a_usage_error() {
    for (flag, value, expected) in [
        ("bsp-schedule-delay", "soon", "expected a whole number of milliseconds"),
        ("bsp_max_queue_size", "0", "expected a whole number above 0"),
        ("traces-sampler", "sometimes", "expected one of `parentbased_always_on`"),
        ("traces-sampler-arg", "2", "expected a number between 0 and 1"),
        ("sdk-disabled", "perhaps", "expected `true` or `false`"),
        ("propagators", "tracecontext,pigeon", "expected some of `tracecontext`"),
        ("resource-attributes", "team", "expected key=value pairs"),
        ("entities", "host", "expected `type{"),
        ("semconv-stability-opt-in", "http,quantum", "expected one of `http`"),
        ("exporter-otlp-endpoint", "ftp://host", "expected"),
        ("exporter-prometheus-port", "65536", "expected a port"),
    ] {
        let mut command = clean(OTEL_RS);
        let output =
            command.arg("instrument").arg(format!("--{flag}={value}")).arg("--").arg(program("records_everything"));
        let output = output.output().expect("otel-rs starts");
        let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!((output.status.code(), stdout.as_ref()), (Some(2), ""), "the program does not run:\n{stderr}");
        let flag = flag.replace('_', "-");
        assert!(stderr.contains("error: ") && stderr.contains(&format!("`--{flag}`: {expected}")), "{stderr}");
    }
}

#[test]
fn a_flag_beats_the_environment_in_either_spelling() {
    for flag in ["--service-name=flag", "--service_name=flag"] {
        let outcome = Run::new().env("OTEL_SERVICE_NAME", "environment").flag(flag).outcome();
        assert_eq!(outcome.traces.require(span().named("work")).resource["service.name"], "flag".into());
    }
}
