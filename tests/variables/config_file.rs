//! OTEL_CONFIG_FILE: a file in place of all other variables.

use std::path::Path;

use super::run::{Outcome, Run};
use super::variables;
use crate::launcher::program;
use crate::support::expect::{server, span};
use crate::support::{OTEL_RS, clean};

const EXPORTER: &str = "{otlp_http: {endpoint: '${OTEL_EXPORTER_OTLP_ENDPOINT}/v1/traces'}}";

/// A file that is gone with its guard.
fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::Builder::new().prefix("otel-").suffix(".yaml").tempfile().expect("a file");
    std::fs::write(file.path(), text).expect("written");
    file
}

fn outcome_of(text: &str) -> Outcome {
    Run::new().env("OTEL_CONFIG_FILE", file(text).path().display()).outcome()
}

/// The program ran, nothing was exported, and stderr has these.
fn unusable(outcome: &Outcome, warnings: &[&str]) {
    assert_eq!((outcome.traces.0.len(), outcome.otlp.ways().len()), (0, 0));
    assert!(outcome.stderr.contains("running `records_everything` without telemetry"), "{}", outcome.stderr);
    for text in warnings {
        assert!(outcome.stderr.contains(text), "no {text:?} in:\n{}", outcome.stderr);
    }
}

variables! {
    OTEL_CONFIG_FILE => {
        let text = format!("
file_format: '1.0'
resource:
  attributes:
    - {{name: service.name, value: filed}}
    - {{name: shop.floors, value: 3, type: int}}
    - {{name: team, value: '${{TEAM:-red}}'}}
tracer_provider:
  sampler: {{always_on: }}
  processors: [{{batch: {{exporter: {EXPORTER}}}}}, {{simple: {{exporter: {{console: }}}}}}]
");
        let file = file(&text);
        let running = Run::new()
            .env("OTEL_CONFIG_FILE", file.path().display())
            .env("OTEL_SERVICE_NAME", "ignored")
            .env("OTEL_TRACES_SAMPLER", "always_off")
            .env("TEAM", "blue")
            .start();
        assert!(running.sent.is_empty(), "without `propagator` nothing is sent along: {:?}", running.sent);
        let outcome = running.end();
        let resource = &outcome.traces.require(server()).resource;
        assert_eq!(
            (&resource["service.name"], &resource["shop.floors"], &resource["team"]),
            (&"filed".into(), &3.into(), &"blue".into())
        );
        assert!(outcome.stderr.contains("/orders/{id}"), "the console shows spans:\n{}", outcome.stderr);
        assert!(!outcome.stderr.contains("configuration file"), "no warning:\n{}", outcome.stderr);
        assert!(outcome.otlp.requests("metric").is_empty() && outcome.otlp.requests("log").is_empty());
        // The same under its old name, with a warning.
        let outcome = Run::new().env("OTEL_EXPERIMENTAL_CONFIG_FILE", file.path().display()).outcome();
        assert_eq!(outcome.traces.require(server()).resource["service.name"], "filed".into());
        assert!(outcome.stderr.contains("`OTEL_EXPERIMENTAL_CONFIG_FILE` is now called"), "{}", outcome.stderr);
    }
}

#[test]
fn the_file_s_sampler_and_propagators_count() {
    let text = |sampler: &str| {
        format!(
            "file_format: '1.0'\npropagator: {{composite: [tracecontext: ]}}\n\
         tracer_provider: {{processors: [{{simple: {{exporter: {EXPORTER}}}}}], sampler: {sampler}}}\n"
        )
    };
    let all = file(&text("{always_on: }"));
    let running = Run::new().env("OTEL_CONFIG_FILE", all.path().display()).start();
    assert!(running.sent.contains_key("traceparent"), "{:?}", running.sent);
    running.end().traces.require(span().named("work"));
    let none = outcome_of(&text("{trace_id_ratio_based: {ratio: 0}}"));
    assert_eq!((none.traces.0.len(), none.stderr.as_str()), (0, ""));
}

#[test]
fn spans_go_by_every_exporter_that_the_file_names() {
    let folder = tempfile::tempdir().expect("a folder");
    let lines = folder.path().join("spans.jsonl");
    let text = "
file_format: '1.0'
tracer_provider:
  processors:
    - batch:
        exporter:
          otlp_http:
            endpoint: ${OTEL_EXPORTER_OTLP_ENDPOINT}/v1/traces
            encoding: json
            compression: gzip
            headers_list: x-tenant=overruled,x-zone=eu
            headers: [{name: X-Tenant, value: '${TENANT}'}]
    - batch: {exporter: {otlp_grpc: {endpoint: '${HOST_AND_PORT}', tls: {insecure: true}}}}
    - batch: {exporter: {otlp_file/development: {output_stream: 'file://${LINES}'}}}
";
    let file = file(text);
    let run = Run::new();
    let host_and_port = run.url().replace("http://", "");
    let outcome = run
        .env("OTEL_CONFIG_FILE", file.path().display())
        .env("TENANT", "red")
        .env("HOST_AND_PORT", host_and_port)
        .env("LINES", lines.display())
        .outcome();
    assert_eq!(outcome.stderr, "");
    let requests = outcome.otlp.requests("trace");
    let by = |path: &str| requests.iter().find(|seen| seen.path == path).unwrap_or_else(|| panic!("{requests:?}"));
    let json = &by("/v1/traces").headers;
    for (name, value) in
        [("content-type", "application/json"), ("content-encoding", "gzip"), ("x-tenant", "red"), ("x-zone", "eu")]
    {
        assert_eq!(json.get(name).map(String::as_str), Some(value), "{name}");
    }
    by("/opentelemetry.proto.collector.trace.v1.TraceService/Export");
    let lines = std::fs::read_to_string(lines).expect("lines");
    assert!(lines.contains("resourceSpans") && lines.contains("/orders/{id}"), "{lines}");
}

#[test]
fn the_page_s_example_works_as_it_stands() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference/configuration-file.md");
    let page = std::fs::read_to_string(page).expect("the page");
    let (_, rest) = page.split_once("```yaml\n").expect("an example");
    let (example, _) = rest.split_once("```").expect("its end");
    let outcome = outcome_of(example);
    assert!(!outcome.stderr.contains("warning"), "{}", outcome.stderr);
    let resource = &outcome.traces.require(server()).resource;
    assert_eq!((&resource["service.name"], &resource["shop.floors"]), (&"shop".into(), &3.into()));
    assert!(resource.contains_key("process.pid") && resource.contains_key("service.instance.id"), "{resource:?}");
    assert!(!outcome.otlp.requests("metric").is_empty());
}

