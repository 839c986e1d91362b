//! Pages, read as Prometheus would.

use super::*;
use crate::signals::metrics::testing::reading;
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{Aggregation, Instrument, SdkMeterProvider, Stream};

/// A page without scope and resource.
fn bare() -> config::Prometheus {
    config::Prometheus {
        host: String::new(),
        port: 0,
        cardinality_limit: config::CardinalityLimit::all(2000),
        scope_info: false,
        target_info: false,
        resource_labels: None,
        origin: config::SettingOrigin::default(),
    }
}

/// The page of what `record` records.
fn page(format: Format, record: impl Fn(&SdkMeterProvider)) -> Page {
    let config = config::Prometheus { scope_info: true, target_info: true, ..bare() };
    page_as(&config, format, record)
}

fn page_as(config: &config::Prometheus, format: Format, record: impl Fn(&SdkMeterProvider)) -> Page {
    let resource = Resource::builder_empty().with_attributes([KeyValue::new("service.name", "a \"shop\"")]).build();
    let exponential = |instrument: &Instrument| {
        let aggregation = Aggregation::Base2ExponentialHistogram { max_size: 160, max_scale: 20, record_min_max: true };
        (instrument.name() == "fine").then(|| Stream::builder().with_aggregation(aggregation).build().unwrap())
    };
    let all = reading(SdkMeterProvider::builder().with_resource(resource).with_view(exponential), &record);
    render(&[Collected { metrics: all, ..Collected::default() }], format, config)
}

fn shop(provider: &SdkMeterProvider) {
    let scope = InstrumentationScope::builder("hyper").with_version("1.6.0").with_schema_url("https://s/1").build();
    let meter = provider.meter_with_scope(scope);
    let durations = meter.f64_histogram("http.server.request.duration").with_unit("s").with_boundaries(vec![0.5, 1.0]);
    let durations = durations.with_description("Duration of HTTP server requests.").build();
    let route = [KeyValue::new("http.route", "/a\\b\n\"c\""), KeyValue::new("le", "x")];
    for seconds in [0.25, 0.5, 3.0] {
        durations.record(seconds, &route);
    }
    let active = meter.i64_up_down_counter("http.server.active_requests").with_unit("{request}");
    active.with_description("Back\\slash \"quoted\"\nline.").build().add(2, &[]);
    meter.u64_counter("process.cpu.time").with_unit("s").with_description("Time.").build().add(7, &[]);
}

#[test]
fn the_text_format_0_0_4_has_families_and_their_series() {
    let expected = r#"# HELP target_info Where these metrics come from.
# TYPE target_info gauge
target_info{service_name="a \"shop\""} 1
# HELP http_server_active_requests Back\\slash "quoted"\nline.
# TYPE http_server_active_requests gauge
http_server_active_requests{otel_scope_name="hyper",otel_scope_schema_url="https://s/1",otel_scope_version="1.6.0"} 2
# HELP http_server_request_duration_seconds Duration of HTTP server requests.
# TYPE http_server_request_duration_seconds histogram
http_server_request_duration_seconds_bucket{exported_le="x",http_route="/a\\b\n\"c\"",otel_scope_name="hyper",otel_scope_schema_url="https://s/1",otel_scope_version="1.6.0",le="0.5"} 2
http_server_request_duration_seconds_bucket{exported_le="x",http_route="/a\\b\n\"c\"",otel_scope_name="hyper",otel_scope_schema_url="https://s/1",otel_scope_version="1.6.0",le="1.0"} 2
http_server_request_duration_seconds_bucket{exported_le="x",http_route="/a\\b\n\"c\"",otel_scope_name="hyper",otel_scope_schema_url="https://s/1",otel_scope_version="1.6.0",le="+Inf"} 3
http_server_request_duration_seconds_sum{exported_le="x",http_route="/a\\b\n\"c\"",otel_scope_name="hyper",otel_scope_schema_url="https://s/1",otel_scope_version="1.6.0"} 3.75
http_server_request_duration_seconds_count{exported_le="x",http_route="/a\\b\n\"c\"",otel_scope_name="hyper",otel_scope_schema_url="https://s/1",otel_scope_version="1.6.0"} 3
# HELP process_cpu_time_seconds_total Time.
# TYPE process_cpu_time_seconds_total counter
process_cpu_time_seconds_total{otel_scope_name="hyper",otel_scope_schema_url="https://s/1",otel_scope_version="1.6.0"} 7
"#;
    let page = page(Format::Text, shop);
    assert_eq!(page.text, expected, "\n{}", page.text);
}

