//! What the launcher observes when a reader reads: the machine's and the processes' metrics, recorded for all readers.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry::KeyValue;
use opentelemetry::metrics::{AsyncInstrument, Counter, UpDownCounter};

use super::registry::{FanOut, InstrumentRegistry};
use super::streams::InstrumentProperties;
use crate::config::InstrumentKind;
use crate::conventions::catalog::{Metric, MetricKind};
use crate::host::{Attribute, Attributes, Point};
use crate::records::scope;

/// The instruments of what is observed, and the value that each series has reached.
#[derive(Default)]
pub(super) struct Observed {
    instruments: HashMap<&'static str, FanOut<ObservedInstrument>>,
    recorded: HashMap<(&'static str, Attributes), (&'static Metric, f64)>,
}

enum ObservedInstrument {
    Count(Counter<u64>),
    Seconds(Counter<f64>),
    UpDown(UpDownCounter<i64>),
    /// The SDK's callback observes it at each read, and drops series that were not observed: of a disk that was removed,
    /// nothing is left.
    Gauge(GaugeValues),
}

/// The values of a gauge until the next observation.
#[derive(Clone, Default)]
struct GaugeValues(Arc<Mutex<Vec<GaugeValue>>>);

/// Attributes, and the value observed for them.
type GaugeValue = (Vec<KeyValue>, f64);

