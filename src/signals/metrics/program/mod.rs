//! Instruments that programs make themselves, with OpenTelemetry's API or in an instrumentation. Their sums and last values
//! are recorded with the SDK's instruments; histograms are read by [`histograms`](super::histograms).

mod description;
mod recorder;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::SystemTime;

use opentelemetry::KeyValue;

use super::data::Distribution;
use super::histograms::ProgramHistogram;
use super::numbers::Number;
use super::registry::{FanOut, InstrumentRegistry};
use crate::channel::{MetricFaults, SeriesEntry, SeriesTable};
use crate::records::record::FactReader;
use crate::wire::ProcessId;
use crate::wire::series::{instrument_kind, note, what};
use crate::{conventions, ui};
use description::{InstrumentDescription, InstrumentId, description};
use recorder::{Recorder, recorders};

/// Instruments and series that are kept of one program, whatever the number of its processes and how often they attach.
const MAX_INSTRUMENTS: usize = 16384;
const MAX_SERIES: usize = 65536;
/// Instruments that are named in warnings of one reason; further ones have the same cause.
const MAX_NAMED: usize = 8;

/// An instrument and its series, of all processes.
struct ProgramInstrument {
    id: InstrumentId,
    description: String,
    bounds: Vec<f64>,
    advised: Option<Vec<f64>>,
    since: SystemTime,
    series: Vec<ProgramSeries>,
    by_attributes: HashMap<Vec<(String, String)>, usize>,
    /// `None` for histograms.
    recorders: Option<FanOut<Recorder>>,
    /// Whether the launcher makes a metric of that name, which takes precedence.
    is_covered: bool,
}

/// A time series.
struct ProgramSeries {
    attributes: Vec<KeyValue>,
    carried: SeriesValue,
    now: SeriesValue,
    recorded: Option<Number>,
    /// Whether a process has ever set the value.
    is_set: bool,
}

/// What a series has counted.
#[derive(Debug, Clone, PartialEq)]
enum SeriesValue {
    Number(Number),
    Distribution(Distribution),
}

/// A process, and how far its entries have been read.
struct AttachedProcess {
    table: SeriesTable,
    /// Slots that were not published yet at the last reading.
    pending: Vec<u32>,
    next: u32,
    instruments: HashMap<u32, usize>,
    series: Vec<ProcessSeries>,
    faults: MetricFaults,
    /// Bytes that further entries may have. Entries share none, so a sound region never exceeds them.
    unread: usize,
}

struct ProcessSeries {
    entry: SeriesEntry,
    instrument: usize,
    series: usize,
    times: u64,
}

/// The instruments of all processes of one program.
#[derive(Default)]
pub(super) struct ProgramMetrics {
    processes: BTreeMap<ProcessId, AttachedProcess>,
    /// The process that attached while no other was attached: the others are its children.
    first: Option<ProcessId>,
    instruments: Vec<ProgramInstrument>,
    by_id: HashMap<InstrumentId, usize>,
    series: usize,
    reported: HashSet<String>,
    /// How many instruments were named in warnings, by reason.
    named: HashMap<&'static str, usize>,
}

impl ProgramMetrics {
    /// A process has attached.
    pub(super) fn attach(&mut self, process: ProcessId, table: SeriesTable) {
        if self.processes.is_empty() {
            // Until now the last values of the exited processes were exported.
            for instrument in self.instruments.iter_mut().filter(|instrument| instrument.may_fall()) {
                instrument.series.iter_mut().for_each(|series| series.carried = instrument_zero(instrument.id.number));
            }
            self.first = Some(process);
        }
        let (pending, faults, unread) = (Vec::new(), MetricFaults::default(), table.size());
        let known = AttachedProcess {
            table,
            pending,
            next: 0,
            instruments: HashMap::new(),
            series: Vec::new(),
            faults,
            unread,
        };
        self.processes.insert(process, known);
    }

