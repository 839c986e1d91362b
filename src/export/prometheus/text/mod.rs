//! The page itself: metrics in the text formats of Prometheus (0.0.4) and OpenMetrics (1.0).
//!
//! See "Prometheus and OpenMetrics Compatibility" in OpenTelemetry's specification.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::UNIX_EPOCH;

use opentelemetry::{InstrumentationScope, KeyValue, Value};
use opentelemetry_sdk::metrics::data::{
    AggregatedMetrics, ExponentialHistogramDataPoint, HistogramDataPoint, Metric, MetricData, ResourceMetrics,
};

use super::names;
use super::targets::{Labels, targets};
use crate::config;
use crate::signals::metrics::data::{Collected, Exemplar, Origin};

/// How the page is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Text,
    OpenMetrics,
}

impl Format {
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Format::Text => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// The exemplars of a series with these attributes.
type OfSeries<'a> = &'a dyn Fn(&[&KeyValue]) -> Vec<&'a Exemplar>;

/// A page, and what could not stand on it.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) text: String,
    /// Metrics left out, since another one of the same name is of another type.
    pub(super) left_out: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// Metrics of one name from all scopes: Prometheus requires them in one place.
#[derive(Debug)]
struct Family {
    kind: Kind,
    unit: Option<String>,
    help: String,
    /// Samples by the labels of their series, which must not come twice.
    series: BTreeMap<String, String>,
}

/// Writes the metrics of all programs as `config` has them.
pub(super) fn render(all: &[Collected], format: Format, config: &config::Prometheus) -> Page {
    // Programs without metrics are left out, but for the first one if all of them are without.
    let mut measured: Vec<&Collected> = all.iter().filter(|program| !program.is_empty()).collect();
    if measured.is_empty() {
        measured.extend(all.first());
    }
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut left_out = Vec::new();
    let targets = targets(&measured);
    for (program, target) in measured.iter().zip(&targets) {
        add_program(&mut families, &mut left_out, (program, target), format, config);
    }
    let mut text = String::new();
    if config.target_info {
        target_info(&mut text, &measured, &targets, format);
    }
    for (name, family) in families.iter().filter(|(_, family)| !family.series.is_empty()) {
        family.write(&mut text, name, format);
    }
    if format == Format::OpenMetrics {
        text.push_str("# EOF\n");
    }
    Page { text, left_out }
}

fn add_program(
    families: &mut BTreeMap<String, Family>,
    left_out: &mut Vec<String>,
    (collected, target): (&Collected, &Labels),
    format: Format,
    config: &config::Prometheus,
) {
    let all = &collected.metrics;
    let chosen = config.resource_labels.as_ref().map(|chosen| of_resource(all, |key| chosen.keeps(key)));
    let mut of_all = labels(&[], chosen.iter().flatten(), false);
    of_all.extend(target.iter().cloned());
    // Scopes are sorted, since the SDK keeps no order and the first metric of a name decides its type.
    let mut scopes: Vec<_> = all.scope_metrics().collect();
    scopes.sort_by_key(|scope| (scope.scope().name(), scope.scope().version()));
    for scope in scopes {
        let mut common = of_all.clone();
        if config.scope_info {
            common.extend(of_scope(scope.scope()));
        }
        for metric in scope.metrics() {
            let (kind, is_gauge) = kind(metric.data());
            let (name, unit) = names::family(metric.name(), metric.unit(), is_gauge, kind == Kind::Counter);
            let family = family(families, &name, kind, unit, metric.description());
            if family.kind == kind {
                // The older format has no exemplars.
                let exemplars: OfSeries<'_> = match format {
                    Format::Text => &|_| Vec::new(),
                    Format::OpenMetrics => {
                        &|point| collected.exemplars.of(scope.scope(), metric.name(), point).collect()
                    }
                };
                family.add(&name, metric, &common, exemplars);
            } else {
                left_out.push(metric.name().to_owned());
            }
        }
    }
    for metric in &collected.histograms {
        let mut common = of_all.clone();
        if config.scope_info {
            common.extend(of_scope(&metric.scope));
        }
        let (name, unit) = names::family(&metric.name, &metric.unit, false, false);
        let family = family(families, &name, Kind::Histogram, unit, &metric.description);
        if family.kind != Kind::Histogram {
            left_out.push(metric.name.clone());
            continue;
        }
        for (attributes, values) in &metric.points {
            let mut buckets = below(metric.bounds.iter().copied(), values.buckets.iter().copied());
            if metric.exponential.is_some() {
                only_powers_of_two(&mut buckets, values.count());
            }
            let labels = labels(&common, attributes.iter(), true);
            family.histogram(&name, &labels, &buckets, values.count(), &float(values.sum), &[]);
        }
    }
}