#[test]
fn labels_distinguish_several_programs() {
    let program = |attributes: Vec<KeyValue>, count| {
        let resource = Resource::builder_empty().with_attributes(attributes).build();
        let record = |provider: &SdkMeterProvider| {
            provider.meter("s").u64_counter("done").build().add(count, &[KeyValue::new("a", 1)]);
        };
        let metrics = reading(SdkMeterProvider::builder().with_resource(resource), record);
        Collected { metrics, ..Collected::default() }
    };
    let named = |name, instance, namespace: Option<&'static str>| {
        let named = [KeyValue::new("service.name", name), KeyValue::new("service.instance.id", instance)];
        named.into_iter().chain(namespace.map(|name| KeyValue::new("service.namespace", name))).collect::<Vec<_>>()
    };
    let all = [
        program(named("a", "x", None), 1),
        program(named("b", "y", Some("shops")), 2),
        // They differ in nothing that labels are made of.
        program(named("a", "x", None), 3),
        program(vec![], 4),
        Collected::default(),
    ];
    let config = config::Prometheus { target_info: true, ..bare() };
    let expected = r#"# HELP target_info Where these metrics come from.
# TYPE target_info gauge
target_info{instance="x",job="a",service_instance_id="x",service_name="a"} 1
target_info{instance="y",job="shops/b",service_instance_id="y",service_name="b",service_namespace="shops"} 1
target_info{instance="x/2",job="a",service_instance_id="x",service_name="a"} 1
target_info 1
# HELP done_total 
# TYPE done_total counter
done_total{a="1"} 4
done_total{a="1",instance="x",job="a"} 1
done_total{a="1",instance="x/2",job="a"} 3
done_total{a="1",instance="y",job="shops/b"} 2
"#;
    let page = render(&all, Format::Text, &config);
    assert_eq!(page.text, expected, "\n{}", page.text);
}

#[test]
fn an_exemplar_stands_in_its_bucket_where_the_format_has_them() {
    use crate::signals::metrics::data::Exemplars;
    use opentelemetry::{SpanId, TraceId};
    let record = |provider: &SdkMeterProvider| {
        let durations = provider.meter("s").f64_histogram("lasted").with_boundaries(vec![0.5, 1.0]).build();
        [0.25, 0.75, 3.0].iter().for_each(|seconds| durations.record(*seconds, &[KeyValue::new("a", 1)]));
    };
    let mut exemplars = Exemplars::default();
    let scope = InstrumentationScope::builder("s").build();
    let attributes = [KeyValue::new("a", 1)];
    let at = UNIX_EPOCH + std::time::Duration::from_millis(1_700_000_000_025);
    let origin = Origin { trace: TraceId::from(10), span: SpanId::from(11), is_sampled: true, at, read_at: at };
    let series = exemplars.series(&scope, "lasted", &attributes).unwrap();
    exemplars.keep(series, &[], (0.75, origin));
    let text = |format| {
        let metrics = reading(SdkMeterProvider::builder(), record);
        let collected = Collected { metrics, exemplars: exemplars.clone(), ..Collected::default() };
        render(&[collected], format, &bare()).text
    };
    let ids = r#"{trace_id="0000000000000000000000000000000a",span_id="000000000000000b"}"#;
    let line = format!("lasted_bucket{{a=\"1\",le=\"1.0\"}} 2 # {ids} 0.75 1700000000.025\n");
    let found = text(Format::OpenMetrics);
    assert!(found.contains(&line) && found.matches(" # {").count() == 1, "{found}");
    assert!(!text(Format::Text).contains("trace_id"));
}

