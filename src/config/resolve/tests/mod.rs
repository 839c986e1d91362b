mod config_file;

use std::time::Duration;

use super::*;
use crate::config::ValueSource;
use crate::config::model::{AttributeValue, Exporter, Otlp, Periodic, Processor, Protocol, Reader, Tls};
use crate::config::registry::VARIABLES;

fn resolved(env: &[(&str, &str)], flags: &[(&'static str, &str)]) -> (Config, Vec<String>) {
    let flags: Vec<_> = flags.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    let get = |name: &str| env.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    let resolved = resolve(&flags, &get).unwrap();
    (resolved.config, resolved.warnings.iter().map(ToString::to_string).collect())
}

fn service_name(config: &Config) -> Option<&str> {
    config.resource.attributes.iter().find_map(|(key, value)| match value {
        AttributeValue::Text(text) if key == "service.name" => Some(text.as_str()),
        _ => None,
    })
}

fn otlp(processors: &[Processor]) -> &Otlp {
    match processors {
        [Processor { exporter: Exporter::Otlp(otlp), .. }] => otlp,
        others => panic!("{others:?}"),
    }
}

fn metrics_otlp(config: &Config) -> &Otlp {
    match &config.metrics.readers[..] {
        [Reader::Periodic(Periodic { exporter: Exporter::Otlp(otlp), .. })] => otlp,
        others => panic!("{others:?}"),
    }
}

#[test]
fn nothing_set_means_the_specification_s_defaults() {
    let (config, warnings) = resolved(&[], &[]);
    assert!(warnings.is_empty());
    assert_eq!(service_name(&config), None);
    let traces = otlp(&config.traces.processors);
    assert_eq!(traces.endpoint.as_str(), "http://localhost:4318/v1/traces");
    assert_eq!((traces.timeout, traces.gzip, &traces.tls), (Duration::from_secs(10), false, &Tls::default()));
    assert_eq!(metrics_otlp(&config).endpoint.as_str(), "http://localhost:4318/v1/metrics");
    assert_eq!(otlp(&config.logs.processors).endpoint.as_str(), "http://localhost:4318/v1/logs");
    let batch = config.traces.processors[0].batch;
    assert_eq!((batch.delay, batch.timeout), (Duration::from_secs(5), Duration::from_secs(30)));
    assert_eq!(batch.size, 512);
    assert_eq!(config.logs.processors[0].batch.delay, Duration::from_secs(1));
    let logs = config.logs.processors[0].batch;
    assert_eq!((logs.timeout, logs.size), (Duration::from_secs(30), 512));
    assert_eq!((batch.queue, logs.queue), (65_536, 65_536), "not the specification's: see `differs`");
    let spans = config.traces.limits;
    assert_eq!((spans.attributes, spans.value_length, spans.events, spans.links), (128, None, 128, 128));
    assert_eq!((spans.event_attributes, spans.link_attributes), (128, 128));
    assert_eq!((config.logs.limits.attributes, config.logs.limits.value_length), (128, None));
    assert_eq!(config.propagators, ["tracecontext", "baggage"]);
    assert_eq!(
        config.channel_settings(),
        "sampler=parentbased_always_on;ratio=1;propagators=tracecontext,baggage;detach-after-ms=10000;logs=on;series-limit=2000;enabled=*"
    );
}

#[test]
fn the_hooks_get_their_settings() {
    let (config, _) = resolved(
        &[
            ("OTEL_TRACES_SAMPLER", "always_on"),
            ("OTEL_PROPAGATORS", "b3,xray"),
            ("OTEL_RS_DETACH_AFTER", "20"),
            ("OTEL_RS_ENABLED_INSTRUMENTATIONS", "hyper, tokio"),
            ("OTEL_RS_DISABLED_INSTRUMENTATIONS", "axum"),
            ("OTEL_RS_EXCLUDED_URLS", "/a;b%20c,/health*"),
            ("OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST", "Accept,x-a"),
            ("OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_RESPONSE", "x-b"),
        ],
        &[],
    );
    assert_eq!(
        config.channel_settings(),
        "sampler=always_on;ratio=1;propagators=b3,xray;detach-after-ms=20;logs=on;series-limit=2000;enabled=hyper,tokio;disabled=axum;\
         excluded-urls=/a%3Bb%2520c,/health*;server-request-headers=accept,x-a;client-response-headers=x-b"
    );
}

#[test]
fn a_flag_beats_the_environment_and_an_empty_variable_is_unset() {
    let (config, _) = resolved(&[("OTEL_SERVICE_NAME", "env")], &[("service-name", "flag")]);
    assert_eq!(service_name(&config), Some("flag"));
    let (config, _) = resolved(&[("OTEL_SERVICE_NAME", "env")], &[("OTEL_SERVICE_NAME", "flag")]);
    assert_eq!(service_name(&config), Some("flag"));
    let (config, _) = resolved(&[("OTEL_SERVICE_NAME", ""), ("OTEL_RESOURCE_ATTRIBUTES", "service.name=attr")], &[]);
    assert_eq!(service_name(&config), Some("attr"));
}

#[test]
fn a_bad_variable_is_one_warning_and_the_default() {
    let (config, warnings) =
        resolved(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "carrier-pigeon"), ("OTEL_TRACES_EXPORTER", "jaeger")], &[]);
    assert_eq!(otlp(&config.traces.processors).protocol, Protocol::HttpProtobuf);
    assert_eq!(
        warnings,
        [
            "ignoring `jaeger` in `OTEL_TRACES_EXPORTER`: expected some of `otlp`, `console`, `otlp/stdout`, `none`",
            "ignoring `carrier-pigeon` in `OTEL_EXPORTER_OTLP_PROTOCOL`: \
             expected one of `http/protobuf`, `http/json`, `grpc`",
        ]
    );
}

