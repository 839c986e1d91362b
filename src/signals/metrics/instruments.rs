//! Instruments that the launcher records: histograms, for every request whether its trace is exported or not, and
//! counters.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::metrics::{Counter, Histogram, UpDownCounter};
use opentelemetry::{InstrumentationScope, KeyValue};

use super::bound::{BoundCache, BoundInstrument, BoundSeries};
use super::cells::{CounterId, CounterSeries, Counters};
use super::data::{Exemplars, Origin};
use super::registry::{FanOut, InstrumentRegistry};
use super::streams::InstrumentProperties;
use crate::attributes::attribute::Attribute;
use crate::config::{ExemplarFilter, InstrumentKind};
use crate::conventions::catalog::{self, MetricKind};
use crate::conventions::{Measured, Measurements, Selection};
use crate::records::scope;

/// Scopes that have histograms; a process cannot make more by attaching again under new names. Measurements of further
/// scopes are counted under our own.
const MAX_SCOPES: usize = 1024;

/// All instruments.
pub(crate) struct Instruments {
    registry: InstrumentRegistry,
    filter: ExemplarFilter,
    exemplars: Exemplars,
    histograms: HashMap<InstrumentationScope, HashMap<&'static str, FanOut<Histogram<f64>>>>,
    counters: HashMap<CounterId, FanOut<Sum>>,
    /// Series of the instruments above.
    bound: BoundCache,
}

enum Sum {
    Rising(Counter<u64>),
    Free(UpDownCounter<i64>),
}

impl Instruments {
    pub(super) fn new(registry: InstrumentRegistry, filter: ExemplarFilter) -> Instruments {
        Instruments {
            registry,
            filter,
            exemplars: Exemplars::default(),
            histograms: HashMap::new(),
            counters: HashMap::new(),
            bound: BoundCache::default(),
        }
    }

    /// A reader is about to read that reads each measurement once: the SDK may give up series without any.
    pub(super) fn release(&mut self) {
        self.bound.clear();
    }

    /// Makes the instruments of this program.
    pub(super) fn registry(&self) -> &InstrumentRegistry {
        &self.registry
    }

    /// The exemplars that are kept.
    pub(super) fn exemplars(&self) -> &Exemplars {
        &self.exemplars
    }

