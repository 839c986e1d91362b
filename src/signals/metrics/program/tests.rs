use super::super::testing::TestMetrics;
use super::*;
use crate::channel::testing::{self, FakeEntry, FakeRegion};
use crate::config::{self, HistogramAggregation, Selection, Stream, View};
use crate::conventions::catalog;
use crate::host::Point;
use crate::records::record::make::{self, Given};
use crate::signals::metrics::data::Collected;
use crate::wire::key;
use crate::wire::series::number;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData};
use std::time::Duration;

/// A process with one instrument and its series, each with one attribute.
struct Fake {
    region: FakeRegion,
    kind: u8,
    number: u8,
    buckets: usize,
}

const STEP: usize = 4;

impl Fake {
    fn new(kind: u8, number: u8, unit: &str, bounds: &[f64]) -> Fake {
        Fake::named("things", (kind, number), unit, bounds)
    }

    fn named(name: &str, (kind, number): (u8, u8), unit: &str, bounds: &[f64]) -> Fake {
        let region = FakeRegion::new();
        let facts = [
            Given::Text(key::METRIC_NAME, name),
            Given::Text(key::METRIC_UNIT, unit),
            Given::Text(key::SCOPE_NAME, "shop"),
        ];
        let words: Vec<u64> = bounds.iter().map(|bound| bound.to_bits()).chain([0]).collect();
        let histogram = kind == instrument_kind::HISTOGRAM;
        let buckets = if histogram { &words[..] } else { &[] };
        let attributes = make::attributes(&facts);
        let (instrument, value) = (0, 0);
        let entry =
            FakeEntry { what: what::INSTRUMENT, kind, number, instrument, value, buckets, attributes: &attributes };
        region.counted_entry(0, 0, 3, &entry);
        Fake { region, kind, number, buckets: buckets.len() }
    }

    fn series(&self, index: usize, value: u64, buckets: &[u64]) -> &Fake {
        assert_eq!(buckets.len(), self.buckets);
        let attributes = make::attributes(&[Given::Named("which", &index.to_string())]);
        let (kind, number) = (self.kind, self.number);
        let entry =
            FakeEntry { what: what::SERIES, kind, number, instrument: 0, value, buckets, attributes: &attributes };
        self.region.counted_entry(1 + index, STEP * (1 + index), 1, &entry);
        self
    }
}

fn metrics() -> TestMetrics {
    TestMetrics::new(HistogramAggregation::ExplicitBuckets)
}

/// All values, in rising order.
fn values(metrics: &mut TestMetrics) -> Vec<f64> {
    fn of<T: Copy>(data: &MetricData<T>, float: impl Fn(T) -> f64) -> Vec<f64> {
        match data {
            MetricData::Sum(sum) => sum.data_points().map(|point| float(point.value())).collect(),
            MetricData::Gauge(gauge) => gauge.data_points().map(|point| float(point.value())).collect(),
            _ => panic!("no histogram"),
        }
    }
    let all = metrics.collect_all().metrics;
    let metrics = all.scope_metrics().flat_map(|scope| scope.metrics());
    let mut values: Vec<f64> = metrics
        .flat_map(|metric| match metric.data() {
            AggregatedMetrics::F64(data) => of(data, |value| value),
            AggregatedMetrics::I64(data) => of(data, |value| value as f64),
            AggregatedMetrics::U64(data) => of(data, |value| value as f64),
        })
        .collect();
    values.sort_by(f64::total_cmp);
    values
}

#[test]
fn sums_of_exited_processes_are_carried_on() {
    let mut metrics = metrics();
    let fakes = [1, 2].map(|_| Fake::new(instrument_kind::COUNTER, number::F64, "", &[]));
    fakes[0].series(0, 1.5_f64.to_bits(), &[]);
    metrics.program.attach(ProcessId(1), fakes[0].region.series());
    metrics.program.attach(ProcessId(2), fakes[1].region.series());
    assert_eq!(values(&mut metrics), [1.5]);
    fakes[1].series(0, 2.0_f64.to_bits(), &[]).series(1, 4.0_f64.to_bits(), &[]);
    assert_eq!(values(&mut metrics), [3.5, 4.0]);
    metrics.program.detach(ProcessId(1));
    assert_eq!(values(&mut metrics), [3.5, 4.0]);
    fakes[1].series(0, 1.0_f64.to_bits(), &[]);
    assert_eq!(values(&mut metrics), [3.5, 4.0], "a counter does not fall");
    metrics.program.detach(ProcessId(2));
}

