//! Collectors that do not accept telemetry, and pages that cannot be served.

use super::{Problem, explained, problem};
use crate::config::{ExporterSetting, Otlp, Protocol, Tls};
use crate::export::probe::ProbeResult;
use crate::ops::config::exports::Export;
use crate::ui::plural;

/// What is wrong with the endpoints, each problem once for all signals that have it.
pub(super) fn problems(exports: &[Export], found: &mut Vec<Problem>) {
    found.extend(exports.iter().filter_map(|export| export.page.as_ref()).map(|error| explained(error)));
    let mut by_text: Vec<(String, String, Vec<&str>)> = Vec::new();
    for export in exports {
        let Some((otlp, answer)) = &export.otlp else { continue };
        found.extend(without_effect(otlp).filter(|problem| !found.contains(problem)));
        let Some((text, hint)) = problem_at(otlp, answer) else { continue };
        match by_text.iter_mut().find(|(known, ..)| *known == text) {
            Some((.., signals)) => signals.push(export.what),
            None => by_text.push((text, hint, vec![export.what])),
        }
    }
    for (text, hint, signals) in by_text {
        let signals = plural::list(&signals);
        found.push(problem(format!("{signals} do not arrive: {text}"), &hint));
    }
}

/// Files for TLS that are set for an endpoint without TLS: what is sent there is not encrypted.
fn without_effect(otlp: &Otlp) -> Option<Problem> {
    let Tls { certificate, client_certificate, client_key } = &otlp.tls;
    let files = [
        (ExporterSetting::Certificate, certificate),
        (ExporterSetting::ClientCertificate, client_certificate),
        (ExporterSetting::ClientKey, client_key),
    ];
    let set: Vec<String> =
        files.iter().filter(|(_, file)| file.is_some()).map(|(what, _)| otlp.origin.name(*what)).collect();
    if set.is_empty() || otlp.endpoint.is_https() {
        return None;
    }
    let endpoint = otlp.endpoint.redacted();
    let text = format!("no TLS is used with `{endpoint}`, so these have no effect: {}", set.join(", "));
    Some(problem(text, &format!("begin {} with `https://`", otlp.origin.name(ExporterSetting::Endpoint))))
}

/// What is wrong with an endpoint by the outcome of its probe, and what would be right.
fn problem_at(otlp: &Otlp, answer: &ProbeResult) -> Option<(String, String)> {
    let (endpoint, origin) = (&otlp.endpoint, &otlp.origin);
    // Without the path: a server that cannot be reached, or uses another protocol, is the same for all paths.
    let server = endpoint.server();
    // The port is a hint only where the server does not answer as it should.
    let usual = match (otlp.protocol, endpoint.url().port()) {
        (Protocol::HttpProtobuf | Protocol::HttpJson, Some(4317)) => Some("grpc"),
        (Protocol::Grpc, Some(4318)) => Some("http/protobuf"),
        _ => None,
    };
    let configured = otlp.protocol.name();
    let other = if configured == "grpc" { "http/protobuf" } else { "grpc" };
    let endpoint = endpoint.redacted();
    let correct = |what| format!("correct {}", origin.name(what));
    Some(match answer {
        ProbeResult::Accepts => return None,
        ProbeResult::ExporterUnusable(reason, hint) => {
            (reason.clone(), hint.clone().unwrap_or_else(|| correct(ExporterSetting::Certificate)))
        }
        ProbeResult::TlsFailed(reason) => (
            format!("TLS handshake with `{server}` failed: {reason}"),
            format!(
                "set {} to the certificate of its authority (PEM), and a client certificate if it requires one",
                origin.name(ExporterSetting::Certificate)
            ),
        ),
        ProbeResult::CannotConnect(reason) => (
            format!("cannot connect to `{server}`: {reason}"),
            match usual {
                Some(usual) => format!("start a collector there; its port is that of `{usual}`, not of `{configured}`"),
                None => format!("start a collector there, or {}", correct(ExporterSetting::Endpoint)),
            },
        ),
        ProbeResult::ProxyFailed { proxy, variable, reason } => (
            format!("the proxy `{proxy}` cannot reach `{server}`: {reason}"),
            format!("correct `{variable}`, or name the collector's host in `NO_PROXY`"),
        ),
        ProbeResult::OtherProtocol => (
            format!("`{server}` uses `{other}`, but `{configured}` is configured"),
            origin.set(ExporterSetting::Protocol, other),
        ),
        ProbeResult::NotOtlp => {
            (format!("`{server}` answered, but is not an OTLP receiver"), correct(ExporterSetting::Endpoint))
        }
        ProbeResult::TimedOut(time) => (
            format!("connected to `{server}`, but it did not answer within {} s", time.as_secs()),
            format!("look into its log, or {}", correct(ExporterSetting::Endpoint)),
        ),
        ProbeResult::Closed => {
            (format!("`{server}` closed the connection without an answer"), correct(ExporterSetting::Endpoint))
        }
        ProbeResult::Rejects(status @ (401 | 403)) => {
            (format!("`{endpoint}` requires authentication ({status})"), correct(ExporterSetting::Headers))
        }
        ProbeResult::Rejects(status @ (404 | 405)) => (
            format!("no OTLP receiver is at `{endpoint}`: {status}"),
            format!("{}; receivers are usually at `/v1/traces` and the like", correct(ExporterSetting::Endpoint)),
        ),
        ProbeResult::Rejects(status) => {
            (format!("`{endpoint}` rejects an empty export: {status}"), "look into the collector's log".into())
        }
    })
}
