//! Values of spans and events, which code of the program's forms, and which of them are wanted.

use super::{ACCEPTING, Run, VERSIONS};
use crate::support::expect::span;
use crate::support::model::Value;

#[test]
fn values_arrive_and_are_formatted_as_often_as_without_us() {
    for versions in VERSIONS {
        for subscriber in ACCEPTING.into_iter().chain(["none"]) {
            let run = Run::of(versions, "counts", subscriber);
            let renamed = run.only("renamed");
            assert_eq!((renamed.text("first"), renamed.text("late")), ("one", "two"), "{renamed}");
            assert_eq!(run.log("an event").attributes["third"], "three".into());
            assert_eq!(run.log("an event").span, renamed.id);
            if subscriber == "none" {
                // Nothing is evaluated twice. The feature `log` evaluates what is below the level as well.
                let evaluated = if versions == "newest" { 4 } else { 5 };
                assert_eq!(Run::counted(&run.with), format!("evaluated {evaluated}, formatted 4"), "{versions}");
            } else {
                assert_eq!(Run::counted(&run.with), Run::counted(&run.without), "{versions} {subscriber}");
            }
        }
    }
    let run = Run::of("oldest", "counts", "log");
    assert_eq!(Run::counted(&run.with), Run::counted(&run.without));
    assert_eq!(run.only("renamed").text("first"), "one");
}

#[test]
fn a_value_that_makes_spans_or_panics_is_caught() {
    for versions in VERSIONS {
        let run = Run::of(versions, "breaks", "none");
        assert_eq!(run.only("talks").text("value"), "talks");
        run.traces.forbid(span().named("within a value"));
        let panics = run.only("panics");
        assert_eq!(panics.text("value"), "half…", "{panics}");
        assert_eq!(run.log("talked").span, run.only("talks").id);
        assert!(run.logs.iter().all(|log| log.body != "within a value".into()), "{:?}", run.logs);
        // The panic's message is the program's own, which its hook shows.
        assert_eq!(run.logs.len(), 2, "{:?}", run.logs);
    }
}

#[test]
fn a_value_of_any_size_is_cut() {
    let run = Run::of("newest", "long", "none");
    let long = run.only("long");
    let text = long.text("value");
    assert!(text.len() < 5_000 && text.starts_with("xxx") && text.ends_with('…'), "{} bytes", text.len());
    let Value::Str(text) = &run.log("long").attributes["value"] else { panic!("text") };
    assert!(text.len() < 5_000 && text.ends_with('…'));
}

fn spans_with(directives: &[(&str, &str)]) -> Vec<String> {
    let run = Run::set("newest", "levels", "none", directives);
    let mut names: Vec<_> = run.traces.0.iter().map(|span| span.name.clone()).collect();
    names.sort();
    names
}

#[test]
fn directives_choose_spans() {
    let spans = |directives| spans_with(&[("OTEL_RS_SPANS", directives)]);
    assert_eq!(spans_with(&[]), ["error", "info", "not covered", "shop", "warn"]);
    assert_eq!(spans("warn"), ["error", "warn"]);
    assert_eq!(spans("off,shop=info"), ["shop"]);
    assert_eq!(spans("error,spans::noisy=debug,hyper=info"), ["covered", "error", "noisy", "not covered"]);
    assert_eq!(spans("trace,shop=off"), ["debug", "error", "info", "noisy", "not covered", "trace", "warn"]);
    let run = Run::set("newest", "levels", "errors", &[("OTEL_RS_SPANS", "trace")]);
    run.require_same(false, "a level that only the launcher wants");
    run.only("trace");
}

#[test]
fn directives_choose_log_records() {
    let records = |subscriber, directives: &[_]| {
        let run = Run::set("newest", "levels", subscriber, directives);
        run.require_same(false, "records");
        let mut bodies: Vec<_> = run.logs.iter().map(|log| log.body.to_string()).collect();
        bodies.sort();
        bodies
    };
    let [by_default, debug, shop] = ["\"by default\"", "\"debug\"", "\"shop\""];
    assert_eq!(records("none", &[]), [by_default, shop]);
    assert_eq!(records("fmt", &[]), [by_default, debug, shop]);
    assert!(records("errors", &[]).is_empty());
    assert_eq!(records("errors", &[("OTEL_RS_LOGS", "off,shop=info")]), [shop]);
    assert_eq!(records("none", &[("OTEL_RS_LOGS", "debug,shop=off")]), [by_default, debug]);
    assert_eq!(records("fmt", &[("OTEL_RS_LOGS", "info,shop=off")]), [by_default]);
}

#[test]
fn a_subscriber_that_comes_late_takes_what_comes_then() {
    for versions in VERSIONS {
        let run = Run::of(versions, "late", "none");
        let before = run.only("before");
        run.require_log_in("before", &before);
        run.require_log_in("in the one before", &before);
        run.require_log_in("during", &run.only("during"));
        run.only("after");
    }
}

#[test]
fn an_instrumentation_that_is_disabled_records_no_spans() {
    let run = Run::set("newest", "tree", "none", &[("OTEL_RS_DISABLED_INSTRUMENTATIONS", "tracing")]);
    run.require_same(true, "disabled");
    assert!(run.traces.0.is_empty() && run.logs.is_empty(), "{:?} {:?}", run.traces, run.logs);
}
