//! `otel-rs __metrics`: the launcher's catalogue of metrics as JSON, from which the reference pages are made.

use serde_json::{Value, json};

use super::Outcome;
use crate::conventions::catalog::{GROUPS, Metric, MetricGroup, MetricKind, Stability};
use crate::ui;

/// Writes all groups.
pub(crate) fn run() -> Outcome {
    ui::out(Value::from_iter(GROUPS.iter().map(group)));
    Ok(0)
}

fn group(group: &MetricGroup) -> Value {
    let metrics: Vec<Value> = group.metrics.iter().map(|metric| self::metric(metric)).collect();
    json!({ "name": group.name, "title": group.title, "about": group.about, "metrics": metrics })
}

fn metric(metric: &Metric) -> Value {
    json!({
        "name": metric.name,
        "kind": kind(metric.kind),
        "unit": metric.unit,
        "description": metric.description,
        "boundaries": metric.boundaries(),
        "attributes": metric.attributes,
        "stability": stability(metric.stability),
        "question": metric.question,
    })
}

/// In the words of `instrumentation.toml`.
fn kind(kind: MetricKind) -> &'static str {
    match kind {
        MetricKind::Counter => "counter",
        MetricKind::UpDownCounter => "up-down-counter",
        MetricKind::Gauge => "gauge",
        MetricKind::Histogram(_) => "histogram",
    }
}

fn stability(stability: Stability) -> &'static str {
    match stability {
        Stability::Stable => "stable",
        Stability::ReleaseCandidate => "release candidate",
        Stability::Development => "development",
    }
}
