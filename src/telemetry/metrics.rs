//! Metrics: histograms of durations, recorded for every request whether its trace is exported or not, and the counters
//! that processes keep in shared memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use opentelemetry::metrics::{AsyncInstrument, Histogram, MeterProvider as _};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::reader::MetricReader;
use opentelemetry_sdk::metrics::{InstrumentKind, ManualReader, Pipeline, SdkMeterProvider, Temporality};

use super::assemble::scope_from;
use super::record::Attributes;
use super::semconv::{self, Durations, Measured};
use crate::channel::feed::ProcessId;
use crate::channel::wire::{cell_kind, key};

/// Time series of counters that are kept; a process cannot make more by coming back under new names.
const MAX_SERIES: usize = 4096;

/// Scopes that have histograms, for the same reason.
const MAX_SCOPES: usize = 1024;

/// A counter as a process left it in shared memory.
#[derive(Debug, Clone)]
pub(crate) struct CellValue {
    /// `wire::cell_kind`.
    pub(crate) kind: u8,
    pub(crate) attributes: u8,
    pub(crate) description: Vec<u8>,
    pub(crate) value: i64,
}

/// Reads all counters of a process.
pub(crate) type Cells = Box<dyn Fn() -> Vec<CellValue> + Send>;

/// A counter's instrument: scope, name, kind.
type InstrumentId = (InstrumentationScope, String, u8);

type Snapshot = Arc<Mutex<HashMap<InstrumentId, Vec<(Vec<KeyValue>, i64)>>>>;

/// Holds all instruments.
pub(crate) struct Metrics {
    provider: SdkMeterProvider,
    reader: Reader,
    durations: HashMap<InstrumentationScope, [Option<Histogram<f64>>; 3]>,
    processes: HashMap<ProcessId, Cells>,
    series: HashMap<SeriesId, Series>,
    snapshot: Snapshot,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct SeriesId {
    instrument: InstrumentId,
    /// Sorted by name.
    attributes: Vec<(String, String)>,
}

#[derive(Debug, Default)]
struct Series {
    attributes: Vec<KeyValue>,
    unit: String,
    description: String,
    /// What processes had counted that are no more.
    carried: i64,
}

impl Metrics {
    pub(crate) fn new(resource: Resource) -> Metrics {
        let reader = Reader(Arc::new(ManualReader::builder().with_temporality(Temporality::Cumulative).build()));
        let provider = SdkMeterProvider::builder().with_resource(resource).with_reader(reader.clone()).build();
        Metrics {
            provider,
            reader,
            durations: HashMap::new(),
            processes: HashMap::new(),
            series: HashMap::new(),
            snapshot: Snapshot::default(),
        }
    }

    /// Counts a duration.
    pub(crate) fn record(&mut self, scope: &InstrumentationScope, measured: &Measured, duration: Duration) {
        if !self.durations.contains_key(scope) && self.durations.len() < MAX_SCOPES {
            self.durations.insert(scope.clone(), [const { None }; 3]);
        }
        let Some(known) = self.durations.get_mut(scope) else { return };
        let histogram = known[measured.histogram as usize].get_or_insert_with(|| {
            let histogram: Durations = measured.histogram;
            self.provider
                .meter_with_scope(scope.clone())
                .f64_histogram(histogram.name())
                .with_unit("s")
                .with_description(histogram.description())
                .with_boundaries(histogram.boundaries())
                .build()
        });
        histogram.record(duration.as_secs_f64(), &measured.attributes);
    }

    /// A process has come, with its counters.
    pub(crate) fn attach(&mut self, process: ProcessId, cells: Cells) {
        self.processes.insert(process, cells);
    }

    /// A process has gone: what it counted stays, what it had open is closed.
    pub(crate) fn gone(&mut self, process: ProcessId) {
        let Some(cells) = self.processes.remove(&process) else { return };
        for cell in cells() {
            if let Some((_, series)) = self.series_of(&cell)
                && cell.kind == cell_kind::COUNTER
            {
                series.carried = series.carried.saturating_add(cell.value);
            }
        }
    }