impl GaugeValues {
    fn change(&self, change: impl FnOnce(&mut Vec<GaugeValue>)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn observe(&self, to: &dyn AsyncInstrument<f64>) {
        self.change(|values| values.iter().for_each(|(attributes, value)| to.observe(*value, attributes)));
    }
}

impl Observed {
    /// Records what was found. Instruments add, so sums are recorded as changes.
    pub(super) fn observe(&mut self, registry: &InstrumentRegistry, found: &[Point]) {
        let mut seen = HashSet::new();
        for instrument in self.instruments.values() {
            instrument.record(&[], |instrument, _| {
                if let ObservedInstrument::Gauge(values) = instrument {
                    values.change(Vec::clear);
                }
            });
        }
        for point in found {
            self.record(registry, point.metric, &point.attributes, point.value);
            seen.insert((point.metric.name, &point.attributes));
        }
        // An up-down counter of something that was removed falls to zero.
        let recorded = self
            .recorded
            .iter()
            .filter(|(_, (metric, value))| metric.kind == MetricKind::UpDownCounter && *value != 0.0);
        let removed: Vec<(&'static Metric, Attributes)> = recorded
            .filter(|((name, attributes), _)| !seen.contains(&(*name, attributes)))
            .map(|((_, attributes), (metric, _))| (*metric, attributes.clone()))
            .collect();
        for (metric, attributes) in removed {
            self.record(registry, metric, &attributes, 0.0);
        }
    }

    /// Whether a metric of that name has been observed.
    pub(super) fn has(&self, name: &str) -> bool {
        self.instruments.contains_key(name)
    }

    fn record(&mut self, registry: &InstrumentRegistry, metric: &'static Metric, attributes: &Attributes, value: f64) {
        let instrument = self.instruments.entry(metric.name).or_insert_with(|| instrument(registry, metric));
        let named: Vec<KeyValue> = attributes.iter().map(key_value).collect();
        if metric.kind == MetricKind::Gauge {
            instrument.record(&named, |instrument, kept| {
                if let ObservedInstrument::Gauge(values) = instrument {
                    values.change(|values| values.push((kept.to_vec(), value)));
                }
            });
            return;
        }
        let is_new = !self.recorded.contains_key(&(metric.name, attributes.clone()));
        let (_, recorded) = self.recorded.entry((metric.name, attributes.clone())).or_insert((metric, 0.0));
        let by = if metric.kind == MetricKind::Counter { (value - *recorded).max(0.0) } else { value - *recorded };
        if by == 0.0 && !is_new {
            return;
        }
        *recorded += by;
        instrument.record(&named, |instrument, kept| match instrument {
            ObservedInstrument::Count(counter) => counter.add(by as u64, kept),
            ObservedInstrument::Seconds(counter) => counter.add(by, kept),
            ObservedInstrument::UpDown(counter) => counter.add(by as i64, kept),
            ObservedInstrument::Gauge(_) => {}
        });
    }
}

fn instrument(registry: &InstrumentRegistry, metric: &'static Metric) -> FanOut<ObservedInstrument> {
    let kind = match metric.kind {
        MetricKind::Counter => InstrumentKind::ObservableCounter,
        MetricKind::UpDownCounter => InstrumentKind::ObservableUpDownCounter,
        MetricKind::Gauge => InstrumentKind::ObservableGauge,
        MetricKind::Histogram(_) => InstrumentKind::Histogram,
    };
    let (unit, text) = (metric.unit, metric.description);
    let properties = InstrumentProperties { scope: &scope::own(), name: metric.name, kind, unit };
    registry.instrument(&properties, |meter, name| match metric.kind {
        MetricKind::Counter if metric.is_fractional() => {
            ObservedInstrument::Seconds(meter.f64_counter(name).with_unit(unit).with_description(text).build())
        }
        MetricKind::Counter => {
            ObservedInstrument::Count(meter.u64_counter(name).with_unit(unit).with_description(text).build())
        }
        MetricKind::UpDownCounter => {
            ObservedInstrument::UpDown(meter.i64_up_down_counter(name).with_unit(unit).with_description(text).build())
        }
        // An observation is the value of now; a histogram of observations would count the moments of reading.
        MetricKind::Gauge | MetricKind::Histogram(_) => {
            let values = GaugeValues::default();
            let observed = values.clone();
            let gauge = meter.f64_observable_gauge(name).with_unit(unit).with_description(text);
            gauge.with_callback(move |to| observed.observe(to)).build();
            ObservedInstrument::Gauge(values)
        }
    })
}

fn key_value((key, value): &(&'static str, Attribute)) -> KeyValue {
    match value {
        Attribute::Text(text) => KeyValue::new(*key, text.clone()),
        Attribute::Int(number) => KeyValue::new(*key, *number),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::TestMetrics;
    use super::*;
    use crate::config::HistogramAggregation;
    use crate::conventions::catalog::{PROCESS_CPU_TIME, PROCESS_THREAD_COUNT, PROCESS_UPTIME};
    use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData};

    fn point(metric: &'static Metric, name: &str, value: f64) -> Point {
        Point { program: None, metric, attributes: vec![("process.executable.name", name.to_owned().into())], value }
    }

    fn sums(metrics: &mut TestMetrics) -> Vec<f64> {
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
    fn sums_show_the_last_value_however_often_they_are_observed() {
        let mut metrics = TestMetrics::new(HistogramAggregation::ExplicitBuckets);
        for (cpu, threads) in [(1.5, 4.0), (1.5, 4.0), (1.0, 6.0), (2.5, 3.0)] {
            let found = [point(&PROCESS_CPU_TIME, "a", cpu), point(&PROCESS_THREAD_COUNT, "a", threads)];
            metrics.observe(&found);
        }
        assert_eq!(sums(&mut metrics), [2.5, 3.0]);
    }

    #[test]
    fn up_down_counters_of_removed_objects_fall_to_zero() {
        let mut metrics = TestMetrics::new(HistogramAggregation::ExplicitBuckets);
        metrics.observe(&[point(&PROCESS_THREAD_COUNT, "a", 4.0), point(&PROCESS_THREAD_COUNT, "b", 7.0)]);
        metrics.observe(&[point(&PROCESS_THREAD_COUNT, "a", 4.0)]);
        assert_eq!(sums(&mut metrics), [0.0, 4.0]);
    }

    #[test]
    fn gauges_of_removed_objects_disappear() {
        let mut metrics = TestMetrics::new(HistogramAggregation::ExplicitBuckets);
        let mut gauges = |found: &[Point]| {
            metrics.observe(found);
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
