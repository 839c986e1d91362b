//! Records become spans.
//!
//! The records of one span may come through several rings, and so in any order: an end may be read before its start. But
//! the writer of a record had seen all records before it, so a missing one is at most one pass over the rings away. A span
//! that has ended is therefore kept for one whole pass more, and an end without a start is given up after three.
//!
//! Open spans have a share of the memory. When much of it is used they gather no more attributes and events, which is
//! counted in the span; when all of it is, the oldest are dropped, which is counted as a loss.

mod places;
mod spans;
mod within;

use std::collections::hash_map::Entry::{Occupied, Vacant};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use opentelemetry::InstrumentationScope;

use crate::bounds::budget::Budget;
use crate::bounds::losses::{Losses, Reason};
use crate::records::facts::{FactBuffer, Facts};
use crate::records::record::{FactBlock, FactReader, LogHeader, MeasurementHeader, Record, Records};
use crate::records::scope::{self, OwnScope};
use crate::resource::Source;
use crate::wire::{self, Domain, ProcessId};
use places::Places;
pub(crate) use spans::{CompleteRecord, FinishedSpan};
use spans::{MAX_SPARE_BYTES, OpenSpan};
pub(crate) use within::LogsInSpans;
use within::{Surrounding, WaitingLog};

/// The part of the memory that open spans may take.
const SHARE: usize = 2;
/// Eighths of that share: beyond the first number spans gather no details, down to the second one they are dropped.
const FULL: usize = 6;
const ROOM: usize = 7;
/// Dropped spans that are remembered for one process. Further ones are counted twice if their ends come.
const MAX_DROPPED: usize = 1 << 18;
/// Spans, and as many other records, whose memory is kept for others.
const MAX_SPARE: usize = 1024;
/// Scopes that are remembered for one process.
const MAX_SCOPES: usize = 1024;
/// The same for those that a program names itself.
const MAX_OWN_SCOPES: usize = 64;
/// Passes after which a record without a start is given up.
const MAX_PASSES_WITHOUT_START: u64 = 3;

/// A map of ids, which are random or few.
type FastMap<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// Looks an entry of the string table up by its id.
pub(crate) type StringLookup = Box<dyn Fn(u32) -> Option<Vec<u8>> + Send>;

struct ProcessSpans {
    source: Source,
    strings: StringLookup,
    scopes: FastMap<u32, Arc<InstrumentationScope>>,
    places: Places,
    /// Our own.
    unnamed: Arc<InstrumentationScope>,
    /// Those that the program names itself.
    own_scopes: Vec<Arc<InstrumentationScope>>,
    spans: FastMap<[u8; 8], Box<OpenSpan>>,
    /// Spans that were dropped and counted while they were open: their later records are not counted again.
    dropped: HashSet<[u8; 8], foldhash::fast::RandomState>,
    pass: u64,
    /// Spans that have ended, and the pass in which that was seen.
    ended: VecDeque<([u8; 8], u64)>,
    /// Spans seen without their start, likewise.
    headless: VecDeque<([u8; 8], u64)>,
    /// Log records that wait for the spans in which they were written.
    waiting: Vec<WaitingLog>,
}

/// Assembles the spans of all processes.
pub(crate) struct Assembler {
    budget: Budget,
    in_spans: LogsInSpans,
    processes: HashMap<ProcessId, ProcessSpans>,
    open: usize,
    /// Bytes that open spans take.
    open_bytes: usize,
    open_traces: FastMap<[u8; 16], u32>,
    /// Memory for spans to come.
    #[expect(clippy::vec_box, reason = "the map of open spans holds boxes, too: they only change places")]
    spare: Vec<Box<OpenSpan>>,
    /// The same for log records and measurements.
    spare_bytes: Vec<Vec<u8>>,
    /// Spans that were given up.
    pub(crate) lost: Losses,
    /// Log records since they were last taken.
    pub(crate) logged: Vec<CompleteRecord<LogHeader>>,
    /// Measurements since they were last taken.
    pub(crate) measured: Vec<CompleteRecord<MeasurementHeader>>,
}

impl Assembler {
    /// Open spans are charged to `budget`.
    pub(crate) fn new(budget: &Budget, in_spans: LogsInSpans) -> Assembler {
        Assembler {
            budget: budget.clone(),
            in_spans,
            processes: HashMap::new(),
            open: 0,
            open_bytes: 0,
            open_traces: FastMap::default(),
            spare: Vec::new(),
            spare_bytes: Vec::new(),
            lost: Losses::default(),
            logged: Vec::new(),
            measured: Vec::new(),
        }
    }