fn family<'a>(
    families: &'a mut BTreeMap<String, Family>,
    name: &str,
    kind: Kind,
    unit: Option<String>,
    help: &str,
) -> &'a mut Family {
    let new = || Family { kind, unit, help: help.to_owned(), series: BTreeMap::new() };
    families.entry(name.to_owned()).or_insert_with(new)
}

/// The type of a family, and whether the metric is a gauge in OpenTelemetry, too: here a sum that may fall is a gauge.
fn kind(data: &AggregatedMetrics) -> (Kind, bool) {
    fn of<T>(data: &MetricData<T>) -> (Kind, bool) {
        match data {
            MetricData::Sum(sum) if sum.is_monotonic() => (Kind::Counter, false),
            MetricData::Sum(_) => (Kind::Gauge, false),
            MetricData::Gauge(_) => (Kind::Gauge, true),
            MetricData::Histogram(_) | MetricData::ExponentialHistogram(_) => (Kind::Histogram, false),
        }
    }
    match data {
        AggregatedMetrics::F64(data) => of(data),
        AggregatedMetrics::I64(data) => of(data),
        AggregatedMetrics::U64(data) => of(data),
    }
}

impl Family {
    fn add(&mut self, name: &str, metric: &Metric, common: &[(String, String)], exemplars: OfSeries<'_>) {
        match metric.data() {
            AggregatedMetrics::F64(data) => self.add_data(name, data, common, exemplars, float),
            AggregatedMetrics::I64(data) => self.add_data(name, data, common, exemplars, |value| value.to_string()),
            AggregatedMetrics::U64(data) => self.add_data(name, data, common, exemplars, |value| value.to_string()),
        }
    }

    fn add_data<T: Copy>(
        &mut self,
        name: &str,
        data: &MetricData<T>,
        common: &[(String, String)],
        exemplars: OfSeries<'_>,
        show: impl Fn(T) -> String,
    ) {
        match data {
            MetricData::Gauge(gauge) => {
                for point in gauge.data_points() {
                    self.sample(name, &labels(common, point.attributes(), false), &show(point.value()));
                }
            }
            MetricData::Sum(sum) => {
                let suffix = if self.kind == Kind::Counter { "_total" } else { "" };
                let name = format!("{name}{suffix}");
                for point in sum.data_points() {
                    self.sample(&name, &labels(common, point.attributes(), false), &show(point.value()));
                }
            }
            MetricData::Histogram(histogram) => {
                for point in histogram.data_points() {
                    let labels = labels(common, point.attributes(), true);
                    let exemplars = exemplars(&point.attributes().collect::<Vec<_>>());
                    self.histogram(name, &labels, &explicit(point), point.count(), &show(point.sum()), &exemplars);
                }
            }
            MetricData::ExponentialHistogram(histogram) => {
                for point in histogram.data_points() {
                    let labels = labels(common, point.attributes(), true);
                    let exemplars = exemplars(&point.attributes().collect::<Vec<_>>());
                    let (buckets, count) = (powers_of_two(point), point.count() as u64);
                    self.histogram(name, &labels, &buckets, count, &show(point.sum()), &exemplars);
                }
            }
        }
    }

    fn sample(&mut self, name: &str, labels: &[(String, String)], value: &str) {
        let labels = written(labels);
        let sample = format!("{name}{} {value}\n", in_braces(&labels));
        self.series.entry(labels).or_insert(sample);
    }

