//! The default recorder, in use until the program installs its own: counters, gauges and histograms are those of the
//! hooks.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{
    fence, AtomicBool, AtomicU64, AtomicUsize,
    Ordering::{Relaxed, SeqCst},
};
use std::sync::Arc;

use otel_rs_hooks::metrics::{
    self as hooks, AppendOnlyTable, AttributeSet, AttributeText, AttributeValue, Description, Instrument,
    InstrumentKind, MetricAttribute, NumberKind, Owner, Series,
};

use crate::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Label, Metadata, Recorder, SharedString,
    Unit,
};

/// Whether the program has installed a recorder of its own. Handles made before then do nothing any more, as those of the
/// no-op recorder do.
static IS_REPLACED: AtomicBool = AtomicBool::new(false);

/// The program has installed a recorder of its own, which gets its metrics.
pub(crate) fn own_recorder() {
    IS_REPLACED.store(true, Relaxed);
    if SCOPE.enabled() {
        hooks::report_own_recorder();
    }
}

/// What records for a program without a recorder: `noop` where metrics are not exported.
#[inline]
pub(crate) fn recorder(noop: &'static dyn Recorder) -> &'static dyn Recorder {
    if SCOPE.enabled() && hooks::enabled() {
        &Bridge
    } else {
        noop
    }
}

struct Bridge;

impl Recorder for Bridge {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, description: SharedString) {
        describe(InstrumentKind::Counter, name, unit, description);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, description: SharedString) {
        describe(InstrumentKind::Gauge, name, unit, description);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, description: SharedString) {
        describe(InstrumentKind::Histogram, name, unit, description);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        static COUNTERS: AppendOnlyTable<Known> = AppendOnlyTable::new();
        handle(&COUNTERS, InstrumentKind::Counter, key).map_or_else(Counter::noop, Counter::from_arc)
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        static GAUGES: AppendOnlyTable<Known> = AppendOnlyTable::new();
        handle(&GAUGES, InstrumentKind::Gauge, key).map_or_else(Gauge::noop, Gauge::from_arc)
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        static HISTOGRAMS: AppendOnlyTable<Known> = AppendOnlyTable::new();
        handle(&HISTOGRAMS, InstrumentKind::Histogram, key).map_or_else(Histogram::noop, Histogram::from_arc)
    }
}

/// The program's description of a metric.
struct Described {
    kind: InstrumentKind,
    name: KeyName,
    unit: &'static str,
    description: SharedString,
}

static DESCRIBED: AppendOnlyTable<Described> = AppendOnlyTable::new();

/// Most descriptions that are kept: as many as a process has room for series.
const MOST_DESCRIBED: usize = 16_384;
/// Longest name that is allowed.
const LONGEST_NAME: usize = 255;
/// Longest description that is kept.
const LONGEST_DESCRIPTION: usize = 1 << 10;

/// The first description holds. It reaches a metric that is made later.
fn describe(kind: InstrumentKind, name: KeyName, unit: Option<Unit>, description: SharedString) {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    if name.as_str().len() > LONGEST_NAME || described(kind, name.as_str()).is_some() {
        return;
    }
    if !claim(&COUNT, MOST_DESCRIBED) {
        return hooks::count_without_room();
    }
    let hash = hash(name.as_str());
    let fits = |known: &Described| known.kind == kind && known.name == name;
    let new = Described { kind, name: name.clone(), unit: unit.map_or("", ucum), description: shortened(description) };
    DESCRIBED.add(hash, new, fits);
}

fn shortened(text: SharedString) -> SharedString {
    if text.len() <= LONGEST_DESCRIPTION {
        return text;
    }
    let mut end = LONGEST_DESCRIPTION;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    SharedString::from(text.get(..end).unwrap_or("").to_owned())
}

/// Counts one more, up to a limit.
fn claim(count: &AtomicUsize, most: usize) -> bool {
    let more = |count| Some(count + 1).filter(|count| *count <= most);
    count.fetch_update(Relaxed, Relaxed, more).is_ok()
}

fn described(kind: InstrumentKind, name: &str) -> Option<&'static Described> {
    DESCRIBED.find(hash(name), |known| known.kind == kind && known.name.as_str() == name)
}

fn hash(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

/// The unit in UCUM, as OpenTelemetry writes units. Versions spell their names differently.
fn ucum(unit: Unit) -> &'static str {
    match unit.as_str() {
        "count" => "{count}",
        "percent" => "%",
        "seconds" => "s",
        "milliseconds" => "ms",
        "microseconds" => "us",
        "nanoseconds" => "ns",
        "tebibytes" => "TiBy",
        "gibibytes" | "gigibytes" => "GiBy",
        "mebibytes" => "MiBy",
        "kibibytes" => "KiBy",
        "bytes" => "By",
        "terabits_per_second" => "Tbit/s",
        "gigabits_per_second" => "Gbit/s",
        "megabits_per_second" => "Mbit/s",
        "kilobits_per_second" => "kbit/s",
        "bits_per_second" => "bit/s",
        "count_per_second" => "{count}/s",
        _ => "",
    }
}

