//! A program's run as a span.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};

use super::{launch, launch_file, program};
use crate::support::definition::Definition;
use crate::support::expect::{Traces, client, server, span};
use crate::support::model::{Kind, Span, Value};
use crate::support::{OTEL_RS, Otlp};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

/// A launch that exports a span of the run to a receiver.
fn with_run_span(otlp: &Otlp, mut command: Command) -> Command {
    command.env("OTEL_RS_PROCESS_SPAN", "true").env("OTEL_EXPORTER_OTLP_ENDPOINT", otlp.url());
    for signal in ["TRACES", "METRICS", "LOGS"] {
        command.env(format!("OTEL_{signal}_EXPORTER"), "otlp");
    }
    for name in ["TRACEPARENT", "TRACESTATE", "BAGGAGE"] {
        command.env_remove(name);
    }
    command
}

fn ran(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The one span of the run of `name`.
#[track_caller]
fn run_of(traces: &Traces, name: &str) -> Span {
    let run = traces.require(span().named(name).has("process.exit.code"));
    assert_eq!((run.kind, run.scope.0.as_str()), (Kind::Internal, "otel-rs"), "{run}");
    run
}

#[test]
fn work_of_a_job_is_below_its_run_and_served_requests_are_not() {
    let otlp = Otlp::start();
    let mut command = with_run_span(&otlp, launch("does_a_job"));
    command
        .env("TRACEPARENT", format!("00-{TRACE}-{SPAN}-01"))
        .env("TRACESTATE", "vendor=1")
        .env("BAGGAGE", "team=red");
    let output = ran(&mut command);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let traces = otlp.traces();
    let run = run_of(&traces, "does_a_job");
    assert_eq!((run.trace.as_str(), run.parent.as_str(), run.trace_state.as_str()), (TRACE, SPAN, "vendor=1"));
    assert_eq!(run.get("process.exit.code"), Some(&Value::Int(0)));
    assert!(!run.error && run.get("error.type").is_none(), "{run}");
    assert_eq!(run.text("process.executable.name"), "does_a_job");
    assert_eq!(run.text("process.executable.path"), program("does_a_job").to_str().unwrap());
    assert_eq!(run.get("process.pid"), run.resource.get("process.pid"));

    let work = traces.require(span().named("work").child_of(&run));
    traces.require(client().attr("server.address", "within.test").child_of(&work));
    let call = traces.require(client().attr("server.address", "alone.test").child_of(&run));
    assert!(
        traces.0.iter().all(|span| span.id == run.id || span.start >= run.start && span.end <= run.end),
        "{traces}"
    );
    let request = traces.require(server().named("GET /health").root());
    assert_ne!(request.trace, run.trace, "a request served is its own trace");
    let log = &otlp.logs()[0];
    assert_eq!((&log.trace, &log.span), (&run.trace, &run.id), "what is logged outside any request belongs to the run");

    let sent = text(&output.stdout);
    assert!(sent.contains(&format!("sent traceparent 00-{TRACE}-{}-01\n", call.id)), "{sent}");
    assert_eq!(sent.matches("sent tracestate vendor=1\nsent baggage team=red\n").count(), 2, "{sent}");
}

#[test]
fn a_run_without_a_parent_is_a_root() {
    let otlp = Otlp::start();
    let mut command = with_run_span(&otlp, launch("does_a_job"));
    // A tracestate without a traceparent is ignored.
    command.env("TRACEPARENT", "nonsense").env("TRACESTATE", "vendor=1");
    let output = ran(&mut command);
    let traces = otlp.traces();
    let run = run_of(&traces, "does_a_job");
    traces.require(span().named("does_a_job").root());
    traces.require(span().named("work").child_of(&run));
    assert!(!text(&output.stdout).contains("tracestate"), "{}", text(&output.stdout));
}

#[test]
fn the_environment_is_unchanged_unless_the_run_is_recorded() {
    let carried = [("TRACEPARENT", format!("00-{TRACE}-{SPAN}-01")), ("TRACESTATE", "vendor=1".into())];
    let shown = |command: &mut Command| {
        command.env("BAGGAGE", "team=red").envs(carried.clone());
        let lines = text(&ran(command).stdout);
        let is_variable =
            |line: &&str| ["TRACEPARENT", "TRACESTATE", "BAGGAGE"].iter().any(|name| line.starts_with(name));
        lines.lines().filter(is_variable).map(str::to_owned).collect::<Vec<_>>()
    };
    let [traceparent, tracestate] = carried.clone().map(|(name, value)| format!("{name}={value}"));
    let plain = ["BAGGAGE=team=red".to_owned(), traceparent.clone(), tracestate.clone()];
    assert_eq!(shown(&mut launch("shows_itself")), plain);
    assert_eq!(shown(launch("shows_itself").env("OTEL_RS_ENVIRONMENT_PARENT", "true")), plain);
    let otlp = Otlp::start();
    let with_run = shown(&mut with_run_span(&otlp, launch("shows_itself")));
    let run = run_of(&otlp.traces(), "shows_itself");
    assert_eq!(with_run, [plain[0].clone(), format!("TRACEPARENT=00-{TRACE}-{}-01", run.id), tracestate]);
}

#[test]
fn the_end_of_a_run_is_recorded_and_passes_through() {
    for (name, argument, code, signal, error) in [
        ("exits_with", "0", 0, None, None),
        ("exits_with", "3", 3, None, Some("3")),
        ("killed_by", "15", 143, Some(15), Some("SIGTERM")),
        ("killed_by", "9", 137, Some(9), Some("SIGKILL")),
    ] {
        let otlp = Otlp::start();
        let status = ran(with_run_span(&otlp, launch(name)).arg(argument)).status;
        assert_eq!((status.signal(), status.code()), (signal, signal.is_none().then_some(code)), "{name} {argument}");
        let run = run_of(&otlp.traces(), name);
        assert_eq!(run.get("process.exit.code"), Some(&Value::Int(i64::from(code))));
        assert_eq!(run.get("error.type"), error.map(Value::from).as_ref());
        assert_eq!(run.error, error.is_some());
        let metrics = otlp.metrics();
        let runs = metrics.require("otel_rs.process.run.duration", &[("process.executable.name", name.into())]);
        assert_eq!(runs.count(), 1);
        assert_eq!(runs.attributes.get("process.exit.code"), Some(&Value::Int(i64::from(code))));
        assert_eq!(runs.attributes.get("error.type"), error.map(Value::from).as_ref());
        Definition::of("run").check(&metrics, &[]);
    }
}

#[test]
fn the_run_of_a_script_without_layers_is_recorded_without_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("nightly.sh");
    // Long enough for its process to be looked at while it runs.
    std::fs::write(&script, "#!/bin/sh\nsleep 0.3\nexit 4\n").unwrap();
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    for file in [script.as_path(), "/bin/true".as_ref()] {
        let otlp = Otlp::start();
        let output = ran(with_run_span(&otlp, launch_file(file))
            .env("OTEL_RS_HOST_METRICS", "process")
            .env("OTEL_METRIC_EXPORT_INTERVAL", "50"));
        assert_eq!(text(&output.stderr), "");
        let name = file.file_name().unwrap().to_str().unwrap();
        let run = run_of(&otlp.traces(), name);
        assert_eq!(run.resource["service.name"], name.into());
        let expected = if name == "true" { 0 } else { 4 };
        assert_eq!((output.status.code(), run.get("process.exit.code")), (Some(expected), Some(&expected.into())));
        let metrics = otlp.metrics();
        assert!(!metrics.all("process.cpu.time", &[]).is_empty(), "{metrics}");
        assert_eq!(metrics.count("otel_rs.process.run.duration", &[]), 1, "{metrics}");
    }
}

