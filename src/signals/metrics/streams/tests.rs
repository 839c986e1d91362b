//! What views make of instruments, as a reader sees it.

use super::*;
use crate::attributes::attribute::Attribute;
use crate::config::{Selection, Stream as StreamConfig};
use crate::conventions::catalog::{DB_CLIENT_OPERATION_DURATION, HTTP_SERVER_REQUEST_DURATION};
use crate::signals::metrics::testing::TestMetrics;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ResourceMetrics};
use std::time::Duration;

fn view(name: &str, stream: StreamConfig) -> View {
    View { instrument_name: Some(name.into()), stream, ..View::default() }
}

/// What is read after a request and a query.
fn read(views: Vec<View>, histograms: HistogramAggregation, limit: usize, routes: usize) -> ResourceMetrics {
    let mut metrics = TestMetrics::with(views, histograms, limit);
    for route in 0..routes {
        let attributes =
            [Attribute::new("http.route", format!("/{route}")), Attribute::new("http.request.method", "GET")];
        metrics.record(&HTTP_SERVER_REQUEST_DURATION, &attributes, Duration::from_millis(20));
    }
    let query = [Attribute::new("db.system.name", "sqlite")];
    metrics.record(&DB_CLIENT_OPERATION_DURATION, &query, Duration::from_millis(2));
    metrics.collect()
}

/// Name, description's first word, form and attribute keys of every stream, sorted.
fn streams(all: &ResourceMetrics) -> Vec<String> {
    let mut shown: Vec<String> = all
        .scope_metrics()
        .flat_map(|scope| scope.metrics())
        .map(|metric| {
            let (form, attributes) = match metric.data() {
                AggregatedMetrics::F64(MetricData::Histogram(histogram)) => {
                    let point = histogram.data_points().next().unwrap();
                    (format!("{} bounds", point.bounds().count()), point.attributes().cloned().collect::<Vec<_>>())
                }
                AggregatedMetrics::F64(MetricData::ExponentialHistogram(histogram)) => {
                    let point = histogram.data_points().next().unwrap();
                    (format!("scale {}", point.scale()), point.attributes().cloned().collect())
                }
                AggregatedMetrics::F64(MetricData::Sum(sum)) => {
                    let point = sum.data_points().next().unwrap();
                    (format!("sum {}", point.value()), point.attributes().cloned().collect())
                }
                other => panic!("{other:?}"),
            };
            let mut keys: Vec<&str> = attributes.iter().map(|kv| kv.key.as_str()).collect();
            keys.sort_unstable();
            let word = metric.description().split(' ').next().unwrap_or_default();
            format!("{} {word} {} {form} {}", metric.name(), metric.unit(), keys.join(","))
        })
        .collect();
    shown.sort();
    shown
}

const PLAIN: HistogramAggregation = HistogramAggregation::ExplicitBuckets;
const SERVER: &str = "http.server.request.duration Duration s 14 bounds http.request.method,http.route";
const DATABASE: &str = "db.client.operation.duration Duration s 9 bounds db.system.name";

#[test]
fn without_views_instruments_have_their_advised_aggregation() {
    assert_eq!(streams(&read(vec![], PLAIN, 2000, 1)), [DATABASE, SERVER]);
}

#[test]
fn a_reader_may_default_to_exponential_histograms() {
    let all = streams(&read(vec![], HistogramAggregation::Exponential, 2000, 1));
    assert_eq!(all[0], "db.client.operation.duration Duration s scale 20 db.system.name");
}

#[test]
fn a_view_renames_describes_and_drops() {
    let renamed =
        StreamConfig { name: Some("my requests".into()), description: Some("Mine.".into()), ..StreamConfig::default() };
    let dropped = StreamConfig { aggregation: Some(config::Aggregation::Drop), ..StreamConfig::default() };
    let views = vec![view("HTTP.server.*", renamed), view("db.*", dropped)];
    let expected = ["my requests Mine. s 14 bounds http.request.method,http.route"];
    assert_eq!(streams(&read(views, PLAIN, 2000, 1)), expected);
}

#[test]
fn a_view_changes_the_aggregation() {
    let buckets = config::Aggregation::ExplicitBuckets { boundaries: Some(vec![0.1, 1.0]), record_min_max: false };
    let advised = config::Aggregation::ExplicitBuckets { boundaries: None, record_min_max: false };
    let fine = config::Aggregation::Exponential { max_scale: 3, max_size: 10, record_min_max: true };
    for (aggregation, expected) in [
        (buckets, "2 bounds"),
        (advised, "9 bounds"),
        (fine, "scale 3"),
        (config::Aggregation::Sum, "sum 0.002"),
        (config::Aggregation::Default, "9 bounds"),
        // The SDK cannot make this one, so the stream keeps its own aggregation.
        (config::Aggregation::LastValue, "9 bounds"),
    ] {
        let stream = StreamConfig { aggregation: Some(aggregation.clone()), ..StreamConfig::default() };
        let all = streams(&read(vec![view("db.client.operation.duration", stream)], PLAIN, 2000, 1));
        let expected = format!("db.client.operation.duration Duration s {expected} db.system.name");
        assert_eq!(all, [expected.as_str(), SERVER], "{aggregation:?}");
    }
}

