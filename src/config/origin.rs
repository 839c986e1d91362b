//! Where an exporter's settings are written, to be named when one of them has to be corrected.

use std::path::{Path, PathBuf};

/// Where they are.
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
    /// Of a collector by OTLP.
    pub(super) const OTLP: [OtlpSetting; 6] = [
        OtlpSetting::Endpoint,
        OtlpSetting::Protocol,
        OtlpSetting::Headers,
        OtlpSetting::Certificate,
        OtlpSetting::ClientCertificate,
        OtlpSetting::ClientKey,
    ];

    /// The end of its variable's name.
    pub(super) fn variable(self) -> &'static str {
        match self {
            OtlpSetting::Exporter => "EXPORTER",
            OtlpSetting::Endpoint => "ENDPOINT",
            OtlpSetting::Protocol => "PROTOCOL",
            OtlpSetting::Headers => "HEADERS",
            OtlpSetting::Certificate => "CERTIFICATE",
            OtlpSetting::ClientCertificate => "CLIENT_CERTIFICATE",
            OtlpSetting::ClientKey => "CLIENT_KEY",
            OtlpSetting::Host => "HOST",
            OtlpSetting::Port => "PORT",
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
                format!("`{}`", name.unwrap_or(what.variable()))
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

    pub(super) fn in_file(file: &Path) -> SettingOrigin {
        SettingOrigin::File(file.to_owned())
    }
}
