//! Log records that take something from the spans in which they were written. They wait until these are complete: whatever
//! the writer of a record had seen is read one whole pass later at most.

use super::spans::{FactRange, OpenSpan};
use super::{Assembler, CompleteRecord, ProcessSpans};
use crate::bounds::budget::Charge;
use crate::records::facts::{FactBuffer, Facts};
use crate::records::record::{FactBlock, LogHeader, named_text};
use crate::records::value::FactValue;
use crate::wire::{Domain, ProcessId, key};

/// Spans that are looked at from a log record upwards: a program may write that a span is its own ancestor.
const MAX_DEPTH: usize = 256;
/// Bytes of the surrounding spans that one log record takes.
const MAX_BYTES: usize = 64 << 10;

/// What log records have to do with the spans in which they were written.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LogsInSpans {
    /// Whether they have the fields of the program's own spans as attributes.
    pub(crate) fields: bool,
    /// Whether they become events of the spans, where these are exported.
    pub(crate) events: bool,
}

impl LogsInSpans {
    /// Whether a log record waits for its spans.
    pub(super) fn waits(self, log: &LogHeader) -> bool {
        (self.fields || self.events) && log.span != [0; 8]
    }
}

/// A log record that waits, and the pass in which it was read.
pub(super) struct WaitingLog {
    pub(super) record: CompleteRecord<LogHeader>,
    pub(super) pass: u64,
    pub(super) _charge: Charge,
}

impl Assembler {
    /// Takes the log records of a process that have waited long enough, or all.
    pub(super) fn settle_logs(&mut self, id: ProcessId, all: bool) {
        let is_full = self.is_full();
        let Some(process) = self.processes.get_mut(&id).filter(|process| !process.waiting.is_empty()) else { return };
        let mut events = Vec::new();
        for mut waiting in std::mem::take(&mut process.waiting) {
            let spans = process.around(waiting.record.header.span);
            let is_due = waiting.pass + 2 <= process.pass || spans.iter().any(|span| span.leaves(process.pass));
            if !all && !is_due {
                process.waiting.push(waiting);
                continue;
            }
            if self.in_spans.fields {
                waiting.record.around = fields(&spans);
            }
            let log = waiting.record.header;
            let is_event = self.in_spans.events && log.flags & 1 == 1;
            match process.spans.get_mut(&log.span).filter(|span| is_event && span.is_open_at(log.time)) {
                Some(span) => {
                    span.log(&log, &waiting.record.bytes, waiting.record.count, is_full);
                    self.open_bytes += span.charge_anew();
                    events.push(waiting.record);
                }
                None => self.logged.push(waiting.record),
            }
        }
        self.reuse_records(&mut events);
    }
}

impl ProcessSpans {
    /// The span of that id and its ancestors within the process, as far as they are there.
    fn around(&self, id: [u8; 8]) -> Vec<&OpenSpan> {
        let mut spans = Vec::new();
        let mut next = self.spans.get(&id);
        while let Some(span) = next.filter(|_| spans.len() < MAX_DEPTH) {
            spans.push(&**span);
            next = span.start.filter(|start| !start.parent_remote).and_then(|start| self.spans.get(&start.parent));
        }
        spans
    }
}

impl OpenSpan {
    /// Whether it is handed out once this pass is over. Whatever was written while it was open has been read then.
    fn leaves(&self, pass: u64) -> bool {
        self.ended_in.is_some_and(|ended| ended + 2 <= pass)
    }

    /// Whether it had begun and was not over at that time.
    fn is_open_at(&self, time: u64) -> bool {
        self.start.is_some() && self.end.is_none_or(|end| time <= end)
    }

    /// Adds a log record as an event.
    fn log(&mut self, log: &LogHeader, bytes: &[u8], count: u16, is_full: bool) {
        if is_full {
            self.dropped_events += 1;
            return;
        }
        // Before the record's own facts, which padding follows.
        let bytes = [named_text("level", level(log.severity)).as_slice(), bytes].concat();
        self.event(log.time, FactBlock { bytes: &bytes, count: count.saturating_add(1) });
        self.dropped_attributes += u32::from(log.left_out);
    }

    /// Whether the program made it by itself: it has a scope that the program named, or a target.
    fn is_of_program(&self) -> bool {
        let is_internal = self.start.is_some_and(|start| start.domain == Domain::Internal as u8);
        let mut facts = self.parts.iter().flat_map(|(_, part)| part.read(&self.bytes));
        is_internal && facts.any(|fact| fact.key == key::SCOPE_NAME || fact.name == TARGET.as_bytes())
    }
}

