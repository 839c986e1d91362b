//! Records become spans.
//!
//! The records of one span may come through several rings, and so in any order: an end may be read before its start. But
//! the writer of a record had seen all records before it, so a missing one is at most one pass over the rings away. A span
//! that has ended is therefore kept for one whole pass more, and an end without a start is given up after three.
//!
//! Open spans have a share of the memory. When much of it is used they gather no more attributes and events, which is
//! counted in the span; when all of it is, the oldest are dropped, which is counted as a loss.

use std::collections::hash_map::Entry::{Occupied, Vacant};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use opentelemetry::InstrumentationScope;

use crate::bounds::budget::{Budget, Charge};
use crate::bounds::losses::{Losses, Reason};
use crate::records::facts::Facts;
use crate::records::record::{FactBlock, FactReader, LogHeader, MeasurementHeader, Record, Records, SpanStart};
use crate::records::scope::{self, OwnScope};
use crate::resource::Source;
use crate::wire::{self, ProcessId};

/// The part of the memory that open spans may take.
const SHARE: usize = 2;
/// Eighths of that share: beyond the first number spans gather no details, down to the second one they are dropped.
const FULL: usize = 6;
const ROOM: usize = 7;
/// Dropped spans that are remembered for one process. Further ones are counted twice if their ends come.
const MAX_DROPPED: usize = 1 << 18;
/// Bytes of attributes that one span may gather.
const MAX_FACT_BYTES: usize = 64 << 10;
/// Events, and as many links, that one span may gather, whatever its limits allow.
const MAX_EVENTS: usize = 4096;
/// Scopes that are remembered for one process.
const MAX_SCOPES: usize = 1024;
/// The same for those that a program names itself.
const MAX_OWN_SCOPES: usize = 64;
/// Passes after which a record without a start is given up.
const MAX_PASSES_WITHOUT_START: u64 = 3;

/// Looks a string up by its id.
pub(crate) type StringLookup = Box<dyn Fn(u32) -> Option<String> + Send>;

/// A span whose end is known.
#[derive(Debug)]
pub(crate) struct FinishedSpan {
    pub(crate) source: Source,
    pub(crate) start: SpanStart,
    /// Nanoseconds since 1970.
    pub(crate) end: u64,
    pub(crate) scope: Arc<InstrumentationScope>,
    pub(crate) events: Vec<(u64, FactRange)>,
    pub(crate) links: Vec<(u64, FactRange)>,
    pub(crate) dropped_attributes: u32,
    pub(crate) dropped_events: u32,
    pub(crate) dropped_links: u32,
    /// Why the span did not end by itself, as a value of `error.type`.
    pub(crate) cut: Option<String>,
    bytes: Vec<u8>,
    parts: Vec<(u64, FactRange)>,
    _charge: Charge,
}

impl FinishedSpan {
    /// The facts about the span, in the order in which they were recorded.
    pub(crate) fn facts(&self) -> Facts<'_> {
        Facts::new(self.parts.iter().flat_map(|(_, part)| self.attributes(*part)).collect())
    }

    /// The attributes of one record.
    pub(crate) fn attributes(&self, part: FactRange) -> FactReader<'_> {
        let bytes = self.bytes.get(part.from as usize..part.to as usize).unwrap_or_default();
        FactReader::new(bytes, part.count.into())
    }
}

/// A record that is complete as it comes: a log record or a measurement.
#[derive(Debug)]
pub(crate) struct CompleteRecord<T> {
    pub(crate) source: Source,
    pub(crate) header: T,
    /// The scope of the layer that recorded it.
    pub(crate) scope: Arc<InstrumentationScope>,
    bytes: Vec<u8>,
    count: u16,
}

impl<T> CompleteRecord<T> {
    /// The facts in the record.
    pub(crate) fn facts(&self) -> Facts<'_> {
        Facts::new(FactReader::new(&self.bytes, self.count.into()).collect())
    }
}

/// The facts of one record within all facts about a span.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FactRange {
    from: u32,
    to: u32,
    count: u16,
}

#[derive(Debug)]
struct OpenSpan {
    charge: Charge,
    start: Option<SpanStart>,
    end: Option<u64>,
    bytes: Vec<u8>,
    parts: Vec<(u64, FactRange)>,
    events: Vec<(u64, FactRange)>,
    links: Vec<(u64, FactRange)>,
    dropped_attributes: u32,
    dropped_events: u32,
    dropped_links: u32,
}

