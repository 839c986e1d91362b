//! Instruments that programs make themselves: with OpenTelemetry's API, or by what an instrumentation counts. Their sums and
//! last values are told to the SDK's instruments; histograms are kept by [`histograms`](super::histograms).

mod described;
mod told;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::SystemTime;

use opentelemetry::KeyValue;

use super::data::Distribution;
use super::histograms::Histogram;
use super::instruments::{Book, Instruments};
use super::numbers::Number;
use crate::channel::feed::ProcessId;
use crate::channel::{Entry, SeriesTable, Troubles};
use crate::conventions;
use crate::records::record::Attributes;
use crate::ui;
use crate::wire::series::{instrument_kind, note, what};
use described::{Described, InstrumentId, described};
use told::{Told, told};

/// Instruments and series that are kept of all processes; a process cannot make more by coming back.
const MAX_INSTRUMENTS: usize = 16384;
const MAX_SERIES: usize = 65536;
/// Instruments that the user is warned of; what goes wrong more often goes wrong in the same way.
const MAX_WARNED_OF: usize = 8;

/// An instrument and its series, of all processes.
struct Instrument {
    id: InstrumentId,
    description: String,
    bounds: Vec<f64>,
    advised: Option<Vec<f64>>,
    since: SystemTime,
    series: Vec<Series>,
    by_attributes: HashMap<Vec<(String, String)>, usize>,
    /// `None` for histograms.
    book: Option<Book<Told>>,
}

/// A time series.
struct Series {
    attributes: Vec<KeyValue>,
    carried: Counted,
    now: Counted,
    told: Option<Number>,
    /// Whether a process has set the value since it was last read.
    is_set: bool,
}

/// What has been counted.
#[derive(Debug, Clone, PartialEq)]
enum Counted {
    Number(Number),
    Distribution(Distribution),
}

/// What is known of a process.
struct Process {
    table: SeriesTable,
    /// Slots that were not shown yet when they were last looked at.
    pending: Vec<u32>,
    next: u32,
    instruments: HashMap<u32, usize>,
    series: Vec<OfProcess>,
    troubles: Troubles,
    /// Bytes that entries may still say. Entries share none, so that there are enough for all.
    unread: usize,
}

struct OfProcess {
    entry: Entry,
    instrument: usize,
    series: usize,
    times: u64,
}

/// All such instruments.
#[derive(Default)]
pub(super) struct User {
    processes: BTreeMap<ProcessId, Process>,
    /// The first of those that are there, or were there last: the others are its children.
    first: Option<ProcessId>,
    instruments: Vec<Instrument>,
    by_id: HashMap<InstrumentId, usize>,
    series: usize,
    said: HashSet<String>,
    /// Warnings about single instruments, by their reason.
    warned: HashMap<&'static str, usize>,
}

impl User {
    /// A process has come.
    pub(super) fn attach(&mut self, process: ProcessId, table: SeriesTable) {
        if self.processes.is_empty() {
            // What the one before had open when it ended was shown until now.
            for instrument in self.instruments.iter_mut().filter(|instrument| instrument.may_fall()) {
                instrument.series.iter_mut().for_each(|series| series.carried = instrument_zero(instrument.id.number));
            }
            self.first = Some(process);
        }
        let (pending, troubles, unread) = (Vec::new(), Troubles::default(), table.size());
        let known =
            Process { table, pending, next: 0, instruments: HashMap::new(), series: Vec::new(), troubles, unread };
        self.processes.insert(process, known);
    }

    /// A process has gone: what it counted stays. What it had open is closed, unless it was the program itself: then that
    /// is how the program ended.
    pub(super) fn gone(&mut self, id: ProcessId) {
        let Some(mut process) = self.processes.remove(&id) else { return };
        self.discover(&mut process);
        self.look_for_trouble(&mut process);
        let is_program = self.first == Some(id);
        for of in &mut process.series {
            let Some(instrument) = self.instruments.get_mut(of.instrument) else { continue };
            let (may_fall, kind) = (instrument.may_fall(), instrument.id.kind);
            let Some(series) = instrument.series.get_mut(of.series) else { continue };
            let counted = counted(&process.table, of);
            if is_gauge(kind) {
                series.take(of, counted, &process.table);
            } else if !may_fall || is_program {
                series.carried.add(&counted);
            }
        }
    }

