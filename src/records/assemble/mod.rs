//! Records become spans.
//!
//! The records of one span may come through several rings, and so in any order: an end may be seen before its start. But
//! whoever wrote a record had seen all that came before it, so what is missing is at most one pass over the rings away.
//! A span that has ended is therefore kept for one whole pass more, and an end without a start is given up after three.
//!
//! Open spans have a share of the memory. When much of it is used they gather no more attributes and events, which is
//! counted in the span; when all of it is, the oldest are dropped, which is counted as a loss.

use std::collections::hash_map::Entry::{Occupied, Vacant};
use std::collections::{HashMap, HashSet, VecDeque};

use opentelemetry::InstrumentationScope;

use crate::bounds::budget::{Budget, Charge};
use crate::bounds::losses::{Losses, Reason};
use crate::records::facts::Facts;
use crate::records::record::{Attributes, Block, Log, Measure, Record, Records, Start};
use crate::records::scope;
use crate::resource::Source;
use crate::wire::{self, ProcessId};

/// The part of the memory that open spans may take.
const SHARE: usize = 2;
/// Eighths of that share: beyond the first number spans gather no details, down to the second one they are dropped.
const FULL: usize = 6;
const ROOM: usize = 7;
/// Dropped spans that are remembered for one process. More are counted a second time if their ends come.
const MAX_DROPPED: usize = 1 << 18;
/// Bytes of attributes that one span may gather.
const MAX_SAID: usize = 64 << 10;
/// Events that one span may gather, whatever its limits allow.
const MAX_EVENTS: usize = 4096;
/// Scopes that are remembered for one process.
const MAX_SCOPES: usize = 1024;
/// Passes after which a record without a start is given up.
const PATIENCE: u64 = 3;

/// Looks a string up by its id.
pub(crate) type Strings = Box<dyn Fn(u32) -> Option<String> + Send>;

/// A span whose end is known.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) source: Source,
    pub(crate) start: Start,
    /// Nanoseconds since 1970.
    pub(crate) end: u64,
    pub(crate) scope: InstrumentationScope,
    pub(crate) events: Vec<(u64, Part)>,
    pub(crate) dropped_attributes: u32,
    pub(crate) dropped_events: u32,
    /// Why the span never ended by itself, as a value of `error.type`.
    pub(crate) cut: Option<String>,
    said: Vec<u8>,
    parts: Vec<(u64, Part)>,
    _charge: Charge,
}

impl Finished {
    /// All that was said about the span, in the order in which it was said.
    pub(crate) fn facts(&self) -> Facts<'_> {
        Facts::new(self.parts.iter().flat_map(|(_, part)| self.attributes(*part)).collect())
    }

    /// The attributes of one record.
    pub(crate) fn attributes(&self, part: Part) -> Attributes<'_> {
        let bytes = self.said.get(part.from as usize..part.to as usize).unwrap_or_default();
        Attributes::new(bytes, part.count.into())
    }
}

/// A record that is complete as it comes: a log record or a measurement.
#[derive(Debug)]
pub(crate) struct Complete<T> {
    pub(crate) source: Source,
    pub(crate) what: T,
    /// The layer that told it.
    pub(crate) scope: InstrumentationScope,
    said: Vec<u8>,
    count: u16,
}

impl<T> Complete<T> {
    /// All that the record says.
    pub(crate) fn facts(&self) -> Facts<'_> {
        Facts::new(Attributes::new(&self.said, self.count.into()).collect())
    }
}

/// A record's attributes within all that was said about a span.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    from: u32,
    to: u32,
    count: u16,
}

#[derive(Debug)]
struct Entry {
    charge: Charge,
    start: Option<Start>,
    end: Option<u64>,
    said: Vec<u8>,
    parts: Vec<(u64, Part)>,
    events: Vec<(u64, Part)>,
    dropped_attributes: u32,
    dropped_events: u32,
}

impl Entry {
    fn new(budget: &Budget) -> Box<Entry> {
        Box::new(Entry {
            charge: budget.charge(0),
            start: None,
            end: None,
            said: Vec::new(),
            parts: Vec::new(),
            events: Vec::new(),
            dropped_attributes: 0,
            dropped_events: 0,
        })
    }

    /// Bytes of memory that it takes, with its places in the tables.
    fn weight(&self) -> usize {
        const TABLES: usize = 128;
        let parts = self.parts.capacity() + self.events.capacity();
        size_of::<Entry>() + TABLES + self.said.capacity() + parts * size_of::<(u64, Part)>()
    }