    /// Reads everything.
    pub(crate) fn collect(&mut self) -> ResourceMetrics {
        self.read_cells();
        let mut all = ResourceMetrics::default();
        // Fails only after a shutdown, of which there is none.
        let _ = self.reader.collect(&mut all);
        all
    }

    fn read_cells(&mut self) {
        let mut sums: HashMap<SeriesId, i64> = HashMap::new();
        let processes = std::mem::take(&mut self.processes);
        for cell in processes.values().flat_map(|cells| cells()) {
            if let Some((id, _)) = self.series_of(&cell) {
                let sum = sums.entry(id).or_default();
                *sum = sum.saturating_add(cell.value);
            }
        }
        self.processes = processes;
        let mut snapshot = lock(&self.snapshot);
        snapshot.values_mut().for_each(Vec::clear);
        let mut new: Vec<(InstrumentId, String, String)> = Vec::new();
        for (id, series) in &self.series {
            let sum = series.carried.saturating_add(sums.get(id).copied().unwrap_or(0));
            let values = snapshot.entry(id.instrument.clone()).or_insert_with(|| {
                new.push((id.instrument.clone(), series.unit.clone(), series.description.clone()));
                Vec::new()
            });
            values.push((series.attributes.clone(), sum));
        }
        drop(snapshot);
        for (instrument, unit, description) in new {
            self.make(instrument, unit, description);
        }
    }

    fn make(&self, id: InstrumentId, unit: String, description: String) {
        let meter = self.provider.meter_with_scope(id.0.clone());
        let snapshot = Arc::clone(&self.snapshot);
        let name = id.1.clone();
        if id.2 == cell_kind::COUNTER {
            let observe = move |to: &dyn AsyncInstrument<u64>| {
                for (attributes, sum) in lock(&snapshot).get(&id).into_iter().flatten() {
                    to.observe(u64::try_from(*sum).unwrap_or(0), attributes);
                }
            };
            meter
                .u64_observable_counter(name)
                .with_unit(unit)
                .with_description(description)
                .with_callback(observe)
                .build();
        } else {
            let observe = move |to: &dyn AsyncInstrument<i64>| {
                for (attributes, sum) in lock(&snapshot).get(&id).into_iter().flatten() {
                    to.observe(*sum, attributes);
                }
            };
            meter
                .i64_observable_up_down_counter(name)
                .with_unit(unit)
                .with_description(description)
                .with_callback(observe)
                .build();
        }
    }