    /// Has callbacks run where there are any; who was asked, and what to wait for.
    pub(super) fn ask(&self) -> impl Iterator<Item = (&SeriesTable, u32)> {
        self.processes.values().filter_map(|process| Some((&process.table, process.table.ask()?)))
    }

    /// Reads all, and tells the SDK what it keeps. The histograms, which it does not.
    pub(super) fn read(&mut self, instruments: &Instruments) -> Vec<Histogram> {
        for instrument in &mut self.instruments {
            let zero = instrument.zero();
            let is_gauge = is_gauge(instrument.id.kind);
            instrument.series.iter_mut().filter(|_| !is_gauge).for_each(|series| series.now = zero.clone());
        }
        let mut processes = std::mem::take(&mut self.processes);
        for process in processes.values_mut() {
            self.discover(process);
            self.look_for_trouble(process);
            for of in &mut process.series {
                let Some(instrument) = self.instruments.get_mut(of.instrument) else { continue };
                let kind = instrument.id.kind;
                let Some(series) = instrument.series.get_mut(of.series) else { continue };
                let counted = counted(&process.table, of);
                if is_gauge(kind) { series.take(of, counted, &process.table) } else { series.now.add(&counted) }
            }
        }
        self.processes = processes;
        let mut histograms = Vec::new();
        for instrument in &mut self.instruments {
            match instrument.id.kind {
                instrument_kind::HISTOGRAM => histograms.push(instrument.histogram()),
                _ => instrument.tell(instruments, self.processes.is_empty()),
            }
        }
        histograms
    }

    /// Looks for instruments and series that are new.
    fn discover(&mut self, process: &mut Process) {
        let slots = process.table.slots();
        let looked_at = std::mem::take(&mut process.pending).into_iter().chain(process.next..slots);
        let mut unread = process.unread;
        let mut read = |slot: u32| {
            let entry = if unread > 0 { process.table.entry(slot)? } else { return None };
            // Only a region that is not what it should be has more to say.
            let fits = entry.bytes.len() <= unread;
            unread = unread.saturating_sub(entry.bytes.len());
            fits.then_some(entry)
        };
        let found: Vec<(u32, Option<Entry>)> = looked_at.map(|slot| (slot, read(slot))).collect();
        process.next = process.next.max(slots);
        let is_instrument = |entry: &Entry| entry.what == what::INSTRUMENT;
        // A series may have been shown a moment before its instrument.
        for (slot, entry) in found.iter().filter_map(|(slot, entry)| Some((*slot, entry.as_ref()?))) {
            if is_instrument(entry)
                && let Some(index) = self.instrument_of(&process.table, entry)
            {
                process.instruments.insert(slot, index);
            }
        }
        for (slot, entry) in found {
            match entry {
                None => process.pending.push(slot),
                Some(entry) if entry.what == what::SERIES => match process.instruments.get(&entry.instrument) {
                    None => process.pending.push(slot),
                    Some(&instrument) => {
                        if let Some(series) = self.series_of(instrument, &entry) {
                            process.unread = process.unread.saturating_sub(entry.bytes.len());
                            process.series.push(OfProcess { entry, instrument, series, times: 0 });
                        }
                    }
                },
                Some(entry) if entry.what == what::NOTE => self.note(&entry),
                Some(_) => {}
            }
        }
    }

