//! Records in any order, and too many of them.

use super::*;
use crate::telemetry::record::make::{self, Said};
use crate::telemetry::resource::testing::source;
use wire::kind::{SPAN_END, SPAN_EVENT, SPAN_START, SPAN_UPDATE};

const P: ProcessId = ProcessId(1);

fn assembler() -> Assembler {
    let mut assembler = Assembler::default();
    assembler.attach(
        P,
        source(0, "test"),
        Box::new(|id| (id == 4).then(|| "otel-rs:layer:1|hyper|1.6.0|0.1.0|\n".into())),
    );
    assembler
}

fn record(kind: u8, span: u8, time: u64, said: &[Said<'_>]) -> Vec<u8> {
    if kind == SPAN_START {
        let start = Start {
            trace: [9; 16],
            span: [span; 8],
            parent: [0; 8],
            time,
            scope: 4,
            domain: 1,
            flags: 1,
            parent_remote: false,
        };
        make::start(&start, said)
    } else {
        make::span(kind, [span; 8], time, said)
    }
}

fn passes(assembler: &mut Assembler, count: usize) -> Vec<Finished> {
    let mut finished = Vec::new();
    for _ in 0..count {
        assembler.pass(P, &mut finished);
    }
    finished
}

#[test]
fn a_span_s_records_may_come_in_any_order() {
    let records = [
        record(SPAN_START, 1, 10, &[Said::Text(11, "a")]),
        record(SPAN_UPDATE, 1, 11, &[Said::Text(11, "b")]),
        record(SPAN_EVENT, 1, 12, &[Said::Text(3, "retry")]),
        record(SPAN_END, 1, 20, &[Said::Text(11, "c")]),
    ];
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2], [3, 0, 2, 1]] {
        let mut assembler = assembler();
        let mut finished = Vec::new();
        for index in order {
            assembler.records(P, &records[index]).unwrap();
            if index == order[1] {
                assembler.pass(P, &mut finished);
            }
        }
        finished.extend(passes(&mut assembler, 4));
        let [span] = finished.as_slice() else { panic!("{order:?}: {finished:?}") };
        assert_eq!((span.start.time, span.end, span.events.len()), (10, 20, 1), "{order:?}");
        assert_eq!(span.facts().text(11).unwrap(), "c", "{order:?}");
        assert_eq!((span.scope.name(), span.scope.version()), ("hyper", Some("1.6.0")));
        assert_eq!((assembler.lost, assembler.open), (0, 0), "{order:?}");
        assert!(!assembler.is_trace_open([9; 16]));
    }
}

#[test]
fn an_ended_span_waits_one_whole_pass_for_late_remarks() {
    let mut assembler = assembler();
    assembler.records(P, &record(SPAN_START, 1, 10, &[])).unwrap();
    assembler.records(P, &record(SPAN_END, 1, 20, &[])).unwrap();
    assert!(passes(&mut assembler, 1).is_empty());
    assembler.records(P, &record(SPAN_UPDATE, 1, 15, &[Said::Text(11, "late")])).unwrap();
    let finished = passes(&mut assembler, 1);
    assert_eq!(finished[0].facts().text(11).unwrap(), "late");
}

#[test]
fn an_end_without_a_start_is_lost_and_a_remark_is_not() {
    let mut assembler = assembler();
    assembler.records(P, &record(SPAN_END, 1, 20, &[])).unwrap();
    assembler.records(P, &record(SPAN_UPDATE, 2, 20, &[])).unwrap();
    assert!(passes(&mut assembler, 5).is_empty());
    assert_eq!((assembler.lost, assembler.open), (1, 0));
}

#[test]
fn spans_open_at_death_end_there() {
    let mut assembler = assembler();
    assembler.records(P, &record(SPAN_START, 1, 10, &[])).unwrap();
    assembler.records(P, &record(SPAN_END, 1, 20, &[])).unwrap();
    assembler.records(P, &record(SPAN_START, 2, 12, &[])).unwrap();
    let (mut finished, mut open) = (Vec::new(), Vec::new());
    assembler.gone(P, 99, &mut finished, &mut open);
    assert_eq!((finished.len(), open.len(), open[0].end), (1, 1, 99));
    assert_eq!(assembler.open, 0);
}

#[test]
fn a_span_cannot_gather_without_bound() {
    let mut assembler = assembler();
    let text = "x".repeat(4000);
    assembler.records(P, &record(SPAN_START, 1, 10, &[])).unwrap();
    for time in 0..100 {
        assembler.records(P, &record(SPAN_UPDATE, 1, time, &[Said::Text(11, &text)])).unwrap();
    }
    for time in 0..5000 {
        assembler.records(P, &record(SPAN_EVENT, 1, time, &[])).unwrap();
    }
    assembler.records(P, &record(SPAN_END, 1, 9000, &[])).unwrap();
    let finished = passes(&mut assembler, 2);
    assert!(finished[0].said.len() <= MAX_SAID);
    assert!(finished[0].dropped_attributes > 0);
    assert_eq!(finished[0].events.len() + finished[0].dropped_events as usize, 5000);
    assert!(finished[0].dropped_events > 0);
}
