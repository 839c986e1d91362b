//! Where an exporter's settings are written, to be named when one of them has to be corrected.

use std::path::{Path, PathBuf};

/// Where they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Written {
    /// In variables and flags: the one that counts for each setting.
    Variables(Vec<(What, String)>),
    /// In a configuration file.
    File(PathBuf),
}

/// A setting of an exporter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
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

impl What {
    /// Of a collector by OTLP.
    pub(super) const OTLP: [What; 6] =
        [What::Endpoint, What::Protocol, What::Headers, What::Certificate, What::ClientCertificate, What::ClientKey];

    /// The end of its variable's name.
    pub(super) fn variable(self) -> &'static str {
        match self {
            What::Exporter => "EXPORTER",
            What::Endpoint => "ENDPOINT",
            What::Protocol => "PROTOCOL",
            What::Headers => "HEADERS",
            What::Certificate => "CERTIFICATE",
            What::ClientCertificate => "CLIENT_CERTIFICATE",
            What::ClientKey => "CLIENT_KEY",
            What::Host => "HOST",
            What::Port => "PORT",
        }
    }

    /// Its key in a configuration file.
    fn key(self) -> &'static str {
        match self {
            What::Exporter => "exporter",
            What::Endpoint => "endpoint",
            What::Protocol => "otlp_http` or `otlp_grpc",
            What::Headers => "headers",
            What::Certificate => "ca_file",
            What::ClientCertificate => "cert_file",
            What::ClientKey => "key_file",
            What::Host => "host",
            What::Port => "port",
        }
    }
}

impl Default for Written {
    fn default() -> Self {
        Written::Variables(Vec::new())
    }
}

impl Written {
    /// The setting's name, with its file if it has one: what to check, to correct or to set.
    pub(crate) fn name(&self, what: What) -> String {
        match self {
            Written::Variables(names) => {
                let name = names.iter().find(|(known, _)| *known == what).map(|(_, name)| name.as_str());
                format!("`{}`", name.unwrap_or(what.variable()))
            }
            Written::File(file) => format!("`{}` in `{}`", what.key(), file.display()),
        }
    }

    /// How to give the setting a value.
    pub(crate) fn set(&self, what: What, value: &str) -> String {
        match self {
            Written::File(file) if what == What::Protocol => {
                let exporter = if value == "grpc" { "otlp_grpc" } else { "otlp_http" };
                format!("use `{exporter}` in `{}`", file.display())
            }
            Written::File(file) if what == What::Exporter => format!("leave the exporter out of `{}`", file.display()),
            _ => format!("set {} to `{value}`", self.name(what)),
        }
    }

    pub(super) fn in_file(file: &Path) -> Written {
        Written::File(file.to_owned())
    }
}