    fn keep(&mut self, block: Block<'_>) -> Option<Part> {
        if self.said.len() + block.bytes.len() > MAX_SAID {
            return None;
        }
        let from = self.said.len() as u32;
        // Of most spans no more is said than at their start and end.
        self.said.reserve_exact(block.bytes.len());
        self.said.extend_from_slice(block.bytes);
        Some(Part { from, to: self.said.len() as u32, count: block.count })
    }

    fn say(&mut self, time: u64, block: Block<'_>) {
        if block.count == 0 {
            return;
        }
        match self.keep(block) {
            Some(part) => self.parts.push((time, part)),
            None => self.dropped_attributes += u32::from(block.count),
        }
    }

    fn event(&mut self, time: u64, block: Block<'_>) {
        match self.keep(block).filter(|_| self.events.len() < MAX_EVENTS) {
            Some(part) => self.events.push((time, part)),
            None => self.dropped_events += 1,
        }
    }
}

struct Process {
    source: Source,
    strings: Strings,
    scopes: HashMap<u32, InstrumentationScope>,
    spans: HashMap<[u8; 8], Box<Entry>>,
    /// Spans that were dropped and counted while they were open: what comes of them later is not counted again.
    dropped: HashSet<[u8; 8]>,
    pass: u64,
    /// Spans that have ended, and the pass in which that was seen.
    ended: VecDeque<([u8; 8], u64)>,
    /// Spans seen without their start, likewise.
    headless: VecDeque<([u8; 8], u64)>,
}

/// Puts the spans of all processes together.
pub(crate) struct Assembler {
    budget: Budget,
    processes: HashMap<ProcessId, Process>,
    open: usize,
    /// Bytes that open spans take.
    open_bytes: usize,
    open_traces: HashMap<[u8; 16], u32>,
    /// Spans that had to be given up.
    pub(crate) lost: Losses,
    /// Log records that have come since somebody last took them away.
    pub(crate) logged: Vec<Complete<Log>>,
    /// Likewise measurements.
    pub(crate) measured: Vec<Complete<Measure>>,
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

    /// A process has come; `source` is its program.
    pub(crate) fn attach(&mut self, id: ProcessId, source: Source, strings: Strings) {
        let process = Process {
            source,
            strings,
            scopes: HashMap::new(),
            spans: HashMap::new(),
            dropped: HashSet::new(),
            pass: 0,
            ended: VecDeque::new(),
            headless: VecDeque::new(),
        };
        self.processes.insert(id, process);
    }

    /// Takes the records in `bytes`. An error says why the rest of them cannot be read.
    pub(crate) fn records(&mut self, id: ProcessId, bytes: &[u8]) -> Result<(), &'static str> {
        let share = self.budget.limit() / SHARE;
        let Some(process) = self.processes.get_mut(&id) else { return Ok(()) };
        for record in Records::new(bytes) {
            let (span, starts) = match &record {
                Ok(Record::Start(start, _)) => (start.span, true),
                Ok(Record::Span { span, .. }) => (*span, false),
                Ok(Record::Log(log, said)) => {
                    self.logged.push(complete(process, *log, log.scope, said));
                    continue;
                }
                Ok(Record::Measure(measure, said)) => {
                    self.measured.push(complete(process, *measure, measure.scope, said));
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
                    new.insert(Entry::new(&self.budget))
                }
            };
            let is_full = self.open_bytes > share / 8 * FULL;
            match record {
                Ok(Record::Start(start, said)) if entry.start.is_none() => {
                    entry.start = Some(start);
                    entry.say(start.time, said);
                    *self.open_traces.entry(start.trace).or_default() += 1;
                }
                Ok(Record::Span { kind, time, said, .. }) => match kind {
                    wire::kind::SPAN_EVENT if is_full => entry.dropped_events += 1,
                    wire::kind::SPAN_EVENT => entry.event(time, said),
                    wire::kind::SPAN_END if entry.end.is_none() => {
                        entry.end = Some(time);
                        entry.say(time, said);
                        process.ended.push_back((span, process.pass));
                    }
                    _ if is_full => entry.dropped_attributes += u32::from(said.count),
                    _ => entry.say(time, said),
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
                // What is not sampled is not exported anyway.
                self.lost.add(Reason::Open, u64::from(start.flags & 1));
                close_trace(&mut self.open_traces, start.trace);
            }
        }
    }

