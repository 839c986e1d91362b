//! A function of AWS Lambda, woven and launched against a cloud of our own.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::cloud::{Cloud, TIMEOUT};
use crate::support::definition::Definition;
use crate::support::expect::{Traces, server};
use crate::support::fixture::sets;
use crate::support::logs::Log;
use crate::support::metrics::Metrics;
use crate::support::{Fixture, OTEL_RS, Otlp, clean, wait_for};

const TRACE: &str = "5759e988bd862e3fe1be46a994272793";
const SPAN: &str = "53995c3f42cd8ad8";
const FUNCTION: &str = "arn:aws:lambda:eu-west-1:123456789012:function:shop";

/// A function that is launched, and the cloud that invokes it.
struct Running {
    otlp: Otlp,
    cloud: Cloud,
    launcher: Child,
    launched: Instant,
}

impl Running {
    fn start(versions: &str, payloads: &'static [&'static str], settings: &[(&str, &str)]) -> Running {
        let fixture = Fixture::with("function", versions);
        let otlp = Otlp::start();
        let cloud =
            Cloud::start(payloads, "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1");
        let mut command = clean(OTEL_RS);
        command.args(["instrument", "--"]).arg(&fixture.program).env("OTEL_EXPORTER_OTLP_ENDPOINT", otlp.url());
        // As the cloud sets them.
        command.env("AWS_LAMBDA_RUNTIME_API", &cloud.address).env("AWS_LAMBDA_FUNCTION_NAME", "shop");
        command.env("AWS_LAMBDA_FUNCTION_VERSION", "7").env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128");
        command.env("AWS_LAMBDA_LOG_STREAM_NAME", "stream").env("AWS_LAMBDA_LOG_GROUP_NAME", "group");
        // As `docs/guide/lambda.md` advises.
        command.env("OTEL_RS_EXCLUDED_URLS", "http://*/2018-06-01/runtime/*").env("OTEL_RS_HOST_METRICS", "none");
        command.envs(settings.iter().copied()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let launched = Instant::now();
        Running { otlp, cloud, launcher: command.spawn().unwrap(), launched }
    }

    /// Ends it, as a cloud does that lets it.
    fn end(mut self) -> (Traces, Metrics, Vec<Log>) {
        kill(Pid::from_raw(self.launcher.id() as i32), Signal::SIGTERM).unwrap();
        self.launcher.wait().unwrap();
        (self.otlp.traces(), self.otlp.metrics(), self.otlp.logs())
    }
}

/// The telemetry of a function that handles these events.
fn handled(
    versions: &str,
    payloads: &'static [&'static str],
    settings: &[(&str, &str)],
) -> (Traces, Metrics, Vec<Log>, Vec<String>) {
    let running = Running::start(versions, payloads, settings);
    wait_for("all answers", 20, || (running.cloud.answers().len() == payloads.len()).then_some(()));
    let answers = running.cloud.answers();
    let (traces, metrics, logs) = running.end();
    (traces, metrics, logs, answers)
}

#[test]
fn invocations_are_recorded_and_answered_unchanged() {
    for versions in &sets("function") {
        let (traces, metrics, logs, answers) = handled(versions, &["work", "fail", "panic", "work"], &[]);
        assert_eq!(answers, ["0 response", "1 error", "2 error", "3 response"], "{versions}");
        assert_eq!(traces.0.len(), 4, "{traces}");
        let invocation = |number: &str| {
            let shared = server().named("shop").attr("faas.invocation_id", number).attr("faas.trigger", "other");
            shared
                .attr("cloud.resource_id", format!("{FUNCTION}:7").as_str())
                .attr("aws.lambda.invoked_arn", format!("{FUNCTION}:live").as_str())
                .attr("cloud.account.id", "123456789012")
                .recorded_by("lambda_runtime")
        };
        let is_cold = |number: &str, is_cold| {
            let invocation = traces.require(invocation(number).root());
            assert_eq!(invocation.get("faas.coldstart"), Some(&crate::support::model::Value::Bool(is_cold)));
            invocation
        };
        let first = is_cold("0", true);
        is_cold("3", false);
        traces.require(invocation("0").not_failed());
        traces.require(invocation("1").failed().has("error.type"));
        traces.require(invocation("2").failed().attr("error.type", "panic"));
        assert!(first.millis() >= 2, "{first}: the handler's future is part of it");
        let log = logs.iter().find(|log| log.span == first.id).unwrap_or_else(|| panic!("{logs:?}"));
        assert_eq!(log.trace, first.trace);

        assert_eq!(metrics.count("faas.invoke_duration", &[("faas.trigger", "other".into())]), 4, "{metrics}");
        for (name, expected) in [("faas.invocations", 2.0), ("faas.errors", 2.0), ("faas.coldstarts", 1.0)] {
            let series = metrics.require(name, &[("faas.trigger", "other".into())]);
            assert_eq!(series.value(), expected, "{name} of {versions}");
        }
        assert_eq!(metrics.count("http.client.request.duration", &[]), 0, "{metrics}");
        Definition::of("faas").and("lambda_runtime").check(&metrics, &[("faas.timeouts", "none took too long")]);
    }
}

