//! Variables of traces, metrics and logs, and their limits.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use super::run::{Outcome, Run, Running, by_default, refused, refused_in, with};
use super::variables;
use crate::support::expect::server;
use crate::support::metrics::{Point, Series};
use crate::support::model::Value;
use crate::support::{Otlp, wait_for};

/// A counter of three series.
const DRAWERS: &str = "drawers.opened";

/// The series of one histogram that every run has.
fn durations(outcome: &Outcome) -> Series {
    outcome.metrics.require("http.server.request.duration", &[])
}

/// A program that goes on after `rounds` rounds.
fn running(settings: &[(&str, &str)], rounds: usize) -> Running {
    let run = settings.iter().fold(Run::new(), |run, (name, value)| run.env(name, value));
    let mut running = run.start();
    (1..rounds).for_each(|_| running.again());
    running
}

/// Waits for spans of a program that goes on; then there are exactly so many.
fn arrive(running: Running, count: usize) {
    wait_for("spans of a running program", 4, || (running.otlp.spans() >= count).then_some(()));
    assert_eq!(running.otlp.spans(), count);
    running.end();
}

/// What is due later has not come yet.
fn nothing_yet(running: Running) -> Outcome {
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(running.otlp.spans(), 0);
    running.end()
}

/// A collector that takes requests and never answers is given up after the time that `variable` allows, and not at once.
fn says_when_it_is_late(variable: &str, settings: &[(&str, &str)]) {
    let silent = Otlp::silent();
    let run = |limit: &str| {
        let run = settings.iter().fold(Run::new(), |run, (name, value)| run.env(name, value));
        run.env("OTEL_EXPORTER_OTLP_ENDPOINT", silent.url()).env(variable, limit).outcome()
    };
    let late = run("137");
    assert!(late.stderr.contains("no answer within 137 ms"), "{}", late.stderr);
    for by_default in ["", "soon"] {
        let patient = run(by_default);
        assert!(patient.stderr.contains("no answer before the program's end"), "{}", patient.stderr);
        if !by_default.is_empty() {
            patient.warns(variable, by_default);
        }
    }
}

/// Where the page for Prometheus listens: the launcher writes the port that was chosen.
fn page_port(running: &Running) -> u16 {
    wait_for("the page's port", 60, || {
        let stderr = running.stderr_so_far();
        let line = stderr.lines().find(|line| line.contains("/metrics"))?;
        let after = &line[..line.find("/metrics")?];
        after[after.rfind(':')? + 1..].parse().ok()
    })
}