#[test]
fn launchers_within_launchers_are_one_trace() {
    let otlp = Otlp::start();
    let mut command = with_run_span(&otlp, launch("does_a_job"));
    // The job starts a shell, the shell a launcher, and that the second job.
    let line =
        format!("{OTEL_RS} instrument -- {} {}", program("does_a_job").display(), program("exits_with").display());
    let output = ran(command.args(["/bin/sh", "-c", &format!("{line} 5")]));
    assert_eq!(output.status.code(), Some(5), "{}", text(&output.stderr));
    let traces = otlp.traces();
    let mut runs = traces.require_count(2, span().named("does_a_job"));
    runs.sort_by_key(|run| run.start);
    let [outer, inner] = &runs[..] else { panic!("{traces}") };
    traces.require(span().named("does_a_job").child_of(outer));
    assert_eq!((&inner.trace, outer.parent.as_str()), (&outer.trace, ""));
    for run in [outer, inner] {
        traces.require(span().named("work").child_of(run));
        assert_eq!(run.get("process.exit.code"), Some(&Value::Int(5)));
    }
}

#[test]
fn a_short_lived_process_loses_no_records() {
    let otlp = Otlp::start();
    let counts = tempfile::NamedTempFile::new().unwrap();
    counts.as_file().set_len(16).unwrap();
    let output = ran(with_run_span(&otlp, launch("writes_spans")).args(["2000", "2", "0"]).arg(counts.path()));
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""));
    let traces = otlp.traces();
    let run = run_of(&traces, "writes_spans");
    traces.require_count(2000, span().named("counted").child_of(&run));
}

