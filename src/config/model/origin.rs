//! Where an exporter's settings are written, to be named when one of them has to be corrected.

use std::path::{Path, PathBuf};

use crate::config::registry::{
    OTEL_EXPORTER_OTLP_CERTIFICATE, OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE, OTEL_EXPORTER_OTLP_CLIENT_KEY,
    OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS, OTEL_EXPORTER_OTLP_PROTOCOL,
    OTEL_EXPORTER_PROMETHEUS_HOST, OTEL_EXPORTER_PROMETHEUS_PORT, OTEL_LOGS_EXPORTER, OTEL_METRICS_EXPORTER,
    OTEL_TRACES_EXPORTER, Variable,
};

/// Where an exporter's settings are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SettingOrigin {
    /// In variables and flags: the one that counts for each setting. A setting without one has its variables for all
    /// signals.
    Variables(Vec<(ExporterSetting, String)>),
    /// In a configuration file.
    File(PathBuf),
}

/// A setting of an exporter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExporterSetting {
    Exporter,
    Endpoint,
    Protocol,
    Headers,
    Certificate,
    ClientCertificate,
    ClientKey,
    Host,
    Port,
}

impl ExporterSetting {
    /// The variable for all signals, or those for each of them where there is none for all.
    fn variables(self) -> &'static [Variable] {
        match self {
            ExporterSetting::Exporter => &[OTEL_TRACES_EXPORTER, OTEL_METRICS_EXPORTER, OTEL_LOGS_EXPORTER],
            ExporterSetting::Endpoint => &[OTEL_EXPORTER_OTLP_ENDPOINT],
            ExporterSetting::Protocol => &[OTEL_EXPORTER_OTLP_PROTOCOL],
            ExporterSetting::Headers => &[OTEL_EXPORTER_OTLP_HEADERS],
            ExporterSetting::Certificate => &[OTEL_EXPORTER_OTLP_CERTIFICATE],
            ExporterSetting::ClientCertificate => &[OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE],
            ExporterSetting::ClientKey => &[OTEL_EXPORTER_OTLP_CLIENT_KEY],
            ExporterSetting::Host => &[OTEL_EXPORTER_PROMETHEUS_HOST],
            ExporterSetting::Port => &[OTEL_EXPORTER_PROMETHEUS_PORT],
        }
    }

    /// Its key in a configuration file.
    fn key(self) -> &'static str {
        match self {
            ExporterSetting::Exporter => "exporter",
            ExporterSetting::Endpoint => "endpoint",
            ExporterSetting::Protocol => "otlp_http` or `otlp_grpc",
            ExporterSetting::Headers => "headers",
            ExporterSetting::Certificate => "ca_file",
            ExporterSetting::ClientCertificate => "cert_file",
            ExporterSetting::ClientKey => "key_file",
            ExporterSetting::Host => "host",
            ExporterSetting::Port => "port",
        }
    }
}

impl Default for SettingOrigin {
    fn default() -> Self {
        SettingOrigin::Variables(Vec::new())
    }
}

impl SettingOrigin {
    /// The setting's name, with its file if it has one: what to check, to correct or to set.
    pub(crate) fn name(&self, what: ExporterSetting) -> String {
        match self {
            SettingOrigin::Variables(names) => {
                if let Some((_, name)) = names.iter().find(|(known, _)| *known == what) {
                    return format!("`{name}`");
                }
                let names: Vec<_> = what.variables().iter().map(|variable| format!("`{}`", variable.env)).collect();
                names.join(" or ")
            }
            SettingOrigin::File(file) => format!("`{}` in `{}`", what.key(), file.display()),
        }
    }

    /// How to give the setting a value.
    pub(crate) fn set(&self, what: ExporterSetting, value: &str) -> String {
        match self {
            SettingOrigin::File(file) if what == ExporterSetting::Protocol => {
                let exporter = if value == "grpc" { "otlp_grpc" } else { "otlp_http" };
                format!("use `{exporter}` in `{}`", file.display())
            }
            SettingOrigin::File(file) if what == ExporterSetting::Exporter => {
                format!("leave the exporter out of `{}`", file.display())
            }
            _ => format!("set {} to `{value}`", self.name(what)),
        }
    }

    /// In this file.
    pub(in crate::config) fn in_file(file: &Path) -> SettingOrigin {
        SettingOrigin::File(file.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_that_of_the_variable_that_counts() {
        let origin = SettingOrigin::Variables(vec![(ExporterSetting::Exporter, "OTEL_LOGS_EXPORTER".into())]);
        assert_eq!(origin.set(ExporterSetting::Exporter, "none"), "set `OTEL_LOGS_EXPORTER` to `none`");
        assert_eq!(origin.name(ExporterSetting::Headers), "`OTEL_EXPORTER_OTLP_HEADERS`");
    }

    #[test]
    fn an_exporter_without_a_name_may_be_that_of_any_signal() {
        assert_eq!(
            SettingOrigin::default().name(ExporterSetting::Exporter),
            "`OTEL_TRACES_EXPORTER` or `OTEL_METRICS_EXPORTER` or `OTEL_LOGS_EXPORTER`"
        );
    }
}