#[test]
fn a_value_that_is_not_utf_8_is_ignored() {
    let name = "OTEL_SERVICE_NAME";
    let environment = crate::launch::Environment::from_iter([(
        name.into(),
        std::os::unix::ffi::OsStringExt::from_vec(b"caf\xe9".to_vec()),
    )]);
    let resolved = resolve(&[], &|name| environment.get(name)).unwrap();
    assert_eq!(service_name(&resolved.config), None);
    let warnings: Vec<_> = resolved.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(warnings, ["ignoring `caf\u{fffd}` in `OTEL_SERVICE_NAME`: expected text in UTF-8"]);
}

#[test]
fn a_bad_flag_is_an_error() {
    let error = resolve(&[("metric-export-interval", "often".into())], &|_| None).unwrap_err();
    let expected = "cannot use `often` for `--metric-export-interval`: \
                    expected a whole number of milliseconds above 0";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn zipkin_is_refused_with_the_alternative() {
    let resolved = resolve(&[], &|name| (name == "OTEL_TRACES_EXPORTER").then(|| "zipkin".to_owned())).unwrap();
    assert!(resolved.warnings[0].hint().unwrap().contains("collector that passes spans on to Zipkin"));
    let error = resolve(&[("OTEL_TRACES_EXPORTER", "otlp,zipkin".into())], &|_| None).unwrap_err();
    assert!(error.hint().unwrap().contains("collector"));
}

#[test]
fn a_signal_s_own_settings_win_and_the_port_chooses_the_protocol() {
    let (config, _) = resolved(
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "0.0.0.0:4317"),
            ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://metrics:9000/in"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x=1"),
            ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "y=2"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
            ("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "none"),
        ],
        &[],
    );
    let (traces, metrics) = (otlp(&config.traces.processors), metrics_otlp(&config));
    assert_eq!((traces.protocol, traces.gzip), (Protocol::Grpc, true));
    assert_eq!(traces.endpoint.as_str(), "http://0.0.0.0:4317/");
    assert_eq!((metrics.protocol, metrics.gzip), (Protocol::HttpProtobuf, false));
    assert_eq!(metrics.endpoint.as_str(), "http://metrics:9000/in");
    assert_eq!(metrics.headers.0, [("y".into(), "2".into())]);
}

#[test]
fn one_signal_s_collector_on_4317_means_grpc_for_the_others_too() {
    let (config, _) = resolved(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "0.0.0.0:4317")], &[]);
    assert_eq!(otlp(&config.traces.processors).endpoint.as_str(), "http://0.0.0.0:4317/");
    let metrics = metrics_otlp(&config);
    assert_eq!((metrics.endpoint.as_str(), metrics.protocol), ("http://localhost:4317/", Protocol::Grpc));
}

