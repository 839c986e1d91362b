//! Which text counts for a variable: the flag's, the environment's or the default's, and where it came from.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::file::FileError;
use super::setting::Setting;
use super::variables::{Kind, NO_ZIPKIN, VARIABLES, Variable};
use super::warning::Warning;
use super::{Config, sampler, value};
use crate::redact;
use crate::ui::Explain;

/// What stands in a value for bytes that are not UTF-8.
const NOT_TEXT: char = char::REPLACEMENT_CHARACTER;

/// A configuration, and how it came about.
#[derive(Debug)]
pub(crate) struct Resolved {
    pub(crate) config: Config,
    /// What could not be used, or has no effect.
    pub(crate) warnings: Vec<Warning>,
    /// Why the configuration file cannot be used. The configuration is disabled then.
    pub(crate) unusable_file: Option<FileError>,
    /// Every variable with the value that counts, in the order of the registry; of a configuration file, its name only.
    pub(crate) settings: Vec<Setting>,
    /// The variables that were asked for. Of a configuration file, those that it refers to.
    pub(crate) asked: BTreeSet<String>,
}

/// A flag's value that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// Not what the flag takes.
    #[error("cannot use {} for `--{flag}`: expected {expected}", quoted(.value))]
    BadFlag {
        /// The flag, without dashes.
        flag: &'static str,
        /// The value, `None` when it must not be shown.
        value: Option<String>,
        /// What would have been right.
        expected: String,
        /// What to do in its place.
        hint: Option<&'static str>,
    },
    /// The configuration file.
    #[error(transparent)]
    File(FileError),
}

impl Explain for ConfigError {
    fn hint(&self) -> Option<String> {
        match self {
            ConfigError::BadFlag { hint, .. } => hint.map(str::to_owned),
            ConfigError::File(error) => error.hint(),
        }
    }
}

pub(super) fn quoted(value: &Option<String>) -> String {
    value.as_ref().map_or("the value".into(), |value| format!("`{value}`"))
}

/// Resolves the configuration. `flags` are pairs of a variable's name (or its flag's) and the value given on the command
/// line.
pub(crate) fn resolve(
    flags: &[(&'static str, String)],
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Resolved, ConfigError> {
    let asked = RefCell::new(BTreeSet::new());
    let env = |name: &str| {
        asked.borrow_mut().insert(name.to_owned());
        env(name)
    };
    let mut sources = Sources { flags, env: &env, warnings: Vec::new() };
    let (mut config, unusable_file, settings) = match sources.config_file() {
        Some(file) => {
            let (config, unusable) = sources.file_config(&file)?;
            (config, unusable, vec![file])
        }
        None => {
            let config = sources.config()?;
            (config, None, VARIABLES.iter().map(|variable| sources.setting(variable)).collect())
        }
    };
    sources.proxies(&mut config);
    let warnings = sources.warnings;
    Ok(Resolved { config, warnings, unusable_file, settings, asked: asked.into_inner() })
}

/// Flags and environment, asked for one variable at a time.
pub(super) struct Sources<'a> {
    pub(super) flags: &'a [(&'static str, String)],
    pub(super) env: &'a dyn Fn(&str) -> Option<String>,
    pub(super) warnings: Vec<Warning>,
}

