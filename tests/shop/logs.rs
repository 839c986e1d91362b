//! Records written through `log` and `tracing`, with the ids of the request in which they were written.

use super::get_as_caller;
use crate::support::expect::server;
use crate::support::launched::{Launch, Way};
use crate::support::logs::Log;
use crate::support::model::Value;
use crate::support::{Fixture, Otlp};

fn only<'a>(logs: &'a [Log], body: &str) -> &'a Log {
    let found: Vec<_> = logs.iter().filter(|log| log.body == body.into()).collect();
    assert_eq!(found.len(), 1, "`{body}` once in {logs:#?}");
    found[0]
}

/// The fixture's subscriber also gets the records of `log`, so each of them passes both instrumentations.
#[test]
fn records_of_log_and_tracing_arrive_once_with_the_ids_of_their_request() {
    let otlp = Otlp::start();
    let hello = Fixture::of("hello");
    let launch = Launch::of(&hello).by(Way::Grpc, &otlp.url()).env("OTEL_LOGS_EXPORTER", "otlp");
    let app = launch.start();
    assert_eq!(get_as_caller(&app, "/quick", false), (200, "hello".to_owned()));
    assert_eq!(app.get("/slow").0, 200);
    let end = app.stop();
    let (traces, logs) = (otlp.traces(), otlp.logs());
    assert_eq!(logs.len(), 3, "two records and one warning, and none that the filter drops: {logs:#?}");

    let quick = traces.require(server().attr("url.path", "/quick"));
    let record = only(&logs, "asked for /quick");
    assert_eq!((&record.trace, &record.span), (&quick.trace, &quick.id));
    assert!((quick.start..=quick.end).contains(&record.time), "{record:?}");
    assert_eq!(record.severity, (9, "INFO".to_owned()));
    assert_eq!(record.attributes["code.file.path"], "src/main.rs".into());
    assert!(matches!(record.attributes["code.line.number"], Value::Int(line) if line > 1), "{record:?}");
    assert_eq!(record.attributes.len(), 2, "{record:?}");
    assert_eq!(record.scope, ("hello".to_owned(), String::new()), "the crate that wrote it");
    assert_eq!(record.resource["service.name"], "hello".into());

    let slow = traces.require(server().attr("url.path", "/slow"));
    assert_eq!(only(&logs, "asked for /slow").span, slow.id);
    let gave_up = only(&logs, "gave up");
    assert_eq!((&gave_up.trace, &gave_up.span), (&slow.trace, &slow.id));
    assert_eq!(gave_up.severity, (13, "WARN".to_owned()));
    assert_eq!(gave_up.attributes["path"], "/slow".into());
    assert_eq!(gave_up.attributes["patience_ms"], 40.into());
    assert_eq!(gave_up.attributes["error"], "request timed out".into());
    assert_eq!(gave_up.attributes["code.file.path"], "src/main.rs".into());
    assert_eq!(gave_up.scope.0, "hello");

    for line in ["asked for /quick", "asked for /slow", "gave up"] {
        assert_eq!(end.stderr.matches(line).count(), 1, "the program's own log is as it was:\n{}", end.stderr);
    }
}
