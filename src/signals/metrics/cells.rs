//! The counters that processes keep in shared memory, summed up over attached and exited processes.

use std::collections::HashMap;

use opentelemetry::{InstrumentationScope, KeyValue};

use crate::attributes::attribute::Attribute;
use crate::conventions::{self, OVERFLOW};
use crate::records::record::FactReader;
use crate::records::scope;
use crate::wire::{ProcessId, cell_kind, key};

/// Time series of counters that are kept; a process cannot make more by attaching again under new names. Further series
/// are counted in one overflow series of their instrument.
const MAX_SERIES: usize = 16384;
/// The most overflow series, of which each instrument has one.
const MAX_OVERFLOWS: usize = 256;

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

/// A counter's instrument.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct CounterId {
    pub(super) scope: InstrumentationScope,
    pub(super) name: String,
    pub(super) is_monotonic: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct CounterSeriesId {
    counter: CounterId,
    /// Sorted by name.
    attributes: Vec<(String, String)>,
}

/// One time series.
#[derive(Debug, Default)]
pub(super) struct CounterSeries {
    pub(super) attributes: Vec<KeyValue>,
    pub(super) unit: String,
    pub(super) description: String,
    /// The sum of exited processes.
    carried: i64,
    /// The sum of attached processes, at the moment.
    now: i64,
    /// The value that has been recorded; `None` when the series is new.
    recorded: Option<i64>,
}

impl CounterSeries {
    /// A series of a metric whose unit and description stand in the catalogue.
    pub(super) fn defined(attributes: Vec<KeyValue>) -> CounterSeries {
        CounterSeries { attributes, ..CounterSeries::default() }
    }
}

/// All counters of all processes.
#[derive(Default)]
pub(super) struct Counters {
    processes: HashMap<ProcessId, Cells>,
    series: HashMap<CounterSeriesId, CounterSeries>,
}

impl Counters {
    /// A process has attached.
    pub(super) fn attach(&mut self, process: ProcessId, cells: Cells) {
        self.processes.insert(process, cells);
    }

    /// A process has exited: its counters stay, what it had open is closed.
    pub(super) fn detach(&mut self, process: ProcessId) {
        let Some(cells) = self.processes.remove(&process) else { return };
        for cell in cells() {
            if let Some(series) = self.series_of(&cell)
                && cell.kind == cell_kind::COUNTER
            {
                series.carried = series.carried.saturating_add(cell.value);
            }
        }
    }

    /// Reads all counters and calls `changed` with the change of each.
    pub(super) fn read(&mut self, mut changed: impl FnMut(&CounterId, &CounterSeries, i64)) {
        self.series.values_mut().for_each(|series| series.now = 0);
        let processes = std::mem::take(&mut self.processes);
        for cell in processes.values().flat_map(|cells| cells()) {
            if let Some(series) = self.series_of(&cell) {
                series.now = series.now.saturating_add(cell.value);
            }
        }
        self.processes = processes;
        for (id, series) in &mut self.series {
            let sum = series.carried.saturating_add(series.now);
            let by = sum.saturating_sub(series.recorded.unwrap_or(0));
            // A counter that falls was overwritten by its program.
            let by = if id.counter.is_monotonic { by.max(0) } else { by };
            if by != 0 || series.recorded.is_none() {
                series.recorded = Some(series.recorded.unwrap_or(0).saturating_add(by));
                changed(&id.counter, series, by);
            }
        }
    }

    fn series_of(&mut self, cell: &CellValue) -> Option<&mut CounterSeries> {
        if !matches!(cell.kind, cell_kind::COUNTER | cell_kind::UP_DOWN_COUNTER) {
            return None;
        }
        let mut series = CounterSeries::default();
        let mut name = String::new();
        let mut scope = String::new();
        let mut attributes = Vec::new();
        for attribute in FactReader::new(&cell.description, cell.attributes.into()) {
            match attribute.key {
                key::METRIC_NAME => name = attribute.value.text().into_owned(),
                key::METRIC_UNIT => series.unit = attribute.value.text().into_owned(),
                key::METRIC_DESCRIPTION => series.description = attribute.value.text().into_owned(),
                key::SCOPE => scope = attribute.value.text().into_owned(),
                _ => attributes.extend(conventions::named(&attribute).map(Attribute::into_sdk)),
            }
        }
        if name.is_empty() {
            return None;
        }
        let is_monotonic = cell.kind == cell_kind::COUNTER;
        let counter = CounterId { scope: (*scope::of_layer(&scope)).clone(), name, is_monotonic };
        attributes.sort_by(|a, b| a.key.cmp(&b.key));
        let mut id = CounterSeriesId { counter, attributes: shown(&attributes) };
        if self.series.len() >= MAX_SERIES && !self.series.contains_key(&id) {
            attributes = vec![KeyValue::new(OVERFLOW, true)];
            id.attributes = shown(&attributes);
            if self.series.len() >= MAX_SERIES + MAX_OVERFLOWS && !self.series.contains_key(&id) {
                return None;
            }
        }
        series.attributes = attributes;
        Some(self.series.entry(id).or_insert(series))
    }
}

