//! Instruments in the books of all readers: histograms, recorded for every request whether its trace is exported or
//! not, and counters.

use std::collections::HashMap;
use std::time::Duration;

use opentelemetry::metrics::{Counter, Histogram, Meter, MeterProvider as _, UpDownCounter};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::metrics::SdkMeterProvider;

use super::cells::{CounterId, Counters, Series};
use super::data::{Exemplars, Origin};
use super::observed::Observed;
use super::streams::{self, Selected, Views, Way};
use crate::config::{ExemplarFilter, InstrumentKind};
use crate::conventions::Measured;
use crate::conventions::catalog::{self, Kind};
use crate::records::assemble::scope_from;

/// Scopes that have histograms; a process cannot make more by coming back under new names. What comes on top is counted
/// under our own.
const MAX_SCOPES: usize = 1024;

/// All instruments.
pub(crate) struct Instruments {
    /// One for each reader.
    pub(super) providers: Vec<SdkMeterProvider>,
    pub(super) views: Views,
    pub(super) observed: Observed,
    filter: ExemplarFilter,
    exemplars: Exemplars,
    histograms: HashMap<InstrumentationScope, HashMap<&'static str, Book<Histogram<f64>>>>,
    counters: HashMap<CounterId, Book<Sum>>,
}

/// An instrument in the books of all readers, once for each of its streams.
pub(super) struct Book<T>(Vec<(Way, Vec<T>)>);

enum Sum {
    Rising(Counter<u64>),
    Free(UpDownCounter<i64>),
}

impl<T> Book<T> {
    pub(super) fn record(&self, attributes: &[KeyValue], record: impl Fn(&T, &[KeyValue])) {
        for (way, instruments) in &self.0 {
            way.kept(attributes, |kept| instruments.iter().for_each(|instrument| record(instrument, kept)));
        }
    }
}

impl Instruments {
    pub(super) fn new(providers: Vec<SdkMeterProvider>, views: Views, filter: ExemplarFilter) -> Instruments {
        Instruments {
            providers,
            views,
            observed: Observed::default(),
            filter,
            exemplars: Exemplars::default(),
            histograms: HashMap::new(),
            counters: HashMap::new(),
        }
    }

    /// The exemplars that are kept.
    pub(super) fn exemplars(&self) -> &Exemplars {
        &self.exemplars
    }

    /// Counts what was measured of a span that lasted so long. `origin` is the span, where it is known.
    pub(crate) fn record(
        &mut self,
        scope: &InstrumentationScope,
        measured: &Measured,
        lasted: Duration,
        origin: Option<Origin>,
    ) {
        let is_known = self.histograms.contains_key(scope);
        let Some(value) = measured.value(lasted) else { return };
        let scope = if is_known || self.histograms.len() < MAX_SCOPES { scope } else { &scope_from("") };
        if !is_known && !self.histograms.contains_key(scope) {
            self.histograms.insert(scope.clone(), HashMap::new());
        }
        let metric = measured.metric;
        if metric.kind == Kind::Counter {
            let id = CounterId { scope: scope.clone(), name: metric.name.to_owned(), is_monotonic: true };
            return self.add(&id, &Series::defined(measured.attributes.clone()), value as i64);
        }
        let Some(known) = self.histograms.get_mut(scope) else { return };
        let book = known.entry(metric.name).or_insert_with(|| {
            let kind = InstrumentKind::Histogram;
            let selected = Selected { scope, name: metric.name, kind, unit: metric.unit };
            book(&self.providers, &self.views, &selected, |meter, name| metric.histogram(&meter, name))
        });
        book.record(&measured.attributes, |histogram, kept| histogram.record(value, kept));
        let Some(origin) = origin.filter(|origin| self.filter.takes(origin)) else { return };
        let all = &measured.attributes;
        for (way, _) in &book.0 {
            way.kept(all, |kept| self.exemplars.keep(scope, &way.stream, all, kept, (value, origin)));
        }
    }

