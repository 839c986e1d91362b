//! HTTP requests, served and sent.

pub(super) mod client;
pub(super) mod server;
mod settings;

use std::borrow::Cow;

pub(crate) use settings::HttpSettings;

use super::error_type;
use crate::attributes::attribute::Text;
use crate::records::facts::Facts;
use crate::wire::key;

/// How a span's name calls a method.
fn method_in_name(method: Cow<'static, str>) -> Cow<'static, str> {
    if method == "_OTHER" { "HTTP".into() } else { method }
}

/// The error of an HTTP request whose status codes count as errors from `from` on. An error that was recorded before a
/// good answer came was overcome on the way, such as a timeout that was followed by a retry.
pub(super) fn http_error_type<'a>(facts: &Facts<'a>, from: i64, cut: Option<&'a str>) -> Option<Text<'a>> {
    let code = facts.int(key::HTTP_STATUS);
    let failed = code.filter(|code| *code >= from);
    let overcome = code.is_some() && failed.is_none() && !facts.is_recorded_after(key::ERROR_TYPE, key::HTTP_STATUS);
    let recorded = error_type(facts, cut).filter(|_| !overcome || cut.is_some());
    recorded.or_else(|| failed.map(|code| Text::Owned(code.to_string())))
}

/// `host:port`, `[v6]:port` or a bare host; the port only if it is one.
fn host_and_port(authority: &str) -> (&str, Option<i64>) {
    let authority = authority.rsplit_once('@').map_or(authority, |(_, rest)| rest).trim();
    let port = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0).map(i64::from);
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').unwrap_or((rest, ""));
        return (host, rest.strip_prefix(':').and_then(port));
    }
    match authority.rsplit_once(':') {
        Some((host, digits)) if !host.contains(':') => (host, port(digits)),
        _ => (authority, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities_are_taken_apart() {
        for (authority, host, port) in [
            ("example.com", "example.com", None),
            ("example.com:8080", "example.com", Some(8080)),
            ("127.0.0.1:1", "127.0.0.1", Some(1)),
            ("[::1]:8080", "::1", Some(8080)),
            ("[::1]", "::1", None),
            ("::1", "::1", None),
            ("user:pw@host:1", "host", Some(1)),
            ("host:99999", "host", None),
            ("", "", None),
        ] {
            assert_eq!(host_and_port(authority), (host, port), "{authority}");
        }
    }
}