fn shown(attributes: &[KeyValue]) -> Vec<(String, String)> {
    attributes.iter().map(|kv| (kv.key.to_string(), kv.value.to_string())).collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::TestMetrics;
    use super::*;
    use crate::config::HistogramAggregation;
    use crate::records::record::make::{self, Given};
    use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    fn metrics() -> TestMetrics {
        TestMetrics::new(HistogramAggregation::ExplicitBuckets)
    }

    fn cell(kind: u8, name: &str, value: i64) -> CellValue {
        cell_of(kind, name, "GET", value)
    }

    fn cell_of(kind: u8, name: &str, method: &str, value: i64) -> CellValue {
        let facts = [
            Given::Text(key::METRIC_NAME, name),
            Given::Text(key::METRIC_UNIT, "{request}"),
            Given::Text(key::SCOPE, "otel-rs:layer:1|hyper|1.6.0|0.1.0|\n"),
            Given::Named("http.request.method", method),
        ];
        CellValue { kind, attributes: facts.len() as u8, description: make::attributes(&facts), value }
    }

    fn values_of(metrics: &mut TestMetrics, name: &str) -> Vec<i64> {
        let all = metrics.collect();
        let metric = all.scope_metrics().flat_map(|scope| scope.metrics()).find(|metric| metric.name() == name);
        match metric.map(|metric| metric.data()) {
            Some(AggregatedMetrics::U64(MetricData::Sum(sum))) => {
                sum.data_points().map(|point| point.value() as i64).collect()
            }
            Some(AggregatedMetrics::I64(MetricData::Sum(sum))) => {
                sum.data_points().map(|point| point.value()).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn counters_of_exited_processes_are_kept_and_their_open_requests_are_not() {
        let mut metrics = metrics();
        let seen = Arc::new(AtomicI64::new(3));
        let source = Arc::clone(&seen);
        let cells = move || {
            let value = source.load(Ordering::Relaxed);
            vec![cell(cell_kind::COUNTER, "done", value), cell(cell_kind::UP_DOWN_COUNTER, "open", value)]
        };
        metrics.counters.attach(ProcessId(1), Box::new(cells));
        assert_eq!((values_of(&mut metrics, "done"), values_of(&mut metrics, "open")), (vec![3], vec![3]));
        seen.store(5, Ordering::Relaxed);
        metrics.counters.attach(ProcessId(2), Box::new(|| vec![cell(cell_kind::COUNTER, "done", 10)]));
        assert_eq!(values_of(&mut metrics, "done"), [15]);
        metrics.counters.detach(ProcessId(1));
        assert_eq!((values_of(&mut metrics, "done"), values_of(&mut metrics, "open")), (vec![15], vec![0]));
        metrics.counters.detach(ProcessId(2));
        assert_eq!(values_of(&mut metrics, "done"), [15]);
    }

    #[test]
    fn two_cells_of_one_series_are_added_up() {
        let mut metrics = metrics();
        let twice = || vec![cell(cell_kind::COUNTER, "done", 1), cell(cell_kind::COUNTER, "done", 2)];
        metrics.counters.attach(ProcessId(1), Box::new(twice));
        assert_eq!(values_of(&mut metrics, "done"), [3]);
    }

    #[test]
    fn a_catalogued_metric_has_the_unit_and_the_description_of_its_definition() {
        let mut metrics = metrics();
        let cells = || {
            let facts =
                [Given::Text(key::METRIC_NAME, "http.client.active_requests"), Given::Text(key::METRIC_UNIT, "x")];
            let kind = cell_kind::UP_DOWN_COUNTER;
            vec![CellValue { kind, attributes: 2, description: make::attributes(&facts), value: 1 }]
        };
        metrics.counters.attach(ProcessId(1), Box::new(cells));
        let all = metrics.collect();
        let metric = all.scope_metrics().flat_map(|scope| scope.metrics()).next().unwrap();
        assert_eq!((metric.unit(), metric.description()), ("{request}", "Number of active HTTP requests."));
    }

    #[test]
    fn a_counter_at_zero_is_exported() {
        let mut metrics = metrics();
        metrics.counters.attach(ProcessId(1), Box::new(|| vec![cell(cell_kind::COUNTER, "done", 0)]));
        assert_eq!(values_of(&mut metrics, "done"), [0]);
    }

    #[test]
    fn a_counter_that_falls_keeps_its_value() {
        let mut metrics = metrics();
        let seen = Arc::new(AtomicI64::new(7));
        let source = Arc::clone(&seen);
        let cells = move || vec![cell(cell_kind::COUNTER, "done", source.load(Ordering::Relaxed))];
        metrics.counters.attach(ProcessId(1), Box::new(cells));
        for (value, expected) in [(7, 7), (3, 7), (9, 9)] {
            seen.store(value, Ordering::Relaxed);
            assert_eq!(values_of(&mut metrics, "done"), [expected]);
        }
    }

    #[test]
    fn counter_series_beyond_the_limit_are_counted_in_the_overflow_series() {
        let mut counters = Counters::default();
        let many = MAX_SERIES + 50;
        let cells = move || (0..many).map(|n| cell_of(cell_kind::COUNTER, "done", &n.to_string(), 1)).collect();
        counters.attach(ProcessId(1), Box::new(cells));
        let (mut series, mut sum, mut on_top) = (0, 0, 0);
        counters.read(|_, each, by| {
            series += 1;
            sum += by;
            if each.attributes.iter().any(|kv| kv.key.as_str() == OVERFLOW) {
                on_top += by;
            }
        });
        assert_eq!((series, sum, on_top), (MAX_SERIES + 1, many as i64, 50));
    }
}
