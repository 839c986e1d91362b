//! Metrics that the launcher makes: of the records of instrumentations, and of processes and machines. One definition
//! serves the instruments and the pages of the docs.
//!
//! A file holds one group, its `.md` what stands at the top of the group's page. A counter of the hooks that has a name
//! from here needs no unit and no description of its own. Metrics that only an instrumentation records are declared in its
//! folder, not here.

use opentelemetry::metrics::Meter;

macro_rules! metrics {
    ($list:ident $($metric:ident $stability:ident $kind:ident $(($boundaries:ident))? $unit:literal [$($key:ident)*]
        $description:literal $question:literal;)*) => {
        $(pub(crate) static $metric: $crate::conventions::catalog::Metric =
            $crate::conventions::catalog::Metric {
                name: name::$metric,
                stability: $crate::conventions::catalog::Stability::$stability,
                kind: $crate::conventions::catalog::MetricKind::$kind $(($boundaries))?,
                unit: $unit,
                description: $description,
                attributes: &[$(key::$key),*],
                question: $question,
            };)*
        pub(crate) static $list: &[&$crate::conventions::catalog::Metric] = &[$(&$metric),*];
    };
}

mod database;
mod faas;
mod http;
mod messaging;
mod process;
mod rpc;
mod run;
mod system;

pub(crate) use database::*;
pub(crate) use faas::*;
pub(crate) use http::*;
pub(crate) use messaging::*;
pub(crate) use process::*;
pub(crate) use rpc::*;
pub(crate) use run::*;
pub(crate) use system::*;

/// A metric; of the semantic conventions where they have one.
#[derive(Debug, PartialEq)]
pub(crate) struct Metric {
    pub(crate) name: &'static str,
    pub(crate) stability: Stability,
    pub(crate) kind: MetricKind,
    /// In UCUM.
    pub(crate) unit: &'static str,
    pub(crate) description: &'static str,
    /// The only attributes that its points may have.
    pub(crate) attributes: &'static [&'static str],
    /// The question that it answers.
    pub(crate) question: &'static str,
}

/// What the semantic conventions promise of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stability {
    Stable,
    ReleaseCandidate,
    Development,
}

/// The kind of instrument.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum MetricKind {
    Counter,
    UpDownCounter,
    Gauge,
    /// With the boundaries of its buckets.
    Histogram(&'static [f64]),
}

impl Metric {
    /// Whether its values have fractions: seconds and shares have, bytes and counts have not.
    pub(crate) fn is_fractional(&self) -> bool {
        matches!(self.unit, "s" | "1")
    }

    /// The boundaries of a histogram's buckets; none for anything else.
    pub(crate) fn boundaries(&self) -> &'static [f64] {
        match self.kind {
            MetricKind::Histogram(boundaries) => boundaries,
            MetricKind::Counter | MetricKind::UpDownCounter | MetricKind::Gauge => &[],
        }
    }

    /// Makes the metric's histogram under the name of one of its streams.
    pub(crate) fn histogram(&self, meter: &Meter, stream: String) -> opentelemetry::metrics::Histogram<f64> {
        let builder = meter.f64_histogram(stream).with_unit(self.unit).with_description(self.description);
        builder.with_boundaries(self.boundaries().to_vec()).build()
    }
}

/// Metrics of one kind, with a page of the docs.
#[derive(Debug)]
pub(crate) struct MetricGroup {
    /// The page is `docs/reference/metrics-<name>.md`.
    pub(crate) name: &'static str,
    /// The page's title.
    pub(crate) title: &'static str,
    /// What stands at the top of the page.
    pub(crate) about: &'static str,
    pub(crate) metrics: &'static [&'static Metric],
}

macro_rules! groups {
    ($($name:ident $title:literal $metrics:expr;)*) => {
        /// All groups.
        pub(crate) static GROUPS: &[MetricGroup] = &[$(MetricGroup {
            name: stringify!($name),
            title: $title,
            about: include_str!(concat!(stringify!($name), ".md")),
            metrics: $metrics,
        }),*];
    };
}

groups! {
    http "Metrics of HTTP" http::HTTP;
    database "Metrics of databases" database::DATABASE;
    messaging "Metrics of messaging" messaging::MESSAGING;
    rpc "Metrics of remote procedure calls" rpc::RPC;
    faas "Metrics of functions" faas::FAAS;
    run "Metrics of runs" run::RUN;
    process "Metrics of processes" process::PROCESS;
    system "Metrics of the machine" system::SYSTEM;
}

/// The metric of that name, if it is of the launcher's catalogue.
pub(crate) fn named(name: &str) -> Option<&'static Metric> {
    GROUPS.iter().flat_map(|group| group.metrics).find(|metric| metric.name == name).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boundaries_rise() {
        for metric in GROUPS.iter().flat_map(|group| group.metrics) {
            assert!(metric.boundaries().windows(2).all(|pair| pair[0] < pair[1]), "{}", metric.name);
        }
    }

    #[test]
    fn a_metric_is_defined_once() {
        let metrics = || GROUPS.iter().flat_map(|group| group.metrics);
        for metric in metrics() {
            assert_eq!(metrics().filter(|other| other.name == metric.name).count(), 1, "{}", metric.name);
        }
    }
}