    fn series_of(&mut self, cell: &CellValue) -> Option<(SeriesId, &mut Series)> {
        if !matches!(cell.kind, cell_kind::COUNTER | cell_kind::UP_DOWN_COUNTER) {
            return None;
        }
        let mut series = Series::default();
        let mut name = String::new();
        let mut scope = String::new();
        let mut attributes = Vec::new();
        for said in Attributes::new(&cell.description, cell.attributes.into()) {
            match said.key {
                key::METRIC_NAME => name = said.value.text().into_owned(),
                key::METRIC_UNIT => series.unit = said.value.text().into_owned(),
                key::METRIC_DESCRIPTION => series.description = said.value.text().into_owned(),
                key::SCOPE => scope = said.value.text().into_owned(),
                _ => attributes.extend(semconv::named(&said)),
            }
        }
        if name.is_empty() {
            return None;
        }
        attributes.sort_by(|a, b| a.key.cmp(&b.key));
        let id = SeriesId {
            instrument: (scope_from(&scope), name, cell.kind),
            attributes: attributes.iter().map(|kv| (kv.key.to_string(), kv.value.to_string())).collect(),
        };
        if self.series.len() >= MAX_SERIES && !self.series.contains_key(&id) {
            return None;
        }
        series.attributes = attributes;
        let series = self.series.entry(id.clone()).or_insert(series);
        Some((id, series))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A reader that reads when it is told to, with no thread of its own.
#[derive(Debug, Clone)]
struct Reader(Arc<ManualReader>);

impl MetricReader for Reader {
    fn register_pipeline(&self, pipeline: Weak<Pipeline>) {
        self.0.register_pipeline(pipeline);
    }

    fn collect(&self, to: &mut ResourceMetrics) -> OTelSdkResult {
        self.0.collect(to)
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn temporality(&self, kind: InstrumentKind) -> Temporality {
        self.0.temporality(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::make::{self, Said};
    use super::*;
    use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData};
    use std::sync::atomic::{AtomicI64, Ordering};

    fn cell(kind: u8, name: &str, value: i64) -> CellValue {
        let said = [
            Said::Text(key::METRIC_NAME, name),
            Said::Text(key::METRIC_UNIT, "{request}"),
            Said::Text(key::SCOPE, "otel-rs:layer:1|hyper|1.6.0|0.1.0|\n"),
            Said::Named("http.request.method", "GET"),
        ];
        CellValue { kind, attributes: said.len() as u8, description: make::attributes(&said), value }
    }

    fn value_of(metrics: &mut Metrics, name: &str) -> Option<i64> {
        let all = metrics.collect();
        let metric = all.scope_metrics().flat_map(|scope| scope.metrics()).find(|metric| metric.name() == name)?;
        match metric.data() {
            AggregatedMetrics::U64(MetricData::Sum(sum)) => sum.data_points().map(|point| point.value() as i64).next(),
            AggregatedMetrics::I64(MetricData::Sum(sum)) => sum.data_points().map(|point| point.value()).next(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn counters_of_the_dead_are_kept_and_their_open_requests_are_not() {
        let mut metrics = Metrics::new(Resource::builder_empty().build());
        let seen = Arc::new(AtomicI64::new(3));
        let source = Arc::clone(&seen);
        let cells = move || {
            let value = source.load(Ordering::Relaxed);
            vec![cell(cell_kind::COUNTER, "done", value), cell(cell_kind::UP_DOWN_COUNTER, "open", value)]
        };
        metrics.attach(ProcessId(1), Box::new(cells));
        assert_eq!((value_of(&mut metrics, "done"), value_of(&mut metrics, "open")), (Some(3), Some(3)));
        seen.store(5, Ordering::Relaxed);
        metrics.attach(ProcessId(2), Box::new(|| vec![cell(cell_kind::COUNTER, "done", 10)]));
        assert_eq!(value_of(&mut metrics, "done"), Some(15));
        metrics.gone(ProcessId(1));
        assert_eq!((value_of(&mut metrics, "done"), value_of(&mut metrics, "open")), (Some(15), Some(0)));
        metrics.gone(ProcessId(2));
        assert_eq!(value_of(&mut metrics, "done"), Some(15));
    }

    #[test]
    fn two_cells_of_one_series_are_one_sum() {
        let mut metrics = Metrics::new(Resource::builder_empty().build());
        let twice = || vec![cell(cell_kind::COUNTER, "done", 1), cell(cell_kind::COUNTER, "done", 2)];
        metrics.attach(ProcessId(1), Box::new(twice));
        assert_eq!(value_of(&mut metrics, "done"), Some(3));
    }

    #[test]
    fn durations_use_the_advised_buckets() {
        let mut metrics = Metrics::new(Resource::builder_empty().build());
        let measured = Measured { histogram: Durations::Database, attributes: vec![] };
        metrics.record(&scope_from(""), &measured, Duration::from_millis(2));
        let all = metrics.collect();
        let metric = all.scope_metrics().flat_map(|scope| scope.metrics()).next().unwrap();
        assert_eq!((metric.name(), metric.unit()), ("db.client.operation.duration", "s"));
        let AggregatedMetrics::F64(MetricData::Histogram(histogram)) = metric.data() else { panic!() };
        let point = histogram.data_points().next().unwrap();
        assert_eq!(point.bounds().collect::<Vec<_>>(), Durations::Database.boundaries());
        assert_eq!((point.count(), point.sum()), (1, 0.002));
    }
}