#[test]
fn secrets_among_the_arguments_are_redacted() {
    let words = [
        "/bin/true",
        "--token",
        "hunter2",
        "--dbpass=hunter2",
        "-p",
        "hunter2",
        "-phunter2",
        "--key",
        "hunter2",
        "postgres://me:hun/ter#hunter2@host/db",
        "plain",
    ];
    let otlp = Otlp::start();
    ran(with_run_span(&otlp, launch("does_a_job")).args(words));
    let run = run_of(&otlp.traces(), "does_a_job");
    assert!(!run.to_string().contains("hunter2"), "{run}");
    let Some(Value::List(told_words)) = run.get("process.command_args") else { panic!("{run}") };
    assert_eq!((told_words.len(), told_words.last()), (12, Some(&"plain".into())));

    let otlp = Otlp::start();
    ran(with_run_span(&otlp, launch("does_a_job")).args(words).env("OTEL_RS_PROCESS_SPAN_ARGS", "false"));
    assert_eq!(run_of(&otlp.traces(), "does_a_job").get("process.command_args"), None);
}

#[test]
fn the_sampler_decides_on_the_run_and_all_below_it() {
    let otlp = Otlp::start();
    let output = ran(with_run_span(&otlp, launch("does_a_job")).env("OTEL_TRACES_SAMPLER", "parentbased_always_off"));
    otlp.traces().forbid(span());
    let sent = text(&output.stdout);
    assert!(sent.lines().any(|line| line.starts_with("sent traceparent 00-") && line.ends_with("-00")), "{sent}");
    assert_eq!(otlp.metrics().count("otel_rs.process.run.duration", &[]), 1, "it is counted all the same");
}

#[test]
fn the_parent_in_the_environment_counts_if_enabled() {
    let traces_with = |name: &str| {
        let otlp = Otlp::start();
        let mut command = with_run_span(&otlp, launch("does_a_job"));
        command.env("OTEL_RS_PROCESS_SPAN", "false").env(name, "true");
        ran(command.env("TRACEPARENT", format!("00-{TRACE}-{SPAN}-01")));
        let traces = otlp.traces();
        traces.forbid(span().has("process.exit.code"));
        traces.require(server().root());
        traces
    };
    let traces = traces_with("OTEL_RS_ENVIRONMENT_PARENT");
    traces.require(span().named("work").child_of_remote(TRACE, SPAN));
    traces.require(client().attr("server.address", "alone.test").child_of_remote(TRACE, SPAN));
    traces_with("SOMETHING_ELSE").require(span().named("work").root());
}

#[test]
fn a_flag_does_what_the_variable_does() {
    let otlp = Otlp::start();
    let mut command = with_run_span(&otlp, Command::new(OTEL_RS));
    command.env("OTEL_RS_PROCESS_SPAN", "").args(["instrument", "--process-span", "--", "/bin/true"]);
    assert!(ran(&mut command).status.success());
    run_of(&otlp.traces(), "true");
}