    /// A process has exited: its counters stay. Its up-down counters fall to zero, unless it was the program itself: then
    /// they show how the program ended.
    pub(super) fn detach(&mut self, id: ProcessId) {
        let Some(mut process) = self.processes.remove(&id) else { return };
        self.discover(&mut process);
        self.warn_of_faults(&mut process);
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

    /// Requests that processes run their callbacks: the processes with callbacks, and the requests to wait for.
    pub(super) fn request_observation(&self) -> impl Iterator<Item = (&SeriesTable, u32)> {
        self.processes.values().filter_map(|process| Some((&process.table, process.table.request_observation()?)))
    }

    /// Reads all, and records sums and gauges with the SDK's instruments. Returns the histograms. What the launcher makes by
    /// itself under the same name, as `is_automatic` has it, is left out.
    pub(super) fn read(
        &mut self,
        registry: &InstrumentRegistry,
        is_automatic: impl Fn(&str) -> bool,
    ) -> Vec<ProgramHistogram> {
        for instrument in &mut self.instruments {
            let zero = instrument.zero();
            let is_gauge = is_gauge(instrument.id.kind);
            instrument.series.iter_mut().filter(|_| !is_gauge).for_each(|series| series.now = zero.clone());
        }
        let mut processes = std::mem::take(&mut self.processes);
        for process in processes.values_mut() {
            self.discover(process);
            self.warn_of_faults(process);
            for of in &mut process.series {
                let Some(instrument) = self.instruments.get_mut(of.instrument) else { continue };
                let kind = instrument.id.kind;
                let Some(series) = instrument.series.get_mut(of.series) else { continue };
                let counted = counted(&process.table, of);
                if is_gauge(kind) { series.take(of, counted, &process.table) } else { series.now.add(&counted) }
            }
        }
        self.processes = processes;
        self.leave_out(is_automatic);
        let mut histograms = Vec::new();
        for instrument in self.instruments.iter_mut().filter(|instrument| !instrument.is_covered) {
            match instrument.id.kind {
                instrument_kind::HISTOGRAM => histograms.push(instrument.histogram()),
                _ => instrument.record(registry, self.processes.is_empty()),
            }
        }
        histograms
    }

    /// Leaves out, from now on, each instrument that has recorded something and is made by the launcher as well.
    fn leave_out(&mut self, is_automatic: impl Fn(&str) -> bool) {
        let mut names = Vec::new();
        for instrument in self.instruments.iter_mut().filter(|instrument| !instrument.is_covered) {
            if !instrument.series.is_empty() && is_automatic(&instrument.id.name) {
                instrument.is_covered = true;
                names.push(format!("`{}` of `{}`", instrument.id.name, instrument.id.scope.name()));
            }
        }
        let more = names.len().saturating_sub(MAX_NAMED);
        let count = names.len();
        names.truncate(MAX_NAMED);
        if more > 0 {
            names.push(format!("{more} more"));
        }
        match count {
            0 => {}
            1 => self.inform(&format!("left out a metric of the program that is recorded automatically: {}", names[0])),
            _ => self.inform(&format!(
                "left out {count} metrics of the program that are recorded automatically: {}",
                names.join(", ")
            )),
        }
    }

    /// Reads instruments and series that are new.
    fn discover(&mut self, process: &mut AttachedProcess) {
        let slots = process.table.slots();
        let unread_slots = std::mem::take(&mut process.pending).into_iter().chain(process.next..slots);
        let mut unread = process.unread;
        let mut read = |slot: u32| {
            let entry = if unread > 0 { process.table.entry(slot)? } else { return None };
            // Only a corrupt region has more.
            let fits = entry.bytes.len() <= unread;
            unread = unread.saturating_sub(entry.bytes.len());
            fits.then_some(entry)
        };
        let found: Vec<(u32, Option<SeriesEntry>)> = unread_slots.map(|slot| (slot, read(slot))).collect();
        process.next = process.next.max(slots);
        let is_instrument = |entry: &SeriesEntry| entry.what == what::INSTRUMENT;
        // A series may have been published a moment before its instrument.
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
                            process.series.push(ProcessSeries { entry, instrument, series, times: 0 });
                        }
                    }
                },
                Some(entry) if entry.what == what::NOTE => self.note(&entry),
                Some(_) => {}
            }
        }
    }

    fn instrument_of(&mut self, table: &SeriesTable, entry: &SeriesEntry) -> Option<usize> {
        let described = description(entry)?;
        let id = described.id.clone();
        if let Some(known) = self.by_id.get(&id) {
            return Some(*known);
        }
        if self.instruments.len() >= MAX_INSTRUMENTS {
            return None;
        }
        let same = |other: &&ProgramInstrument| {
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
        let recorders = None;
        self.instruments.push(ProgramInstrument {
            id,
            description,
            bounds,
            advised,
            since,
            series,
            by_attributes,
            recorders,
            is_covered: false,
        });
        Some(index)
    }

    fn series_of(&mut self, instrument: usize, entry: &SeriesEntry) -> Option<usize> {
        let instrument = self.instruments.get_mut(instrument)?;
        let raw = FactReader::new(&entry.bytes, entry.attributes.into());
        let mut attributes: Vec<KeyValue> =
            raw.filter_map(|attribute| Some(conventions::named(&attribute)?.into_sdk())).collect();
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
        instrument.series.push(ProgramSeries {
            attributes,
            carried: zero.clone(),
            now: zero,
            recorded: None,
            is_set: false,
        });
        instrument.by_attributes.insert(id, index);
        self.series += 1;
        Some(index)
    }

    fn note(&mut self, entry: &SeriesEntry) {
        let described = InstrumentDescription::of(entry);
        match entry.kind {
            note::OWN_PROVIDER => self.inform("the program sets a meter provider of its own: its metrics go there"),
            note::OWN_TRACER_PROVIDER => {
                self.inform("the program sets a tracer provider of its own: its spans go there")
            }
            note::OWN_RECORDER => self.inform("the program installs a recorder of its own: its metrics go there"),
            note::INVALID => self.warn_of_one(
                &format!("the metric `{}` of `{}` is left out", described.id.name, described.id.scope.name()),
                "its name, unit or bucket boundaries are not what OpenTelemetry allows",
            ),
            _ => {}
        }
    }

    fn warn_of_faults(&mut self, process: &mut AttachedProcess) {
        let now = process.table.faults();
        let before = std::mem::replace(&mut process.faults, now);
        if now.without_room > before.without_room {
            self.warn(
                "some of the program's metrics are left out",
                "the shared memory has no room for more of them, or for longer names and attributes",
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
                "its last values stay until it returns; the other callbacks go on without it",
            );
        }
        if now.panicked > before.panicked {
            self.warn("a callback of the program's metrics panicked", "it is not called again; its last values stay");
        }
    }

    fn warn(&mut self, what: &str, why: &str) {
        if self.reported.insert(what.to_owned()) {
            ui::warning(what, &[why.to_owned()], None);
        }
    }

    fn warn_of_one(&mut self, what: &str, why: &'static str) {
        let named = self.named.entry(why).or_default();
        if *named < MAX_NAMED {
            *named += 1;
            self.warn(what, why);
        }
    }

    fn inform(&mut self, what: &str) {
        if self.reported.insert(what.to_owned()) {
            ui::note(what);
        }
    }
}