#[test]
fn openmetrics_differs_in_families_units_and_its_end() {
    let text = page(Format::OpenMetrics, shop).text;
    for line in [
        "# TYPE target info\ntarget_info{",
        "# TYPE process_cpu_time_seconds counter\n# UNIT process_cpu_time_seconds seconds\nprocess_cpu_time_seconds_total{",
        "# HELP http_server_active_requests Back\\\\slash \\\"quoted\\\"\\nline.\n",
    ] {
        assert!(text.contains(line), "{line}\n--- is not in\n{text}");
    }
    assert!(text.ends_with("\n# EOF\n"), "{text}");
}

#[test]
fn labels_of_scope_and_resource_are_configurable() {
    let config = config::Prometheus {
        resource_labels: Some(config::Selection { included: Some(vec!["service.*".into()]), excluded: vec![] }),
        ..bare()
    };
    let text = page_as(&config, Format::Text, shop).text;
    assert!(text.contains("\nhttp_server_active_requests{service_name=\"a \\\"shop\\\"\"} 2\n"), "{text}");
    assert!(!text.contains("otel_scope") && !text.contains("target_info"), "{text}");
}

#[test]
fn a_name_is_one_family_whatever_scopes_it_comes_from() {
    let page = page(Format::Text, |provider| {
        for scope in ["a", "b"] {
            provider.meter(scope).u64_counter("things").with_description(scope).build().add(1, &[]);
        }
        provider.meter("c").u64_histogram("things").build().record(1, &[]);
        // Two names that are one in Prometheus' letters: the first one stays.
        provider.meter("d").u64_gauge("a.b").build().record(1, &[]);
        provider.meter("d").u64_gauge("a_b").build().record(2, &[]);
    });
    assert_eq!(page.text.matches("# TYPE things_total ").count(), 1, "{}", page.text);
    assert_eq!(page.text.matches("\nthings_total{").count(), 2, "{}", page.text);
    assert_eq!(page.text.matches("\na_b{").count(), 1, "{}", page.text);
}

#[test]
fn another_type_under_a_known_name_is_left_out_and_named() {
    let page = page(Format::Text, |provider| {
        provider.meter("a").u64_gauge("things").build().record(1, &[]);
        provider.meter("b").u64_histogram("things").build().record(1, &[]);
    });
    assert_eq!(page.left_out, ["things"]);
    assert_eq!(page.text.matches("# TYPE things ").count(), 1, "{}", page.text);
}

#[test]
fn labels_that_become_one_share_it() {
    let page = page(Format::Text, |provider| {
        let both = [KeyValue::new("a.b", "2"), KeyValue::new("a-b", "1")];
        provider.meter("m").u64_gauge("x").build().record(1, &both);
    });
    assert!(page.text.contains("x{a_b=\"1;2\",otel_scope_name=\"m\"} 1\n"), "{}", page.text);
}

#[test]
fn an_exponential_histogram_has_buckets_that_end_at_powers_of_two() {
    let page = page(Format::Text, |provider| {
        let fine = provider.meter("m").f64_histogram("fine").build();
        for value in [0.0, 0.3, 0.5, 0.6, 1.0, 3.0, 4.0] {
            fine.record(value, &[]);
        }
    });
    let buckets: Vec<&str> = page
        .text
        .lines()
        .filter_map(|line| line.strip_prefix("fine_bucket{otel_scope_name=\"m\",le=")?.strip_suffix(' ').or(Some(line)))
        .map(|line| line.rsplit_once("le=").map_or(line, |(_, rest)| rest))
        .collect();
    let expected = [r#""0.0"} 1"#, r#""0.5"} 3"#, r#""1.0"} 5"#, r#""2.0"} 5"#, r#""4.0"} 7"#, r#""+Inf"} 7"#];
    assert_eq!(buckets, expected, "{}", page.text);
}