#[test]
fn up_down_counters_lose_the_share_of_exited_children_but_keep_the_program_s() {
    let mut metrics = metrics();
    let fakes = [3_u64, 10, 4].map(|open| {
        let fake = Fake::new(instrument_kind::UP_DOWN_COUNTER, number::I64, "", &[]);
        fake.series(0, open, &[]);
        fake
    });
    metrics.program.attach(ProcessId(1), fakes[0].region.series());
    metrics.program.attach(ProcessId(2), fakes[1].region.series());
    assert_eq!(values(&mut metrics), [13.0]);
    // The result does not depend on the order of their ends.
    metrics.program.detach(ProcessId(1));
    assert_eq!(values(&mut metrics), [10.0]);
    metrics.program.detach(ProcessId(2));
    assert_eq!(values(&mut metrics), [3.0]);
    metrics.program.attach(ProcessId(3), fakes[2].region.series());
    assert_eq!(values(&mut metrics), [4.0]);
}

#[test]
fn a_gauge_has_the_value_that_was_set_last() {
    let mut metrics = metrics();
    let fakes = [5_u64, 6].map(|level| {
        let fake = Fake::new(instrument_kind::GAUGE, number::U64, "", &[]);
        fake.series(0, level, &[]);
        fake
    });
    metrics.program.attach(ProcessId(1), fakes[0].region.series());
    metrics.program.attach(ProcessId(2), fakes[1].region.series());
    assert!(values(&mut metrics).is_empty(), "no process has set it");
    fakes[1].region.times(STEP, 1);
    assert_eq!(values(&mut metrics), [6.0]);
    fakes[0].region.times(STEP, 1);
    assert_eq!(values(&mut metrics), [5.0]);
    metrics.program.detach(ProcessId(1));
    assert_eq!(values(&mut metrics), [5.0]);
}

#[test]
fn the_same_name_with_another_unit_is_another_metric() {
    let mut metrics = metrics();
    for (id, unit, value) in [(1, "g", 1000_u64), (2, "kg", 2)] {
        let fake = Fake::new(instrument_kind::COUNTER, number::U64, unit, &[]);
        fake.series(0, value, &[]);
        metrics.program.attach(ProcessId(id), fake.region.series());
    }
    assert_eq!(values(&mut metrics), [2.0, 1000.0]);
}

fn histogram(metrics: &mut TestMetrics) -> Vec<(String, Vec<f64>, Vec<Vec<u64>>)> {
    let Collected { histograms, .. } = metrics.collect_all();
    let points = |points: &[(Vec<KeyValue>, Distribution)]| points.iter().map(|(_, v)| v.buckets.clone()).collect();
    histograms.iter().map(|metric| (metric.name.clone(), metric.bounds.clone(), points(&metric.points))).collect()
}

#[test]
fn histograms_of_all_processes_are_added_up() {
    let mut metrics = metrics();
    for id in [1, 2] {
        let fake = Fake::new(instrument_kind::HISTOGRAM, number::F64, "s", &[1.0, 2.0]);
        fake.series(0, 3.5_f64.to_bits(), &[1, 0, 2]);
        metrics.program.attach(ProcessId(id), fake.region.series());
        if id == 1 {
            metrics.program.detach(ProcessId(id));
        }
    }
    assert_eq!(histogram(&mut metrics), [("things".to_owned(), vec![1.0, 2.0], vec![vec![2, 0, 4]])]);
    let all = metrics.collect_all();
    let (_, values) = &all.histograms[0].points[0];
    assert_eq!((values.count(), values.sum), (6, 7.0));
}

