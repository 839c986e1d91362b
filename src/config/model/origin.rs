//! Where an exporter's settings are written, to be named when one of them has to be corrected.

use std::path::{Path, PathBuf};

use crate::config::registry::{
    OTEL_EXPORTER_OTLP_CERTIFICATE, OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE, OTEL_EXPORTER_OTLP_CLIENT_KEY,
    OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS, OTEL_EXPORTER_OTLP_PROTOCOL,
    OTEL_EXPORTER_PROMETHEUS_HOST, OTEL_EXPORTER_PROMETHEUS_PORT, OTEL_TRACES_EXPORTER, Variable,
};

/// Where an exporter's settings are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SettingOrigin {
    /// In variables and flags: the one that counts for each setting.
    Variables(Vec<(OtlpSetting, String)>),
    /// In a configuration file.
    File(PathBuf),
}

/// A setting of an exporter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OtlpSetting {
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

impl OtlpSetting {
    /// The variable for all signals. The exporter has one for each of them.
    fn variable(self) -> Variable {
        match self {
            OtlpSetting::Exporter => OTEL_TRACES_EXPORTER,
            OtlpSetting::Endpoint => OTEL_EXPORTER_OTLP_ENDPOINT,
            OtlpSetting::Protocol => OTEL_EXPORTER_OTLP_PROTOCOL,
            OtlpSetting::Headers => OTEL_EXPORTER_OTLP_HEADERS,
            OtlpSetting::Certificate => OTEL_EXPORTER_OTLP_CERTIFICATE,
            OtlpSetting::ClientCertificate => OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE,
            OtlpSetting::ClientKey => OTEL_EXPORTER_OTLP_CLIENT_KEY,
            OtlpSetting::Host => OTEL_EXPORTER_PROMETHEUS_HOST,
            OtlpSetting::Port => OTEL_EXPORTER_PROMETHEUS_PORT,
        }
    }

    /// Its key in a configuration file.
    fn key(self) -> &'static str {
        match self {
            OtlpSetting::Exporter => "exporter",
            OtlpSetting::Endpoint => "endpoint",
            OtlpSetting::Protocol => "otlp_http` or `otlp_grpc",
            OtlpSetting::Headers => "headers",
            OtlpSetting::Certificate => "ca_file",
            OtlpSetting::ClientCertificate => "cert_file",
            OtlpSetting::ClientKey => "key_file",
            OtlpSetting::Host => "host",
            OtlpSetting::Port => "port",
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
    pub(crate) fn name(&self, what: OtlpSetting) -> String {
        match self {
            SettingOrigin::Variables(names) => {
                let name = names.iter().find(|(known, _)| *known == what).map(|(_, name)| name.as_str());
                format!("`{}`", name.unwrap_or(what.variable().env))
            }
            SettingOrigin::File(file) => format!("`{}` in `{}`", what.key(), file.display()),
        }
    }

    /// How to give the setting a value.
    pub(crate) fn set(&self, what: OtlpSetting, value: &str) -> String {
        match self {
            SettingOrigin::File(file) if what == OtlpSetting::Protocol => {
                let exporter = if value == "grpc" { "otlp_grpc" } else { "otlp_http" };
                format!("use `{exporter}` in `{}`", file.display())
            }
            SettingOrigin::File(file) if what == OtlpSetting::Exporter => {
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
