//! Metrics as a small table, for people.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use anstyle::Style;
use opentelemetry::{KeyValue, Value};
use opentelemetry_sdk::metrics::data::{
    AggregatedMetrics, ExponentialBucket, ExponentialHistogramDataPoint, HistogramDataPoint, Metric, MetricData,
};

use super::console::{fit, plain, show_duration};
use crate::signals::metrics::data::{Collected, Distribution as Values};

const DIM: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();
/// Rows shown of one metric.
const MAX_ROWS: usize = 40;
const MAX_LABEL: usize = 76;
const HISTOGRAM: &[&str] = &["count", "mean", "~p50", "~p95", "max"];

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
/// Attributes that repeat another one, or that are of no interest to a reader.
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
pub(crate) fn render(all: &Collected) -> String {
    let mut tables: BTreeMap<String, Table> = BTreeMap::new();
    for metric in all.metrics.scope_metrics().flat_map(|scope| scope.metrics()) {
        let rows = rows(metric);
        if rows.1.is_empty() {
            continue;
        }
        let table = tables.entry(metric.name().to_owned()).or_default();
        table.unit = metric.unit().to_owned();
        table.columns = rows.0;
        table.rows.extend(rows.1);
    }
    for metric in &all.histograms {
        let table = tables.entry(metric.name.clone()).or_default();
        table.unit.clone_from(&metric.unit);
        table.columns = HISTOGRAM;
        let rows = metric.points.iter().map(|(attributes, values)| {
            let spread = Distribution::of_bounds(&metric.bounds, values);
            (label(attributes.iter()), spread.cells(&metric.unit))
        });
        table.rows.extend(rows);
    }
    if tables.is_empty() {
        return String::new();
    }
    let label = tables.values().flat_map(|table| &table.rows).map(|row| row.0.chars().count() + 3).max().unwrap_or(0);
    let label = label.max(tables.keys().map(|name| name.chars().count()).max().unwrap_or(0)).min(MAX_LABEL);
    let mut text = String::new();
    if let Some(program) = &all.program {
        let _ = writeln!(text, "{BOLD}metrics of {}{BOLD:#}", plain(program));
    }
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
    match metric.data() {
        AggregatedMetrics::F64(data) => rows_of(data, metric.unit(), |value| format!("{value:.2}"), |value| value),
        AggregatedMetrics::I64(data) => rows_of(data, metric.unit(), |value| value.to_string(), |value| value as f64),
        AggregatedMetrics::U64(data) => rows_of(data, metric.unit(), |value| value.to_string(), |value| value as f64),
    }
}

fn rows_of<T: Copy>(
    data: &MetricData<T>,
    unit: &str,
    show: impl Fn(T) -> String,
    float: impl Fn(T) -> f64 + Copy,
) -> Rows {
    const NUMBER: &[&str] = &["value"];
    let number = |value: T| vec![format!("{}{}", show(value), in_braces(unit))];
    match data {
        MetricData::Gauge(gauge) => {
            let rows = gauge.data_points().map(|point| (label(point.attributes()), number(point.value())));
            (NUMBER, rows.collect())
        }
        MetricData::Sum(sum) => {
            let rows = sum.data_points().map(|point| (label(point.attributes()), number(point.value())));
            (NUMBER, rows.collect())
        }
        MetricData::Histogram(histogram) => {
            let rows = histogram
                .data_points()
                .map(|point| (label(point.attributes()), Distribution::of_explicit(point, float).cells(unit)));
            (HISTOGRAM, rows.collect())
        }
        MetricData::ExponentialHistogram(histogram) => {
            let rows = histogram
                .data_points()
                .map(|point| (label(point.attributes()), Distribution::of_exponential(point, float).cells(unit)));
            (HISTOGRAM, rows.collect())
        }
    }
}

/// ` By` for a unit, nothing for an annotation such as `{request}`.
fn in_braces(unit: &str) -> String {
    if unit.is_empty() || unit.starts_with('{') || unit == "1" { String::new() } else { format!(" {unit}") }
}

/// A histogram's point, whatever its buckets are like.
#[derive(Debug)]
struct Distribution {
    count: u64,
    sum: f64,
    min: Option<f64>,
    max: Option<f64>,
    /// The number of values between each pair of bounds, in rising order.
    buckets: Vec<(f64, f64, u64)>,
}

impl Distribution {
    fn of_bounds(bounds: &[f64], values: &Values) -> Distribution {
        let lows = std::iter::once(f64::NEG_INFINITY).chain(bounds.iter().copied());
        let highs = bounds.iter().copied().chain([f64::INFINITY]);
        let buckets = lows.zip(highs).zip(&values.buckets).map(|((low, high), count)| (low, high, *count)).collect();
        Distribution { count: values.count(), sum: values.sum, min: values.min, max: values.max, buckets }
    }

    fn of_explicit<T: Copy>(point: &HistogramDataPoint<T>, float: impl Fn(T) -> f64) -> Distribution {
        let lows = std::iter::once(f64::NEG_INFINITY).chain(point.bounds());
        let highs = point.bounds().chain([f64::INFINITY]);
        let buckets = lows.zip(highs).zip(point.bucket_counts()).map(|((low, high), count)| (low, high, count));
        Distribution {
            count: point.count(),
            sum: float(point.sum()),
            min: point.min().map(&float),
            max: point.max().map(&float),
            buckets: buckets.collect(),
        }
    }