#[test]
fn invocations_and_the_initialization_are_measured() {
    for versions in &sets("function") {
        let running = Running::start(versions, &["burn", "work"], &[]);
        wait_for("all answers", 20, || (running.cloud.answers().len() == 2).then_some(()));
        let until_it_polled = running.cloud.polled()[0] - running.launched;
        let (_, metrics, _) = running.end();
        // The program itself waits for so long. The kernel has the start of a process in steps of 10 ms.
        let init = metrics.require("faas.init_duration", &[("faas.trigger", "other".into())]);
        let expected = 0.14..=until_it_polled.as_secs_f64() + 0.02;
        assert!(init.count() == 1 && expected.contains(&init.sum()), "{versions} {init}, not {expected:?}");
        let cpu = metrics.require("faas.cpu_usage", &[("faas.trigger", "other".into())]);
        assert!(cpu.count() == 2 && (0.1..0.15).contains(&cpu.sum()), "{versions} {cpu}");
    }
}

#[test]
fn an_invocation_that_the_cloud_ends_at_its_deadline_is_a_timeout() {
    for versions in &sets("function") {
        let running = Running::start(versions, &["work", "hang"], &[]);
        let begun = wait_for("the second event", 20, || running.cloud.polled().get(1).copied());
        std::thread::sleep((TIMEOUT + Duration::from_millis(50)).saturating_sub(begun.elapsed()));
        let (traces, metrics, _) = running.end();
        traces.require(server().attr("faas.invocation_id", "1").attr("error.type", "SIGTERM").failed());
        let value = |name| metrics.require(name, &[("faas.trigger", "other".into())]).value();
        assert_eq!(["faas.invocations", "faas.errors", "faas.timeouts"].map(value), [1.0, 1.0, 1.0], "{versions}");
        Definition::of("faas").and("lambda_runtime").check(&metrics, &[]);
    }
}

#[test]
fn an_invocation_that_is_cut_off_before_its_deadline_is_an_error_and_no_timeout() {
    let running = Running::start("newest", &["meet"], &[]);
    wait_for("the event", 20, || running.cloud.polled().first().copied());
    std::thread::sleep(Duration::from_millis(100));
    let (_, metrics, _) = running.end();
    assert_eq!(metrics.require("faas.errors", &[]).value(), 1.0);
    assert!(metrics.all("faas.timeouts", &[]).is_empty(), "{metrics}");
}

/// CPU time cannot be attributed to one of several concurrent invocations.
#[test]
fn concurrent_invocations_have_no_cpu_time() {
    let (traces, metrics, _, answers) = handled("newest", &["meet", "meet"], &[("AWS_LAMBDA_MAX_CONCURRENCY", "2")]);
    assert_eq!(answers.iter().filter(|answer| answer.ends_with(" response")).count(), 2, "{answers:?}");
    traces.require_count(2, server().not_failed());
    assert_eq!(metrics.require("faas.invocations", &[]).value(), 2.0);
    assert!(metrics.all("faas.cpu_usage", &[]).is_empty(), "{metrics}");
    assert_eq!(metrics.count("faas.init_duration", &[]), 1, "{metrics}");
}

#[test]
fn a_process_from_a_snapshot_has_no_initialization_time() {
    let (traces, metrics, ..) = handled("oldest", &["work"], &[("AWS_LAMBDA_INITIALIZATION_TYPE", "snap-start")]);
    assert_eq!(traces.0[0].get("faas.coldstart"), Some(&crate::support::model::Value::Bool(false)));
    assert!(metrics.all("faas.init_duration", &[]).is_empty(), "{metrics}");
}

#[test]
fn the_clouds_trace_continues_if_its_propagator_is_enabled() {
    let (traces, ..) = handled("newest", &["work", "work"], &[("OTEL_PROPAGATORS", "tracecontext,xray")]);
    traces.require(server().attr("faas.invocation_id", "0").child_of_remote(TRACE, SPAN));
    traces.require(server().attr("faas.invocation_id", "1").root());
}

#[test]
fn a_function_that_was_started_in_advance_is_not_cold() {
    let settings = [("AWS_LAMBDA_INITIALIZATION_TYPE", "provisioned-concurrency")];
    let (traces, metrics, ..) = handled("newest", &["work"], &settings);
    assert_eq!(traces.0[0].get("faas.coldstart"), Some(&crate::support::model::Value::Bool(false)));
    assert!(metrics.all("faas.coldstarts", &[]).is_empty(), "{metrics}");
}
