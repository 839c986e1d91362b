//! Records in any order, and too many of them.

use std::borrow::Cow;

use super::spans::MAX_FACT_BYTES;
use super::*;
use crate::records::record::SpanStart;
use crate::records::record::make::{self, Given};
use crate::resource::testing::source;
use wire::key::SPAN_NAME;
use wire::kind::{SPAN_END, SPAN_EVENT, SPAN_START, SPAN_UPDATE};

const P: ProcessId = ProcessId(1);

fn assembler() -> Assembler {
    let mut assembler = Assembler::new(&Budget::new(64_000_000), LogsInSpans::default());
    assembler.attach(
        P,
        source(0, "test"),
        Box::new(|id| (id == 4).then(|| "otel-rs:layer:1|hyper|1.6.0|0.1.0|\n".into())),
    );
    assembler
}

fn record(kind: u8, span: u8, time: u64, facts: &[Given<'_>]) -> Vec<u8> {
    if kind == SPAN_START {
        let start = SpanStart {
            trace: [9; 16],
            span: [span; 8],
            parent: [0; 8],
            time,
            scope: 4,
            domain: 1,
            flags: 1,
            parent_remote: false,
        };
        make::start(&start, facts)
    } else {
        make::span(kind, [span; 8], time, facts)
    }
}

fn passes(assembler: &mut Assembler, count: usize) -> Vec<FinishedSpan> {
    let mut finished = Vec::new();
    for _ in 0..count {
        assembler.pass(P, &mut finished);
    }
    finished
}

#[test]
fn a_span_s_records_may_come_in_any_order() {
    let records = [
        record(SPAN_START, 1, 10, &[Given::Text(11, "a")]),
        record(SPAN_UPDATE, 1, 11, &[Given::Text(11, "b")]),
        record(SPAN_EVENT, 1, 12, &[Given::Text(3, "retry")]),
        record(SPAN_END, 1, 20, &[Given::Text(11, "c")]),
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
        assert_eq!((span.start.time, span.end, span.events().len()), (10, 20, 1), "{order:?}");
        assert_eq!(span.facts().text(11).unwrap(), "c", "{order:?}");
        assert_eq!((span.scope.name(), span.scope.version()), ("hyper", Some("1.6.0")));
        assert_eq!((assembler.lost.total(), assembler.open, assembler.open_bytes), (0, 0, 0), "{order:?}");
        assert!(!assembler.is_trace_open([9; 16]));
    }
}

#[test]
fn an_ended_span_waits_one_whole_pass_for_late_updates() {
    let mut assembler = assembler();
    assembler.records(P, &record(SPAN_START, 1, 10, &[])).unwrap();
    assembler.records(P, &record(SPAN_END, 1, 20, &[])).unwrap();
    assert!(passes(&mut assembler, 1).is_empty());
    assembler.records(P, &record(SPAN_UPDATE, 1, 15, &[Given::Text(11, "late")])).unwrap();
    let finished = passes(&mut assembler, 1);
    assert_eq!(finished[0].facts().text(11).unwrap(), "late");
}

#[test]
fn an_end_without_a_start_is_lost_and_an_update_is_not() {
    let mut assembler = assembler();
    assembler.records(P, &record(SPAN_END, 1, 20, &[])).unwrap();
    assembler.records(P, &record(SPAN_UPDATE, 2, 20, &[])).unwrap();
    assert!(passes(&mut assembler, 5).is_empty());
    assert_eq!((assembler.lost.of(Reason::Headless), assembler.lost.total()), (1, 1));
    assert_eq!((assembler.open, assembler.open_bytes), (0, 0));
}

#[test]
fn open_spans_end_when_their_process_was_last_seen() {
    let mut assembler = assembler();
    assembler.records(P, &record(SPAN_START, 1, 10, &[])).unwrap();
    assembler.records(P, &record(SPAN_END, 1, 20, &[])).unwrap();
    assembler.records(P, &record(SPAN_START, 2, 12, &[])).unwrap();
    let (mut finished, mut open) = (Vec::new(), Vec::new());
    assembler.process_exited(P, 99, &mut finished, &mut open);
    assert_eq!((finished.len(), open.len(), open[0].end), (1, 1, 99));
    assert_eq!((assembler.open, assembler.open_bytes), (0, 0));
}

#[test]
fn spans_of_an_exited_process_come_in_the_order_of_their_ends() {
    let mut assembler = assembler();
    for span in (1..=100).rev() {
        assembler.records(P, &record(SPAN_START, span, 10, &[])).unwrap();
        assembler.records(P, &record(SPAN_END, span, 20 + u64::from(span), &[])).unwrap();
    }
    let (mut finished, mut open) = (Vec::new(), Vec::new());
    assembler.process_exited(P, 999, &mut finished, &mut open);
    assert!(finished.len() == 100 && finished.is_sorted_by_key(|span| span.end));
}

#[test]
fn a_span_gathers_facts_and_events_within_limits() {
    let mut assembler = assembler();
    let text = "x".repeat(4000);
    assembler.records(P, &record(SPAN_START, 1, 10, &[])).unwrap();
    for time in 0..100 {
        assembler.records(P, &record(SPAN_UPDATE, 1, time, &[Given::Text(11, &text)])).unwrap();
    }
    for time in 0..5000 {
        assembler.records(P, &record(SPAN_EVENT, 1, time, &[])).unwrap();
    }
    assembler.records(P, &record(SPAN_END, 1, 9000, &[])).unwrap();
    let finished = passes(&mut assembler, 2);
    assert!(finished[0].records.bytes.len() <= MAX_FACT_BYTES);
    assert!(finished[0].dropped_attributes > 0);
    assert_eq!(finished[0].events().len() + finished[0].dropped_events as usize, 5000);
    assert!(finished[0].dropped_events > 0);
}

/// Ids of any number of spans.
fn numbered(kind: u8, number: u32, facts: &[Given<'_>]) -> Vec<u8> {
    let mut span = [1; 8];
    span[..4].copy_from_slice(&number.to_be_bytes());
    if kind != SPAN_START {
        return make::span(kind, span, 1_000_000, facts);
    }
    let mut trace = [9; 16];
    trace[..4].copy_from_slice(&number.to_be_bytes());
    let time = u64::from(number);
    make::start(
        &SpanStart { trace, span, parent: [0; 8], time, scope: 4, domain: 1, flags: 1, parent_remote: false },
        facts,
    )
}

const SPAN: [Given<'static>; 5] = [
    Given::Text(11, "GET"),
    Given::Text(12, "http"),
    Given::Text(13, "/orders/7"),
    Given::Text(14, "/orders/{id}"),
    Given::Int(15, 7),
];

fn with_limit(limit: usize) -> (Assembler, Budget) {
    let budget = Budget::new(limit);
    let mut assembler = Assembler::new(&budget, LogsInSpans::default());
    assembler.attach(P, source(0, "test"), Box::new(|_| None));
    (assembler, budget)
}

#[test]
fn thirty_thousand_open_spans_fit_into_the_usual_limit() {
    let (mut assembler, budget) = with_limit(64_000_000);
    for number in 0..30_000 {
        assembler.records(P, &numbered(SPAN_START, number, &SPAN)).unwrap();
    }
    assert_eq!((assembler.open, assembler.lost.total()), (30_000, 0));
    assert!(!budget.is_exceeded_with(34_000_000), "they take less than 30 MB");
}

#[test]
fn the_oldest_open_spans_are_dropped_and_counted_once() {
    let (mut assembler, budget) = with_limit(2_000_000);
    for number in 0..10_000 {
        assembler.records(P, &numbered(SPAN_START, number, &SPAN)).unwrap();
        assert!(assembler.open_bytes <= 1_000_000);
    }
    let dropped = assembler.lost.of(Reason::Open);
    assert!(dropped > 5_000 && !budget.is_exceeded_with(1_000_000));
    assert_eq!(assembler.open as u64 + dropped, 10_000);
    for number in 0..10_000 {
        assembler.records(P, &numbered(SPAN_END, number, &[])).unwrap();
    }
    let finished = passes(&mut assembler, 8);
    assert_eq!(finished.len() as u64 + dropped, 10_000);
    assert!(finished.iter().all(|span| span.start.time >= dropped), "the newest are kept");
    assert_eq!((assembler.lost.total(), assembler.open, assembler.open_bytes), (dropped, 0, 0));
    assert!(assembler.open_traces.is_empty());
    drop(finished);
    assert!(!budget.is_exceeded_with(2_000_000), "all is given back");
}

#[test]
fn dropped_open_spans_without_an_end_are_counted_once_too() {
    let (mut assembler, _) = with_limit(2_000_000);
    (0..10_000).for_each(|number| assembler.records(P, &numbered(SPAN_START, number, &SPAN)).unwrap());
    let (mut finished, mut open) = (Vec::new(), Vec::new());
    assembler.process_exited(P, 99, &mut finished, &mut open);
    assert_eq!((finished.len(), open.len() as u64 + assembler.lost.total()), (0, 10_000));
}

#[test]
fn unsampled_spans_are_dropped_without_a_count() {
    let (mut assembler, _) = with_limit(2_000_000);
    for number in 0..10_000_u32 {
        let mut span = [1; 8];
        span[..4].copy_from_slice(&number.to_be_bytes());
        let (trace, time) = ([9; 16], number.into());
        let start =
            SpanStart { trace, span, parent: [0; 8], time, scope: 4, domain: 1, flags: 0, parent_remote: false };
        assembler.records(P, &make::start(&start, &SPAN)).unwrap();
    }
    assert!(assembler.open < 10_000);
    assert_eq!(assembler.lost.total(), 0);
}

#[test]
fn details_are_dropped_before_spans_and_counted_in_them() {
    let (mut assembler, _) = with_limit(4_000_000);
    (0..100).for_each(|number| assembler.records(P, &numbered(SPAN_START, number, &SPAN)).unwrap());
    let text = "x".repeat(1000);
    for _ in 0..50 {
        for number in 0..100 {
            assembler.records(P, &numbered(SPAN_UPDATE, number, &[Given::Text(16, &text)])).unwrap();
            assembler.records(P, &numbered(SPAN_EVENT, number, &[Given::Text(3, &text)])).unwrap();
        }
    }
    assert!(assembler.open_bytes <= 2_000_000);
    (0..100).for_each(|number| assembler.records(P, &numbered(SPAN_END, number, &[Given::Int(17, 200)])).unwrap());
    let finished = passes(&mut assembler, 8);
    assert_eq!((finished.len(), assembler.lost.total()), (100, 0));
    assert!(finished.iter().all(|span| span.events().len() as u32 + span.dropped_events == 50));
    assert!(finished.iter().all(|span| span.dropped_attributes > 0 && span.dropped_events > 0));
    assert!(finished.iter().all(|span| span.facts().int(17) == Some(200)), "what comes at the end is kept");
}

#[test]
fn a_place_stands_for_its_attributes() {
    let entry = || {
        let facts = [Given::Text(SPAN_NAME, "pay"), Given::Named("target", "shop"), Given::NamedInt("n", 1)];
        [3_u16.to_le_bytes().to_vec(), make::attributes(&facts)].concat()
    };
    let mut assembler = Assembler::new(&Budget::new(64_000_000), LogsInSpans::default());
    assembler.attach(P, source(0, "test"), Box::new(move |id| (id == 16).then(entry)));
    let place = |id| Given::Int(wire::key::PLACE, id);
    // Twice, since the first time it is looked up; then ids that are none, and where none may stand.
    let starts: [&[Given<'_>]; 6] = [
        &[place(16), Given::NamedInt("n", 2)],
        &[place(16)],
        &[place(20), Given::NamedInt("n", 2)],
        &[place(-1), Given::NamedInt("n", 2)],
        &[Given::NamedInt("n", 2), place(16)],
        &[Given::Text(wire::key::PLACE, "16"), Given::NamedInt("n", 2)],
    ];
    let mut finished = Vec::new();
    for (number, facts) in (1..).zip(starts) {
        let bytes = [record(SPAN_START, number, 1, facts), record(SPAN_END, number, 2, &[])].concat();
        assembler.records(P, &bytes).unwrap();
        (0..2).for_each(|_| assembler.pass(P, &mut finished));
    }
    let found: Vec<_> = finished
        .iter()
        .map(|span| {
            let facts = span.facts();
            let number = facts.named().find(|(name, _)| name == "n").and_then(|(_, value)| value.int());
            (facts.text(SPAN_NAME).map(Cow::into_owned), facts.named_text("target").map(Cow::into_owned), number)
        })
        .collect();
    let whole = |number| (Some("pay".to_owned()), Some("shop".to_owned()), Some(number));
    let without = (None, None, Some(2));
    assert_eq!(found, [whole(2), whole(1), without.clone(), without.clone(), without.clone(), without]);
    let log = LogHeader { trace: [0; 16], span: [0; 8], time: 3, scope: 4, flags: 0, severity: 9, left_out: 0 };
    assembler.records(P, &make::log(&log, &[place(16), Given::NamedInt("n", 2)])).unwrap();
    let facts = assembler.logged[0].facts();
    let texts = facts.named().map(|(name, value)| (name.into_owned(), value.text().into_owned()));
    assert_eq!(texts.collect::<Vec<_>>(), [("target".into(), "shop".into()), ("n".into(), "2".into())]);
}