    fn instrument_of(&mut self, table: &SeriesTable, entry: &Entry) -> Option<usize> {
        let described = described(entry)?;
        let id = described.id.clone();
        if let Some(known) = self.by_id.get(&id) {
            return Some(*known);
        }
        if self.instruments.len() >= MAX_INSTRUMENTS {
            return None;
        }
        let same = |other: &&Instrument| {
            other.id.scope == id.scope && other.id.name.eq_ignore_ascii_case(&id.name) && other.id != id
        };
        if self.instruments.iter().any(|other| same(&other)) {
            let what = format!("the metric `{}` of `{}` is made in several ways", id.name, id.scope.name());
            let why =
                "another instrument of that name has another unit, kind or type of number; each is exported by itself";
            self.warn_of_one(&what, why);
        }
        let bounds = table.bounds(entry);
        let is_histogram = id.kind == instrument_kind::HISTOGRAM;
        let rising = bounds.iter().all(|bound| bound.is_finite()) && bounds.is_sorted_by(|low, high| low < high);
        if is_histogram && !rising {
            return None;
        }
        let advised = described.advised(&bounds);
        let description = described.description;
        let index = self.instruments.len();
        let (series, by_attributes) = (Vec::new(), HashMap::new());
        let since = SystemTime::now();
        self.by_id.insert(id.clone(), index);
        let book = None;
        self.instruments.push(Instrument { id, description, bounds, advised, since, series, by_attributes, book });
        Some(index)
    }

    fn series_of(&mut self, instrument: usize, entry: &Entry) -> Option<usize> {
        let instrument = self.instruments.get_mut(instrument)?;
        let said = Attributes::new(&entry.bytes, entry.attributes.into());
        let mut attributes: Vec<KeyValue> = said.filter_map(|said| conventions::named(&said)).collect();
        let mut id = shown(&attributes);
        if self.series >= MAX_SERIES && !instrument.by_attributes.contains_key(&id) {
            attributes = vec![KeyValue::new("otel.metric.overflow", true)];
            id = shown(&attributes);
        }
        if let Some(known) = instrument.by_attributes.get(&id) {
            return Some(*known);
        }
        let zero = instrument.zero();
        let index = instrument.series.len();
        instrument.series.push(Series { attributes, carried: zero.clone(), now: zero, told: None, is_set: false });
        instrument.by_attributes.insert(id, index);
        self.series += 1;
        Some(index)
    }

    fn note(&mut self, entry: &Entry) {
        let said = Described::of(entry);
        match entry.kind {
            note::OWN_PROVIDER => self.say("the program sets a meter provider of its own: its metrics go there"),
            note::OWN_RECORDER => self.say("the program installs a recorder of its own: its metrics go there"),
            note::INVALID => self.warn_of_one(
                &format!("the metric `{}` of `{}` is left out", said.id.name, said.id.scope.name()),
                "its name, unit or bucket boundaries are not what OpenTelemetry allows",
            ),
            _ => {}
        }
    }

    fn look_for_trouble(&mut self, process: &mut Process) {
        let now = process.table.troubles();
        let before = std::mem::replace(&mut process.troubles, now);
        if now.without_room > before.without_room {
            self.warn(
                "some of the program's metrics are left out",
                "there are more of them, or longer ones, than there is room for",
            );
        }
        if now.refused > before.refused {
            self.warn(
                "some measurements of the program's metrics are left out",
                "a counter cannot fall, and no sum takes NaN or an infinity",
            );
        }
        if now.stuck > before.stuck {
            self.warn(
                "a callback of the program's metrics takes too long",
                "what it told last stays until it returns; the others go on without it",
            );
        }
        if now.panicked > before.panicked {
            self.warn(
                "a callback of the program's metrics panicked",
                "it is not called again; what it told last stays",
            );
        }
    }

    fn warn(&mut self, what: &str, why: &str) {
        if self.said.insert(what.to_owned()) {
            ui::warning(what, &[why.to_owned()], None);
        }
    }

    fn warn_of_one(&mut self, what: &str, why: &'static str) {
        let warned = self.warned.entry(why).or_default();
        if *warned < MAX_WARNED_OF {
            *warned += 1;
            self.warn(what, why);
        }
    }

    fn say(&mut self, what: &str) {
        if self.said.insert(what.to_owned()) {
            ui::note(what);
        }
    }
}