#[test]
fn a_metric_that_the_launcher_records_under_the_same_name_is_left_out() {
    let mut metrics = metrics();
    let automatic = &catalog::DB_CLIENT_OPERATION_DURATION;
    let fakes = [automatic.name, "things"].map(|name| {
        let fake = Fake::named(name, (instrument_kind::HISTOGRAM, number::F64), "s", &[1.0]);
        fake.series(0, 0.5_f64.to_bits(), &[1, 0]);
        fake
    });
    metrics.program.attach(ProcessId(1), fakes[0].region.series());
    metrics.program.attach(ProcessId(2), fakes[1].region.series());
    let names = |metrics: &mut TestMetrics| histogram(metrics).into_iter().map(|(name, ..)| name).collect::<Vec<_>>();
    assert_eq!(names(&mut metrics), [automatic.name, "things"], "the launcher has recorded nothing");
    metrics.record(automatic, &[], Duration::from_millis(2));
    assert_eq!(names(&mut metrics), ["things"]);
    // What is observed is made by the launcher, too.
    let observed = &catalog::PROCESS_THREAD_COUNT;
    let fake = Fake::named(observed.name, (instrument_kind::UP_DOWN_COUNTER, number::I64), "", &[]);
    metrics.program.attach(ProcessId(3), fake.series(0, 9, &[]).region.series());
    metrics.observe(&[Point { program: None, metric: observed, attributes: vec![], value: 4.0 }]);
    let sums = metrics.collect_all().metrics;
    let sums: Vec<_> =
        sums.scope_metrics().flat_map(|scope| scope.metrics()).map(|metric| metric.name().to_owned()).collect();
    assert_eq!(sums.iter().filter(|name| *name == observed.name).count(), 1, "{sums:?}");
}

#[test]
fn views_rename_filter_and_coarsen_histograms() {
    let coarse = config::Aggregation::ExplicitBuckets { boundaries: Some(vec![2.0]), record_min_max: true };
    let finer = config::Aggregation::ExplicitBuckets { boundaries: Some(vec![1.5]), record_min_max: true };
    for (aggregation, expected) in
        [(coarse, (vec![2.0], vec![vec![4, 4]])), (finer, (vec![1.0, 2.0], vec![vec![3, 1, 4]]))]
    {
        let stream = Stream {
            name: Some("renamed".into()),
            aggregation: Some(aggregation),
            attributes: Some(Selection { included: None, excluded: vec!["which".into()] }),
            ..Stream::default()
        };
        let view = View { instrument_name: Some("thin*".into()), stream, ..View::default() };
        let mut metrics = TestMetrics::with(vec![view], HistogramAggregation::Exponential, 2000);
        let fake = Fake::new(instrument_kind::HISTOGRAM, number::U64, "s", &[1.0, 2.0]);
        fake.series(0, 3, &[1, 0, 2]).series(1, 4, &[2, 1, 2]);
        metrics.program.attach(ProcessId(1), fake.region.series());
        assert_eq!(histogram(&mut metrics), [("renamed".to_owned(), expected.0, expected.1)]);
    }
}

#[test]
fn histogram_series_beyond_the_limit_are_counted_in_the_overflow_series() {
    let mut metrics = TestMetrics::with(vec![], HistogramAggregation::ExplicitBuckets, 3);
    let fake = Fake::new(instrument_kind::HISTOGRAM, number::U64, "s", &[]);
    (0..6).for_each(|index| _ = fake.series(index, 1, &[1]));
    metrics.program.attach(ProcessId(1), fake.region.series());
    let all = metrics.collect_all();
    let counts: Vec<_> = all.histograms[0].points.iter().map(|(kept, values)| (kept.len(), values.count())).collect();
    assert_eq!((counts.len(), counts.iter().map(|(_, count)| count).sum::<u64>()), (3, 6));
    assert!(
        all.histograms[0]
            .points
            .iter()
            .any(|(kept, values)| { kept[0].key.as_str() == "otel.metric.overflow" && values.count() == 4 })
    );
}

#[test]
fn slots_that_all_name_one_entry_take_no_more_memory_than_the_region() {
    use crate::wire::{self, header};
    let fake = Fake::new(instrument_kind::COUNTER, number::U64, "1", &[]);
    fake.series(0, 5, &[]);
    let mut slot = [0; 4];
    std::os::unix::fs::FileExt::read_exact_at(&fake.region.file, &mut slot, testing::SERIES as u64 + 4).unwrap();
    (2..wire::SERIES_SLOTS).for_each(|again| fake.region.put(testing::SERIES + again * 4, &slot));
    fake.region.put(header::SERIES_COUNT, &u32::MAX.to_le_bytes());
    let table = fake.region.series();
    let size = table.size();
    let mut program = ProgramMetrics::default();
    program.attach(ProcessId(1), table);
    let mut process = program.processes.remove(&ProcessId(1)).unwrap();
    for _ in 0..3 {
        program.discover(&mut process);
    }
    let taken: usize = process.series.iter().map(|series| series.entry.bytes.len()).sum();
    assert!((size / 2..=size).contains(&taken), "{taken} of {size}");
}
