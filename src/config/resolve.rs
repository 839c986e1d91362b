//! Flags, environment and defaults become a [`Config`].

use std::fmt::Write as _;
use std::path::Path;

use super::variables::{Kind, VARIABLES, Variable};
use super::{Batch, Config, Exporter, Headers, Otlp, Protocol, Sampler, Signal, endpoint, value};
use crate::ui::Explain;

/// A flag's value that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// Not what the flag takes.
    #[error("cannot use {} for `--{flag}`: expected {expected}", shown(.value))]
    BadFlag {
        /// The flag, without dashes.
        flag: &'static str,
        /// The value, `None` when it must not be shown.
        value: Option<String>,
        /// What would have been right.
        expected: String,
    },
}

impl Explain for ConfigError {}

/// Something in the environment that is not used.
#[derive(Debug, thiserror::Error)]
#[error("ignoring {} in `{name}`: expected {expected}", shown(.value))]
pub(crate) struct Warning {
    name: &'static str,
    value: Option<String>,
    expected: String,
    instead: String,
}

impl Explain for Warning {
    fn hint(&self) -> Option<String> {
        Some(self.instead.clone())
    }
}

fn shown(value: &Option<String>) -> String {
    value.as_ref().map_or("the value".into(), |value| format!("`{value}`"))
}

/// Resolves the configuration. `flags` are pairs of a variable's name (or its flag's) and the value given on the command
/// line; `program` is the file to be run, whose name is the last resort for a service name.
pub(crate) fn resolve(
    flags: &[(&'static str, String)],
    env: &dyn Fn(&str) -> Option<String>,
    program: &Path,
) -> Result<(Config, Vec<Warning>), ConfigError> {
    let mut sources = Sources { flags, env, warnings: Vec::new() };
    let config = sources.config(program)?;
    Ok((config, sources.warnings))
}

struct Sources<'a> {
    flags: &'a [(&'static str, String)],
    env: &'a dyn Fn(&str) -> Option<String>,
    warnings: Vec<Warning>,
}

