//! The default registry, gathered whenever metrics are about to be exported. Counting itself is unchanged.

use otel_rs_hooks::metrics::{
    instrument, on_collect, AttributeSet, AttributeText, AttributeValue, Description, Distribution, Fingerprint,
    Instrument, InstrumentKind, MetricAttribute, Number, NumberKind, Owner,
};

use crate::proto::{LabelPair, Metric, MetricFamily, MetricType};
use crate::{Registry, TextEncoder};

/// Records what the registry holds, as long as the program lives: the default one is never dropped.
pub(crate) fn bridge(registry: &Registry) {
    if !SCOPE.enabled() {
        return;
    }
    let registry = registry.clone();
    on_collect(move || {
        registry.gather().iter().for_each(record);
        true
    });
}

// 0.14 has new names for many of them, and the old ones as well.
#[allow(deprecated)]
fn record(family: &MetricFamily) {
    let metrics = family.get_metric();
    let is = |kind| Family { name: otel_name(family.get_name()), help: family.get_help(), kind };
    match family.get_field_type() {
        MetricType::COUNTER => is(InstrumentKind::ObservableCounter).record(metrics, TextEncoder::otel_counter),
        MetricType::GAUGE => is(InstrumentKind::ObservableGauge).record(metrics, TextEncoder::otel_gauge),
        MetricType::HISTOGRAM => {
            metrics.iter().for_each(|metric| is(InstrumentKind::Histogram).record_histogram(metric))
        }
        MetricType::SUMMARY => {
            let Family { name, help, .. } = is(InstrumentKind::ObservableCounter);
            let counts = Family { name: format!("{}_count", name), help, kind: InstrumentKind::ObservableCounter };
            counts.record(metrics, |metric| metric.get_summary().get_sample_count());
            // Of values that may be negative.
            let sums = Family { name: format!("{}_sum", name), help, kind: InstrumentKind::ObservableUpDownCounter };
            sums.record(metrics, |metric| metric.get_summary().get_sample_sum());
            let quantiles =
                Family { name, help, kind: InstrumentKind::ObservableGauge }.instrument(NumberKind::F64, None);
            for metric in metrics {
                for quantile in metric.get_summary().get_quantile() {
                    let labels = Labels(metric.get_label(), Some(quantile.get_quantile()));
                    quantiles.measure(quantile.get_value(), &labels);
                }
            }
        }
        // The crate's own page cannot show anything else.
        _ => {}
    }
}

/// The name with characters that OpenTelemetry allows: Prometheus also allows colons and a leading underscore.
fn otel_name(name: &str) -> String {
    let name = name.replace(':', "_");
    if name.starts_with('_') {
        format!("metric{}", name)
    } else {
        name
    }
}

/// Metrics of one name.
struct Family<'a> {
    name: String,
    help: &'a str,
    kind: InstrumentKind,
}

impl Family<'_> {
    fn instrument(&self, number: NumberKind, boundaries: Option<&[f64]>) -> Instrument {
        let Family { name, help: description, kind } = self;
        // The program chose the names, so the scope has no schema URL.
        let none: [(&'static str, AttributeValue<'_>); 0] = [];
        let (crate_name, version) = (env!("CARGO_PKG_NAME"), Some(env!("CARGO_PKG_VERSION")));
        let owner = Owner::Named { name: crate_name, version, schema_url: None, attributes: &none };
        instrument(&Description {
            owner,
            kind: *kind,
            number,
            name,
            unit: "",
            description,
            boundaries,
            is_observed: true,
        })
    }

    fn record<N: Into<Number>>(&self, metrics: &[Metric], value: impl Fn(&Metric) -> N) {
        let instrument = self.instrument(NumberKind::F64, None);
        for metric in metrics {
            instrument.measure(value(metric), &Labels(metric.get_label(), None));
        }
    }

    #[allow(deprecated)]
    fn record_histogram(&self, metric: &Metric) {
        let histogram = metric.get_histogram();
        let mut bounds = Vec::new();
        let mut counts = Vec::new();
        // Prometheus' buckets hold all that is at or below their bound; the last, without a bound, is not listed.
        let mut below = 0_u64;
        for bucket in histogram.get_bucket().iter().filter(|bucket| bucket.get_upper_bound().is_finite()) {
            bounds.push(bucket.get_upper_bound());
            counts.push(bucket.get_cumulative_count().saturating_sub(below));
            below = bucket.get_cumulative_count();
        }
        counts.push(histogram.get_sample_count().saturating_sub(below));
        let known = Distribution { bounds: &bounds, counts: &counts, sum: histogram.get_sample_sum() };
        self.instrument(NumberKind::F64, Some(&bounds)).observe(&known, &Labels(metric.get_label(), None));
    }
}

/// A metric's labels, and its quantile.
struct Labels<'a>(&'a [LabelPair], Option<f64>);

impl AttributeSet for Labels<'_> {
    fn count(&self) -> usize {
        self.0.len() + usize::from(self.1.is_some())
    }

    #[allow(deprecated)]
    fn attribute(&self, index: usize) -> Option<MetricAttribute<'_>> {
        match self.0.get(index) {
            Some(label) => Some((
                AttributeText::Borrowed(label.get_name()),
                AttributeValue::Text(AttributeText::Borrowed(label.get_value())),
            )),
            None => self.1.map(|quantile| (AttributeText::Static("quantile"), AttributeValue::Float(quantile))),
        }
    }

    #[allow(deprecated)]
    fn fingerprint(&self, index: usize) -> Option<Fingerprint<'_>> {
        match self.0.get(index) {
            Some(label) => Some(Fingerprint::text(
                AttributeText::Borrowed(label.get_name()),
                AttributeText::Borrowed(label.get_value()),
            )),
            None => self.1.map(|quantile| Fingerprint::float(AttributeText::Static("quantile"), quantile)),
        }
    }
}