    fn of_exponential<T: Copy>(point: &ExponentialHistogramDataPoint<T>, float: impl Fn(T) -> f64) -> Distribution {
        let base = f64::from(-i32::from(point.scale())).exp2().exp2();
        let bounds = |bucket: &ExponentialBucket| {
            let from = bucket.offset();
            let bound = move |index: i32| base.powi(from.saturating_add(index));
            let counts: Vec<u64> = bucket.counts().collect();
            (0..).zip(counts).map(move |(index, count)| (bound(index), bound(index + 1), count)).collect::<Vec<_>>()
        };
        let below = bounds(point.negative_bucket()).into_iter().rev().map(|(low, high, count)| (-high, -low, count));
        let mut buckets: Vec<(f64, f64, u64)> = below.collect();
        buckets.push((-point.zero_threshold(), point.zero_threshold(), point.zero_count()));
        buckets.extend(bounds(point.positive_bucket()));
        Distribution {
            count: point.count() as u64,
            sum: float(point.sum()),
            min: point.min().map(&float),
            max: point.max().map(&float),
            buckets,
        }
    }

    fn cells(&self, unit: &str) -> Vec<String> {
        let show = |value: f64| match unit {
            "s" => show_duration(Duration::try_from_secs_f64(value.max(0.0)).unwrap_or_default()),
            "By" => format!("{value:.0} By"),
            _ => format!("{value:.2}{}", in_braces(unit)),
        };
        let mean = if self.count == 0 { 0.0 } else { self.sum / self.count as f64 };
        let max = self.max.map_or_else(|| "-".to_owned(), show);
        vec![self.count.to_string(), show(mean), show(self.quantile(0.5)), show(self.quantile(0.95)), max]
    }

    /// A guess from the buckets, evenly spread within each and never outside of what has been seen.
    fn quantile(&self, share: f64) -> f64 {
        let rank = (share * self.count as f64).ceil().max(1.0);
        let mut before = 0.0;
        for (low, high, count) in self.buckets.iter().filter(|bucket| bucket.2 > 0) {
            let count = *count as f64;
            if before + count >= rank {
                let low = if low.is_finite() { *low } else { self.min.unwrap_or(*high) };
                let high = if high.is_finite() { *high } else { self.max.unwrap_or(low) };
                let (low, high) = (low.max(self.min.unwrap_or(low)), high.min(self.max.unwrap_or(high)));
                return low + (high - low) * ((rank - before) / count);
            }
            before += count;
        }
        self.max.unwrap_or(0.0)
    }
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
    use crate::attributes::attribute::Attribute;
    use crate::config::HistogramAggregation;
    use crate::conventions::catalog::HTTP_SERVER_REQUEST_DURATION;
    use crate::signals::metrics::testing::TestMetrics;

    fn table(histograms: HistogramAggregation, durations: impl IntoIterator<Item = Duration>) -> String {
        let mut metrics = TestMetrics::new(histograms);
        assert_eq!(render(&metrics.collect_all()), "");
        for duration in durations {
            let attributes = [
                Attribute::new("url.scheme", "http"),
                Attribute::int("http.response.status_code", 500),
                Attribute::new("error.type", "500"),
                Attribute::new("http.route", "/orders/{id}"),
                Attribute::new("http.request.method", "GET"),
            ];
            metrics.record(&HTTP_SERVER_REQUEST_DURATION, &attributes, duration);
        }
        anstream::adapter::strip_str(&render(&metrics.collect_all())).to_string()
    }

    #[test]
    fn tables_of_several_programs_name_their_program() {
        let mut metrics = TestMetrics::new(HistogramAggregation::Exponential);
        metrics.record(&HTTP_SERVER_REQUEST_DURATION, &[], Duration::from_millis(3));
        let all = Collected { program: Some("stock".into()), ..metrics.collect_all() };
        let text = anstream::adapter::strip_str(&render(&all)).to_string();
        assert!(text.starts_with("metrics of stock\nhttp.server.request.duration "), "{text}");
    }

    #[test]
    fn a_histogram_shows_what_people_ask_for() {
        let text = table(HistogramAggregation::Exponential, [2, 4, 6, 8, 100].map(Duration::from_millis));
        let expected = "\
http.server.request.duration     count      mean      ~p50      ~p95       max
   GET /orders/{id} 500              5   24.0 ms   6.02 ms    100 ms    100 ms

";
        assert_eq!(text, expected, "\n{text}");
    }

    #[test]
    fn one_slow_request_does_not_make_the_usual_ones_slow() {
        let durations = || std::iter::repeat_n(1_000, 99).chain([4_900]).map(Duration::from_micros);
        let row = |histograms| table(histograms, durations()).lines().nth(1).unwrap_or_default().to_owned();
        let fine = row(HistogramAggregation::Exponential);
        assert!(fine.ends_with("100   1.04 ms   1.00 ms   1.01 ms   4.90 ms"), "{fine}");
        // One bucket holds them all: a guess, but within what was seen.
        let coarse = row(HistogramAggregation::ExplicitBuckets);
        assert!(coarse.ends_with("100   1.04 ms   2.95 ms   4.71 ms   4.90 ms"), "{coarse}");
    }

    #[test]
    fn quantiles_of_equal_values_are_that_value() {
        for histograms in [HistogramAggregation::Exponential, HistogramAggregation::ExplicitBuckets] {
            let row = table(histograms, [Duration::from_millis(3); 7]);
            assert!(row.contains("7   3.00 ms   3.00 ms   3.00 ms   3.00 ms"), "{row}");
        }
    }
}