impl Sources<'_> {
    fn config(&mut self, program: &Path) -> Result<Config, ConfigError> {
        let sampler = Sampler {
            name: self.choice("OTEL_TRACES_SAMPLER")?.unwrap_or("parentbased_always_on"),
            ratio: self.get("OTEL_TRACES_SAMPLER_ARG", value::fraction)?.unwrap_or(1.0),
        };
        Ok(Config {
            disabled: self.get("OTEL_SDK_DISABLED", value::boolean)?.unwrap_or(false),
            resource: self.resource(program)?,
            traces: self.signal("TRACES")?,
            metrics: self.signal("METRICS")?,
            logs: self.signal("LOGS")?,
            sampler,
            propagators: self.list("OTEL_PROPAGATORS")?,
            detach_after: self.milliseconds("OTEL_RS_DETACH_AFTER")?,
            metric_interval: self.milliseconds("OTEL_METRIC_EXPORT_INTERVAL")?,
            batch: Batch {
                delay: self.milliseconds("OTEL_BSP_SCHEDULE_DELAY")?,
                size: self.get("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", value::count)?.unwrap_or(512),
            },
        })
    }

    fn resource(&mut self, program: &Path) -> Result<Vec<(String, String)>, ConfigError> {
        let mut resource = self.get("OTEL_RESOURCE_ATTRIBUTES", value::pairs)?.unwrap_or_default();
        let named = self.get("OTEL_SERVICE_NAME", |text| Ok(text.to_owned()))?;
        if let Some(name) = named {
            resource.retain(|(key, _)| key != "service.name");
            resource.push(("service.name".into(), name));
        }
        if !resource.iter().any(|(key, value)| key == "service.name" && !value.is_empty()) {
            resource.retain(|(key, _)| key != "service.name");
            let name = program.file_name().map_or("unknown_service".into(), |name| name.to_string_lossy());
            resource.push(("service.name".into(), name.into_owned()));
        }
        Ok(resource)
    }

    fn signal(&mut self, signal: &'static str) -> Result<Signal, ConfigError> {
        let exporters = self.list(find(&format!("OTEL_{signal}_EXPORTER")))?;
        let exporters = exporters
            .into_iter()
            .map(|name| if name == "console" { Exporter::Console } else { Exporter::Otlp })
            .collect();
        Ok(Signal { exporters, otlp: self.otlp(signal)? })
    }

    fn otlp(&mut self, signal: &'static str) -> Result<Otlp, ConfigError> {
        let url = |text: &str| endpoint::parse(text).map(|url| (url, text.trim().to_owned()));
        let [own, shared] = self.places(signal, "ENDPOINT");
        let (url, is_own) = match self.get(own, url)? {
            Some(url) => (Some(url), own != shared),
            None => (self.get(shared, url)?, false),
        };
        let [own, shared] = self.places(signal, "PROTOCOL");
        let chosen = match self.choice(own)? {
            Some(protocol) => Some(protocol),
            None => self.choice(shared)?,
        };
        let protocol = match (chosen, &url) {
            (Some("grpc"), _) => Protocol::Grpc,
            (Some(_), _) | (None, None) => Protocol::HttpProtobuf,
            (None, Some((url, _))) => endpoint::protocol_of(url),
        };
        let path = signal.to_ascii_lowercase();
        let endpoint = match url {
            Some((url, written)) => endpoint::target(&url, &written, is_own, protocol, &path),
            None => endpoint::default_for(protocol, &path),
        };
        let [own, shared] = self.places(signal, "HEADERS");
        let headers = match self.get(own, value::headers)? {
            Some(headers) => headers,
            None => self.get(shared, value::headers)?.unwrap_or_default(),
        };
        let [own, shared] = self.places(signal, "TIMEOUT");
        let timeout = match self.get(own, value::milliseconds)? {
            Some(timeout) => timeout,
            None => self.milliseconds(shared)?,
        };
        Ok(Otlp { endpoint, protocol, headers: Headers(headers), timeout })
    }

    /// Where to look for an OTLP setting, the signal's own variable first. What was typed for all signals counts more
    /// than what the environment says of one.
    fn places(&self, signal: &str, what: &str) -> [&'static str; 2] {
        let own = find(&format!("OTEL_EXPORTER_OTLP_{signal}_{what}"));
        let shared = find(&format!("OTEL_EXPORTER_OTLP_{what}"));
        if self.flag(shared).is_some() && self.flag(own).is_none() { [shared, shared] } else { [own, shared] }
    }

    fn flag(&self, name: &'static str) -> Option<&String> {
        let flag = variable(name).flag.unwrap_or(name);
        self.flags.iter().rev().find(|(given, _)| *given == name || *given == flag).map(|(_, text)| text)
    }

    fn choice(&mut self, name: &'static str) -> Result<Option<&'static str>, ConfigError> {
        let allowed = match variable(name).kind {
            Kind::Choice(allowed) => allowed,
            _ => &[],
        };
        self.get(name, |text| value::choice(text, allowed))
    }

    fn list(&mut self, name: &'static str) -> Result<Vec<&'static str>, ConfigError> {
        let Variable { kind: Kind::List(allowed), default, .. } = *variable(name) else { return Ok(Vec::new()) };
        let found = self.get(name, |text| value::list(text, allowed))?;
        Ok(found.unwrap_or_else(|| value::list(default, allowed).unwrap_or_default()))
    }

    fn milliseconds(&mut self, name: &'static str) -> Result<std::time::Duration, ConfigError> {
        let default = || value::milliseconds(variable(name).default).unwrap_or_default();
        Ok(self.get(name, value::milliseconds)?.unwrap_or_else(default))
    }

    /// The value of a variable: a bad flag is an error, a bad value in the environment a warning.
    fn get<T>(
        &mut self,
        name: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, ConfigError> {
        let variable = variable(name);
        let flag = variable.flag.unwrap_or(name);
        let hidden = matches!(variable.kind, Kind::SecretPairs);
        let show = |text: &str| (!hidden).then(|| without_credentials(text));
        if let Some(text) = self.flag(name) {
            let bad = |expected| ConfigError::BadFlag { flag, value: show(text), expected };
            return parse(text).map(Some).map_err(bad);
        }
        let Some(text) = (self.env)(name).filter(|text| !text.trim().is_empty()) else { return Ok(None) };
        match parse(&text) {
            Ok(value) => Ok(Some(value)),
            Err(expected) => {
                // Shared variables are read once for each signal and complained about once.
                if !self.warnings.iter().any(|warning| warning.name == name) {
                    let mut instead = format!("correct `{name}` or unset it");
                    if !variable.default.is_empty() {
                        let _ = write!(instead, "; until then `{}` is used", variable.default);
                    }
                    self.warnings.push(Warning { name, value: show(&text), expected, instead });
                }
                Ok(None)
            }
        }
    }
}

/// Hides `user:password@` in anything that looks like a URL.
fn without_credentials(text: &str) -> String {
    let start = text.find("://").map_or(0, |at| at + 3);
    let end = text[start..].find(['/', '?', '#']).map_or(text.len(), |at| start + at);
    match text[start..end].rfind('@') {
        Some(at) => format!("{}REDACTED{}", &text[..start], &text[start + at..]),
        None => text.to_owned(),
    }
}

fn variable(name: &str) -> &'static Variable {
    const MISSING: Variable =
        Variable { env: "", flag: None, kind: Kind::Text, default: "", help: "", group: "", spec: "" };
    let found = VARIABLES.iter().find(|variable| variable.env == name);
    debug_assert!(found.is_some(), "`{name}` is not registered");
    found.unwrap_or(&MISSING)
}

fn find(name: &str) -> &'static str {
    variable(name).env
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn resolved(env: &[(&str, &str)], flags: &[(&'static str, &str)]) -> (Config, Vec<String>) {
        let flags: Vec<_> = flags.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let get = |name: &str| env.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let (config, warnings) = resolve(&flags, &get, Path::new("/srv/bin/shop")).unwrap();
        (config, warnings.iter().map(ToString::to_string).collect())
    }

    fn service_name(config: &Config) -> &str {
        config.resource.iter().find(|(key, _)| key == "service.name").map_or("", |(_, value)| value)
    }

    #[test]
    fn nothing_set_means_the_specification_s_defaults() {
        let (config, warnings) = resolved(&[], &[]);
        assert!(warnings.is_empty());
        assert_eq!(service_name(&config), "shop");
        assert_eq!(config.traces.exporters, [Exporter::Otlp]);
        assert_eq!(config.traces.otlp.endpoint, "http://localhost:4318/v1/traces");
        assert_eq!(config.metrics.otlp.endpoint, "http://localhost:4318/v1/metrics");
        assert_eq!(config.traces.otlp.timeout, Duration::from_secs(10));
        assert_eq!(config.metric_interval, Duration::from_secs(60));
        assert_eq!(config.batch, Batch { delay: Duration::from_secs(5), size: 512 });
        assert_eq!(
            config.channel_settings(),
            "sampler=parentbased_always_on;ratio=1;propagators=tracecontext,baggage;detach-after-ms=10000"
        );
    }

    #[test]
    fn a_flag_beats_the_environment_and_an_empty_variable_is_unset() {
        let (config, _) = resolved(&[("OTEL_SERVICE_NAME", "env")], &[("service-name", "flag")]);
        assert_eq!(service_name(&config), "flag");
        let (config, _) = resolved(&[("OTEL_SERVICE_NAME", "env")], &[("OTEL_SERVICE_NAME", "flag")]);
        assert_eq!(service_name(&config), "flag");
        let (config, _) =
            resolved(&[("OTEL_SERVICE_NAME", ""), ("OTEL_RESOURCE_ATTRIBUTES", "service.name=attr")], &[]);
        assert_eq!(service_name(&config), "attr");
    }

    #[test]
    fn a_bad_variable_is_one_warning_and_the_default() {
        let (config, warnings) =
            resolved(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "carrier-pigeon"), ("OTEL_TRACES_EXPORTER", "jaeger")], &[]);
        assert_eq!(config.traces.otlp.protocol, Protocol::HttpProtobuf);
        assert_eq!(config.traces.exporters, [Exporter::Otlp]);
        assert_eq!(
            warnings,
            [
                "ignoring `jaeger` in `OTEL_TRACES_EXPORTER`: expected some of `otlp`, `console`, `none`",
                "ignoring `carrier-pigeon` in `OTEL_EXPORTER_OTLP_PROTOCOL`: expected one of `http/protobuf`, `grpc`",
            ]
        );
    }

    #[test]
    fn a_bad_flag_is_an_error() {
        let error = resolve(&[("metric-export-interval", "often".into())], &|_| None, Path::new("x")).unwrap_err();
        let expected = "cannot use `often` for `--metric-export-interval`: \
                        expected a whole number of milliseconds above 0";
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn a_signal_s_own_settings_win_and_the_port_chooses_the_protocol() {
        let (config, _) = resolved(
            &[
                ("OTEL_EXPORTER_OTLP_ENDPOINT", "0.0.0.0:4317"),
                ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://metrics:9000/in"),
                ("OTEL_EXPORTER_OTLP_HEADERS", "x=1"),
                ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "y=2"),
            ],
            &[],
        );
        assert_eq!(config.traces.otlp.protocol, Protocol::Grpc);
        assert_eq!(config.traces.otlp.endpoint, "http://0.0.0.0:4317/");
        assert_eq!(config.metrics.otlp.protocol, Protocol::HttpProtobuf);
        assert_eq!(config.metrics.otlp.endpoint, "http://metrics:9000/in");
        assert_eq!(config.metrics.otlp.headers.0, [("y".into(), "2".into())]);
    }

    #[test]
    fn a_flag_for_all_signals_beats_the_environment_of_one() {
        let env = [("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://env:1/x"), ("OTEL_EXPORTER_OTLP_TIMEOUT", "1")];
        let (config, _) = resolved(&env, &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://flag:2")]);
        assert_eq!(config.traces.otlp.endpoint, "http://flag:2/v1/traces");
        assert_eq!(config.traces.otlp.timeout, Duration::from_millis(1));
        let flags = [("exporter-otlp-endpoint", "http://flag:2"), ("exporter-otlp-traces-endpoint", "http://own:3/x")];
        assert_eq!(resolved(&env, &flags).0.traces.otlp.endpoint, "http://own:3/x");
    }

    #[test]
    fn secrets_show_neither_in_debug_nor_in_warnings() {
        let (config, warnings) = resolved(
            &[
                ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=hunter2"),
                ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "hunter2"),
                ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "ftp://me:hunter2@host/x"),
            ],
            &[],
        );
        let everything = format!("{config:?} {warnings:?}");
        assert!(!everything.contains("hunter2"), "{everything}");
        assert!(everything.contains("ftp://REDACTED@host/x"), "{everything}");
    }
}