impl Sources<'_> {
    /// What was typed for a variable.
    pub(super) fn flag(&self, name: &'static str) -> Option<&String> {
        let flag = variable(name).flag.unwrap_or(name);
        self.flags.iter().rev().find(|(given, _)| *given == name || *given == flag).map(|(_, text)| text)
    }

    /// What the environment says; an empty variable counts as unset.
    pub(super) fn in_environment(&self, name: &str) -> Option<String> {
        (self.env)(name).filter(|text| !text.trim().is_empty())
    }

    /// The value of a variable that was set: a bad flag is an error, a bad value in the environment a warning.
    pub(super) fn get<T>(
        &mut self,
        name: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, ConfigError> {
        let variable = variable(name);
        let flag = variable.flag.unwrap_or(name);
        let parse = |text: &str| if text.contains(NOT_TEXT) { Err("text in UTF-8".into()) } else { parse(text) };
        if let Some(text) = self.flag(name) {
            let bad = |expected| ConfigError::BadFlag {
                flag,
                value: shown(variable, text),
                expected,
                hint: in_place_of(name, text),
            };
            return parse(text).map(Some).map_err(bad);
        }
        let Some(text) = self.in_environment(name) else { return Ok(None) };
        match parse(&text) {
            Ok(value) => Ok(Some(value)),
            Err(expected) => {
                let message = format!("ignoring {} in `{name}`: expected {expected}", quoted(&shown(variable, &text)));
                let mut hint =
                    in_place_of(name, &text).map_or_else(|| format!("correct `{name}` or unset it"), str::to_owned);
                if !variable.default.is_empty() {
                    let _ = write!(hint, "; until then `{}` is used", variable.default);
                }
                self.warn(name, message, Some(hint));
                Ok(None)
            }
        }
    }

    /// The value of a variable, or its default.
    pub(super) fn or_default<T>(
        &mut self,
        name: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, ConfigError> {
        match self.get(name, &parse)? {
            Some(value) => Ok(value),
            None => Ok(parse(variable(name).default).unwrap_or_else(|_| unreachable!("defaults are tested"))),
        }
    }

    pub(super) fn choice(&mut self, name: &'static str) -> Result<Option<&'static str>, ConfigError> {
        let Kind::Choice(allowed) = variable(name).kind else { return Ok(None) };
        self.get(name, |text| value::choice(text, allowed))
    }

    pub(super) fn list(&mut self, name: &'static str) -> Result<Vec<&'static str>, ConfigError> {
        let Variable { kind: Kind::List(allowed), default, .. } = *variable(name) else { return Ok(Vec::new()) };
        let found = self.get(name, |text| value::list(text, allowed))?;
        Ok(found.unwrap_or_else(|| value::list(default, allowed).unwrap_or_default()))
    }
}

/// What may be shown of a variable's text.
pub(super) fn shown(variable: &Variable, text: &str) -> Option<String> {
    match variable.kind {
        Kind::SecretPairs => None,
        Kind::Endpoint => Some(redact::endpoint(text).into_owned()),
        _ => Some(redact::message(text).into_owned()),
    }
}

/// Advice for values that mean something elsewhere, or once did.
fn in_place_of(name: &str, text: &str) -> Option<&'static str> {
    let is_zipkin = || text.split(',').any(|word| word.trim().eq_ignore_ascii_case("zipkin"));
    sampler::in_place_of(name, text).or_else(|| is_zipkin().then_some(NO_ZIPKIN))
}

/// The entry of the registry.
pub(super) fn variable(name: &str) -> &'static Variable {
    VARIABLES.iter().find(|variable| variable.env == name).unwrap_or_else(|| unreachable!("`{name}` is not registered"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Exporter, Origin, Otlp, Periodic, Processor, Protocol, Reader, Tls, Value};
    use std::time::Duration;

    fn resolved(env: &[(&str, &str)], flags: &[(&'static str, &str)]) -> (Config, Vec<String>) {
        let flags: Vec<_> = flags.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let get = |name: &str| env.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let resolved = resolve(&flags, &get).unwrap();
        (resolved.config, resolved.warnings.iter().map(ToString::to_string).collect())
    }

    fn service_name(config: &Config) -> Option<&str> {
        config.resource.attributes.iter().find_map(|(key, value)| match value {
            Value::Text(text) if key == "service.name" => Some(text.as_str()),
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
    fn the_hooks_are_told_what_concerns_them() {
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
        let (config, _) =
            resolved(&[("OTEL_SERVICE_NAME", ""), ("OTEL_RESOURCE_ATTRIBUTES", "service.name=attr")], &[]);
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
    fn what_is_not_text_is_not_taken_for_some() {
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
    fn zipkin_users_learn_where_to_go() {
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
    fn what_is_set_in_vain_is_said() {
        let (_, warnings) = resolved(
            &[("OTEL_SEMCONV_STABILITY_OPT_IN", "http/dup"), ("OTEL_EXPORTER_ZIPKIN_ENDPOINT", "http://x")],
            &[],
        );
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert!(warnings.iter().all(|warning| warning.contains("has no effect")), "{warnings:?}");
        assert_eq!(resolved(&[("OTEL_SEMCONV_STABILITY_OPT_IN", "http,database")], &[]).1, [""; 0]);
    }

    #[test]
    fn every_value_knows_where_it_came_from() {
        let env = |name: &str| match name {
            "OTEL_SERVICE_NAME" | "OTEL_LOG_LEVEL" => Some("loud".to_owned()),
            "OTEL_EXPORTER_OTLP_HEADERS" => Some("a=hunter2".to_owned()),
            _ => None,
        };
        let settings = resolve(&[("OTEL_SDK_DISABLED", "true".into())], &env).unwrap().settings;
        let of = |name: &str| settings.iter().find(|setting| setting.env == name).map(|s| (s.shown.as_str(), s.origin));
        assert_eq!(settings.len(), VARIABLES.len());
        assert_eq!(of("OTEL_SERVICE_NAME"), Some(("loud", Origin::Environment)));
        assert_eq!(of("OTEL_LOG_LEVEL"), Some(("info", Origin::Default)));
        assert_eq!(of("OTEL_SDK_DISABLED"), Some(("true", Origin::Flag)));
        assert_eq!(of("OTEL_EXPORTER_OTLP_HEADERS"), Some(("a=REDACTED", Origin::Environment)));
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
}