    /// Every ring of a process has been looked at once more: hands out the spans that are now complete.
    pub(crate) fn pass(&mut self, id: ProcessId, finished: &mut Vec<Finished>) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        process.pass += 1;
        let pass = process.pass;
        // What was seen in pass n is followed by its `PassDone`, which makes the count n + 1; the next one ends the
        // whole pass that was waited for.
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
        while let Some((span, _)) = due(&mut process.headless, |seen| seen + PATIENCE < pass) {
            let Some(entry) = process.spans.get(&span) else { continue };
            match (&entry.start, &entry.end) {
                (None, end) => {
                    // Without an end it is a remark about a span that was over: somebody was late, nothing is lost.
                    self.lost.add(Reason::Headless, u64::from(end.is_some()));
                    self.open_bytes -= entry.charge.bytes();
                    process.spans.remove(&span);
                    self.open -= 1;
                }
                // Its start came, but so late that the queue of ended spans had passed it over.
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

    /// Counts a pass for every process, for when nothing is left to pass over.
    pub(crate) fn pass_all(&mut self, finished: &mut Vec<Finished>) {
        let ids: Vec<_> = self.processes.keys().copied().collect();
        for id in ids {
            self.pass(id, finished);
        }
    }

    /// A process has ended and all it wrote is here: hands out what was complete, and what was open at that time.
    pub(crate) fn gone(
        &mut self,
        id: ProcessId,
        last_seen: u64,
        finished: &mut Vec<Finished>,
        open: &mut Vec<Finished>,
    ) {
        let Some(mut process) = self.processes.remove(&id) else { return };
        let mut entries: Vec<Box<Entry>> = std::mem::take(&mut process.spans).into_values().collect();
        // Whoever has to drop some drops the oldest.
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

    /// The processes that are still there.
    pub(crate) fn process_ids(&self) -> Vec<ProcessId> {
        self.processes.keys().copied().collect()
    }

    /// Whether a span of this trace is still open.
    pub(crate) fn is_trace_open(&self, trace: [u8; 16]) -> bool {
        self.open_traces.contains_key(&trace)
    }
}

/// The first of `queue` if its pass is the one that was waited for.
fn due(queue: &mut VecDeque<([u8; 8], u64)>, is_due: impl Fn(u64) -> bool) -> Option<([u8; 8], u64)> {
    let (_, seen) = queue.front()?;
    if is_due(*seen) { queue.pop_front() } else { None }
}

fn finish(
    process: &mut Process,
    open_traces: &mut HashMap<[u8; 16], u32>,
    entry: Entry,
    cut_at: Option<u64>,
) -> Option<Finished> {
    let start = entry.start?;
    close_trace(open_traces, start.trace);
    let last_word = entry.parts.iter().chain(&entry.events).map(|(time, _)| *time).max().unwrap_or(0);
    let end = entry.end.or_else(|| cut_at.map(|seen| seen.max(last_word)))?.max(start.time);
    let mut parts = entry.parts;
    parts.sort_by_key(|(time, _)| *time);
    let mut events = entry.events;
    events.sort_by_key(|(time, _)| *time);
    let mut finished = Finished {
        source: process.source.clone(),
        start,
        end,
        scope: InstrumentationScope::default(),
        events,
        dropped_attributes: entry.dropped_attributes,
        dropped_events: entry.dropped_events,
        cut: None,
        said: entry.said,
        parts,
        _charge: entry.charge,
    };
    finished.scope = scope_of(process, finished.start.scope, || finished.facts());
    Some(finished)
}

/// One span of a trace is open no more.
fn close_trace(open_traces: &mut HashMap<[u8; 16], u32>, trace: [u8; 16]) {
    if let Some(open) = open_traces.get_mut(&trace) {
        *open -= 1;
        if *open == 0 {
            open_traces.remove(&trace);
        }
    }
}

fn complete<T>(process: &mut Process, what: T, scope: u32, said: &Block<'_>) -> Complete<T> {
    let scope = scope_of(process, scope, || Facts::new(Attributes::new(said.bytes, said.count.into()).collect()));
    Complete { source: process.source.clone(), what, scope, said: said.bytes.to_vec(), count: said.count }
}

/// The scope of that id; what was said tells it when there is none.
fn scope_of<'a>(process: &mut Process, id: u32, said: impl FnOnce() -> Facts<'a>) -> InstrumentationScope {
    if id == 0 {
        let given = said().text(wire::key::SCOPE);
        return given.map_or_else(scope::own, |marker| scope::of_layer(&marker));
    }
    if let Some(known) = process.scopes.get(&id) {
        return known.clone();
    }
    let Some(marker) = (process.strings)(id) else { return scope::own() };
    let scope = scope::of_layer(&marker);
    if process.scopes.len() < MAX_SCOPES {
        process.scopes.insert(id, scope.clone());
    }
    scope
}

#[cfg(test)]
mod tests;
