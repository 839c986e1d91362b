//! Metrics as a small table, for people.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use anstyle::Style;
use opentelemetry::{KeyValue, Value};
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, HistogramDataPoint, Metric, MetricData, ResourceMetrics};

use super::console::{fit, plain, show_duration};

const DIM: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();
/// Rows shown of one metric.
const MAX_ROWS: usize = 40;
const MAX_LABEL: usize = 76;

/// Attributes whose values need no name beside them, in the order in which they read well.
const SPEAKING: &[&str] = &[
    "http.request.method",
    "http.route",
    "db.system.name",
    "db.query.summary",
    "server.address",
    "http.response.status_code",
    "error.type",
];
/// Attributes that say again what another one says, or what nobody asks.
const SILENT: &[&str] = &[
    "db.operation.name",
    "db.collection.name",
    "db.namespace",
    "network.protocol.version",
    "server.port",
    "url.scheme",
];

#[derive(Debug, Default)]
struct Table {
    unit: String,
    columns: &'static [&'static str],
    rows: Vec<(String, Vec<String>)>,
}

/// All metrics; empty text when there are none.
pub(crate) fn render(all: &ResourceMetrics) -> String {
    let mut tables: BTreeMap<String, Table> = BTreeMap::new();
    for metric in all.scope_metrics().flat_map(|scope| scope.metrics()) {
        let rows = rows(metric);
        if rows.1.is_empty() {
            continue;
        }
        let table = tables.entry(metric.name().to_owned()).or_default();
        table.unit = metric.unit().to_owned();
        table.columns = rows.0;
        table.rows.extend(rows.1);
    }
    if tables.is_empty() {
        return String::new();
    }
    let label = tables.values().flat_map(|table| &table.rows).map(|row| row.0.chars().count() + 3).max().unwrap_or(0);
    let label = label.max(tables.keys().map(|name| name.chars().count()).max().unwrap_or(0)).min(MAX_LABEL);
    let mut text = String::new();
    for (name, mut table) in tables {
        table.rows.sort();
        let widths: Vec<usize> = (0..table.columns.len())
            .map(|column| {
                let cells = table.rows.iter().filter_map(|row| row.1.get(column)).map(|cell| cell.chars().count());
                cells.chain([table.columns[column].len()]).max().unwrap_or(0).max(8)
            })
            .collect();
        let head: String =
            table.columns.iter().zip(&widths).map(|(column, width)| format!("  {column:>width$}")).collect();
        let _ = writeln!(text, "{BOLD}{}{BOLD:#}{DIM}{head}{DIM:#}", fit(&name, label));
        for (attributes, cells) in table.rows.iter().take(MAX_ROWS) {
            let cells: String = cells.iter().zip(&widths).map(|(cell, width)| format!("  {cell:>width$}")).collect();
            let _ = writeln!(text, "   {}{cells}", fit(attributes, label.saturating_sub(3)));
        }
        if table.rows.len() > MAX_ROWS {
            let _ = writeln!(text, "   {DIM}… and {} more{DIM:#}", table.rows.len() - MAX_ROWS);
        }
    }
    text.push('\n');
    text
}

type Rows = (&'static [&'static str], Vec<(String, Vec<String>)>);

fn rows(metric: &Metric) -> Rows {
    const SUM: &[&str] = &["value"];
    const HISTOGRAM: &[&str] = &["count", "mean", "~p50", "~p95", "max"];
    let number = |value: String| vec![format!("{value}{}", in_braces(metric.unit()))];
    match metric.data() {
        AggregatedMetrics::U64(MetricData::Sum(sum)) => (
            SUM,
            sum.data_points().map(|point| (label(point.attributes()), number(point.value().to_string()))).collect(),
        ),
        AggregatedMetrics::I64(MetricData::Sum(sum)) => (
            SUM,
            sum.data_points().map(|point| (label(point.attributes()), number(point.value().to_string()))).collect(),
        ),
        AggregatedMetrics::F64(MetricData::Histogram(histogram)) => {
            let rows = histogram.data_points().map(|point| (label(point.attributes()), cells(point, metric.unit())));
            (HISTOGRAM, rows.collect())
        }
        _ => (SUM, Vec::new()),
    }
}

