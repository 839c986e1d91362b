//! Exporters, which all signals have in common.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::{Endpoint, Proxy, SettingOrigin};
use crate::config::registry::{OTEL_EXPORTER_OTLP_COMPRESSION, OTEL_EXPORTER_OTLP_TIMEOUT};
use crate::config::text;

/// A kind of telemetry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum Signal {
    Traces,
    Metrics,
    Logs,
}

impl Signal {
    /// Its name in the path of an OTLP receiver.
    pub(super) fn path(self) -> &'static str {
        match self {
            Signal::Traces => "traces",
            Signal::Metrics => "metrics",
            Signal::Logs => "logs",
        }
    }
}

/// A kind of exporter.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Exporter {
    /// OTLP to a collector.
    Otlp(Otlp),
    /// Text for people, on stderr.
    Console,
    /// A line of OTLP/JSON for each export.
    JsonLines(JsonTarget),
}

impl Exporter {
    pub(in crate::config) fn otlp_mut(&mut self) -> Option<&mut Otlp> {
        match self {
            Exporter::Otlp(otlp) => Some(otlp),
            _ => None,
        }
    }
}

/// Where lines of OTLP/JSON go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum JsonTarget {
    Stdout,
    /// Appended to.
    File(PathBuf),
}

/// How to reach an OTLP receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Otlp {
    /// Where requests go; its credentials became a header.
    pub(crate) endpoint: Endpoint,
    pub(crate) protocol: Protocol,
    /// Sent with each request.
    pub(crate) headers: Headers,
    /// Whether requests are compressed by gzip.
    pub(crate) gzip: bool,
    /// The time one export may take, retries included.
    pub(crate) timeout: Duration,
    /// For `https`.
    pub(crate) tls: Tls,
    /// The proxy between.
    pub(crate) proxy: Option<Box<Proxy>>,
    /// Where these settings are written.
    pub(crate) origin: SettingOrigin,
}

impl Otlp {
    /// An exporter to this endpoint, all else by default.
    pub(in crate::config) fn to(endpoint: Endpoint, protocol: Protocol) -> Otlp {
        Otlp {
            endpoint,
            protocol,
            headers: Headers::default(),
            gzip: OTEL_EXPORTER_OTLP_COMPRESSION.default == "gzip",
            timeout: OTEL_EXPORTER_OTLP_TIMEOUT.default_as(text::timeout),
            tls: Tls::default(),
            proxy: None,
            origin: SettingOrigin::default(),
        }
    }

    /// Whether a proxy opens a tunnel. It does not where it can pass on requests of its own.
    pub(crate) fn is_tunneled(&self) -> bool {
        self.protocol == Protocol::Grpc || self.endpoint.is_https()
    }
}

/// An OTLP transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// gRPC.
    Grpc,
    /// Protobuf over HTTP.
    HttpProtobuf,
    /// JSON over HTTP.
    HttpJson,
}

impl Protocol {
    /// The values of OTEL_EXPORTER_OTLP_PROTOCOL.
    pub(in crate::config) const NAMES: &[(&str, Protocol)] =
        &[("http/protobuf", Protocol::HttpProtobuf), ("http/json", Protocol::HttpJson), ("grpc", Protocol::Grpc)];

    /// The value of OTEL_EXPORTER_OTLP_PROTOCOL.
    pub(crate) fn name(self) -> &'static str {
        let found = Protocol::NAMES.iter().find(|(_, protocol)| *protocol == self);
        found.map_or_else(|| unreachable!("each has its name"), |(name, _)| *name)
    }
}

/// The certificates of both sides: files in PEM, read when an exporter is made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tls {
    /// Certificates that are trusted in place of the system's.
    pub(crate) certificate: Option<PathBuf>,
    /// The client's own certificate, with `client_key`.
    pub(crate) client_certificate: Option<PathBuf>,
    pub(crate) client_key: Option<PathBuf>,
}

/// Headers, whose values are secrets: they never show in any output.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Headers(pub(crate) Vec<(String, String)>);

impl Headers {
    /// Adds the header of credentials that stood in a URL, unless there is one.
    pub(in crate::config) fn authorize(&mut self, credentials: Option<String>) {
        const NAME: &str = "authorization";
        if let Some(value) = credentials.filter(|_| !self.0.iter().any(|(name, _)| name == NAME)) {
            self.0.push((NAME.into(), value));
        }
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter().map(|(name, _)| (name, "REDACTED"))).finish()
    }
}
