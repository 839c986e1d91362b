use std::time::Duration;

use super::*;
use crate::config::{
    Aggregation, AttributeValue, Batch, CardinalityLimit, Endpoint, Exporter, HistogramAggregation, InstrumentKind,
    JsonTarget, LogLevel, LogLimits, ObserverThread, Otlp, Periodic, Processor, Prometheus, Protocol, Reader, Sampler,
    Selection, SettingOrigin, SpanLimits, Stream, Temporality, Tls, View,
};

mod files;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/declarative-config").join(name)
}

fn loaded(name: &str) -> (Config, Vec<String>) {
    let text = read(&fixture(name)).unwrap();
    let loaded = understand(&text, &|_| None).unwrap_or_else(|problems| panic!("{problems:?}"));
    (loaded.config, loaded.notices.iter().map(ToString::to_string).collect())
}

/// What is made of a text that starts with the version.
fn understood(text: &str) -> Result<Loaded, Vec<String>> {
    let text = format!("file_format: '1.0'\n{text}");
    understand(&text, &|name| (name == "PORT").then(|| "hunter2".to_owned()))
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

fn config(text: &str) -> Config {
    let loaded = understood(text).unwrap_or_else(|problems| panic!("{text}: {problems:?}"));
    assert_eq!(loaded.notices, [], "{text}");
    loaded.config
}

fn notices(text: &str) -> Vec<String> {
    understood(text).unwrap().notices.iter().map(ToString::to_string).collect()
}

fn problems(text: &str) -> Vec<String> {
    understood(text).err().unwrap_or_else(|| panic!("{text} is usable"))
}

fn otlp(endpoint: &str, protocol: Protocol) -> Otlp {
    Otlp {
        endpoint: Endpoint::of_test(endpoint),
        protocol,
        headers: crate::config::Headers(Vec::new()),
        gzip: false,
        timeout: Duration::from_secs(10),
        tls: Tls::default(),
        proxy: None,
        origin: SettingOrigin::default(),
    }
}

fn all_files() -> Tls {
    Tls {
        certificate: Some("/ca.pem".into()),
        client_certificate: Some("/cert.pem".into()),
        client_key: Some("/key.pem".into()),
    }
}

fn milliseconds(number: u64) -> Duration {
    Duration::from_millis(number)
}

#[test]
fn every_key_is_read_or_named_as_unsupported() {
    for name in ["everything", "older"] {
        let expected = std::fs::read_to_string(fixture(&format!("{name}.notices"))).unwrap();
        let (_, notices) = loaded(&format!("{name}.yaml"));
        assert_eq!(notices, expected.lines().collect::<Vec<_>>(), "{name}.notices");
    }
}

#[test]
fn settings_of_all_signals_are_read() {
    let (config, _) = loaded("everything.yaml");
    assert!(config.disabled);
    assert_eq!(config.log_level, LogLevel::Warn);
    let text = |text: &str| AttributeValue::Text(text.into());
    let attributes: Vec<_> =
        config.resource.attributes.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
    assert_eq!(
        attributes,
        [
            ("team", text("sales north")),
            ("service.name", text("shop")),
            ("a.bool", AttributeValue::Bool(true)),
            ("an.int", AttributeValue::Int(16)),
            ("a.double", AttributeValue::Float(2.0)),
            ("a.string", text("text")),
            ("strings", AttributeValue::Texts(vec!["a".into(), "b".into()])),
            ("bools", AttributeValue::Bools(vec![true, false])),
            ("ints", AttributeValue::Ints(vec![1, 2])),
            ("doubles", AttributeValue::Floats(vec![1.0, 2.5])),
        ]
    );
    assert_eq!(config.resource.schema_url.as_deref(), Some("https://example.com/schema"));
    assert_eq!(config.resource.detectors, ["host", "os", "process", "container", "service_instance"]);
    let detected = Selection { included: Some(vec!["host.*".into()]), excluded: vec!["host.id".into()] };
    assert_eq!(config.resource.detected, Some(detected));
    assert_eq!(config.propagators, ["b3", "tracecontext", "baggage", "b3multi", "xray", "jaeger", "ottrace"]);
    assert_eq!(config.sampler, Sampler { name: "parentbased_traceidratio", ratio: 0.25 });
    assert_eq!(config.http.server_request_headers, ["c"]);
    assert_eq!(config.http.server_response_headers, ["d"]);
    assert_eq!(config.http.client_request_headers, ["a"]);
    assert_eq!(config.http.client_response_headers, ["b"]);
    assert_eq!(config.http.sanitized_headers, ["x-key*"]);
    assert_eq!(config.http.known_methods, ["GET", "PUT"]);
    assert_eq!(config.instrumentations.enabled, ["one", "another"]);
    assert_eq!(config.instrumentations.disabled, ["another"]);
    assert_eq!(config.excluded_urls, ["/health", "/internal/*"]);
    assert_eq!(config.detach_after, milliseconds(1234));
    assert_eq!(
        config.run,
        crate::config::Run { span: true, arguments: false, environment_parent: true, follow: false }
    );
    let truths = [config.log_ids, config.log_span_fields, config.span_events, config.runtime_poll_times];
    assert_eq!((truths, config.observer_thread), ([true; 4], ObserverThread::Never));
    assert_eq!(config.baggage_attributes, ["tenant", "user.*"]);
    assert_eq!(config.memory_limit, 32 << 20);
}

#[test]
fn spans_and_log_records_have_the_file_s_exporters() {
    let (config, _) = loaded("everything.yaml");
    let headers = [("x-zone", "eu"), ("x-tenant", "7")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    let first = Otlp {
        headers: crate::config::Headers(headers.to_vec()),
        gzip: true,
        timeout: milliseconds(5),
        tls: all_files(),
        ..otlp("https://collector:4318/v1/traces", Protocol::HttpJson)
    };
    let batch = Batch { delay: milliseconds(1), timeout: milliseconds(2), queue: 3, size: 4 };
    let simple = Batch { delay: Duration::ZERO, timeout: Duration::from_secs(30), queue: 65536, size: 1 };
    assert_eq!(
        config.traces.processors,
        [
            Processor { exporter: Exporter::Otlp(first), batch },
            Processor { exporter: Exporter::Console, batch: simple },
            Processor { exporter: Exporter::JsonLines(JsonTarget::File("/tmp/spans.jsonl".into())), batch: simple },
        ]
    );
    assert_eq!(
        config.traces.limits,
        SpanLimits {
            value_length: Some(11),
            attributes: 13,
            events: 14,
            links: 15,
            event_attributes: 16,
            link_attributes: 17
        }
    );
    let logs = config.logs.processors;
    assert_eq!(logs[0].exporter, Exporter::Otlp(otlp("http://localhost:4318/v1/logs", Protocol::HttpProtobuf)));
    assert_eq!(logs[0].batch.delay, Duration::ZERO);
    assert!(logs[0].batch.timeout > Duration::from_secs(1 << 20), "0 is no limit");
    assert_eq!(logs[1].exporter, Exporter::JsonLines(JsonTarget::Stdout));
    assert_eq!(logs.len(), 2);
    assert_eq!(config.logs.limits, LogLimits { value_length: Some(41), attributes: 43 });

    let (older, _) = loaded("older.yaml");
    let Exporter::Otlp(Otlp { tls, .. }) = &older.traces.processors[0].exporter else { panic!() };
    assert_eq!((tls, older.traces.processors.len()), (&all_files(), 3));
    let without_tls = Otlp { tls: all_files(), ..otlp("http://collector:4317/", Protocol::Grpc) };
    assert_eq!(older.traces.processors[2].exporter, Exporter::Otlp(without_tls));
}

#[test]
fn readers_and_views_are_read() {
    let (config, _) = loaded("everything.yaml");
    let grpc = Otlp {
        headers: crate::config::Headers(vec![("a".into(), "b".into())]),
        timeout: milliseconds(24),
        tls: all_files(),
        ..otlp("http://collector:4317/", Protocol::Grpc)
    };
    let mut limit = CardinalityLimit::all(25);
    for (kind, series) in [
        (InstrumentKind::Gauge, 26),
        (InstrumentKind::Histogram, 27),
        (InstrumentKind::ObservableCounter, 28),
        (InstrumentKind::ObservableGauge, 29),
        (InstrumentKind::ObservableUpDownCounter, 30),
        (InstrumentKind::UpDownCounter, 31),
    ] {
        limit.set(kind, series);
    }
    assert_eq!(
        config.metrics.readers,
        [
            Reader::Periodic(Periodic {
                exporter: Exporter::Otlp(grpc),
                interval: milliseconds(21),
                timeout: milliseconds(22),
                temporality: Temporality::LowMemory,
                histograms: HistogramAggregation::Exponential,
                cardinality_limit: limit,
            }),
            Reader::Periodic(Periodic {
                exporter: Exporter::Console,
                interval: Duration::from_secs(60),
                timeout: Duration::from_secs(30),
                temporality: Temporality::Delta,
                histograms: HistogramAggregation::ExplicitBuckets,
                cardinality_limit: CardinalityLimit::all(2000),
            }),
            Reader::Prometheus(Prometheus {
                host: "0.0.0.0".into(),
                port: 9999,
                cardinality_limit: CardinalityLimit::all(32),
                scope_info: false,
                target_info: false,
                resource_labels: Some(Selection { included: Some(vec!["service.*".into()]), excluded: vec![] }),
                origin: SettingOrigin::default(),
            }),
        ]
    );
    let all = View {
        instrument_name: Some("http.*".into()),
        instrument_kind: Some(InstrumentKind::Histogram),
        unit: Some("s".into()),
        meter_name: Some("m".into()),
        meter_version: Some("1".into()),
        meter_schema_url: Some("https://example.com".into()),
        stream: Stream {
            name: Some("n".into()),
            description: Some("d".into()),
            aggregation: Some(Aggregation::ExplicitBuckets { boundaries: Some(vec![0.0, 0.5]), record_min_max: false }),
            cardinality_limit: Some(33),
            attributes: Some(Selection { included: Some(vec!["a*".into()]), excluded: vec!["ab".into()] }),
        },
    };
    assert_eq!(config.metrics.views[0], all);
    let aggregations: Vec<_> = config.metrics.views.into_iter().skip(1).filter_map(|v| v.stream.aggregation).collect();
    let exponential = Aggregation::Exponential { max_scale: -3, max_size: 80, record_min_max: false };
    assert_eq!(
        aggregations,
        [exponential, Aggregation::Default, Aggregation::Drop, Aggregation::Sum, Aggregation::LastValue]
    );
}

#[test]
fn missing_keys_have_the_schema_s_defaults() {
    let config = config("");
    assert!(config.traces.processors.is_empty() && config.logs.processors.is_empty(), "nothing is exported");
    assert!(config.metrics.readers.is_empty() && config.propagators.is_empty());
    assert!(config.resource.attributes.is_empty() && config.resource.detectors.is_empty());
    assert_eq!(config.sampler, Sampler { name: "parentbased_always_on", ratio: 1.0 });
    // Where nothing is set, a file and no file mean the same.
    let mut without = crate::config::resolve(&[], &|_| None).unwrap().config;
    name_file(&mut without, Path::new("otel.yaml"));
    let config_of = |text| {
        let mut config = self::config(text);
        name_file(&mut config, Path::new("otel.yaml"));
        config
    };
    assert_eq!((config.traces.limits, config.logs.limits), (without.traces.limits, without.logs.limits));
    assert_eq!((config.http, config.instrumentations), (without.http, without.instrumentations));
    let whole = config_of("tracer_provider: {processors: [{batch: {exporter: {otlp_http: null}}}]}");
    assert_eq!(whole.traces.processors, without.traces.processors);
    let whole = config_of("meter_provider: {readers: [{periodic: {exporter: {otlp_http: null}}}]}");
    assert_eq!(whole.metrics.readers, without.metrics.readers);
    let general = self::config(
        "attribute_limits: {attribute_count_limit: 3}\ntracer_provider: {processors: [{simple: {exporter: {console: null}}}], limits: {attribute_value_length_limit: 4}}",
    );
    assert_eq!((general.traces.limits.attributes, general.traces.limits.value_length), (3, Some(4)));
    assert_eq!((general.logs.limits.attributes, general.logs.limits.value_length), (3, None));
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let found = problems(
        "disabled: perhaps
log_level: loud
resource:
  attributes: [{name: a}, {name: b, value: c, type: int}, {value: 1}]
  attributes_list: no pairs
tracer_provider:
  processors:
    - batch: {schedule_delay: -1, max_queue_size: 0, max_export_batch_size: many, exporter: null}
    - batch:
        exporter:
          otlp_http:
            endpoint: ftp://me:hunter2@host
            timeout: ${PORT}
    - {batch: null, simple: null}
    - batch: {exporter: {otlp_http: {tls: {cert_file: /c.pem}, headers: [{name: a b, value: hunter2}], headers_list: hunter2}}}
  sampler: {trace_id_ratio_based: {ratio: 1.5}}
meter_provider:
  readers: []
  views: {}
logger_provider: {limits: none}
",
    );
    assert_eq!(
        found,
        [
            "2:11: disabled: expected `true` or `false`, found text `perhaps`",
            "3:12: log_level: expected one of `trace`, `debug`, `info`, `warn`, `error`, `fatal`, found text `loud`",
            "5:16: resource.attributes[0]: `value` is missing",
            "5:44: resource.attributes[1].value: expected a whole number, found text `c`",
            "5:59: resource.attributes[2]: `name` is missing",
            "5:67: resource.attributes[2].value: `1` is taken as text: put it in quotes, others refuse it without",
            "6:20: resource.attributes_list: expected key=value pairs separated by commas, special characters percent-encoded, found text `no pairs`",
            "9:7: tracer_provider.processors[0].batch: `exporter` is missing",
            "9:31: tracer_provider.processors[0].batch.schedule_delay: expected a whole number of milliseconds, found `-1`",
            "9:51: tracer_provider.processors[0].batch.max_queue_size: expected a whole number above 0, found `0`",
            "9:77: tracer_provider.processors[0].batch.max_export_batch_size: expected a whole number above 0, found text `many`",
            "13:23: tracer_provider.processors[1].batch.exporter.otlp_http.endpoint: expected an `http` or `https` URL, found text `ftp://REDACTED@host`",
            "14:22: tracer_provider.processors[1].batch.exporter.otlp_http.timeout: expected a whole number of milliseconds, 0 for no limit, found text `${PORT}`",
            "15:7: tracer_provider.processors[2]: expected a mapping of one key, found 2 keys",
            "16:38: tracer_provider.processors[3].batch.exporter.otlp_http.tls: `cert_file` and `key_file` must be set together",
            "16:74: tracer_provider.processors[3].batch.exporter.otlp_http.headers[0]: expected a name and a value that HTTP allows in a header",
            "16:118: tracer_provider.processors[3].batch.exporter.otlp_http.headers_list: expected key=value pairs separated by commas, special characters percent-encoded",
            "17:43: tracer_provider.sampler.trace_id_ratio_based.ratio: expected a number between 0 and 1, found `1.5`",
            "19:12: meter_provider.readers: expected at least one entry",
            "20:10: meter_provider.views: expected a list, found a mapping",
            "21:1: logger_provider: `processors` is missing",
            "21:27: logger_provider.limits: expected a mapping, found text `none`",
        ]
    );
    assert!(!found.concat().contains("hunter2"), "{found:?}");
}

#[test]
fn an_unknown_key_is_named_with_the_nearest_known_one_and_the_rest_is_used() {
    let text = "
tracer_provider:
  processors:
    - batch: {max_queue_sise: 5, exporter: {otlp_htp: null}}
    - bach: {exporter: {console: null}}
    - batch: {exporter: {console: {colour: red}}}
  sampler: {always: null}
propagator: {composite: [trace_context: ], composite_list: 'b3,tracecontxt'}
resource: {detection: {detectors: [gcp: ]}, atributes: []}
defaults: 5
kept: {for: &later 5}
meter_providr: *later
distribution: {otel_rs: {excluded_url: []}}
";
    assert_eq!(
        notices(text),
        [
            "5:15: tracer_provider.processors[0].batch.max_queue_sise: unknown key, so it is ignored; did you mean `max_queue_size`?",
            "5:45: tracer_provider.processors[0].batch.exporter.otlp_htp: unknown, so it is ignored; did you mean `otlp_http`?",
            "6:7: tracer_provider.processors[1].bach: unknown, so it is ignored; did you mean `batch`?",
            "7:36: tracer_provider.processors[2].batch.exporter.console.colour: unknown key, so it is ignored",
            "8:13: tracer_provider.sampler.always: unknown, so it is ignored; known are `always_on`, `always_off`, `trace_id_ratio_based`, `parent_based`",
            "9:26: propagator.composite[0].trace_context: unknown, so it is ignored; did you mean `tracecontext`?",
            "9:60: propagator.composite_list: unknown `tracecontxt`, so it is ignored; did you mean `tracecontext`?",
            "10:36: resource.detection.detectors[0].gcp: unknown, so it is ignored; known are `container`, `host`, `process`, `service`, `os`, `process_args`, `k8s`, `cloud`",
            "10:45: resource.atributes: unknown key, so it is ignored; did you mean `attributes`?",
            "11:1: defaults: unknown key, so it is ignored; known are `file_format`, `maturity_level`, `stability`, `attribute_limits`, `tracer_provider`, `instrumentation/development`, `distribution`, `disabled`, `log_level`, `resource`, `propagator`, `meter_provider`, `logger_provider`",
            "13:1: meter_providr: unknown key, so it is ignored; did you mean `meter_provider`?",
            "14:26: distribution.otel_rs.excluded_url: unknown key, so it is ignored; did you mean `excluded_urls`?",
        ]
    );
    let config = understood(text).unwrap().config;
    assert_eq!(config.propagators, ["b3"]);
    assert_eq!(config.traces.processors.len(), 1);
}

#[test]
fn a_long_key_without_one_of_its_words_is_named_with_the_known_one() {
    let text = "meter_provider: {readers: [{periodic: {exporter: {console: }}}], views: [{selector: {}, stream: {aggregation: {base2_exponential_histogram: }}}]}\n";
    let found = notices(text).join("\n");
    assert!(found.contains("did you mean `base2_exponential_bucket_histogram`?"), "{found}");
}

#[test]
fn keys_that_repeat_the_default_are_not_warned_of_even_if_a_variable_sets_them() {
    let text = "
tracer_provider:
  processors: [{simple: {exporter: {console: }}}]
  sampler: {parent_based: {remote_parent_sampled: {always_on: }, local_parent_not_sampled: {always_off: }}}
meter_provider:
  readers:
    - pull:
        exporter:
          prometheus:
            translation_strategy: ${STRATEGY:-underscore_escaping_with_suffixes}
            without_units: ${WITHOUT_UNITS:-false}
  exemplar_filter: trace_based
  view_matching_mode: ${MODE:-independent}
";
    assert_eq!(notices(text), [""; 0]);
    assert_eq!(
        notices(&text.replace("-false", "-true")),
        [
            "12:28: meter_provider.readers[0].pull.exporter.prometheus.without_units: not supported: names are escaped by underscores and have suffixes",
        ]
    );
}

#[test]
fn malformed_yaml_stops_the_reading_and_is_reported_with_its_position() {
    assert_eq!(
        problems("disbled: true\nresource: {attributes: [}\nmeter_providr: 1\n"),
        ["3:25: not YAML: while parsing a node, did not find expected node content"]
    );
}

#[test]
fn versions_are_accepted_by_the_shape_they_share() {
    let read = |version: &str| {
        understand(&format!("file_format: {version}"), &|_| None)
            .map(|loaded| loaded.notices.len())
            .map_err(|problems| problems[0].text.clone())
    };
    for version in ["'1.0'", "1.0", "\"1.2\"", "1.0-rc.1", "'1.0-rc.3'", "'0.4'", "0.4"] {
        assert_eq!(read(version), Ok(0), "{version}");
    }
    assert_eq!(read("'1.3'"), Ok(1), "newer than we know");
    for version in ["'0.3'", "2.0", "1", "'1.0.0'", "one", "'1.0-beta'", "[1.0]"] {
        assert!(read(version).is_err(), "{version}");
    }
    assert_eq!(read(""), Err("`file_format` is missing".into()));
}

#[test]
fn samplers_have_the_names_of_the_variable() {
    for (sampler, name, ratio) in [
        ("{always_on: null}", "always_on", 1.0),
        ("{always_off: {}}", "always_off", 1.0),
        ("{trace_id_ratio_based: {ratio: 0}}", "traceidratio", 0.0),
        ("{trace_id_ratio_based: null}", "traceidratio", 1.0),
        ("{parent_based: null}", "parentbased_always_on", 1.0),
        ("{parent_based: {root: {always_off: null}}}", "parentbased_always_off", 1.0),
    ] {
        let text = format!(
            "tracer_provider: {{processors: [{{simple: {{exporter: {{console: null}}}}}}], sampler: {sampler}}}"
        );
        assert_eq!(config(&text).sampler, Sampler { name, ratio }, "{sampler}");
    }
}

#[test]
fn host_metrics_are_a_list() {
    let measured = |list: &str| {
        let host = config(&format!("distribution: {{otel_rs: {{host_metrics: {list}}}}}")).host_metrics;
        [host.process, host.process_ids, host.system]
    };
    assert_eq!((measured("[]"), measured("[process, system]")), ([false; 3], [true, false, true]));
    assert_eq!((measured("[process.pid]"), measured("[system]")), ([true, true, false], [false, false, true]));
    assert!(problems("distribution: {otel_rs: {host_metrics: [pid]}}")[0].contains("`process.pid`"));
}

#[test]
fn a_memory_limit_is_a_number_of_bytes_or_has_a_unit() {
    let limit = |text: &str| config(&format!("distribution: {{otel_rs: {{memory_limit: {text}}}}}")).memory_limit;
    assert_eq!((limit("2000000"), limit("3MB"), limit("'4 MiB'")), (2_000_000, 3_000_000, 4 << 20));
    assert_eq!(config("distribution: {otel_rs: {}}").memory_limit, 64_000_000);
    for bad in ["5", "-1", "[1]", "12 potatoes", "true"] {
        assert!(
            problems(&format!("distribution: {{otel_rs: {{memory_limit: {bad}}}}}"))[0].contains("`64MB`"),
            "{bad}"
        );
    }
}

#[test]
fn a_number_where_text_is_meant_is_its_text_and_others_are_warned_of() {
    let loaded = understood("resource: {attributes: [{name: service.version, value: 1.10}]}").unwrap();
    assert_eq!(loaded.config.resource.attributes, [("service.version".into(), AttributeValue::Text("1.10".into()))]);
    assert!(loaded.notices[0].text.contains("put it in quotes"), "{:?}", loaded.notices);
}

#[test]
fn the_service_detector_reads_the_name_from_its_variable() {
    let text = "file_format: '1.0'\nresource: {detection: {detectors: [service: ]}}";
    let env = |name: &str| (name == "OTEL_SERVICE_NAME").then(|| "shop".to_owned());
    let config = understand(text, &env).unwrap().config;
    assert_eq!(config.resource.attributes, [("service.name".into(), AttributeValue::Text("shop".into()))]);
    for text in ["", "\nresource: {detection: {attributes: {included: [process.*]}, detectors: [service: ]}}"] {
        let config = understand(&format!("file_format: '1.0'{text}"), &env).unwrap().config;
        assert_eq!(config.resource.attributes, [], "only then");
    }
}

#[test]
fn an_endpoint_without_a_scheme_is_secure_over_grpc_unless_set_otherwise() {
    let endpoint = |exporter: &str| {
        let text = format!("tracer_provider: {{processors: [{{simple: {{exporter: {exporter}}}}}]}}");
        match &config(&text).traces.processors[0].exporter {
            Exporter::Otlp(otlp) => (otlp.endpoint.as_str().to_owned(), otlp.headers.0.clone()),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(endpoint("{otlp_grpc: {endpoint: 'host:4317'}}").0, "https://host:4317/");
    assert_eq!(endpoint("{otlp_grpc: {endpoint: 'host:4317', tls: {insecure: true}}}").0, "http://host:4317/");
    assert_eq!(endpoint("{otlp_http: {endpoint: 'http://host/in'}}").0, "http://host/in");
    let (url, headers) = endpoint("{otlp_http: {endpoint: 'http://me:pw@host/in'}}");
    assert_eq!((url.as_str(), headers[0].0.as_str()), ("http://host/in", "authorization"));
}
