//! Metrics: who reads them, and what is measured.

use std::time::Duration;

use super::{Exporter, InstrumentKind, Selection, SettingOrigin, View};
use crate::config::registry::{
    OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION, OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE,
    OTEL_EXPORTER_PROMETHEUS_HOST, OTEL_EXPORTER_PROMETHEUS_PORT, OTEL_METRIC_EXPORT_INTERVAL,
    OTEL_METRIC_EXPORT_TIMEOUT, OTEL_METRICS_EXEMPLAR_FILTER, OTEL_RS_HOST_METRICS, OTEL_RS_METRICS_CARDINALITY_LIMIT,
};
use crate::config::text;

/// Where metrics go.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Metrics {
    /// Each reads all metrics; none means that metrics are not kept.
    pub(crate) readers: Vec<Reader>,
    /// Each that fits an instrument makes a stream of it.
    pub(crate) views: Vec<View>,
    pub(crate) exemplars: ExemplarFilter,
}

/// A reader of metrics.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Reader {
    Periodic(Periodic),
    Prometheus(Prometheus),
}

/// A reader that exports by itself from time to time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Periodic {
    pub(crate) exporter: Exporter,
    /// Time between two exports.
    pub(crate) interval: Duration,
    /// The time one export may take.
    pub(crate) timeout: Duration,
    pub(crate) temporality: Temporality,
    pub(crate) histograms: HistogramAggregation,
    pub(crate) cardinality_limit: CardinalityLimit,
}

impl Periodic {
    /// A reader for this exporter, all else by default.
    pub(in crate::config) fn to(exporter: Exporter) -> Periodic {
        Periodic {
            exporter,
            interval: OTEL_METRIC_EXPORT_INTERVAL.default_as(text::milliseconds),
            timeout: OTEL_METRIC_EXPORT_TIMEOUT.default_as(text::timeout),
            temporality: Temporality::default(),
            histograms: HistogramAggregation::default(),
            cardinality_limit: CardinalityLimit::default(),
        }
    }
}

/// A page that Prometheus scrapes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Prometheus {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) cardinality_limit: CardinalityLimit,
    /// Whether series have labels for their scope.
    pub(crate) scope_info: bool,
    /// Whether the resource is there, as a series of its own.
    pub(crate) target_info: bool,
    /// Attributes of the resource that are labels of every series; `None` for none of them.
    pub(crate) resource_labels: Option<Selection>,
    /// Where these settings are written.
    pub(crate) origin: SettingOrigin,
}

impl Default for Prometheus {
    fn default() -> Prometheus {
        Prometheus {
            host: OTEL_EXPORTER_PROMETHEUS_HOST.default.to_owned(),
            port: OTEL_EXPORTER_PROMETHEUS_PORT.default_as(text::port),
            cardinality_limit: CardinalityLimit::default(),
            scope_info: true,
            target_info: true,
            resource_labels: None,
            origin: SettingOrigin::default(),
        }
    }
}

/// Series per instrument, which may depend on its kind; what comes on top is one series marked `otel.metric.overflow`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CardinalityLimit([usize; 7]);

impl CardinalityLimit {
    /// The same for all kinds.
    pub(crate) fn all(limit: usize) -> CardinalityLimit {
        CardinalityLimit([limit; 7])
    }

    /// Sets the limit of one kind.
    pub(crate) fn set(&mut self, kind: InstrumentKind, limit: usize) {
        self.0[kind as usize] = limit;
    }

    /// The limit of one kind.
    pub(crate) fn of(&self, kind: InstrumentKind) -> usize {
        self.0[kind as usize]
    }

    /// The highest of all kinds.
    pub(in crate::config) fn most(&self) -> usize {
        self.0.into_iter().max().unwrap_or(0)
    }
}

impl Default for CardinalityLimit {
    fn default() -> CardinalityLimit {
        CardinalityLimit::all(OTEL_RS_METRICS_CARDINALITY_LIMIT.default_as(text::count))
    }
}

/// OTEL_METRICS_EXEMPLAR_FILTER: which measurements may become exemplars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExemplarFilter {
    AlwaysOn,
    AlwaysOff,
    /// Those that were made in a sampled span.
    TraceBased,
}

impl ExemplarFilter {
    /// The names that both sources have for them.
    pub(in crate::config) const NAMES: &[(&str, ExemplarFilter)] = &[
        ("always_on", ExemplarFilter::AlwaysOn),
        ("always_off", ExemplarFilter::AlwaysOff),
        ("trace_based", ExemplarFilter::TraceBased),
    ];
}

impl Default for ExemplarFilter {
    fn default() -> ExemplarFilter {
        OTEL_METRICS_EXEMPLAR_FILTER.default_word(ExemplarFilter::NAMES)
    }
}

/// OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Temporality {
    Cumulative,
    Delta,
    LowMemory,
}

impl Temporality {
    /// The variable's names, and the one that only a file has.
    pub(in crate::config) const NAMES: &[(&str, Temporality)] = &[
        ("cumulative", Temporality::Cumulative),
        ("delta", Temporality::Delta),
        ("low_memory", Temporality::LowMemory),
        // As the variable has it, which a file may refer to.
        ("lowmemory", Temporality::LowMemory),
    ];
}

impl Default for Temporality {
    fn default() -> Temporality {
        OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE.default_word(Temporality::NAMES)
    }
}

/// OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HistogramAggregation {
    ExplicitBuckets,
    /// Base 2, of at most 160 buckets.
    Exponential,
}

impl HistogramAggregation {
    /// The names that both sources have for them.
    pub(in crate::config) const NAMES: &[(&str, HistogramAggregation)] = &[
        ("explicit_bucket_histogram", HistogramAggregation::ExplicitBuckets),
        ("base2_exponential_bucket_histogram", HistogramAggregation::Exponential),
    ];
}

impl Default for HistogramAggregation {
    fn default() -> HistogramAggregation {
        OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION.default_word(HistogramAggregation::NAMES)
    }
}

/// OTEL_RS_HOST_METRICS: what is measured from outside the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HostMetrics {
    /// What the program's processes use.
    pub(crate) process: bool,
    /// Whether each process has series of its own, and not only each program.
    pub(crate) process_ids: bool,
    /// What the machine does.
    pub(crate) system: bool,
}

impl HostMetrics {
    /// Those of these names.
    pub(in crate::config) fn named(names: &[&str]) -> HostMetrics {
        let process_ids = names.contains(&"process.pid");
        HostMetrics {
            process: process_ids || names.contains(&"process"),
            process_ids,
            system: names.contains(&"system"),
        }
    }
}

impl Default for HostMetrics {
    fn default() -> HostMetrics {
        let names = OTEL_RS_HOST_METRICS.default_as(|names| text::list(names, OTEL_RS_HOST_METRICS.words()));
        HostMetrics::named(&names)
    }
}