    /// A process has attached; `source` is its program.
    pub(crate) fn attach(&mut self, id: ProcessId, source: Source, strings: StringLookup) {
        let process = ProcessSpans {
            source,
            strings,
            scopes: FastMap::default(),
            places: Places::default(),
            unnamed: scope::own(),
            own_scopes: Vec::new(),
            spans: FastMap::default(),
            dropped: HashSet::default(),
            pass: 0,
            ended: VecDeque::new(),
            headless: VecDeque::new(),
            waiting: Vec::new(),
        };
        self.processes.insert(id, process);
    }

    /// Assembles the records in `bytes`. An error is the reason why the rest of them cannot be read.
    pub(crate) fn records(&mut self, id: ProcessId, bytes: &[u8]) -> Result<(), &'static str> {
        let share = self.budget.limit() / SHARE;
        let Some(process) = self.processes.get_mut(&id) else { return Ok(()) };
        for record in Records::new(bytes) {
            let (span, starts) = match &record {
                Ok(Record::Start(start, _)) => (start.span, true),
                Ok(Record::Span { span, .. }) => (*span, false),
                Ok(Record::Log(log, facts)) => {
                    let memory = self.spare_bytes.pop().unwrap_or_default();
                    let record = complete(process, *log, log.scope, facts, memory);
                    if self.in_spans.waits(log) {
                        let _charge = self.budget.charge(facts.bytes.len());
                        process.waiting.push(WaitingLog { record, pass: process.pass, _charge });
                    } else {
                        self.logged.push(record);
                    }
                    continue;
                }
                Ok(Record::Measure(measure, facts)) => {
                    let memory = self.spare_bytes.pop().unwrap_or_default();
                    self.measured.push(complete(process, *measure, measure.scope, facts, memory));
                    continue;
                }
                Err(reason) => return Err(reason),
            };
            if span == [0; 8] {
                continue;
            }
            let entry = match process.spans.entry(span) {
                Occupied(known) => known.into_mut(),
                Vacant(_) if !starts && process.dropped.contains(&span) => {
                    if matches!(record, Ok(Record::Span { kind: wire::kind::SPAN_END, .. })) {
                        process.dropped.remove(&span);
                    }
                    continue;
                }
                Vacant(new) => {
                    self.open += 1;
                    if !starts {
                        process.headless.push_back((span, process.pass));
                    }
                    let spare = self.spare.pop();
                    new.insert(spare.unwrap_or_else(|| OpenSpan::new(&self.budget)))
                }
            };
            let is_full = self.open_bytes > share / 8 * FULL;
            match record {
                Ok(Record::Start(start, facts)) if entry.start.is_none() => {
                    entry.start = Some(start);
                    entry.begin(start.time, process.places.of(facts, &process.strings));
                    *self.open_traces.entry(start.trace).or_default() += 1;
                }
                Ok(Record::Span { kind, time, facts, .. }) => match kind {
                    wire::kind::SPAN_EVENT if is_full => entry.dropped_events += 1,
                    wire::kind::SPAN_EVENT => entry.event(time, facts),
                    wire::kind::SPAN_LINK if is_full => entry.dropped_links += 1,
                    wire::kind::SPAN_LINK => entry.link(time, facts),
                    wire::kind::SPAN_END if entry.end.is_none() => {
                        entry.end = Some(time);
                        entry.ended_in = Some(process.pass);
                        entry.add_facts(time, facts);
                        process.ended.push_back((span, process.pass));
                    }
                    _ if is_full => entry.dropped_attributes += u32::from(facts.count),
                    _ => entry.add_facts(time, facts),
                },
                _ => {}
            }
            self.open_bytes += entry.charge_anew();
        }
        if self.open_bytes > share {
            self.drop_oldest(share / 8 * ROOM);
        }
        Ok(())
    }

    /// Whether spans gather no more details.
    fn is_full(&self) -> bool {
        self.open_bytes > self.budget.limit() / SHARE / 8 * FULL
    }

    /// Drops the spans that have been open for longest, until the others take no more than so many bytes.
    fn drop_oldest(&mut self, most: usize) {
        let open = self.processes.iter().flat_map(|(id, process)| {
            let started = process.spans.iter().filter(|(_, entry)| entry.end.is_none());
            started.filter_map(|(span, entry)| Some((entry.start.as_ref()?.time, *id, *span)))
        });
        let mut open: Vec<(u64, ProcessId, [u8; 8])> = open.collect();
        open.sort_unstable();
        for (_, id, span) in open {
            if self.open_bytes <= most {
                return;
            }
            let Some(process) = self.processes.get_mut(&id) else { continue };
            let Some(entry) = process.spans.remove(&span) else { continue };
            if process.dropped.len() < MAX_DROPPED {
                process.dropped.insert(span);
            }
            self.open -= 1;
            self.open_bytes -= entry.charge.bytes();
            if let Some(start) = entry.start {
                // A span that is not sampled would not be exported.
                self.lost.add(Reason::Open, u64::from(start.flags & 1));
                close_trace(&mut self.open_traces, start.trace);
            }
        }
    }

    /// Every ring of a process has been read once more: hands out the spans that are now complete.
    pub(crate) fn pass(&mut self, id: ProcessId, finished: &mut Vec<FinishedSpan>) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        process.pass += 1;
        let pass = process.pass;
        self.settle_logs(id, false);
        let Some(process) = self.processes.get_mut(&id) else { return };
        // A record of pass n is followed by its `PassDone`, which makes the count n + 1; the next one ends the whole pass
        // that a span waits for.
        while let Some((span, _)) = due(&mut process.ended, |seen| seen + 2 <= pass) {
            let headless = process.spans.get(&span).is_none_or(|entry| entry.start.is_none());
            if headless {
                continue;
            }
            if let Some(entry) = process.spans.remove(&span) {
                self.open -= 1;
                self.open_bytes -= entry.charge.bytes();
                finished.extend(finish(process, &mut self.open_traces, entry, None));
            }
        }
        while let Some((span, _)) = due(&mut process.headless, |seen| seen + MAX_PASSES_WITHOUT_START < pass) {
            let Some(entry) = process.spans.get(&span) else { continue };
            match (&entry.start, &entry.end) {
                (None, end) => {
                    // Without an end it is a late update of a span that was over, and nothing is lost.
                    self.lost.add(Reason::Headless, u64::from(end.is_some()));
                    self.open_bytes -= entry.charge.bytes();
                    process.spans.remove(&span);
                    self.open -= 1;
                }
                // Its start came so late that the queue of ended spans had skipped it.
                (Some(_), Some(_)) => {
                    if let Some(entry) = process.spans.remove(&span) {
                        self.open -= 1;
                        self.open_bytes -= entry.charge.bytes();
                        finished.extend(finish(process, &mut self.open_traces, entry, None));
                    }
                }
                (Some(_), None) => {}
            }
        }
    }

    /// Counts a pass for every process, when no message has come for long.
    pub(crate) fn pass_all(&mut self, finished: &mut Vec<FinishedSpan>) {
        let ids: Vec<_> = self.processes.keys().copied().collect();
        for id in ids {
            self.pass(id, finished);
        }
    }

    /// A process has exited and all its records are here: hands out the spans that have ended, and those that are open.
    pub(crate) fn process_exited(
        &mut self,
        id: ProcessId,
        last_seen: u64,
        finished: &mut Vec<FinishedSpan>,
        open: &mut Vec<FinishedSpan>,
    ) {
        self.settle_logs(id, true);
        let Some(mut process) = self.processes.remove(&id) else { return };
        let mut entries: Vec<Box<OpenSpan>> = std::mem::take(&mut process.spans).into_values().collect();
        // A full queue drops the oldest first.
        entries.sort_by_key(|entry| (entry.end.unwrap_or(last_seen), entry.start.as_ref().map(|start| start.time)));
        for entry in entries {
            self.open -= 1;
            self.open_bytes -= entry.charge.bytes();
            let has_start = entry.start.is_some();
            match entry.end {
                Some(_) if !has_start => self.lost.add(Reason::Headless, 1),
                Some(_) => finished.extend(finish(&mut process, &mut self.open_traces, entry, None)),
                None => open.extend(finish(&mut process, &mut self.open_traces, entry, Some(last_seen))),
            }
        }
    }

    /// Takes the memory of a span that has been handed on, for others to come.
    pub(crate) fn reuse(&mut self, span: FinishedSpan) {
        let mut records = span.records;
        if records.clear() && self.spare.len() < MAX_SPARE {
            self.spare.push(records);
        }
    }

    /// The same for log records or measurements; `all` is empty then.
    pub(crate) fn reuse_records<T>(&mut self, all: &mut Vec<CompleteRecord<T>>) {
        for CompleteRecord { mut bytes, .. } in all.drain(..) {
            if bytes.capacity() <= MAX_SPARE_BYTES && self.spare_bytes.len() < MAX_SPARE {
                bytes.clear();
                self.spare_bytes.push(bytes);
            }
        }
    }

    /// The processes that are attached.
    pub(crate) fn process_ids(&self) -> Vec<ProcessId> {
        self.processes.keys().copied().collect()
    }

    /// Whether a span of this trace is still open.
    pub(crate) fn is_trace_open(&self, trace: [u8; 16]) -> bool {
        self.open_traces.contains_key(&trace)
    }
}