    /// `buckets` hold what is at or below their bound.
    fn histogram(
        &mut self,
        name: &str,
        labels: &[(String, String)],
        buckets: &[(f64, u64)],
        count: u64,
        sum: &str,
        exemplars: &[&Exemplar],
    ) {
        let labels = written(labels);
        let comma = if labels.is_empty() { "" } else { "," };
        let mut samples = String::new();
        let mut above = f64::NEG_INFINITY;
        for (bound, below) in buckets.iter().copied().chain([(f64::INFINITY, count)]) {
            let exemplar = newest(exemplars, above, bound);
            let _ = writeln!(samples, "{name}_bucket{{{labels}{comma}le=\"{}\"}} {below}{exemplar}", float(bound));
            above = bound;
        }
        let braced = in_braces(&labels);
        let _ = writeln!(samples, "{name}_sum{braced} {sum}\n{name}_count{braced} {count}");
        self.series.entry(labels).or_insert(samples);
    }

    fn write(&self, text: &mut String, name: &str, format: Format) {
        let kind = match self.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        // OpenMetrics describes the family, the older format the name that its samples have.
        let total = if self.kind == Kind::Counter && format == Format::Text { "_total" } else { "" };
        let _ = writeln!(text, "# HELP {name}{total} {}", escaped(&self.help, format == Format::OpenMetrics));
        let _ = writeln!(text, "# TYPE {name}{total} {kind}");
        if let (Some(unit), Format::OpenMetrics) = (&self.unit, format) {
            let _ = writeln!(text, "# UNIT {name} {unit}");
        }
        self.series.values().for_each(|samples| text.push_str(samples));
    }
}

/// The resources, as labels of a series of their own.
fn target_info(text: &mut String, all: &[&Collected], targets: &[Labels], format: Format) {
    let (family, kind) = match format {
        Format::Text => ("target_info", "gauge"),
        Format::OpenMetrics => ("target", "info"),
    };
    let _ = writeln!(text, "# HELP {family} Where these metrics come from.");
    let _ = writeln!(text, "# TYPE {family} {kind}");
    for (program, target) in all.iter().zip(targets) {
        let labels = written(&labels(target, of_resource(&program.metrics, |_| true).iter(), false));
        let _ = writeln!(text, "target_info{} 1", in_braces(&labels));
    }
}

fn of_resource(all: &ResourceMetrics, keeps: impl Fn(&str) -> bool) -> Vec<KeyValue> {
    let kept = all.resource().iter().filter(|(key, _)| keeps(key.as_str()));
    kept.map(|(key, value)| KeyValue::new(key.clone(), value.clone())).collect()
}

fn of_scope(scope: &InstrumentationScope) -> Vec<(String, String)> {
    let mut labels = vec![("otel_scope_name".to_owned(), scope.name().to_owned())];
    labels.extend(scope.version().map(|version| ("otel_scope_version".to_owned(), version.to_owned())));
    labels.extend(scope.schema_url().map(|url| ("otel_scope_schema_url".to_owned(), url.to_owned())));
    let own = scope.attributes().map(|kv| (names::label(&format!("otel_scope_{}", kv.key)), shown(&kv.value)));
    labels.extend(own);
    labels
}

/// Labels by name. Attributes whose names become equal share one label, which holds all of their values.
fn labels<'a>(
    common: &[(String, String)],
    attributes: impl Iterator<Item = &'a KeyValue>,
    of_histogram: bool,
) -> Vec<(String, String)> {
    let mut sorted: Vec<&KeyValue> = attributes.collect();
    sorted.sort_by(|a, b| a.key.cmp(&b.key));
    let mut labels: BTreeMap<String, String> = common.iter().cloned().collect();
    for kv in sorted {
        let mut name = names::label(kv.key.as_str());
        // A histogram has a label of that name itself.
        if of_histogram && name == "le" {
            name = "exported_le".into();
        }
        let value = shown(&kv.value);
        let known = labels.entry(name).and_modify(|known| {
            known.push(';');
            known.push_str(&value);
        });
        known.or_insert(value);
    }
    labels.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

/// Labels as they stand between braces.
fn written(labels: &[(String, String)]) -> String {
    labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value, true))).collect::<Vec<_>>().join(",")
}