/// The bounds that the semantic conventions have for durations of requests: the specification's own are for milliseconds.
const SECONDS: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

fn instrument(kind: InstrumentKind, name: &str) -> Instrument {
    let (unit, description) = described(kind, name).map_or(("", ""), |known| (known.unit, &*known.description));
    let number = if kind == InstrumentKind::Counter { NumberKind::U64 } else { NumberKind::F64 };
    let is_seconds = unit == "s" || unit.is_empty() && name.ends_with("seconds");
    let boundaries = if kind == InstrumentKind::Histogram && is_seconds { Some(&SECONDS[..]) } else { None };
    let version = option_env!("CARGO_PKG_VERSION");
    let owner = Owner::Named { name: "metrics", version, schema_url: None, attributes: &Labels(&[]) };
    hooks::instrument(&Description { owner, kind, number, name, unit, description, boundaries, is_observed: false })
}

/// Labels as the hooks read them.
struct Labels<'a>(&'a [Label]);

impl AttributeSet for Labels<'_> {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn attribute(&self, index: usize) -> Option<MetricAttribute<'_>> {
        let label = self.0.get(index)?;
        Some((AttributeText::Borrowed(label.key()), AttributeValue::Text(AttributeText::Borrowed(label.value()))))
    }
}

/// Most keys that are kept, of all kinds together: as many as a process has room for series.
const MOST_KEYS: usize = 16_384;
/// Longest labels of one that is kept.
const LONGEST_LABELS: usize = 4 << 10;

/// A series by its name and labels.
struct Known {
    key: Key,
    handle: Arc<Recorded>,
}

/// The handle of a key, which is made when the key is new: the macros look it up with each measurement.
fn handle(table: &'static AppendOnlyTable<Known>, kind: InstrumentKind, key: &Key) -> Option<Arc<Recorded>> {
    let hash = key.get_hash();
    let fits = |known: &Known| known.key == *key;
    if let Some(known) = table.find(hash, fits) {
        return Some(Arc::clone(&known.handle));
    }
    let instrument = instrument(kind, key.name());
    if !instrument.is_read() {
        return None;
    }
    let series = instrument.bind(&Labels(key.labels().as_slice()));
    let length = key.labels().map(|label| label.key().len() + label.value().len()).sum::<usize>();
    // A series has a key for each order of its labels, and for labels that others take the place of.
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let is_kept = !series.is_overflow() && length <= LONGEST_LABELS && claim(&COUNT, MOST_KEYS);
    if !is_kept && !series.is_overflow() {
        hooks::count_without_room();
        // What refers to the value before finds none.
        if kind == InstrumentKind::Gauge {
            return None;
        }
    }
    let handle = Arc::new(Recorded { series, is_overflow: !is_kept, state: AtomicU64::new(0) });
    if !is_kept {
        return Some(handle);
    }
    Some(Arc::clone(&table.add(hash, Known { key: key.clone(), handle }, fits).handle))
}

/// A series, with what its measurements refer to.
struct Recorded {
    series: Series,
    /// Whether others may have handles of the same series: it is beyond a limit.
    is_overflow: bool,
    /// The total of a counter; the bits of a gauge's value.
    state: AtomicU64,
}

impl CounterFn for Recorded {
    #[inline]
    fn increment(&self, value: u64) {
        if !IS_REPLACED.load(Relaxed) {
            self.state.fetch_add(value, Relaxed);
            self.series.measure(value);
        }
    }

    fn absolute(&self, value: u64) {
        // Where many share a series, the total of one of them means nothing.
        if !IS_REPLACED.load(Relaxed) && !self.is_overflow {
            let before = self.state.fetch_max(value, Relaxed);
            if value > before {
                self.series.measure(value - before);
            }
        }
    }
}

impl Recorded {
    /// Changes a gauge. Of several threads the one that stores last may not be the one that changed last, so each looks
    /// again whether what it stored still holds.
    fn change(&self, change: impl Fn(f64) -> f64) {
        if IS_REPLACED.load(Relaxed) {
            return;
        }
        // NaN and infinities are ignored: the gauge would keep them whatever is added.
        let changed = |bits| Some(change(f64::from_bits(bits))).filter(|now| now.is_finite()).map(f64::to_bits);
        if self.state.fetch_update(SeqCst, SeqCst, changed).is_err() {
            return;
        }
        fence(SeqCst);
        loop {
            let now = self.state.load(SeqCst);
            self.series.measure(f64::from_bits(now));
            fence(SeqCst);
            if self.state.load(SeqCst) == now {
                break;
            }
        }
    }
}

impl GaugeFn for Recorded {
    fn increment(&self, value: f64) {
        self.change(|now| now + value);
    }

    fn decrement(&self, value: f64) {
        self.change(|now| now - value);
    }

    fn set(&self, value: f64) {
        self.change(|_| value);
    }
}

impl HistogramFn for Recorded {
    #[inline]
    fn record(&self, value: f64) {
        if !IS_REPLACED.load(Relaxed) {
            self.series.measure(value);
        }
    }
}
