//! Spans that a program makes with `tracing`: they arrive in the right place whatever subscriber the program has, and the
//! program shows to the byte what it shows without us.

mod already;
mod batch;
mod values;

use std::collections::BTreeMap;
use std::process::{Command, Output};

use crate::launcher::launch_file;
use crate::support::expect::{Traces, span};
use crate::support::logs::Log;
use crate::support::model::{Kind, Span};
use crate::support::{Fixture, Otlp};

/// Subscribers that accept each span of these programs that is wanted.
const ACCEPTING: [&str; 3] = ["fmt", "layered", "reload"];
/// Those that accept few or none, and no subscriber.
const REJECTING: [&str; 3] = ["errors", "env", "none"];
/// The newest version of `tracing`; the oldest, which hands everything to the `log` crate while there is no subscriber.
const VERSIONS: [&str; 2] = ["newest", "oldest"];

/// A run with the launcher and one without.
struct Run {
    with: Output,
    without: Output,
    traces: Traces,
    logs: Vec<Log>,
}

impl Run {
    fn of(versions: &str, case: &str, subscriber: &str) -> Run {
        Run::set(versions, case, subscriber, &[])
    }

    fn set(versions: &str, case: &str, subscriber: &str, variables: &[(&str, &str)]) -> Run {
        let fixture = Fixture::with("spans", versions);
        let otlp = Otlp::start();
        let mut launched = launch_file(&fixture.program);
        launched
            .env("OTEL_TRACES_EXPORTER", "otlp")
            .env("OTEL_LOGS_EXPORTER", "otlp")
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", otlp.url());
        let mut alone = Command::new(&fixture.program);
        let [with, without] = [&mut launched, &mut alone].map(|command| {
            command
                .args([case, subscriber])
                .env("RUST_BACKTRACE", "0")
                .envs(variables.iter().copied())
                .output()
                .unwrap()
        });
        assert!(with.status.success() && without.status.success(), "{case} {subscriber}: {with:?} {without:?}");
        Run { with, without, traces: otlp.traces(), logs: otlp.logs() }
    }