    /// Takes over what counters have counted since the last time.
    pub(super) fn read(&mut self, counters: &mut Counters) {
        counters.read(|id, series, by| self.add(id, series, by));
    }

    fn add(&mut self, id: &CounterId, series: &Series, by: i64) {
        if !self.counters.contains_key(id) {
            let made = self.counter(id, series);
            self.counters.insert(id.clone(), made);
        }
        let Some(book) = self.counters.get(id) else { return };
        book.record(&series.attributes, |sum, kept| match sum {
            Sum::Rising(counter) => counter.add(u64::try_from(by).unwrap_or(0), kept),
            Sum::Free(counter) => counter.add(by, kept),
        });
    }

    fn counter(&self, id: &CounterId, series: &Series) -> Book<Sum> {
        let (sum, kind) = match id.is_monotonic {
            true => (Kind::Counter, InstrumentKind::Counter),
            false => (Kind::UpDownCounter, InstrumentKind::UpDownCounter),
        };
        let known = catalog::named(&id.name).filter(|metric| metric.kind == sum);
        let (unit, text) = match known {
            Some(metric) => (metric.unit, metric.description),
            None => (series.unit.as_str(), series.description.as_str()),
        };
        let selected = Selected { scope: &id.scope, name: &id.name, kind, unit };
        book(&self.providers, &self.views, &selected, |meter, name| {
            let (unit, description) = (unit.to_owned(), text.to_owned());
            if id.is_monotonic {
                Sum::Rising(meter.u64_counter(name).with_unit(unit).with_description(description).build())
            } else {
                Sum::Free(meter.i64_up_down_counter(name).with_unit(unit).with_description(description).build())
            }
        })
    }
}

pub(super) fn book<T>(
    providers: &[SdkMeterProvider],
    views: &Views,
    selected: &Selected<'_>,
    make: impl Fn(Meter, String) -> T,
) -> Book<T> {
    let for_all = |way: &Way| {
        let meters = providers.iter().map(|provider| provider.meter_with_scope(selected.scope.clone()));
        meters.map(|meter| make(meter, way.name.clone())).collect()
    };
    Book(streams::ways(views, selected).into_iter().map(|way| (way.clone(), for_all(&way))).collect())
}

#[cfg(test)]
mod tests {
    use super::super::testing::Metrics;
    use super::*;
    use crate::config::HistogramAggregation;
    use crate::conventions::catalog::DB_CLIENT_OPERATION_DURATION;
    use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData};

    #[test]
    fn scopes_beyond_all_measure_are_counted_under_one() {
        let mut metrics = Metrics::new(HistogramAggregation::ExplicitBuckets);
        for number in 0..MAX_SCOPES + 50 {
            let scope = InstrumentationScope::builder(format!("crate-{number}")).build();
            let measured = Measured::duration(&DB_CLIENT_OPERATION_DURATION, vec![]);
            metrics.instruments.record(&scope, &measured, Duration::from_millis(2), None);
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
        let mut metrics = Metrics::new(HistogramAggregation::ExplicitBuckets);
        let measured = Measured::duration(&DB_CLIENT_OPERATION_DURATION, vec![]);
        metrics.instruments.record(&scope_from(""), &measured, Duration::from_millis(2), None);
        let all = metrics.collect();
        let metric = all.scope_metrics().flat_map(|scope| scope.metrics()).next().unwrap();
        assert_eq!((metric.name(), metric.unit()), ("db.client.operation.duration", "s"));
        let AggregatedMetrics::F64(MetricData::Histogram(histogram)) = metric.data() else { panic!() };
        let point = histogram.data_points().next().unwrap();
        assert_eq!(point.bounds().collect::<Vec<_>>(), DB_CLIENT_OPERATION_DURATION.boundaries());
        assert_eq!((point.count(), point.sum()), (1, 0.002));
    }
}