impl OpenSpan {
    fn new(budget: &Budget) -> Box<OpenSpan> {
        Box::new(OpenSpan {
            charge: budget.charge(0),
            start: None,
            end: None,
            bytes: Vec::new(),
            parts: Vec::new(),
            events: Vec::new(),
            links: Vec::new(),
            dropped_attributes: 0,
            dropped_events: 0,
            dropped_links: 0,
        })
    }

    /// Bytes of memory that it takes, with its places in the tables.
    fn weight(&self) -> usize {
        const TABLES: usize = 128;
        let parts = self.parts.capacity() + self.events.capacity() + self.links.capacity();
        size_of::<OpenSpan>() + TABLES + self.bytes.capacity() + parts * size_of::<(u64, FactRange)>()
    }

    fn keep(&mut self, block: FactBlock<'_>) -> Option<FactRange> {
        if self.bytes.len() + block.bytes.len() > MAX_FACT_BYTES {
            return None;
        }
        let from = self.bytes.len() as u32;
        // Most spans have facts at their start and end only.
        self.bytes.reserve_exact(block.bytes.len());
        self.bytes.extend_from_slice(block.bytes);
        Some(FactRange { from, to: self.bytes.len() as u32, count: block.count })
    }

    fn add_facts(&mut self, time: u64, block: FactBlock<'_>) {
        if block.count == 0 {
            return;
        }
        match self.keep(block) {
            Some(part) => self.parts.push((time, part)),
            None => self.dropped_attributes += u32::from(block.count),
        }
    }

    fn event(&mut self, time: u64, block: FactBlock<'_>) {
        match self.keep(block).filter(|_| self.events.len() < MAX_EVENTS) {
            Some(part) => self.events.push((time, part)),
            None => self.dropped_events += 1,
        }
    }

    fn link(&mut self, time: u64, block: FactBlock<'_>) {
        match self.keep(block).filter(|_| self.links.len() < MAX_EVENTS) {
            Some(part) => self.links.push((time, part)),
            None => self.dropped_links += 1,
        }
    }
}

struct ProcessSpans {
    source: Source,
    strings: StringLookup,
    scopes: HashMap<u32, Arc<InstrumentationScope>>,
    /// Those that the program names itself.
    own_scopes: Vec<Arc<InstrumentationScope>>,
    spans: HashMap<[u8; 8], Box<OpenSpan>>,
    /// Spans that were dropped and counted while they were open: their later records are not counted again.
    dropped: HashSet<[u8; 8]>,
    pass: u64,
    /// Spans that have ended, and the pass in which that was seen.
    ended: VecDeque<([u8; 8], u64)>,
    /// Spans seen without their start, likewise.
    headless: VecDeque<([u8; 8], u64)>,
}

/// Assembles the spans of all processes.
pub(crate) struct Assembler {
    budget: Budget,
    processes: HashMap<ProcessId, ProcessSpans>,
    open: usize,
    /// Bytes that open spans take.
    open_bytes: usize,
    open_traces: HashMap<[u8; 16], u32>,
    /// Spans that were given up.
    pub(crate) lost: Losses,
    /// Log records since they were last taken.
    pub(crate) logged: Vec<CompleteRecord<LogHeader>>,
    /// Measurements since they were last taken.
    pub(crate) measured: Vec<CompleteRecord<MeasurementHeader>>,
}