#[test]
fn a_flag_for_all_signals_beats_the_environment_of_one() {
    let env = [("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://env:1/x"), ("OTEL_EXPORTER_OTLP_TIMEOUT", "1")];
    let (config, _) = resolved(&env, &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://flag:2")]);
    let traces = otlp(&config.traces.processors);
    assert_eq!(traces.endpoint.as_str(), "http://flag:2/v1/traces");
    assert_eq!(traces.timeout, Duration::from_millis(1));
    let flags = [("exporter-otlp-endpoint", "http://flag:2"), ("exporter-otlp-traces-endpoint", "http://own:3/x")];
    assert_eq!(otlp(&resolved(&env, &flags).0.traces.processors).endpoint.as_str(), "http://own:3/x");
}

#[test]
fn credentials_in_an_endpoint_become_a_header_unless_there_is_one() {
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://me:secret@host");
    let (config, _) = resolved(&[endpoint], &[]);
    let traces = otlp(&config.traces.processors);
    assert_eq!(traces.endpoint.as_str(), "https://host/v1/traces");
    assert_eq!(traces.headers.0, [("authorization".into(), "Basic bWU6c2VjcmV0".into())]);
    let (config, _) = resolved(&[endpoint, ("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Bearer%20x")], &[]);
    assert_eq!(otlp(&config.traces.processors).headers.0, [("authorization".into(), "Bearer x".into())]);
}

#[test]
fn limits_fall_back_to_those_for_all_attributes() {
    let (config, _) = resolved(
        &[
            ("OTEL_ATTRIBUTE_COUNT_LIMIT", "10"),
            ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "20"),
            ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "30"),
            ("OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT", "0"),
        ],
        &[],
    );
    assert_eq!((config.traces.limits.attributes, config.traces.limits.value_length), (30, Some(20)));
    assert_eq!((config.logs.limits.attributes, config.logs.limits.value_length), (10, Some(0)));
}

#[test]
fn settings_without_effect_are_warned_of() {
    let (_, warnings) =
        resolved(&[("OTEL_SEMCONV_STABILITY_OPT_IN", "http/dup"), ("OTEL_EXPORTER_ZIPKIN_ENDPOINT", "http://x")], &[]);
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings.iter().all(|warning| warning.contains("has no effect")), "{warnings:?}");
    assert_eq!(resolved(&[("OTEL_SEMCONV_STABILITY_OPT_IN", "http,database")], &[]).1, [""; 0]);
}

#[test]
fn every_setting_has_its_source() {
    let env = |name: &str| match name {
        "OTEL_SERVICE_NAME" | "OTEL_LOG_LEVEL" => Some("loud".to_owned()),
        "OTEL_EXPORTER_OTLP_HEADERS" => Some("a=hunter2".to_owned()),
        _ => None,
    };
    let settings = resolve(&[("OTEL_SDK_DISABLED", "true".into())], &env).unwrap().settings;
    let of = |name: &str| settings.iter().find(|setting| setting.env == name).map(|s| (s.shown.as_str(), s.source));
    assert_eq!(settings.len(), VARIABLES.len());
    assert_eq!(of("OTEL_SERVICE_NAME"), Some(("loud", ValueSource::Environment)));
    assert_eq!(of("OTEL_LOG_LEVEL"), Some(("info", ValueSource::Default)));
    assert_eq!(of("OTEL_SDK_DISABLED"), Some(("true", ValueSource::Flag)));
    assert_eq!(of("OTEL_EXPORTER_OTLP_HEADERS"), Some(("a=REDACTED", ValueSource::Environment)));
}

#[test]
fn secrets_show_neither_in_debug_nor_in_warnings() {
    let (config, warnings) = resolved(
        &[
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=hunter2"),
            ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "hunter2"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "ftp://me:hunter2@host/x"),
            ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "ftp://host/x?key=hunter2"),
            ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "me:hun?ter2@host:port"),
        ],
        &[],
    );
    let everything = format!("{config:?} {warnings:?}");
    assert!(!everything.contains("hun"), "{everything}");
    assert!(everything.contains("ftp://REDACTED@host/x"), "{everything}");
}
