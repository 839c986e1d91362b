//! Endpoints as people write them, and the URLs that are meant.
//!
//! - A missing scheme means `http://`, so that `0.0.0.0:4317` works, or `https://` where OTEL_EXPORTER_OTLP_INSECURE says
//!   `false`.
//! - `user:password@` is taken out and becomes a header: a URL is shown, a header is not.
//! - Port 4317 with no protocol chosen means gRPC.
//! - OTEL_EXPORTER_OTLP_ENDPOINT is a base: HTTP appends `/v1/traces` and the like to its path.
//! - A signal's own endpoint is used as it is, as the specification says, but one without any path (`http://host:4318`,
//!   not `http://host:4318/`) gets `/v1/traces` and the like too: no receiver listens at an empty path.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use percent_encoding::percent_decode_str;
use url::Url;

use super::Protocol;

/// Reads an endpoint. `Err` says what would have been right.
pub(super) fn parse(text: &str, insecure: bool) -> Result<Url, String> {
    const EXPECTED: &str = "a URL such as `http://localhost:4318` or `collector:4317`";
    let text = text.trim();
    let scheme = if insecure { "http" } else { "https" };
    let with_scheme = if text.contains("://") { text.to_owned() } else { format!("{scheme}://{text}") };
    // A parser of URLs would take the first part of a path for the host: of `${HOST}/v1/traces`, when HOST is not set.
    if with_scheme.split_once("://").is_some_and(|(_, rest)| rest.starts_with(['/', '\\'])) {
        return Err(EXPECTED.to_owned());
    }
    let url = Url::parse(&with_scheme).map_err(|_| EXPECTED.to_owned())?;
    match url.scheme() {
        "http" | "https" if url.has_host() => Ok(url),
        "http" | "https" => Err(EXPECTED.to_owned()),
        _ => Err("an `http` or `https` URL".into()),
    }
}

/// The protocol that an endpoint's port suggests.
pub(super) fn protocol_of(url: &Url) -> Protocol {
    if url.port() == Some(4317) { Protocol::Grpc } else { Protocol::HttpProtobuf }
}

/// Takes the credentials out of an endpoint: the value of the `authorization` header that says the same.
pub(super) fn take_credentials(url: &mut Url) -> Option<String> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let pair = format!("{}:{}", decoded(url.username()), decoded(url.password().unwrap_or_default()));
    // Neither fails for a URL with a host, and every endpoint has one.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    Some(format!("Basic {}", BASE64_STANDARD.encode(pair)))
}

/// The URL to send to. `written` is the endpoint as the user wrote it.
pub(super) fn target(url: &Url, written: &str, own: bool, protocol: Protocol, signal: &str) -> String {
    let mut url = url.clone();
    if protocol == Protocol::Grpc {
        // The path of a gRPC request is the method's; what stands here would be ignored by some clients and not by others.
        url.set_path("");
        url.set_query(None);
    } else if !own || has_no_path(written) {
        let path = format!("{}/v1/{signal}", url.path().trim_end_matches('/'));
        url.set_path(&path);
    }
    url.to_string()
}

/// An endpoint for when there is none.
pub(super) fn default_for(protocol: Protocol, signal: &str) -> String {
    match protocol {
        Protocol::Grpc => "http://localhost:4317/".into(),
        Protocol::HttpProtobuf | Protocol::HttpJson => format!("http://localhost:4318/v1/{signal}"),
    }
}

fn has_no_path(written: &str) -> bool {
    let rest = written.split_once("://").map_or(written, |(_, rest)| rest);
    !rest.contains('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(written: &str, own: bool) -> (Protocol, String) {
        let url = parse(written, true).unwrap();
        let protocol = protocol_of(&url);
        (protocol, target(&url, written, own, protocol, "traces"))
    }

    #[test]
    fn endpoints_mean_what_their_writers_meant() {
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
    fn only_a_missing_scheme_is_a_question_of_security() {
        assert_eq!(parse("host:4317", false).unwrap().as_str(), "https://host:4317/");
        assert_eq!(parse("http://host:4317", false).unwrap().as_str(), "http://host:4317/");
    }

    #[test]
    fn credentials_become_a_header() {
        let mut url = parse("https://me:p%40ss@host/x", true).unwrap();
        assert_eq!(take_credentials(&mut url).as_deref(), Some("Basic bWU6cEBzcw=="));
        assert_eq!(url.as_str(), "https://host/x");
        assert_eq!(take_credentials(&mut url), None);
    }

    #[test]
    fn what_is_no_endpoint_is_refused() {
        for written in ["", "http://", "ftp://host", "http://host:99999", "a b", "/v1/traces", "http:///collector"] {
            assert!(parse(written, true).is_err(), "{written}");
        }
    }
}