/// The level of a severity, as programs call it.
fn level(severity: u8) -> &'static str {
    match severity {
        0..=4 => "TRACE",
        5..=8 => "DEBUG",
        9..=12 => "INFO",
        13..=16 => "WARN",
        _ => "ERROR",
    }
}

const TARGET: &str = "target";
/// Attributes of a span that a log record has in a form of its own.
const OF_THE_SPAN: [&str; 4] = [TARGET, "level", "code.file.path", "code.line.number"];

/// Facts about the spans around a log record, those of the outermost first.
#[derive(Debug, Default)]
pub(super) struct Surrounding {
    bytes: Vec<u8>,
    parts: Vec<FactRange>,
}

impl Surrounding {
    /// Each field once, with its innermost value.
    pub(super) fn fields(&self) -> Vec<(String, FactValue<'_>)> {
        let facts = self.parts.iter().flat_map(|part| part.read(&self.bytes));
        let facts = Facts::gather(FactBuffer::default(), facts);
        let fields = facts.named().filter(|(name, _)| !OF_THE_SPAN.contains(&name.as_ref()));
        fields.map(|(name, value)| (name.into_owned(), value)).collect()
    }
}

/// What is known of the program's own among these spans, of which the innermost comes first.
fn fields(spans: &[&OpenSpan]) -> Surrounding {
    let (mut found, mut bytes) = (Vec::new(), 0);
    for span in spans.iter().filter(|span| span.is_of_program()) {
        bytes += span.bytes.len();
        if bytes > MAX_BYTES {
            break;
        }
        found.push(span);
    }
    let mut surrounding = Surrounding::default();
    for span in found.into_iter().rev() {
        let mut parts = span.parts.clone();
        parts.sort_by_key(|(time, _)| *time);
        let moved = surrounding.bytes.len() as u32;
        surrounding.bytes.extend_from_slice(&span.bytes);
        let moved = |part: FactRange| FactRange { from: part.from + moved, to: part.to + moved, ..part };
        surrounding.parts.extend(parts.into_iter().map(|(_, part)| moved(part)));
    }
    surrounding
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bounds::budget::Budget;
    use crate::records::record::SpanStart;
    use crate::records::record::make::{self, Given};
    use crate::resource::testing::source;
    use crate::wire::kind::{SPAN_END, SPAN_UPDATE};

    const P: ProcessId = ProcessId(1);
    const FIELDS: LogsInSpans = LogsInSpans { fields: true, events: false };

    fn assembler(in_spans: LogsInSpans) -> Assembler {
        let mut assembler = Assembler::new(&Budget::new(64_000_000), in_spans);
        assembler.attach(P, source(0, "test"), Box::new(|_| None));
        assembler
    }

    fn started(span: u8, parent: u8, domain: Domain, facts: &[Given<'_>]) -> Vec<u8> {
        let start = SpanStart {
            trace: [9; 16],
            span: [span; 8],
            parent: [parent; 8],
            time: span.into(),
            scope: 0,
            domain: domain as u8,
            flags: 1,
            parent_remote: false,
        };
        make::start(&start, facts)
    }

    fn logged(span: u8, time: u64) -> Vec<u8> {
        let log = LogHeader { trace: [9; 16], span: [span; 8], time, scope: 0, flags: 1, severity: 9, left_out: 0 };
        make::log(&log, &[Given::Text(key::LOG_BODY, "hello"), Given::Named("c", "own")])
    }

    /// What becomes of the log records after one more pass.
    fn passed(assembler: &mut Assembler) -> Vec<String> {
        assembler.pass(P, &mut Vec::new());
        let shown = |record: CompleteRecord<LogHeader>| {
            let fields = record.span_fields();
            fields.iter().map(|(name, value)| format!("{name}={}", value.text())).collect::<Vec<_>>().join(" ")
        };
        std::mem::take(&mut assembler.logged).into_iter().map(shown).collect()
    }

    /// A request, a span with a target, one of an instrumentation, and one with a scope of the program's.
    fn chain() -> [Vec<u8>; 6] {
        let own = Given::Named("target", "shop");
        [
            started(1, 0, Domain::HttpServer, &[Given::Named("of.request", "no")]),
            started(
                2,
                1,
                Domain::Internal,
                &[own, Given::Named("level", "INFO"), Given::NamedInt("code.line.number", 7)],
            ),
            make::span(SPAN_UPDATE, [2; 8], 3, &[Given::NamedInt("a", 1), Given::NamedInt("b", 1)]),
            started(3, 2, Domain::Internal, &[Given::Named("of.layer", "no")]),
            started(4, 3, Domain::Internal, &[Given::Text(key::SCOPE_NAME, "shop"), Given::NamedInt("b", 2)]),
            make::span(SPAN_UPDATE, [4; 8], 5, &[Given::NamedInt("b", 3), Given::NamedInt("c", 4)]),
        ]
    }

    #[test]
    fn a_log_record_has_the_fields_of_the_programs_spans_whatever_order_they_are_read_in() {
        let expected = "a=1 b=3 c=4";
        let chain = chain();
        for before in 0..=chain.len() {
            for ended in [false, true] {
                let mut assembler = assembler(FIELDS);
                assembler.records(P, &chain[..before].concat()).unwrap();
                assembler.records(P, &logged(4, 20)).unwrap();
                assert_eq!(passed(&mut assembler), [""; 0]);
                assembler.records(P, &chain[before..].concat()).unwrap();
                if ended {
                    let ends = [4, 3, 2, 1].map(|span| make::span(SPAN_END, [span; 8], 30, &[]));
                    assembler.records(P, &ends.concat()).unwrap();
                }
                assert_eq!(passed(&mut assembler), [expected], "{before} {ended}");
            }
        }
    }

    #[test]
    fn a_span_whose_end_was_read_first_counts() {
        let mut assembler = assembler(FIELDS);
        assembler.records(P, &chain().concat()).unwrap();
        assembler.records(P, &make::span(SPAN_END, [4; 8], 30, &[])).unwrap();
        assert_eq!(passed(&mut assembler), [""; 0]);
        assembler.records(P, &logged(4, 20)).unwrap();
        assert_eq!(passed(&mut assembler), ["a=1 b=3 c=4"]);
    }

    #[test]
    fn records_outside_of_spans_and_those_of_a_process_that_ends_do_not_wait() {
        let mut assembler = assembler(FIELDS);
        assembler.records(P, &logged(0, 1)).unwrap();
        assert_eq!(assembler.logged.len(), 1);
        assembler.records(P, &[chain().concat(), logged(4, 20)].concat()).unwrap();
        assembler.process_exited(P, 50, &mut Vec::new(), &mut Vec::new());
        assert_eq!(assembler.logged.len(), 2);
        assert_eq!(assembler.logged[1].span_fields().len(), 3);
    }

    #[test]
    fn a_log_record_becomes_an_event_of_its_span_while_that_is_open_and_exported() {
        let mut assembler = assembler(LogsInSpans { fields: false, events: true });
        assembler.records(P, &[logged(4, 20), logged(4, 31), logged(7, 20), logged(0, 20)].concat()).unwrap();
        let mut finished = Vec::new();
        assembler.pass(P, &mut finished);
        assembler.records(P, &chain().concat()).unwrap();
        assembler.records(P, &make::span(SPAN_END, [4; 8], 30, &[])).unwrap();
        (0..3).for_each(|_| assembler.pass(P, &mut finished));
        let [span] = finished.as_slice() else { panic!("{finished:?}") };
        let [(20, event)] = span.events() else { panic!("{:?}", span.events()) };
        let facts: Vec<_> = span.attributes(*event).map(|fact| fact.value.text()).collect();
        assert_eq!(facts, ["INFO", "hello", "own"]);
        // Those of no span, of an unknown one, and after the end.
        let left: Vec<_> = assembler.logged.iter().map(|log| (log.header.span[0], log.header.time)).collect();
        assert_eq!(left, [(0, 20), (4, 31), (7, 20)]);
        assert_eq!(assembler.open, 3);
    }

    #[test]
    fn a_span_that_is_its_own_ancestor_ends_somewhere() {
        let mut assembler = assembler(FIELDS);
        let own = [Given::Named("target", "shop"), Given::NamedInt("a", 1)];
        assembler.records(P, &[started(1, 1, Domain::Internal, &own), logged(1, 20)].concat()).unwrap();
        assert_eq!(passed(&mut assembler), [""; 0]);
        assert_eq!(passed(&mut assembler), ["a=1"]);
    }
}
