//! The instruments of a layer: its module `metric`, made from what the instrumentation declares.

use std::fmt::Write as _;

use crate::rules::{DeclaredKind, DeclaredMetric, DeclaredNumber};

/// The text of the module `metric`, beside `SCOPE`; nothing where no metric is declared.
///
/// A metric `pool.wait_time` is `metric::POOL_WAIT_TIME`: a `Cell` where it is a single sum, a `Metric` otherwise. The
/// text compiles with the oldest Rust that the hooks compile with, and without a warning where it is not used.
pub(super) fn module(metrics: &[DeclaredMetric]) -> String {
    if metrics.is_empty() {
        return String::new();
    }
    let mut text =
        String::from("\n/// Made from `instrumentation.toml`.\n#[allow(dead_code)]\npub(crate) mod metric {\n");
    for metric in metrics {
        let _ = writeln!(text, "    /// {}", metric.question);
        let constant = metric.constant();
        let made = if metric.is_cell() { cell(metric) } else { instrument(metric) };
        let _ = writeln!(text, "    pub(crate) static {constant}: {made};");
    }
    text.push_str("}\n");
    text
}

fn cell(metric: &DeclaredMetric) -> String {
    let DeclaredMetric { name, unit, description, .. } = metric;
    let kind = kind(metric.kind);
    format!(
        "::otel_rs_hooks::Cell = ::otel_rs_hooks::Cell::new(&super::SCOPE, ::otel_rs_hooks::CellKind::{kind}, {name:?}, \
         {unit:?}, {description:?}, &[])"
    )
}

fn instrument(metric: &DeclaredMetric) -> String {
    const ROOM: &str = "::otel_rs_hooks::metrics";
    let DeclaredMetric { name, unit, description, boundaries, .. } = metric;
    let (kind, number) = (kind(metric.kind), number(metric));
    let with = if boundaries.is_empty() { String::new() } else { format!(".with_boundaries(&{boundaries:?})") };
    format!(
        "{ROOM}::Metric = {ROOM}::Metric::new(&super::SCOPE, {ROOM}::InstrumentKind::{kind}, {ROOM}::NumberKind::{number}, \
         {name:?}, {unit:?}, {description:?}){with}"
    )
}

/// Names of the variants in the hooks.
fn kind(kind: DeclaredKind) -> &'static str {
    match kind {
        DeclaredKind::Counter => "Counter",
        DeclaredKind::UpDownCounter => "UpDownCounter",
        DeclaredKind::Histogram => "Histogram",
        DeclaredKind::Gauge => "Gauge",
        DeclaredKind::ObservableCounter => "ObservableCounter",
        DeclaredKind::ObservableUpDownCounter => "ObservableUpDownCounter",
        DeclaredKind::ObservableGauge => "ObservableGauge",
    }
}

/// Integers are unsigned in instruments that take no negative numbers.
fn number(metric: &DeclaredMetric) -> &'static str {
    match (metric.number, metric.kind) {
        (DeclaredNumber::Double, _) => "F64",
        (_, DeclaredKind::Counter | DeclaredKind::ObservableCounter | DeclaredKind::Histogram) => "U64",
        (DeclaredNumber::Integer, _) => "I64",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(kind: DeclaredKind, number: DeclaredNumber, boundaries: &[f64], attributes: &[&str]) -> DeclaredMetric {
        DeclaredMetric {
            name: "pool.wait_time".into(),
            kind,
            number,
            unit: "s".into(),
            description: "A \"wait\".".into(),
            boundaries: boundaries.to_vec(),
            attributes: attributes.iter().map(|key| (*key).to_owned()).collect(),
            question: "How long?".into(),
        }
    }

    #[test]
    fn no_module_is_made_without_metrics() {
        assert_eq!(module(&[]), "");
    }

    #[test]
    fn a_metric_becomes_an_instrument() {
        let histogram = declared(DeclaredKind::Histogram, DeclaredNumber::Double, &[1e-5, 1.0], &[]);
        let expected = "\n/// Made from `instrumentation.toml`.\n#[allow(dead_code)]\npub(crate) mod metric {\n    /// How long?\n    \
                        pub(crate) static POOL_WAIT_TIME: ::otel_rs_hooks::metrics::Metric = \
                        ::otel_rs_hooks::metrics::Metric::new(&super::SCOPE, ::otel_rs_hooks::metrics::InstrumentKind::Histogram, \
                        ::otel_rs_hooks::metrics::NumberKind::F64, \"pool.wait_time\", \"s\", \"A \\\"wait\\\".\")\
                        .with_boundaries(&[1e-5, 1.0]);\n}\n";
        assert_eq!(module(&[histogram]), expected);
        let numbers = [
            (DeclaredKind::Counter, "U64"),
            (DeclaredKind::UpDownCounter, "I64"),
            (DeclaredKind::Histogram, "U64"),
            (DeclaredKind::Gauge, "I64"),
            (DeclaredKind::ObservableCounter, "U64"),
            (DeclaredKind::ObservableUpDownCounter, "I64"),
            (DeclaredKind::ObservableGauge, "I64"),
        ];
        for (kind, number) in numbers {
            let text = module(&[declared(kind, DeclaredNumber::Integer, &[], &["pool.name"])]);
            let found = format!("::InstrumentKind::{kind:?}, ::otel_rs_hooks::metrics::NumberKind::{number}, ");
            assert!(text.contains(&found) && !text.contains("boundaries"), "{text}");
        }
    }

    #[test]
    fn a_single_sum_becomes_a_cell() {
        let text = module(&[declared(DeclaredKind::UpDownCounter, DeclaredNumber::Integer, &[], &[])]);
        let found = "static POOL_WAIT_TIME: ::otel_rs_hooks::Cell = ::otel_rs_hooks::Cell::new(&super::SCOPE, \
                     ::otel_rs_hooks::CellKind::UpDownCounter, \"pool.wait_time\", \"s\", \"A \\\"wait\\\".\", &[]);";
        assert!(text.contains(found), "{text}");
    }
}