/// Takes the first of `queue` if its pass is due.
fn due(queue: &mut VecDeque<([u8; 8], u64)>, is_due: impl Fn(u64) -> bool) -> Option<([u8; 8], u64)> {
    let (_, seen) = queue.front()?;
    if is_due(*seen) { queue.pop_front() } else { None }
}

fn finish(
    process: &mut ProcessSpans,
    open_traces: &mut FastMap<[u8; 16], u32>,
    mut entry: Box<OpenSpan>,
    cut_at: Option<u64>,
) -> Option<FinishedSpan> {
    let start = entry.start?;
    close_trace(open_traces, start.trace);
    let last_record =
        || entry.parts.iter().chain(&entry.events).chain(&entry.links).map(|(time, _)| *time).max().unwrap_or(0);
    let end = entry.end.or_else(|| cut_at.map(|seen| seen.max(last_record())))?.max(start.time);
    let OpenSpan { parts, events, links, .. } = &mut *entry;
    for places in [parts, events, links] {
        places.sort_by_key(|(time, _)| *time);
    }
    let mut finished = FinishedSpan {
        source: process.source.clone(),
        start,
        end,
        scope: Arc::clone(&process.unnamed),
        dropped_attributes: entry.dropped_attributes,
        dropped_events: entry.dropped_events,
        dropped_links: entry.dropped_links,
        cut: None,
        records: entry,
    };
    let named = own_scope(process, &finished);
    finished.scope = named.unwrap_or_else(|| scope_of(process, finished.start.scope, || finished.facts()));
    Some(finished)
}