    fn shown(output: &Output) -> String {
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The last line of the output: how often code of the program ran.
    fn counted(output: &Output) -> String {
        Run::shown(output).lines().last().unwrap_or_default().to_owned()
    }

    fn only(&self, name: &str) -> Span {
        self.traces.require(span().named(name))
    }

    fn log(&self, body: &str) -> &Log {
        let mut found = self.logs.iter().filter(|log| log.body == body.into());
        match (found.next(), found.next()) {
            (Some(log), None) => log,
            _ => panic!("not one record `{body}`: {:?}", self.logs),
        }
    }

    #[track_caller]
    fn require_log_in(&self, body: &str, span: &Span) {
        let log = self.log(body);
        assert_eq!((&log.trace, &log.span), (&span.trace, &span.id), "{body}");
    }

    /// The program shows what it shows without us, except for the line with the counts where these may differ.
    #[track_caller]
    fn require_same(&self, with_counts: bool, what: &str) {
        let shown = |output: &Output| {
            let lines: Vec<_> = Run::shown(output).lines().map(str::to_owned).collect();
            lines[..lines.len() - usize::from(!with_counts)].join("\n")
        };
        assert_eq!(shown(&self.with), shown(&self.without), "{what}");
        assert_eq!(self.with.stderr, self.without.stderr, "{what}");
    }
}

#[test]
fn the_program_shows_what_it_shows_without_us() {
    for versions in VERSIONS {
        for case in ["tree", "view", "counts"] {
            for subscriber in ACCEPTING {
                Run::of(versions, case, subscriber).require_same(true, &format!("{versions} {case} {subscriber}"));
            }
            for subscriber in REJECTING {
                Run::of(versions, case, subscriber).require_same(false, &format!("{versions} {case} {subscriber}"));
            }
        }
        Run::of(versions, "breaks", "fmt").require_same(true, versions);
        Run::of(versions, "late", "none").require_same(true, versions);
    }
    for case in ["tree", "view", "counts", "levels"] {
        Run::of("oldest", case, "log").require_same(true, case);
    }
}

#[test]
fn spans_are_one_tree_with_any_subscriber_or_none() {
    for versions in VERSIONS {
        for subscriber in ACCEPTING.into_iter().chain(REJECTING) {
            let run = Run::of(versions, "tree", subscriber);
            let outer = run.traces.require(span().named("outer").root());
            assert_eq!((outer.kind, outer.status), (Kind::Server, 1), "{versions} {subscriber}: {outer}");
            let inner = run.traces.require_count(3, span().named("inner").in_trace(&outer.trace));
            let at = |depth: i32| inner.iter().find(|span| span.get("depth") == Some(&depth.into())).expect("a depth");
            assert_eq!((&at(2).parent, &at(1).parent, &at(0).parent), (&outer.id, &at(2).id, &at(1).id));
            assert_eq!(inner.iter().map(|span| span.error).filter(|error| *error).count(), 1);
            assert!(at(0).error, "{}", at(0));
            let fails = run.traces.require(span().named("fails").child_of(&outer).failed());
            let root = run.traces.require(span().named("root").root());
            assert_ne!(root.trace, outer.trace);
            let child = run.traces.require(span().named("child").child_of(&outer));
            let links: Vec<_> = child.links.iter().map(|link| (&link.trace, &link.span)).collect();
            assert_eq!(links, [(&outer.trace, &outer.id)], "{versions} {subscriber}");
            run.traces.require(span().named("caused").root());
            // Where the subscriber rejects them, there is no record.
            if ACCEPTING.contains(&subscriber) || subscriber == "none" {
                run.require_log_in("in a root", &root);
                run.require_log_in("elsewhere", &child);
                run.require_log_in("with a parent", &child);
                run.require_log_in("the end", at(0));
                let refused = run.logs.iter().find(|log| log.attributes.get("error") == Some(&"refused".into()));
                assert_eq!(refused.map(|log| &log.span), Some(&fails.id), "{:?}", run.logs);
            }
        }
    }
}

#[test]
fn tasks_and_cancelled_futures_keep_their_place() {
    for versions in VERSIONS {
        for subscriber in ["none", "fmt"] {
            let run = Run::of(versions, "tasks", subscriber);
            let request = run.only("request");
            let steps: BTreeMap<String, Span> = run
                .traces
                .require_count(4, span().named("step").in_trace(&request.trace))
                .into_iter()
                .map(|step| (step.get("number").expect("a number").to_string(), step))
                .collect();
            for number in ["1", "2", "3"] {
                assert_eq!(steps[number].parent, request.id, "{versions} {subscriber}");
            }
            let named = run.traces.require(span().named("named").child_of(&request));
            assert_eq!(steps["4"].parent, named.id);
            let cancelled = run.traces.require(span().named("cancelled").child_of(&request));
            assert!((15..5_000).contains(&cancelled.millis()), "{cancelled}");
            run.traces.require(span().named("afterwards").root());
            assert!(request.end >= steps["4"].end);
        }
    }
}

#[test]
fn a_guard_that_is_held_while_its_future_waits_leaves_nothing_behind() {
    let run = Run::of("newest", "held", "none");
    let held = run.traces.require_count(2, span().named("held"));
    assert!(held.iter().all(|span| span.parent.is_empty()), "{held:?}");
    run.traces.require(span().named("after the first").root());
    run.traces.require(span().named("on a thread of its own").root());
}

#[test]
fn spans_left_in_any_order_leave_nothing_behind() {
    for subscriber in ["none", "errors"] {
        let run = Run::of("newest", "order", subscriber);
        assert_eq!(Run::shown(&run.with), Run::shown(&run.without));
        let last = run.traces.require_count(8, span().named("last"));
        assert!(last.iter().all(|span| span.parent.is_empty()), "{last:?}");
    }
}

/// By how many KiB the program has grown, as it shows.
fn grown(output: &Output, word: &str) -> u64 {
    let text = String::from_utf8_lossy(&output.stderr);
    let line = text.lines().find(|line| line.starts_with(word)).unwrap_or_else(|| panic!("{text}"));
    line.split_whitespace().nth(2).expect("a number").parse().expect("a number")
}

#[test]
fn a_million_spans_one_after_the_other_need_no_memory() {
    let run = Run::of("newest", "many", "none");
    let (with, without) = (grown(&run.with, "grown"), grown(&run.without, "grown"));
    assert!(with < without + 256, "{with} KiB, and {without} KiB without us");
}

#[test]
fn a_million_open_spans_need_what_they_are_made_of() {
    let run = Run::of("newest", "open", "none");
    let (with, without) = (grown(&run.with, "grown"), grown(&run.without, "grown"));
    let each = (with - without) * 1024 / 1_000_000;
    assert!(each < 256, "{each} bytes for each span");
}