/// ` By` for a unit, nothing for an annotation such as `{request}`.
fn in_braces(unit: &str) -> String {
    if unit.is_empty() || unit.starts_with('{') || unit == "1" { String::new() } else { format!(" {unit}") }
}

fn cells(point: &HistogramDataPoint<f64>, unit: &str) -> Vec<String> {
    let show = |value: f64| match unit {
        "s" => show_duration(Duration::try_from_secs_f64(value.max(0.0)).unwrap_or_default()),
        _ => format!("{value:.2}{}", in_braces(unit)),
    };
    let count = point.count();
    let mean = if count == 0 { 0.0 } else { point.sum() / count as f64 };
    let max = point.max().unwrap_or(f64::NAN);
    vec![count.to_string(), show(mean), show(quantile(point, 0.5)), show(quantile(point, 0.95)), show(max)]
}

/// A guess from the buckets, evenly spread within each and kept between the smallest and the largest value.
fn quantile(point: &HistogramDataPoint<f64>, share: f64) -> f64 {
    let (min, max) = (point.min().unwrap_or(0.0), point.max().unwrap_or(f64::MAX));
    let bounds: Vec<f64> = point.bounds().collect();
    let wanted = share * point.count() as f64;
    let mut before = 0.0;
    for (index, count) in point.bucket_counts().enumerate() {
        let count = count as f64;
        if count > 0.0 && before + count >= wanted {
            let low = if index == 0 { min } else { bounds.get(index - 1).copied().unwrap_or(min).max(min) };
            let high = bounds.get(index).copied().unwrap_or(max).min(max);
            return low + (high - low) * ((wanted - before) / count).clamp(0.0, 1.0);
        }
        before += count;
    }
    max
}

fn label<'a>(attributes: impl Iterator<Item = &'a KeyValue>) -> String {
    let mut words: Vec<(usize, String)> = Vec::new();
    let attributes: Vec<&KeyValue> = attributes.collect();
    let port = attributes.iter().find(|kv| kv.key.as_str() == "server.port").map(|kv| text(&kv.value));
    for kv in attributes {
        let key = kv.key.as_str();
        if SILENT.contains(&key) {
            continue;
        }
        match SPEAKING.iter().position(|known| *known == key) {
            Some(position) if key == "server.address" => {
                let port = port.as_ref().map(|port| format!(":{port}")).unwrap_or_default();
                words.push((position, format!("{}{port}", text(&kv.value))));
            }
            Some(position) => words.push((position, text(&kv.value))),
            None => words.push((SPEAKING.len(), format!("{key}={}", text(&kv.value)))),
        }
    }
    words.sort();
    let mut words: Vec<String> = words.into_iter().map(|(_, word)| word).collect();
    // A status code of 500 is an error of the type `500`.
    words.dedup();
    words.join(" ")
}

fn text(value: &Value) -> String {
    plain(&value.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::assemble::scope_from;
    use crate::telemetry::metrics::Metrics;
    use crate::telemetry::semconv::{Durations, Measured};
    use opentelemetry_sdk::Resource;

    #[test]
    fn a_histogram_shows_what_people_ask_for() {
        let mut metrics = Metrics::new(Resource::builder_empty().build());
        assert_eq!(render(&metrics.collect()), "");
        for millis in [2, 4, 6, 8, 100] {
            let attributes = vec![
                KeyValue::new("url.scheme", "http"),
                KeyValue::new("http.response.status_code", 500),
                KeyValue::new("error.type", "500"),
                KeyValue::new("http.route", "/orders/{id}"),
                KeyValue::new("http.request.method", "GET"),
            ];
            let measured = Measured { histogram: Durations::HttpServer, attributes };
            metrics.record(&scope_from(""), &measured, Duration::from_millis(millis));
        }
        let text = anstream::adapter::strip_str(&render(&metrics.collect())).to_string();
        let expected = "\
http.server.request.duration     count      mean      ~p50      ~p95       max
   GET /orders/{id} 500              5   24.0 ms   6.25 ms   93.8 ms    100 ms

";
        assert_eq!(text, expected, "\n{text}");
    }
}