fn shown(value: &Value) -> String {
    value.as_str().into_owned()
}

fn in_braces(labels: &str) -> String {
    if labels.is_empty() { String::new() } else { format!("{{{labels}}}") }
}

fn escaped(text: &str, quotes: bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => escaped.push_str("\\\\"),
            '\n' => escaped.push_str("\\n"),
            '"' if quotes => escaped.push_str("\\\""),
            other => escaped.push(other),
        }
    }
    escaped
}

fn float(value: f64) -> String {
    if value.is_nan() {
        "NaN".into()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf".into() } else { "-Inf".into() }
    } else {
        format!("{value:?}")
    }
}

/// The last exemplar of a bucket, as it stands behind its sample.
fn newest(exemplars: &[&Exemplar], above: f64, up_to: f64) -> String {
    let within = exemplars.iter().filter(|exemplar| above < exemplar.value && exemplar.value <= up_to);
    let Some(Exemplar { value, origin, .. }) = within.max_by_key(|exemplar| exemplar.origin.at) else {
        return String::new();
    };
    let at = origin.at.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let (seconds, rest) = (at / 1000, at % 1000);
    let Origin { trace, span, .. } = origin;
    format!(" # {{trace_id=\"{trace}\",span_id=\"{span}\"}} {} {seconds}.{rest:03}", float(*value))
}

fn explicit<T>(point: &HistogramDataPoint<T>) -> Vec<(f64, u64)> {
    below(point.bounds(), point.bucket_counts())
}

fn below(bounds: impl Iterator<Item = f64>, counts: impl Iterator<Item = u64>) -> Vec<(f64, u64)> {
    let counts = counts.scan(0, |below: &mut u64, count| {
        *below = below.saturating_add(count);
        Some(*below)
    });
    bounds.zip(counts).collect()
}

/// Keeps of many fine buckets those that [`powers_of_two`] would make, from the first that holds something to the last.
fn only_powers_of_two(buckets: &mut Vec<(f64, u64)>, count: u64) {
    buckets.retain(|(bound, below)| *below > 0 && bound.log2().fract() == 0.0);
    let last = buckets.iter().position(|(_, below)| *below == count).map_or(buckets.len(), |last| last + 1);
    buckets.truncate(last);
}

/// The text formats have no exponential histograms. Buckets that end at powers of two keep their bounds however fine the
/// histogram is at the moment, which a query over time relies on.
fn powers_of_two<T>(point: &ExponentialHistogramDataPoint<T>) -> Vec<(f64, u64)> {
    let scale = i32::from(point.scale());
    let mut counts: BTreeMap<i32, u64> = BTreeMap::new();
    let positive = point.positive_bucket();
    for (index, count) in positive.counts().enumerate() {
        let index = positive.offset().saturating_add(i32::try_from(index).unwrap_or(i32::MAX));
        // The exponent of the bucket's upper bound.
        let exponent = if scale >= 0 { (index >> scale) + 1 } else { index.saturating_add(1) << -scale };
        *counts.entry(exponent).or_default() += count;
    }
    let at_most_zero = point.zero_count() + point.negative_bucket().counts().sum::<u64>();
    let mut below = at_most_zero;
    let mut buckets = Vec::new();
    if at_most_zero > 0 {
        buckets.push((0.0, at_most_zero));
    }
    let (Some(first), Some(last)) = (counts.keys().next().copied(), counts.keys().next_back().copied()) else {
        return buckets;
    };
    let step = if scale >= 0 { 1 } else { 1 << -scale };
    for exponent in (first..=last).step_by(step) {
        below += counts.get(&exponent).copied().unwrap_or(0);
        buckets.push((f64::from(exponent).exp2(), below));
    }
    buckets
}

#[cfg(test)]
mod tests;