/// The page for Prometheus, if a server answers.
fn page(host: &str, port: u16) -> Option<String> {
    let mut stream = TcpStream::connect((host, port)).ok()?;
    write!(stream, "GET /metrics HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    text.starts_with("HTTP/1.1 200").then_some(text)
}

variables! {
    OTEL_TRACES_EXPORTER => {
        assert!(!by_default().stderr.contains("GET /orders/{id}"), "otlp alone");
        let both = with("OTEL_TRACES_EXPORTER", "console,otlp");
        both.traces.require(server());
        assert!(both.stderr.contains("GET /orders/{id}"), "{}", both.stderr);
        assert_eq!(with("OTEL_TRACES_EXPORTER", "none").traces.0.len(), 0);
        refused("OTEL_TRACES_EXPORTER", "pigeon");
        refused("OTEL_TRACES_EXPORTER", "zipkin");
    }

    OTEL_TRACES_SAMPLER => {
        // A caller that has sampled its trace, one that has not, and one whose trace id falls into the first half.
        let yes = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        let no = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00");
        let low = Some("00-0af7651916cd43dd7fffffffffffffff-b7ad6b7169203331-00");
        for (sampler, ratio, caller, spans) in [
            ("", "", None, 4), ("", "", yes, 4), ("", "", no, 0),
            ("parentbased_always_on", "", None, 4), ("parentbased_always_on", "", no, 0),
            ("parentbased_always_off", "", None, 0), ("parentbased_always_off", "", yes, 4),
            ("parentbased_traceidratio", "0", None, 0), ("parentbased_traceidratio", "0", yes, 4),
            ("parentbased_traceidratio", "1", no, 0),
            ("always_on", "", None, 4), ("always_on", "", no, 4),
            ("always_off", "", None, 0), ("always_off", "", yes, 0),
            ("traceidratio", "0.5", low, 4), ("traceidratio", "0.5", yes, 0), ("traceidratio", "", no, 4),
        ] {
            let run = Run::new().env("OTEL_TRACES_SAMPLER", sampler).env("OTEL_TRACES_SAMPLER_ARG", ratio);
            let run = caller.into_iter().fold(run, |run, caller| run.header("traceparent", caller));
            assert_eq!(run.outcome().traces.0.len(), spans, "{sampler} {ratio} {caller:?}");
        }
        for remote in ["jaeger_remote", "parentbased_jaeger_remote", "xray"] {
            let run = Run::new().env("OTEL_TRACES_SAMPLER", remote);
            let outcome = run.env("OTEL_TRACES_SAMPLER_ARG", "endpoint=http://localhost:14250").outcome();
            outcome.warns("OTEL_TRACES_SAMPLER", remote);
            let warnings = outcome.stderr.matches("warning").count();
            assert!(warnings == 1 && outcome.stderr.contains("use `parentbased_traceidratio`"), "{}", outcome.stderr);
            outcome.is_as(by_default(), "OTEL_TRACES_SAMPLER");
        }
        refused("OTEL_TRACES_SAMPLER", "sometimes");
    }

    OTEL_TRACES_SAMPLER_ARG => {
        let few = |ratio: &str| {
            let run = Run::new().env("OTEL_TRACES_SAMPLER", "traceidratio").env("OTEL_TRACES_SAMPLER_ARG", ratio);
            let mut running = run.start();
            (1..100).for_each(|_| running.again());
            running.end().traces.all(&server()).len()
        };
        assert_eq!(few(""), 100);
        assert!((10..60).contains(&few("0.3")));
        assert_eq!(few("0"), 0);
        refused_in(|| Run::new().env("OTEL_TRACES_SAMPLER", "traceidratio"), "OTEL_TRACES_SAMPLER_ARG", "1.5");
    }

    OTEL_BSP_SCHEDULE_DELAY => {
        nothing_yet(running(&[], 1));
        arrive(running(&[("OTEL_BSP_SCHEDULE_DELAY", "10")], 1), 4);
        nothing_yet(running(&[("OTEL_BSP_SCHEDULE_DELAY", "-1")], 1)).warns("OTEL_BSP_SCHEDULE_DELAY", "-1");
    }

    OTEL_BSP_EXPORT_TIMEOUT => {
        says_when_it_is_late("OTEL_BSP_EXPORT_TIMEOUT", &[("OTEL_METRICS_EXPORTER", "none"), ("OTEL_LOGS_EXPORTER", "none")]);
    }

    OTEL_BSP_MAX_EXPORT_BATCH_SIZE => {
        nothing_yet(running(&[], 12));
        // Whole batches go at once.
        arrive(running(&[("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "20")], 12), 40);
        let outcome = nothing_yet(running(&[("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "0")], 12));
        outcome.warns("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "0");
        assert_eq!(outcome.otlp.requests("trace").len(), 1, "all in one");
    }

    OTEL_BSP_MAX_QUEUE_SIZE => {
        let many = |settings: &[(&str, &str)]| {
            let mut running = running(settings, 1);
            running.rounds(300);
            running.end()
        };
        assert_eq!(many(&[]).traces.0.len(), 4 * 301);
        let bad = many(&[("OTEL_BSP_MAX_QUEUE_SIZE", "0")]);
        bad.warns("OTEL_BSP_MAX_QUEUE_SIZE", "0");
        assert_eq!(bad.traces.0.len(), 4 * 301);
        let some = many(&[("OTEL_BSP_MAX_QUEUE_SIZE", "8")]);
        let arrived = some.traces.0.len();
        let lost = format!("{} spans were lost", 4 * 301 - arrived);
        assert!(arrived < 4 * 301 && some.stderr.contains(&lost), "{arrived} arrived:\n{}", some.stderr);
    }

    OTEL_METRICS_EXPORTER => {
        assert_eq!(durations(by_default()).count(), 1);
        let both = with("OTEL_METRICS_EXPORTER", "console,otlp");
        assert_eq!(durations(&both).count(), 1);
        assert!(both.stderr.contains("http.server.request.duration"), "{}", both.stderr);
        let none = with("OTEL_METRICS_EXPORTER", "none");
        assert!(none.metrics.all("http.server.request.duration", &[]).is_empty(), "{}", none.metrics);
        none.traces.require(server());
        refused("OTEL_METRICS_EXPORTER", "abacus");
    }

    OTEL_METRIC_EXPORT_INTERVAL => {
        let arrived = |running: &Running| !running.otlp.metrics().all("orders.served", &[]).is_empty();
        for by_default in ["", "0"] {
            let minute = Run::new().env("OTEL_METRIC_EXPORT_INTERVAL", by_default).start();
            std::thread::sleep(Duration::from_millis(300));
            assert!(!arrived(&minute));
            let outcome = minute.end();
            if !by_default.is_empty() {
                outcome.warns("OTEL_METRIC_EXPORT_INTERVAL", by_default);
            }
        }
        let often = Run::new().env("OTEL_METRIC_EXPORT_INTERVAL", 50).start();
        wait_for("metrics of a running program", 10, || arrived(&often).then_some(()));
        often.end();
    }

    OTEL_METRIC_EXPORT_TIMEOUT => {
        says_when_it_is_late("OTEL_METRIC_EXPORT_TIMEOUT", &[("OTEL_TRACES_EXPORTER", "none"), ("OTEL_LOGS_EXPORTER", "none")]);
    }

    OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE => {
        let rounds = |preference: &str| {
            let run = Run::new()
                .env("OTEL_METRIC_EXPORT_INTERVAL", 50)
                .env("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", preference);
            let mut running = run.start();
            let served = |otlp: &crate::support::Otlp| otlp.metrics().all("orders.served", &[]);
            wait_for("a first export", 10, || (!served(&running.otlp).is_empty()).then_some(()));
            running.again();
            let metrics = running.end().metrics;
            let is_delta = |name: &str| metrics.all(name, &[]).first().map(|series| series.is_delta);
            let deltas = ["orders.served", "http.server.request.duration"].map(is_delta);
            (metrics.require("orders.served", &[]).value(), deltas)
        };
        let (from_the_start, from_the_last_export) = ((2.0, [Some(false); 2]), (1.0, [Some(true); 2]));
        assert_eq!((rounds(""), rounds("cumulative")), (from_the_start, from_the_start));
        assert_eq!((rounds("delta"), rounds("lowmemory")), (from_the_last_export, from_the_last_export));
        refused("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "gamma");
    }

    OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION => {
        let name = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION";
        assert!(matches!(durations(by_default()).point, Point::Histogram { .. }));
        let outcome = with(name, "base2_exponential_bucket_histogram");
        assert!(matches!(durations(&outcome).point, Point::Exponential { count: 1, .. }), "{}", durations(&outcome));
        refused(name, "linear");
    }

    OTEL_RS_METRICS_CARDINALITY_LIMIT => {
        let overflow = [("otel.metric.overflow", Value::Bool(true))];
        let of = |outcome: &Outcome| (outcome.metrics.all(DRAWERS, &[]).len(), outcome.metrics.all(DRAWERS, &overflow).len());
        assert_eq!(of(by_default()), (3, 0));
        assert_eq!(of(&with("OTEL_RS_METRICS_CARDINALITY_LIMIT", 1)), (2, 1), "what is more is one series");
        refused("OTEL_RS_METRICS_CARDINALITY_LIMIT", "0");
    }

    OTEL_EXPORTER_PROMETHEUS_PORT => {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
        let running = running(&[
            ("OTEL_METRICS_EXPORTER", "prometheus"),
            ("OTEL_EXPORTER_PROMETHEUS_PORT", &free.to_string()),
        ], 1);
        wait_for("the page", 60, || page("127.0.0.1", free).filter(|text| text.contains("orders_served_total")));
        running.end();
        for by_default in ["", "65536"] {
            let run = Run::new().env("OTEL_METRICS_EXPORTER", "prometheus");
            let running = run.env("OTEL_EXPORTER_PROMETHEUS_PORT", by_default).start();
            // A port in use causes a warning.
            wait_for("the page, or a word about its port", 60, || {
                let is_there = || page("127.0.0.1", 9464).filter(|text| text.contains("orders_served_total")).is_some();
                (running.stderr_so_far().contains(":9464") || is_there()).then_some(())
            });
            let outcome = running.end();
            if !by_default.is_empty() {
                outcome.warns("OTEL_EXPORTER_PROMETHEUS_PORT", by_default);
            }
        }
    }

    OTEL_EXPORTER_PROMETHEUS_HOST => {
        let prometheus = [("OTEL_METRICS_EXPORTER", "prometheus"), ("OTEL_EXPORTER_PROMETHEUS_PORT", "0")];
        let by_default = running(&prometheus, 1);
        let port = page_port(&by_default);
        wait_for("the page", 60, || page("127.0.0.1", port));
        assert!(page("127.0.0.2", port).is_none(), "localhost is the default");
        by_default.end();
        let elsewhere = running(&[&prometheus[..], &[("OTEL_EXPORTER_PROMETHEUS_HOST", "127.0.0.2")]].concat(), 1);
        let port = page_port(&elsewhere);
        wait_for("the page", 60, || page("127.0.0.2", port));
        assert!(page("127.0.0.1", port).is_none());
        elsewhere.end();
        // Any text is a valid host; a host of another machine cannot be bound.
        let outcome = Run::new()
            .env("OTEL_METRICS_EXPORTER", "prometheus,otlp")
            .env("OTEL_EXPORTER_PROMETHEUS_HOST", "192.0.2.1")
            .outcome();
        assert!(outcome.stderr.contains("192.0.2.1"), "{}", outcome.stderr);
        assert_eq!(durations(&outcome).count(), 1, "the other reader works");
    }

    OTEL_METRICS_EXEMPLAR_FILTER => {
        let name = "OTEL_METRICS_EXEMPLAR_FILTER";
        let exemplars = |outcome: &Outcome| {
            let series = outcome.metrics.all("http.server.request.duration", &[]);
            series.into_iter().flat_map(|series| series.exemplars).collect::<Vec<_>>()
        };
        // By default of what is sampled: the duration leads to the trace.
        let found = exemplars(by_default());
        let span = by_default().traces.require(server());
        assert_eq!(found, [(span.trace.clone(), span.id.clone())], "{}", by_default().metrics);
        let unsampled = || Run::new().env("OTEL_TRACES_SAMPLER", "always_off");
        assert_eq!(exemplars(&unsampled().outcome()).len(), 0);
        assert_eq!(exemplars(&unsampled().env(name, "always_on").outcome()).len(), 1);
        assert_eq!(exemplars(&with(name, "always_off")).len(), 0);
        assert_eq!(exemplars(&with(name, "trace_based")).len(), 1);
        refused("OTEL_METRICS_EXEMPLAR_FILTER", "best");
    }

    OTEL_LOGS_EXPORTER => {
        assert_eq!(by_default().logs[0].body, "an order".into());
        let both = with("OTEL_LOGS_EXPORTER", "console,otlp");
        assert!(both.stderr.contains("an order") && both.logs.len() == 1, "{}", both.stderr);
        let none = with("OTEL_LOGS_EXPORTER", "none");
        assert!(none.logs.is_empty());
        none.traces.require(server());
        refused("OTEL_LOGS_EXPORTER", "pigeon");
    }

    OTEL_BLRP_SCHEDULE_DELAY => {
        let run = |delay: &str| running(&[("OTEL_BLRP_SCHEDULE_DELAY", delay), ("OTEL_TRACES_EXPORTER", "none")], 1);
        let soon = run("10");
        wait_for("a record of a running program", 5, || (soon.otlp.logs().len() == 1).then_some(()));
        soon.end();
        let late = run("60000");
        std::thread::sleep(Duration::from_millis(1500));
        assert!(late.otlp.logs().is_empty(), "later than the default of a second");
        assert_eq!(late.end().logs.len(), 1);
        let second = run("-1");
        wait_for("a record after the default of a second", 5, || (second.otlp.logs().len() == 1).then_some(()));
        second.end().warns("OTEL_BLRP_SCHEDULE_DELAY", "-1");
    }

    OTEL_BLRP_EXPORT_TIMEOUT => {
        let others = [("OTEL_TRACES_EXPORTER", "none"), ("OTEL_METRICS_EXPORTER", "none"), ("OTEL_LOGS_EXPORTER", "otlp")];
        says_when_it_is_late("OTEL_BLRP_EXPORT_TIMEOUT", &others);
    }

    OTEL_BLRP_MAX_QUEUE_SIZE => {
        let many = |size: &str| {
            let mut running = running(&[("OTEL_BLRP_MAX_QUEUE_SIZE", size)], 1);
            running.rounds(300);
            running.end()
        };
        assert_eq!(many("").logs.len(), 301);
        let bad = many("0");
        bad.warns("OTEL_BLRP_MAX_QUEUE_SIZE", "0");
        assert_eq!(bad.logs.len(), 301);
        let some = many("2");
        let lost = format!("{} log records were lost", 301 - some.logs.len());
        assert!(some.logs.len() < 301 && some.stderr.contains(&lost), "{} arrived:\n{}", some.logs.len(), some.stderr);
    }

    OTEL_BLRP_MAX_EXPORT_BATCH_SIZE => {
        let run = |size: &str| running(
            &[("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", size), ("OTEL_BLRP_SCHEDULE_DELAY", "60000")], 12);
        let small = run("5");
        wait_for("whole batches", 5, || (small.otlp.logs().len() == 10).then_some(()));
        small.end();
        for by_default in ["", "0"] {
            let large = run(by_default);
            std::thread::sleep(Duration::from_millis(300));
            assert!(large.otlp.logs().is_empty(), "512 are a batch");
            let outcome = large.end();
            assert_eq!((outcome.logs.len(), outcome.otlp.requests("log").len()), (12, 1), "all in one");
            if !by_default.is_empty() {
                outcome.warns("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", by_default);
            }
        }
    }
}
