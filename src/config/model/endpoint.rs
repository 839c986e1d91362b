//! The address of an OTLP receiver: read from a user's text once, and a type from then on.
//!
//! - A missing scheme means `http://`, so that `0.0.0.0:4317` works, or `https://` where OTEL_EXPORTER_OTLP_INSECURE is
//!   `false`.
//! - `user:password@` is taken out and becomes a header: a URL is shown, a header is not.
//! - Port 4317 with no protocol chosen means gRPC.
//! - OTEL_EXPORTER_OTLP_ENDPOINT is a base: HTTP appends `/v1/traces` and the like to its path.
//! - A signal's own endpoint is used as it is, as the specification has it, but one without any path (`http://host:4318`,
//!   not `http://host:4318/`) gets `/v1/traces` and the like too: no receiver listens at an empty path.

use std::borrow::Cow;
use std::fmt;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use percent_encoding::percent_decode_str;
use url::Url;

use super::{Protocol, Signal};
use crate::redact;

/// The URL that a signal is sent to: the whole one for HTTP, scheme and authority for gRPC. Its scheme is `http` or
/// `https`, it has a host, and no credentials.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Endpoint(Box<Url>);

impl Endpoint {
    /// The receiver on this machine, which is used where no endpoint is set.
    pub(in crate::config) fn local(protocol: Protocol, signal: Signal) -> Endpoint {
        let port = if protocol == Protocol::Grpc { 4317 } else { 4318 };
        let base = BaseEndpoint::parse(&format!("http://localhost:{port}"), true);
        base.unwrap_or_else(|_| unreachable!("a URL with a host")).of_signal(signal, false, protocol)
    }

    /// An endpoint as a test writes it.
    #[cfg(test)]
    pub(crate) fn of_test(url: &str) -> Endpoint {
        Endpoint(Box::new(Url::parse(url).expect("a URL")))
    }

    /// The URL.
    pub(crate) fn url(&self) -> &Url {
        &self.0
    }

    /// The URL as text, for requests: its query may hold a secret.
    pub(crate) fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The URL as messages show it.
    pub(crate) fn redacted(&self) -> Cow<'_, str> {
        redact::endpoint(self.as_str())
    }

    /// Scheme, host and port, which all paths of a server have in common.
    pub(crate) fn server(&self) -> String {
        self.0.origin().ascii_serialization()
    }

    /// Whether requests are encrypted.
    pub(crate) fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({})", self.redacted())
    }
}

/// An endpoint as a setting has it, from which each signal's own [`Endpoint`] is made.
#[derive(Debug, Clone)]
pub(in crate::config) struct BaseEndpoint {
    url: Url,
    has_path: bool,
}

impl BaseEndpoint {
    /// Reads a setting. `Err` is what would have been right.
    pub(in crate::config) fn parse(text: &str, insecure: bool) -> Result<BaseEndpoint, String> {
        const EXPECTED: &str = "a URL such as `http://localhost:4318` or `collector:4317`";
        let text = text.trim();
        let scheme = if insecure { "http" } else { "https" };
        let with_scheme = if text.contains("://") { text.to_owned() } else { format!("{scheme}://{text}") };
        let rest = with_scheme.split_once("://").map_or("", |(_, rest)| rest);
        // A parser of URLs would take the first part of a path for the host: of `${HOST}/v1/traces`, when HOST is not set.
        if rest.starts_with(['/', '\\']) {
            return Err(EXPECTED.to_owned());
        }
        let url = Url::parse(&with_scheme).map_err(|_| EXPECTED.to_owned())?;
        match url.scheme() {
            "http" | "https" if url.has_host() => Ok(BaseEndpoint { url, has_path: rest.contains('/') }),
            "http" | "https" => Err(EXPECTED.to_owned()),
            _ => Err("an `http` or `https` URL".into()),
        }
    }

    /// The protocol that the port suggests.
    pub(in crate::config) fn protocol(&self) -> Protocol {
        if self.url.port() == Some(4317) { Protocol::Grpc } else { Protocol::HttpProtobuf }
    }

