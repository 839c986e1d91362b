//! What was looked up when somebody read, in the books of all readers.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry::KeyValue;
use opentelemetry::metrics::{AsyncInstrument, Counter, UpDownCounter};

use super::instruments::{Book, Instruments, book};
use super::streams::Selected;
use crate::config::InstrumentKind;
use crate::conventions::catalog::{Kind, Metric};
use crate::host::{Attribute, Attributes, Point};
use crate::records::assemble::scope_from;

/// Which instruments there are, and what has been told of each series.
#[derive(Default)]
pub(super) struct Observed {
    books: HashMap<&'static str, Book<Observer>>,
    told: HashMap<(&'static str, Attributes), (&'static Metric, f64)>,
}

enum Observer {
    Count(Counter<u64>),
    Seconds(Counter<f64>),
    Free(UpDownCounter<i64>),
    /// The SDK asks for it when it is read, and forgets what is not told then: of a disk that is gone, nothing is left.
    Gauge(Shown),
}

/// What a gauge shows until the next look.
#[derive(Clone, Default)]
struct Shown(Arc<Mutex<Values>>);

/// By attributes.
type Values = Vec<(Vec<KeyValue>, f64)>;

impl Shown {
    fn change(&self, change: impl FnOnce(&mut Values)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn tell(&self, to: &dyn AsyncInstrument<f64>) {
        self.change(|values| values.iter().for_each(|(attributes, value)| to.observe(*value, attributes)));
    }
}

impl Instruments {
    /// Takes over what was found: instruments add, so sums are told by what has changed.
    pub(super) fn observe(&mut self, found: &[Point]) {
        let mut seen = HashSet::new();
        for book in self.observed.books.values() {
            book.record(&[], |observer, _| {
                if let Observer::Gauge(shown) = observer {
                    shown.change(Vec::clear);
                }
            });
        }
        for point in found {
            self.tell(point.metric, &point.attributes, point.value);
            seen.insert((point.metric.name, &point.attributes));
        }
        // What is no more holds nothing any more.
        let told = self
            .observed
            .told
            .iter()
            .filter(|(_, (metric, value))| metric.kind == Kind::UpDownCounter && *value != 0.0);
        let gone: Vec<(&'static Metric, Attributes)> = told
            .filter(|((name, attributes), _)| !seen.contains(&(*name, attributes)))
            .map(|((_, attributes), (metric, _))| (*metric, attributes.clone()))
            .collect();
        for (metric, attributes) in gone {
            self.tell(metric, &attributes, 0.0);
        }
    }

    fn tell(&mut self, metric: &'static Metric, attributes: &Attributes, value: f64) {
        if !self.observed.books.contains_key(metric.name) {
            let made = self.observer(metric);
            self.observed.books.insert(metric.name, made);
        }
        let Some(book) = self.observed.books.get(metric.name) else { return };
        let named: Vec<KeyValue> = attributes.iter().map(key_value).collect();
        if metric.kind == Kind::Gauge {
            book.record(&named, |observer, kept| {
                if let Observer::Gauge(shown) = observer {
                    shown.change(|values| values.push((kept.to_vec(), value)));
                }
            });
            return;
        }
        let is_new = !self.observed.told.contains_key(&(metric.name, attributes.clone()));
        let (_, told) = self.observed.told.entry((metric.name, attributes.clone())).or_insert((metric, 0.0));
        let by = if metric.kind == Kind::Counter { (value - *told).max(0.0) } else { value - *told };
        if by == 0.0 && !is_new {
            return;
        }
        *told += by;
        book.record(&named, |observer, kept| match observer {
            Observer::Count(counter) => counter.add(by as u64, kept),
            Observer::Seconds(counter) => counter.add(by, kept),
            Observer::Free(counter) => counter.add(by as i64, kept),
            Observer::Gauge(_) => {}
        });
    }

    fn observer(&self, metric: &'static Metric) -> Book<Observer> {
        let kind = match metric.kind {
            Kind::Counter => InstrumentKind::ObservableCounter,
            Kind::UpDownCounter => InstrumentKind::ObservableUpDownCounter,
            Kind::Gauge => InstrumentKind::ObservableGauge,
            Kind::Histogram(_) => InstrumentKind::Histogram,
        };
        let (unit, text) = (metric.unit, metric.description);
        let selected = Selected { scope: &scope_from(""), name: metric.name, kind, unit };
        book(&self.providers, &self.views, &selected, |meter, name| match metric.kind {
            Kind::Counter if metric.is_fractional() => {
                Observer::Seconds(meter.f64_counter(name).with_unit(unit).with_description(text).build())
            }
            Kind::Counter => Observer::Count(meter.u64_counter(name).with_unit(unit).with_description(text).build()),
            Kind::UpDownCounter => {
                Observer::Free(meter.i64_up_down_counter(name).with_unit(unit).with_description(text).build())
            }
            // What is looked up is a value as it is now; a histogram of looks would be one of moments.
            Kind::Gauge | Kind::Histogram(_) => {
                let shown = Shown::default();
                let told = shown.clone();
                let gauge = meter.f64_observable_gauge(name).with_unit(unit).with_description(text);
                gauge.with_callback(move |to| told.tell(to)).build();
                Observer::Gauge(shown)
            }
        })
    }
}

fn key_value((key, value): &(&'static str, Attribute)) -> KeyValue {
    match value {
        Attribute::Text(text) => KeyValue::new(*key, text.clone()),
        Attribute::Int(number) => KeyValue::new(*key, *number),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Metrics;
    use super::*;
    use crate::config::HistogramAggregation;
    use crate::conventions::catalog::{PROCESS_CPU_TIME, PROCESS_THREAD_COUNT, PROCESS_UPTIME};
    use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData};

    fn point(metric: &'static Metric, name: &str, value: f64) -> Point {
        Point { program: None, metric, attributes: vec![("process.executable.name", name.to_owned().into())], value }
    }

    fn sums(metrics: &mut Metrics) -> Vec<f64> {
        let all = metrics.collect();
        let mut sums: Vec<f64> = Vec::new();
        for metric in all.scope_metrics().flat_map(|scope| scope.metrics()) {
            match metric.data() {
                AggregatedMetrics::F64(MetricData::Sum(sum)) => sums.extend(sum.data_points().map(|p| p.value())),
                AggregatedMetrics::I64(MetricData::Sum(sum)) => {
                    sums.extend(sum.data_points().map(|p| p.value() as f64))
                }
                other => panic!("{other:?}"),
            }
        }
        sums.sort_by(f64::total_cmp);
        sums
    }

    #[test]
    fn what_was_found_is_what_is_read_however_often() {
        let mut metrics = Metrics::new(HistogramAggregation::ExplicitBuckets);
        for (cpu, threads) in [(1.5, 4.0), (1.5, 4.0), (1.0, 6.0), (2.5, 3.0)] {
            let found = [point(&PROCESS_CPU_TIME, "a", cpu), point(&PROCESS_THREAD_COUNT, "a", threads)];
            metrics.instruments.observe(&found);
        }
        assert_eq!(sums(&mut metrics), [2.5, 3.0]);
    }

    #[test]
    fn what_is_no_more_counts_nothing() {
        let mut metrics = Metrics::new(HistogramAggregation::ExplicitBuckets);
        metrics.instruments.observe(&[point(&PROCESS_THREAD_COUNT, "a", 4.0), point(&PROCESS_THREAD_COUNT, "b", 7.0)]);
        metrics.instruments.observe(&[point(&PROCESS_THREAD_COUNT, "a", 4.0)]);
        assert_eq!(sums(&mut metrics), [0.0, 4.0]);
    }

    #[test]
    fn a_gauge_shows_what_was_found_the_last_time() {
        let mut metrics = Metrics::new(HistogramAggregation::ExplicitBuckets);
        let mut gauges = |found: &[Point]| {
            metrics.instruments.observe(found);
            let all = metrics.collect();
            let data = all.scope_metrics().flat_map(|scope| scope.metrics()).map(|metric| metric.data());
            let mut values: Vec<f64> = Vec::new();
            for data in data {
                let AggregatedMetrics::F64(MetricData::Gauge(gauge)) = data else { panic!("{data:?}") };
                values.extend(gauge.data_points().map(|point| point.value()));
            }
            values.sort_by(f64::total_cmp);
            values
        };
        let [a, b] = ["a", "b"].map(|name| point(&PROCESS_UPTIME, name, 7.0));
        assert_eq!(gauges(&[a.clone(), b]), [7.0, 7.0]);
        assert_eq!(gauges(&[Point { value: 8.0, ..a.clone() }]), [8.0]);
        assert_eq!(gauges(std::slice::from_ref(&a)), [7.0]);
        assert!(gauges(&[]).is_empty());
        assert_eq!(gauges(&[a]), [7.0]);
    }
}