fn instrument_zero(number: u8) -> Counted {
    Counted::Number(Number::new(number, 0))
}

fn is_gauge(kind: u8) -> bool {
    matches!(kind, instrument_kind::GAUGE | instrument_kind::OBSERVABLE_GAUGE)
}

fn counted(table: &SeriesTable, of: &OfProcess) -> Counted {
    let numbers = table.numbers(&of.entry);
    let value = Number::new(of.entry.number, numbers.value);
    if of.entry.kind == instrument_kind::HISTOGRAM {
        Counted::Distribution(Distribution::of(numbers.buckets, value.to_f64(), numbers.min, numbers.max))
    } else {
        Counted::Number(value)
    }
}

impl Counted {
    fn add(&mut self, more: &Counted) {
        match (self, more) {
            (Counted::Number(sum), Counted::Number(more)) => *sum = sum.plus(*more),
            (Counted::Distribution(sum), Counted::Distribution(more)) => sum.add(more),
            _ => {}
        }
    }
}

impl Series {
    /// A gauge's value is that of the process which has set it last.
    fn take(&mut self, of: &mut OfProcess, counted: Counted, table: &SeriesTable) {
        let times = table.numbers(&of.entry).times;
        if times != of.times {
            of.times = times;
            self.now = counted;
            self.is_set = true;
        }
    }
}

impl Instrument {
    fn zero(&self) -> Counted {
        if self.id.kind == instrument_kind::HISTOGRAM {
            Counted::Distribution(Distribution::of(
                vec![0; self.bounds.len() + 1],
                0.0,
                f64::INFINITY,
                f64::NEG_INFINITY,
            ))
        } else {
            instrument_zero(self.id.number)
        }
    }

    fn may_fall(&self) -> bool {
        matches!(self.id.kind, instrument_kind::UP_DOWN_COUNTER | instrument_kind::OBSERVABLE_UP_DOWN_COUNTER)
    }

    fn histogram(&self) -> Histogram {
        let series = self.series.iter().map(|series| {
            let mut sum = series.carried.clone();
            sum.add(&series.now);
            let Counted::Distribution(sum) = sum else { return (Vec::new(), Distribution::default()) };
            (series.attributes.clone(), sum)
        });
        Histogram {
            scope: self.id.scope.clone(),
            name: self.id.name.clone(),
            unit: self.id.unit.clone(),
            description: self.description.clone(),
            since: self.since,
            bounds: self.bounds.clone(),
            advised: self.advised.clone(),
            series: series.collect(),
        }
    }

    /// Tells by how much each sum has changed, and what each gauge shows.
    fn tell(&mut self, instruments: &Instruments, is_over: bool) {
        let may_fall = self.may_fall();
        let zero = Number::new(self.id.number, 0);
        let mut book = self.book.take();
        for series in &mut self.series {
            let book = book.get_or_insert_with(|| told(&self.id, &self.description, instruments));
            let (Counted::Number(carried), Counted::Number(now)) = (&series.carried, &series.now) else { continue };
            if is_gauge(self.id.kind) {
                if series.is_set {
                    book.record(&series.attributes, |told, kept| told.tell(*now, kept));
                }
                continue;
            }
            // What may fall counts what there is, and the dead have nothing; in the end it shows what there was.
            let sum = if may_fall && !is_over { *now } else { carried.plus(*now) };
            let by = sum.minus(series.told.unwrap_or(zero));
            // A counter that falls has been spoilt by its program, or is observed anew by a callback.
            let is_less = !may_fall && sum.to_f64() < series.told.unwrap_or(zero).to_f64();
            if series.told.is_none() || (by != zero && !is_less) {
                series.told = Some(sum);
                book.record(&series.attributes, |told, kept| told.tell(by, kept));
            }
        }
        self.book = book;
    }
}

fn shown(attributes: &[KeyValue]) -> Vec<(String, String)> {
    attributes.iter().map(|kv| (kv.key.to_string(), format!("{:?}", kv.value))).collect()
}

#[cfg(test)]
mod tests;