impl Assembler {
    /// Open spans are charged to `budget`.
    pub(crate) fn new(budget: &Budget) -> Assembler {
        Assembler {
            budget: budget.clone(),
            processes: HashMap::new(),
            open: 0,
            open_bytes: 0,
            open_traces: HashMap::new(),
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
            scopes: HashMap::new(),
            own_scopes: Vec::new(),
            spans: HashMap::new(),
            dropped: HashSet::new(),
            pass: 0,
            ended: VecDeque::new(),
            headless: VecDeque::new(),
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
                    self.logged.push(complete(process, *log, log.scope, facts));
                    continue;
                }
                Ok(Record::Measure(measure, facts)) => {
                    self.measured.push(complete(process, *measure, measure.scope, facts));
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
                    new.insert(OpenSpan::new(&self.budget))
                }
            };
            let is_full = self.open_bytes > share / 8 * FULL;
            match record {
                Ok(Record::Start(start, facts)) if entry.start.is_none() => {
                    entry.start = Some(start);
                    entry.add_facts(start.time, facts);
                    *self.open_traces.entry(start.trace).or_default() += 1;
                }
                Ok(Record::Span { kind, time, facts, .. }) => match kind {
                    wire::kind::SPAN_EVENT if is_full => entry.dropped_events += 1,
                    wire::kind::SPAN_EVENT => entry.event(time, facts),
                    wire::kind::SPAN_LINK if is_full => entry.dropped_links += 1,
                    wire::kind::SPAN_LINK => entry.link(time, facts),
                    wire::kind::SPAN_END if entry.end.is_none() => {
                        entry.end = Some(time);
                        entry.add_facts(time, facts);
                        process.ended.push_back((span, process.pass));
                    }
                    _ if is_full => entry.dropped_attributes += u32::from(facts.count),
                    _ => entry.add_facts(time, facts),
                },
                _ => {}
            }
            let (before, now) = (entry.charge.bytes(), entry.weight());
            entry.charge.set(now);
            self.open_bytes = self.open_bytes + now - before;
        }
        if self.open_bytes > share {
            self.drop_oldest(share / 8 * ROOM);
        }
        Ok(())
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
                finished.extend(finish(process, &mut self.open_traces, *entry, None));
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
                        finished.extend(finish(process, &mut self.open_traces, *entry, None));
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
                Some(_) => finished.extend(finish(&mut process, &mut self.open_traces, *entry, None)),
                None => open.extend(finish(&mut process, &mut self.open_traces, *entry, Some(last_seen))),
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
    open_traces: &mut HashMap<[u8; 16], u32>,
    entry: OpenSpan,
    cut_at: Option<u64>,
) -> Option<FinishedSpan> {
    let start = entry.start?;
    close_trace(open_traces, start.trace);
    let last_record =
        entry.parts.iter().chain(&entry.events).chain(&entry.links).map(|(time, _)| *time).max().unwrap_or(0);
    let end = entry.end.or_else(|| cut_at.map(|seen| seen.max(last_record)))?.max(start.time);
    let mut parts = entry.parts;
    parts.sort_by_key(|(time, _)| *time);
    let mut events = entry.events;
    events.sort_by_key(|(time, _)| *time);
    let mut links = entry.links;
    links.sort_by_key(|(time, _)| *time);
    let mut finished = FinishedSpan {
        source: process.source.clone(),
        start,
        end,
        scope: scope::own(),
        events,
        links,
        dropped_attributes: entry.dropped_attributes,
        dropped_events: entry.dropped_events,
        dropped_links: entry.dropped_links,
        cut: None,
        bytes: entry.bytes,
        parts,
        _charge: entry.charge,
    };
    let named = own_scope(process, &finished);
    finished.scope = named.unwrap_or_else(|| scope_of(process, finished.start.scope, || finished.facts()));
    Some(finished)
}

/// Counts one open span of a trace less.
fn close_trace(open_traces: &mut HashMap<[u8; 16], u32>, trace: [u8; 16]) {
    if let Some(open) = open_traces.get_mut(&trace) {
        *open -= 1;
        if *open == 0 {
            open_traces.remove(&trace);
        }
    }
}

fn complete<T>(process: &mut ProcessSpans, header: T, scope: u32, facts: &FactBlock<'_>) -> CompleteRecord<T> {
    let scope = scope_of(process, scope, || Facts::new(FactReader::new(facts.bytes, facts.count.into()).collect()));
    CompleteRecord { source: process.source.clone(), header, scope, bytes: facts.bytes.to_vec(), count: facts.count }
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
    let scope = scope::of_layer(&marker);
    if process.scopes.len() < MAX_SCOPES {
        process.scopes.insert(id, Arc::clone(&scope));
    }
    scope
}

/// The scope that the program itself names among the facts about a span, if it does.
fn own_scope(process: &mut ProcessSpans, span: &FinishedSpan) -> Option<Arc<InstrumentationScope>> {
    let (mut named, mut own) = (false, OwnScope::default());
    for fact in span.parts.iter().flat_map(|(_, part)| span.attributes(*part)) {
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