    /// Counts what was measured of a span that lasted so long. `origin` is the span, where it is known.
    pub(crate) fn record(
        &mut self,
        scope: &Arc<InstrumentationScope>,
        (measured, attributes): (&Measurements, &[Attribute<'_>]),
        lasted: Duration,
        origin: Option<Origin>,
    ) {
        let origin = origin.filter(|origin| self.filter.accepts(origin));
        let mut found: Option<(Selection, usize)> = None;
        for measured in measured.iter() {
            let Some(value) = measured.value(lasted) else { continue };
            // The measurements of a span most often have the same attributes.
            let of_attributes = match found {
                Some((selected, index)) if selected == measured.attributes => index,
                _ => self.bound.find(scope, measured.attributes, attributes),
            };
            found = Some((measured.attributes, of_attributes));
            if let Some(series) = self.bound.series(of_attributes, measured.metric) {
                record(series, value, origin, &mut self.exemplars);
                continue;
            }
            let series = self.bind(scope, measured, attributes);
            record(&series, value, origin, &mut self.exemplars);
            self.bound.insert(of_attributes, series);
        }
    }

    /// The series of a measurement, in the instruments of all readers.
    fn bind(
        &mut self,
        scope: &Arc<InstrumentationScope>,
        measured: &Measured,
        attributes: &[Attribute<'_>],
    ) -> BoundSeries {
        let all: Vec<KeyValue> =
            measured.attributes.of(attributes).map(|attribute| attribute.clone().into_sdk()).collect();
        let is_known = self.histograms.contains_key(&**scope);
        let own = scope::own();
        let kept_scope = if is_known || self.histograms.len() < MAX_SCOPES { scope } else { &own };
        if !is_known && !self.histograms.contains_key(&**kept_scope) {
            self.histograms.insert((**kept_scope).clone(), HashMap::new());
        }
        let (metric, mut instruments, mut exemplars) = (measured.metric, Vec::new(), Vec::new());
        if metric.kind == MetricKind::Counter {
            let id = CounterId { scope: (**kept_scope).clone(), name: metric.name.to_owned(), is_monotonic: true };
            self.counter_of(&id, &CounterSeries::defined(all.clone())).record(&all, |sum, kept| {
                if let Sum::Rising(counter) = sum {
                    instruments.push(BoundInstrument::Counter(counter.bind(kept)));
                }
            });
        } else if let Some(known) = self.histograms.get_mut(&**kept_scope) {
            let instrument = known.entry(metric.name).or_insert_with(|| {
                let kind = InstrumentKind::Histogram;
                let properties = InstrumentProperties { scope: kept_scope, name: metric.name, kind, unit: metric.unit };
                self.registry.instrument(&properties, |meter, name| metric.histogram(&meter, name))
            });
            instrument.record(&all, |histogram, kept| {
                instruments.push(BoundInstrument::Histogram(histogram.bind(kept)));
            });
            for stream in instrument.streams() {
                stream.kept(&all, |kept| {
                    let left_out = all.iter().filter(|attribute| !kept.contains(attribute)).cloned().collect();
                    exemplars.extend(self.exemplars.series(kept_scope, &stream.name, kept).map(|at| (at, left_out)));
                });
            }
        }
        BoundSeries { metric, instruments, exemplars }
    }

    /// Whether a metric of that name has been recorded.
    pub(super) fn has(&self, name: &str) -> bool {
        self.histograms.values().any(|of_scope| of_scope.contains_key(name))
            || self.counters.keys().any(|counter| counter.name == name)
    }

    /// Takes over what counters have counted since the last time.
    pub(super) fn read(&mut self, counters: &mut Counters) {
        counters.read(|id, series, by| self.add(id, series, by));
    }

    /// The counter, which is made where there is none.
    fn counter_of(&mut self, id: &CounterId, series: &CounterSeries) -> &FanOut<Sum> {
        if !self.counters.contains_key(id) {
            let made = self.counter(id, series);
            self.counters.insert(id.clone(), made);
        }
        &self.counters[id]
    }

    fn add(&mut self, id: &CounterId, series: &CounterSeries, by: i64) {
        self.counter_of(id, series).record(&series.attributes, |sum, kept| match sum {
            Sum::Rising(counter) => counter.add(u64::try_from(by).unwrap_or(0), kept),
            Sum::Free(counter) => counter.add(by, kept),
        });
    }

    fn counter(&self, id: &CounterId, series: &CounterSeries) -> FanOut<Sum> {
        let (sum, kind) = match id.is_monotonic {
            true => (MetricKind::Counter, InstrumentKind::Counter),
            false => (MetricKind::UpDownCounter, InstrumentKind::UpDownCounter),
        };
        let known = catalog::named(&id.name).filter(|metric| metric.kind == sum);
        let (unit, text) = match known {
            Some(metric) => (metric.unit, metric.description),
            None => (series.unit.as_str(), series.description.as_str()),
        };
        let properties = InstrumentProperties { scope: &id.scope, name: &id.name, kind, unit };
        self.registry.instrument(&properties, |meter, name| {
            let (unit, description) = (unit.to_owned(), text.to_owned());
            if id.is_monotonic {
                Sum::Rising(meter.u64_counter(name).with_unit(unit).with_description(description).build())
            } else {
                Sum::Free(meter.i64_up_down_counter(name).with_unit(unit).with_description(description).build())
            }
        })
    }
}

/// Adds a value to a series, and keeps it as an exemplar where its origin is known.
fn record(series: &BoundSeries, value: f64, origin: Option<Origin>, exemplars: &mut Exemplars) {
    series.instruments.iter().for_each(|instrument| instrument.record(value));
    if let Some(origin) = origin {
        for (at, left_out) in &series.exemplars {
            exemplars.keep(*at, left_out, (value, origin));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::TestMetrics;
    use super::*;
    use crate::config::HistogramAggregation;
    use crate::conventions::catalog::DB_CLIENT_OPERATION_DURATION;
    use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData};

    #[test]
    fn scopes_beyond_the_limit_are_counted_under_our_own() {
        let mut metrics = TestMetrics::new(HistogramAggregation::ExplicitBuckets);
        for number in 0..MAX_SCOPES + 50 {
            let scope = Arc::new(InstrumentationScope::builder(format!("crate-{number}")).build());
            let measured = Measured::duration(&DB_CLIENT_OPERATION_DURATION, Selection::default());
            metrics.instruments.record(&scope, (&[Some(measured)].into(), &[]), Duration::from_millis(2), None);
        }
        let all = metrics.collect();
        let mut counts: Vec<u64> = Vec::new();
        for metric in all.scope_metrics().flat_map(|scope| scope.metrics()) {
            let AggregatedMetrics::F64(MetricData::Histogram(histogram)) = metric.data() else { panic!() };
            counts.extend(histogram.data_points().map(|point| point.count()));
        }
        counts.sort_unstable();
        assert_eq!((counts.len(), counts.last()), (MAX_SCOPES + 1, Some(&50)));
    }

    #[test]
    fn durations_use_the_advised_buckets() {
        let mut metrics = TestMetrics::new(HistogramAggregation::ExplicitBuckets);
        let measured = Measured::duration(&DB_CLIENT_OPERATION_DURATION, Selection::default());
        metrics.instruments.record(&scope::own(), (&[Some(measured)].into(), &[]), Duration::from_millis(2), None);
        let all = metrics.collect();
        let metric = all.scope_metrics().flat_map(|scope| scope.metrics()).next().unwrap();
        assert_eq!((metric.name(), metric.unit()), ("db.client.operation.duration", "s"));
        let AggregatedMetrics::F64(MetricData::Histogram(histogram)) = metric.data() else { panic!() };
        let point = histogram.data_points().next().unwrap();
        assert_eq!(point.bounds().collect::<Vec<_>>(), DB_CLIENT_OPERATION_DURATION.boundaries());
        assert_eq!((point.count(), point.sum()), (1, 0.002));
    }
}