    /// Takes the credentials out: the value of the `authorization` header of the same meaning.
    pub(in crate::config) fn take_credentials(&mut self) -> Option<String> {
        if self.url.username().is_empty() && self.url.password().is_none() {
            return None;
        }
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let pair = format!("{}:{}", decoded(self.url.username()), decoded(self.url.password().unwrap_or_default()));
        // Neither fails for a URL with a host, and every endpoint has one.
        let _ = self.url.set_username("");
        let _ = self.url.set_password(None);
        Some(format!("Basic {}", BASE64_STANDARD.encode(pair)))
    }

    /// The endpoint of a signal. `is_own` is whether it was set for this signal alone.
    pub(in crate::config) fn of_signal(&self, signal: Signal, is_own: bool, protocol: Protocol) -> Endpoint {
        let mut url = self.url.clone();
        if protocol == Protocol::Grpc {
            // The path of a gRPC request is the method's; some clients would ignore one here and others would not.
            url.set_path("");
            url.set_query(None);
        } else if !is_own || !self.has_path {
            let path = format!("{}/v1/{}", url.path().trim_end_matches('/'), signal.path());
            url.set_path(&path);
        }
        Endpoint(Box::new(url))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(written: &str, own: bool) -> (Protocol, String) {
        let base = BaseEndpoint::parse(written, true).unwrap();
        let protocol = base.protocol();
        (protocol, base.of_signal(Signal::Traces, own, protocol).as_str().to_owned())
    }

    #[test]
    fn the_local_receiver_has_the_port_of_its_protocol() {
        let local = |protocol, signal| Endpoint::local(protocol, signal).as_str().to_owned();
        assert_eq!(local(Protocol::Grpc, Signal::Metrics), "http://localhost:4317/");
        assert_eq!(local(Protocol::HttpJson, Signal::Metrics), "http://localhost:4318/v1/metrics");
        assert_eq!(local(Protocol::HttpProtobuf, Signal::Logs), "http://localhost:4318/v1/logs");
    }

    #[test]
    fn the_missing_parts_of_an_endpoint_are_added() {
        use Protocol::{Grpc, HttpProtobuf};
        for (written, own, protocol, url) in [
            ("http://localhost:4318", false, HttpProtobuf, "http://localhost:4318/v1/traces"),
            ("http://localhost:4318/", false, HttpProtobuf, "http://localhost:4318/v1/traces"),
            ("https://example.com/otlp", false, HttpProtobuf, "https://example.com/otlp/v1/traces"),
            ("0.0.0.0:4317", false, Grpc, "http://0.0.0.0:4317/"),
            ("collector:4318", false, HttpProtobuf, "http://collector:4318/v1/traces"),
            ("http://[::1]:4317", false, Grpc, "http://[::1]:4317/"),
            ("http://host:9000/custom", true, HttpProtobuf, "http://host:9000/custom"),
            ("http://host:9000/", true, HttpProtobuf, "http://host:9000/"),
            ("http://host:9000", true, HttpProtobuf, "http://host:9000/v1/traces"),
            ("host:9000", true, HttpProtobuf, "http://host:9000/v1/traces"),
            ("https://host:4317/x", true, Grpc, "https://host:4317/"),
        ] {
            assert_eq!(resolved(written, own), (protocol, url.to_owned()), "{written}");
        }
    }

    #[test]
    fn insecure_chooses_the_scheme_only_where_there_is_none() {
        assert_eq!(BaseEndpoint::parse("host:4317", false).unwrap().url.as_str(), "https://host:4317/");
        assert_eq!(BaseEndpoint::parse("http://host:4317", false).unwrap().url.as_str(), "http://host:4317/");
    }

    #[test]
    fn credentials_become_a_header() {
        let mut base = BaseEndpoint::parse("https://me:p%40ss@host/x", true).unwrap();
        assert_eq!(base.take_credentials().as_deref(), Some("Basic bWU6cEBzcw=="));
        assert_eq!(base.url.as_str(), "https://host/x");
        assert_eq!(base.take_credentials(), None);
    }

    #[test]
    fn text_that_is_no_endpoint_is_refused() {
        for written in ["", "http://", "ftp://host", "http://host:99999", "a b", "/v1/traces", "http:///collector"] {
            assert!(BaseEndpoint::parse(written, true).is_err(), "{written}");
        }
    }
}