#[test]
fn an_unknown_key_is_ignored_and_the_rest_is_used() {
    let outcome = outcome_of(&format!(
        "file_format: '1.0'\ntracer_provider:\n  processors:\n    - batch:\n        max_queue_sise: 5\n        exporter: {EXPORTER}\n"
    ));
    outcome.traces.require(server());
    assert!(
        outcome.stderr.contains(":5:9: tracer_provider.processors[0].batch.max_queue_sise: unknown key"),
        "{}",
        outcome.stderr
    );
    assert!(outcome.stderr.contains("did you mean `max_queue_size`?"), "{}", outcome.stderr);
}

#[test]
fn an_unusable_file_disables_telemetry_and_not_the_program() {
    unusable(
        &outcome_of("file_format: '1.0'\nresource: [a: b\n"),
        &["cannot use the configuration file", ": not YAML: ", "hint: "],
    );
    unusable(
        &outcome_of("file_format: '1.0'\nlog_level: ${LEVEL?}\n"),
        &[":2:12: `${LEVEL?…}` is not a reference to a variable"],
    );
    unusable(
        &outcome_of("disabled: 1\n"),
        &[":1:11: disabled: expected `true` or `false`", "`file_format` is missing"],
    );
    let missing = Run::new().env("OTEL_CONFIG_FILE", "/none/otel.yaml").outcome();
    unusable(&missing, &["cannot read the configuration file `/none/otel.yaml`", "No such file"]);
}

#[test]
fn an_unusable_file_of_a_flag_is_a_usage_error() {
    let bad = file("file_format: '1.0'\ndisabled: 1\n");
    for (path, message) in [(bad.path(), ":2:11: disabled: expected"), (Path::new("/none/otel.yaml"), "cannot read")] {
        let mut command = clean(OTEL_RS);
        command.arg("instrument").arg("--config-file").arg(path).arg("--").arg(program("records_everything"));
        let output = command.output().expect("otel-rs starts");
        let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!((output.status.code(), stdout.as_ref()), (Some(2), ""), "the program does not run:\n{stderr}");
        assert!(stderr.contains("error: ") && stderr.contains(message), "{stderr}");
    }
}

#[test]
fn flags_beside_a_file_are_named_and_ignored() {
    let text = format!("file_format: '1.0'\ntracer_provider: {{processors: [{{batch: {{exporter: {EXPORTER}}}}}]}}\n");
    let file = file(&text);
    let path = file.path().display();
    let expected = format!("flags are ignored because the configuration file `{path}` is used: `--service-name`");
    let by_flag = Run::new().flag(&format!("--config-file={path}"));
    let by_variable = ["OTEL_CONFIG_FILE", "OTEL_EXPERIMENTAL_CONFIG_FILE"].map(|name| Run::new().env(name, &path));
    for run in [by_flag].into_iter().chain(by_variable) {
        let outcome = run.flag("--service-name=typed").outcome();
        assert_eq!(outcome.traces.require(server()).resource["service.name"], "records_everything".into());
        assert!(outcome.stderr.contains(&expected), "{}", outcome.stderr);
    }
}