/// Counts one open span of a trace less.
fn close_trace(open_traces: &mut FastMap<[u8; 16], u32>, trace: [u8; 16]) {
    if let Some(open) = open_traces.get_mut(&trace) {
        *open -= 1;
        if *open == 0 {
            open_traces.remove(&trace);
        }
    }
}

fn complete<T>(
    process: &mut ProcessSpans,
    header: T,
    scope: u32,
    facts: &FactBlock<'_>,
    mut bytes: Vec<u8>,
) -> CompleteRecord<T> {
    let given = || Facts::gather(FactBuffer::default(), FactReader::new(facts.bytes, facts.count.into()));
    let scope = scope_of(process, scope, given);
    let mut count = 0_u16;
    for block in process.places.of(*facts, &process.strings) {
        bytes.extend_from_slice(block.bytes);
        count = count.saturating_add(block.count);
    }
    let (source, around) = (process.source.clone(), Surrounding::default());
    CompleteRecord { source, header, scope, bytes, count, around }
}

/// The scope with that id; without an id, it is among the facts.
fn scope_of<'a>(process: &mut ProcessSpans, id: u32, facts: impl FnOnce() -> Facts<'a>) -> Arc<InstrumentationScope> {
    if id == 0 {
        let given = facts().text(wire::key::SCOPE);
        return given.map_or_else(scope::own, |marker| scope::of_layer(&marker));
    }
    if let Some(known) = process.scopes.get(&id) {
        return Arc::clone(known);
    }
    let Some(marker) = (process.strings)(id) else { return scope::own() };
    let scope = scope::of_layer(&String::from_utf8_lossy(&marker));
    if process.scopes.len() < MAX_SCOPES {
        process.scopes.insert(id, Arc::clone(&scope));
    }
    scope
}

/// The scope that the program itself names among the facts about a span, if it does.
fn own_scope(process: &mut ProcessSpans, span: &FinishedSpan) -> Option<Arc<InstrumentationScope>> {
    // The program's own spans have no other domain.
    if Domain::of(span.start.domain.into()) != Some(Domain::Internal) {
        return None;
    }
    let (mut named, mut own) = (false, OwnScope::default());
    for fact in span.records.parts.iter().flat_map(|(_, part)| span.attributes(*part)) {
        let text = || Some(fact.value.text()).filter(|text| !text.is_empty());
        match fact.key {
            wire::key::SCOPE_NAME => {
                own.name = fact.value.text();
                named = !own.name.is_empty();
            }
            wire::key::SCOPE_VERSION => own.version = text(),
            wire::key::SCOPE_SCHEMA_URL => own.schema_url = text(),
            _ => {}
        }
    }
    if !named {
        return None;
    }
    if let Some(known) = process.own_scopes.iter().find(|known| own.is(known)) {
        return Some(Arc::clone(known));
    }
    let scope = Arc::new(own.make());
    if process.own_scopes.len() < MAX_OWN_SCOPES {
        process.own_scopes.push(Arc::clone(&scope));
    }
    Some(scope)
}

#[cfg(test)]
mod tests;