#[test]
fn a_view_keeps_the_attributes_it_names() {
    for (included, excluded, expected) in [
        (Some(vec!["http.route".to_owned()]), vec![], "http.route"),
        (Some(vec!["http.*".to_owned()]), vec!["*.method".to_owned()], "http.route"),
        (None, vec!["http.rout?".to_owned()], "http.request.method"),
        (Some(vec![]), vec![], ""),
    ] {
        let stream = StreamConfig { attributes: Some(Selection { included, excluded }), ..StreamConfig::default() };
        let all = streams(&read(vec![view("http.server.*", stream)], PLAIN, 2000, 1));
        assert_eq!(all[1], format!("http.server.request.duration Duration s 14 bounds {expected}"));
    }
}

#[test]
fn every_matching_view_makes_a_stream_and_equal_streams_are_made_once() {
    let named = |name: &str| StreamConfig { name: Some(name.into()), ..StreamConfig::default() };
    let views = vec![view("http.*", named("a")), view("*.duration", named("b")), view("http.server.*", named("a"))];
    let all = streams(&read(views, PLAIN, 2000, 1));
    let names: Vec<&str> = all.iter().filter_map(|stream| stream.split(' ').next()).collect();
    assert_eq!(names, ["a", "b", "b"], "the database's is the other b");
}

#[test]
fn views_select_by_kind_unit_and_meter_too() {
    let dropped = StreamConfig { aggregation: Some(config::Aggregation::Drop), ..StreamConfig::default() };
    let all = |view: View| streams(&read(vec![View { stream: dropped.clone(), ..view }], PLAIN, 2000, 1)).len();
    assert_eq!(all(View { instrument_kind: Some(InstrumentKind::Histogram), ..View::default() }), 0);
    assert_eq!(all(View { instrument_kind: Some(InstrumentKind::Counter), ..View::default() }), 2);
    assert_eq!(all(View { unit: Some("s".into()), ..View::default() }), 0);
    assert_eq!(all(View { unit: Some("ms".into()), ..View::default() }), 2);
    assert_eq!(all(View { meter_name: Some("otel-rs".into()), ..View::default() }), 0);
    assert_eq!(all(View { meter_version: Some("9".into()), ..View::default() }), 2);
}

#[test]
fn series_beyond_the_limit_are_counted_in_the_overflow_series() {
    let keys_of = |limit: usize, stream: StreamConfig| {
        let all = read(vec![view("http.*", stream)], PLAIN, limit, 30);
        let metrics = all.scope_metrics().flat_map(|scope| scope.metrics());
        let server = metrics.into_iter().find(|metric| metric.name() == "http.server.request.duration").unwrap();
        let AggregatedMetrics::F64(MetricData::Histogram(histogram)) = server.data() else { panic!() };
        let overflow = |kv: &KeyValue| kv.key.as_str() == "otel.metric.overflow" && kv.value == true.into();
        let points: Vec<_> = histogram.data_points().collect();
        let counted: u64 = points.iter().map(|point| point.count()).sum();
        assert_eq!(counted, 30, "what overflows is counted");
        (points.len(), points.iter().filter(|point| point.attributes().any(overflow)).count())
    };
    assert_eq!(keys_of(2000, StreamConfig::default()), (30, 0));
    assert_eq!(keys_of(5, StreamConfig::default()).1, 1);
    assert_eq!(keys_of(2000, StreamConfig { cardinality_limit: Some(5), ..StreamConfig::default() }).1, 1);
}

#[test]
fn views_that_the_sdk_cannot_make_are_described() {
    let unusable = |aggregation| {
        unusable_part(&view("*", StreamConfig { aggregation: Some(aggregation), ..StreamConfig::default() }))
    };
    assert_eq!(unusable(config::Aggregation::Sum), None);
    assert!(unusable(config::Aggregation::LastValue).unwrap().contains("gauges"));
    let unsorted = config::Aggregation::ExplicitBuckets { boundaries: Some(vec![2.0, 1.0]), record_min_max: true };
    assert!(unusable(unsorted).unwrap().contains("sorted"));
    let wild = config::Aggregation::Exponential { max_scale: 99, max_size: 160, record_min_max: true };
    assert!(unusable(wild).unwrap().contains("max_scale"));
    assert!(
        unusable_part(&view("*", StreamConfig { cardinality_limit: Some(0), ..StreamConfig::default() })).is_some()
    );
}