fn instrument_zero(number: u8) -> SeriesValue {
    SeriesValue::Number(Number::new(number, 0))
}

fn is_gauge(kind: u8) -> bool {
    matches!(kind, instrument_kind::GAUGE | instrument_kind::OBSERVABLE_GAUGE)
}

fn counted(table: &SeriesTable, of: &ProcessSeries) -> SeriesValue {
    let numbers = table.numbers(&of.entry);
    let value = Number::new(of.entry.number, numbers.value);
    if of.entry.kind == instrument_kind::HISTOGRAM {
        SeriesValue::Distribution(Distribution::of(numbers.buckets, value.to_f64(), numbers.min, numbers.max))
    } else {
        SeriesValue::Number(value)
    }
}

impl SeriesValue {
    fn add(&mut self, more: &SeriesValue) {
        match (self, more) {
            (SeriesValue::Number(sum), SeriesValue::Number(more)) => *sum = sum.plus(*more),
            (SeriesValue::Distribution(sum), SeriesValue::Distribution(more)) => sum.add(more),
            _ => {}
        }
    }
}

impl ProgramSeries {
    /// A gauge has the value of the process that has set it last.
    fn take(&mut self, of: &mut ProcessSeries, counted: SeriesValue, table: &SeriesTable) {
        let times = table.numbers(&of.entry).times;
        if times != of.times {
            of.times = times;
            self.now = counted;
            self.is_set = true;
        }
    }
}

impl ProgramInstrument {
    fn zero(&self) -> SeriesValue {
        if self.id.kind == instrument_kind::HISTOGRAM {
            SeriesValue::Distribution(Distribution::of(
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

    fn histogram(&self) -> ProgramHistogram {
        let series = self.series.iter().map(|series| {
            let mut sum = series.carried.clone();
            sum.add(&series.now);
            let SeriesValue::Distribution(sum) = sum else { return (Vec::new(), Distribution::default()) };
            (series.attributes.clone(), sum)
        });
        ProgramHistogram {
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

    /// Records by how much each sum has changed, and the value of each gauge.
    fn record(&mut self, registry: &InstrumentRegistry, is_over: bool) {
        let may_fall = self.may_fall();
        let zero = Number::new(self.id.number, 0);
        let mut recorders_of_all = self.recorders.take();
        for series in &mut self.series {
            let instrument = recorders_of_all.get_or_insert_with(|| recorders(&self.id, &self.description, registry));
            let (SeriesValue::Number(carried), SeriesValue::Number(now)) = (&series.carried, &series.now) else {
                continue;
            };
            if is_gauge(self.id.kind) {
                if series.is_set {
                    instrument.record(&series.attributes, |recorder, kept| recorder.record(*now, kept));
                }
                continue;
            }
            // An up-down counter counts objects that exist, and an exited process has none; at the end its last value
            // is exported.
            let sum = if may_fall && !is_over { *now } else { carried.plus(*now) };
            let by = sum.minus(series.recorded.unwrap_or(zero));
            // A counter that falls was overwritten by its program, or its callback has started anew.
            let is_less = !may_fall && sum.to_f64() < series.recorded.unwrap_or(zero).to_f64();
            if series.recorded.is_none() || (by != zero && !is_less) {
                series.recorded = Some(sum);
                instrument.record(&series.attributes, |recorder, kept| recorder.record(by, kept));
            }
        }
        self.recorders = recorders_of_all;
    }
}

fn shown(attributes: &[KeyValue]) -> Vec<(String, String)> {
    attributes.iter().map(|kv| (kv.key.to_string(), format!("{:?}", kv.value))).collect()
}

#[cfg(test)]
mod tests;
