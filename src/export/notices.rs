//! Warnings about collectors: each trouble is told once, and once that it is over.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::Unusable;
use crate::bounds::losses::Reason;
use crate::config::{OtlpSetting, SettingOrigin};
use crate::redact;
use crate::ui::{self, Explain};

/// Why an export did not arrive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// No answer, or none that makes sense.
    Unreachable(String),
    /// The collector is there but cannot take it now.
    Busy(String),
    /// The collector will never take it.
    Refused(String),
}

impl Failure {
    /// Whether the same telemetry may be taken later.
    pub(crate) fn may_pass(&self) -> bool {
        !matches!(self, Failure::Refused(_))
    }

    /// Sorts an HTTP answer, with what the collector says about it.
    pub(crate) fn of_status(status: http::StatusCode, words: &str) -> Failure {
        let mut text = format!("the collector answered {status}");
        if !words.is_empty() {
            text = format!("{text}: {words}");
        }
        match status.as_u16() {
            429 | 502..=504 => Failure::Busy(text),
            _ => Failure::Refused(text),
        }
    }

    /// Nothing came back in time.
    pub(crate) fn late(limit: Duration) -> Failure {
        Failure::Unreachable(format!("no answer within {} ms", limit.as_millis()))
    }

    /// Whether the collector may well take other signals.
    fn is_about_one_signal(&self) -> bool {
        let Failure::Refused(cause) = self else { return false };
        ["404", "405", "415", "Unimplemented", "InvalidArgument", "rejected"].iter().any(|sign| cause.contains(sign))
    }

    fn cause(&self) -> &str {
        match self {
            Failure::Unreachable(cause) | Failure::Busy(cause) | Failure::Refused(cause) => cause,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.cause())
    }
}

/// What the user is told.
#[derive(Debug, thiserror::Error)]
#[error("cannot export {what} to `{endpoint}`, the program runs on without")]
struct CannotExport {
    what: &'static str,
    endpoint: String,
    #[source]
    cause: Cause,
    hint: Option<String>,
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Cause(String);

/// Where exports go.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// An endpoint, or the name of a stream.
    pub(crate) name: String,
    /// Where that is written.
    pub(crate) written: SettingOrigin,
    /// The variable of the proxy before it.
    pub(crate) proxy: Option<&'static str>,
}

/// An exporter that could not be made, for one signal or several.
#[derive(Debug, thiserror::Error)]
#[error("cannot export {} to `{place}`, the program runs on without", listed(whats))]
struct LeftOut {
    whats: Vec<&'static str>,
    place: String,
    #[source]
    cause: Unusable,
    hint: Option<String>,
}

impl Explain for LeftOut {
    fn hint(&self) -> Option<String> {
        self.hint.clone()
    }
}

/// `a, b and c`
fn listed(words: &[&str]) -> String {
    match words {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        _ => words.concat(),
    }
}

impl Explain for CannotExport {
    fn hint(&self) -> Option<String> {
        self.hint.clone()
    }
}

/// Remembers what has been told.
#[derive(Debug, Default)]
pub(crate) struct ExportNotices {
    troubles: Mutex<HashMap<String, Trouble>>,
    left_out: Mutex<Vec<LeftOut>>,
    remarks: Mutex<HashSet<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    Told,
    OverAndTold,
}

impl ExportNotices {
    /// An exporter of `what` cannot be made. What is wrong for several signals is told once, by
    /// [`tell_unusable`](Self::tell_unusable).
    pub(super) fn unusable(&self, what: &'static str, place: String, cause: Unusable, hint: Option<String>) {
        let mut left_out = self.left_out.lock().unwrap_or_else(PoisonError::into_inner);
        let text = cause.to_string();
        match left_out.iter_mut().find(|known| known.place == place && known.cause.to_string() == text) {
            Some(known) => known.whats.push(what),
            None => left_out.push(LeftOut { whats: vec![what], place, cause, hint }),
        }
    }

    /// All exporters have been made, or not.
    pub(crate) fn tell_unusable(&self) {
        let left_out = std::mem::take(&mut *self.left_out.lock().unwrap_or_else(PoisonError::into_inner));
        left_out.iter().for_each(|each| ui::warning_of(each));
    }

    /// A collector took `what`, and has something to say about it.
    pub(super) fn remarked(&self, what: &str, endpoint: &str, words: &str) {
        let first = self.remarks.lock().unwrap_or_else(PoisonError::into_inner).insert(key_of_one(what, endpoint));
        if first {
            let (endpoint, words) = (redact::endpoint(endpoint), redact::message(words));
            ui::warning(format_args!("`{endpoint}` says of our {what}: {words}"), &[], None);
        }
    }

    /// Items are dropped that a collector might have taken later. `queue` is the variable that bounds their queue.
    pub(super) fn dropping(&self, what: &str, queue: &str, place: &Place, reason: Reason) {
        let key = format!("dropping {what} {} {reason:?}", authority(&place.name));
        if !self.remarks.lock().unwrap_or_else(PoisonError::into_inner).insert(key) {
            return;
        }
        let endpoint = redact::endpoint(&place.name);
        let (bound, variable, key) = match reason {
            Reason::Queue => ("the queue is full", queue, "max_queue_size"),
            _ => ("the memory limit is reached", "OTEL_RS_MEMORY_LIMIT", "memory_limit"),
        };
        let hint = match &place.written {
            SettingOrigin::Variables(_) => format!("`{variable}` bounds it"),
            SettingOrigin::File(file) => format!("`{key}` in `{}` bounds it", file.display()),
        };
        let message = format_args!("dropping the oldest {what} for `{endpoint}`: {bound}");
        ui::warning(message, &[], Some(&hint));
    }

    /// An export of `what` failed.
    pub(crate) fn failed(&self, what: &'static str, place: &Place, failure: &Failure) {
        let key = key(what, &place.name, Some(failure));
        let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        if troubles.contains_key(&key) {
            return;
        }
        troubles.insert(key, Trouble::Told);
        drop(troubles);
        let cause = Cause(redact::message(failure.cause()).into_owned());
        let hint = hint(place, failure);
        let what = if failure.is_about_one_signal() { what } else { "telemetry" };
        let endpoint = redact::endpoint(&place.name).into_owned();
        ui::warning_of(&CannotExport { what, endpoint, cause, hint });
    }

    /// An export of `what` arrived.
    pub(crate) fn arrived(&self, what: &'static str, Place { name: endpoint, .. }: &Place) {
        let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        if troubles.is_empty() {
            return;
        }
        let mut over = false;
        for key in [key(what, endpoint, None), key_of_one(what, endpoint)] {
            if let Some(trouble) = troubles.get_mut(&key).filter(|trouble| **trouble == Trouble::Told) {
                *trouble = Trouble::OverAndTold;
                over = true;
            }
        }
        drop(troubles);
        if over {
            ui::note(format!("`{}` takes telemetry again", redact::endpoint(endpoint)));
        }
    }
}

/// One collector that is down is one trouble; one that knows spans but not metrics is another.
fn key(what: &str, endpoint: &str, failure: Option<&Failure>) -> String {
    match failure {
        Some(failure) if failure.is_about_one_signal() => key_of_one(what, endpoint),
        _ => authority(endpoint).to_owned(),
    }
}

fn key_of_one(what: &str, endpoint: &str) -> String {
    format!("{what} {}", authority(endpoint))
}

fn authority(endpoint: &str) -> &str {
    let rest = endpoint.split_once("://").map_or(endpoint, |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default()
}

fn hint(Place { name: endpoint, written, proxy }: &Place, failure: &Failure) -> Option<String> {
    let cause = failure.cause().to_ascii_lowercase();
    if let Some(variable) = proxy.filter(|_| cause.contains("the proxy `")) {
        return Some(format!("check `{variable}`, or name the collector's host in `NO_PROXY`"));
    }
    let check = |what, why| Some(format!("check {}: {why}", written.name(what)));
    if cause.contains("401")
        || cause.contains("403")
        || cause.contains("unauthenticated")
        || cause.contains("permission")
    {
        return check(OtlpSetting::Headers, "the collector does not take what is there as a right to export");
    }
    if cause.contains("404") || cause.contains("unimplemented") {
        return Some(format!("check the endpoint's path, or {}", written.set(OtlpSetting::Exporter, "none")));
    }
    if let Some(hint) = tls_hint(&cause, written) {
        return Some(hint);
    }
    // What either protocol says when it meets the other one.
    if ["http2", "invalid http version", "unexpected message from connection", "stream closed", "not one of grpc"]
        .iter()
        .any(|sign| cause.contains(sign))
    {
        let mut hint = format!(
            "check {}: 4317 is usually the port for `grpc`, 4318 for `http/protobuf`",
            written.name(OtlpSetting::Protocol)
        );
        if endpoint.starts_with("http:") {
            hint.push_str("; or use an `https://` endpoint if the collector speaks TLS");
        }
        return Some(hint);
    }
    match failure {
        Failure::Unreachable(_) if endpoint.contains("localhost") => Some(match written {
            SettingOrigin::Variables(_) => format!(
                "start a collector there, set {}, or try OTEL_TRACES_EXPORTER=console",
                written.name(OtlpSetting::Endpoint)
            ),
            SettingOrigin::File(_) => {
                format!("start a collector there, or correct {}", written.name(OtlpSetting::Endpoint))
            }
        }),
        Failure::Unreachable(_) => check(OtlpSetting::Endpoint, "nothing answers there as a collector does"),
        _ => None,
    }
}

/// What handshakes fail of. Alerts are what the collector says; all else is what we say of it.
fn tls_hint(cause: &str, written: &SettingOrigin) -> Option<String> {
    let name = |what| written.name(what);
    let has = |signs: &[&str]| signs.iter().any(|sign| cause.contains(sign));
    if has(&["alert: certificaterequired", "alert: handshakefailure"]) {
        return Some(format!("set {} and {}", name(OtlpSetting::ClientCertificate), name(OtlpSetting::ClientKey)));
    }
    if cause.contains("received fatal alert") {
        return has(&["certificate", "unknownca", "decrypterror", "accessdenied"])
            .then(|| format!("check {}: the collector does not accept it", name(OtlpSetting::ClientCertificate)));
    }
    if cause.contains("unknownissuer") {
        return Some(format!("set {} to the certificate of the collector's authority", name(OtlpSetting::Certificate)));
    }
    if cause.contains("not valid for name") {
        return Some(format!(
            "use the name that the collector's certificate is for in {}",
            name(OtlpSetting::Endpoint)
        ));
    }
    if cause.contains("invalidcontenttype") {
        return Some("use an `http://` endpoint: the collector does not speak TLS there".into());
    }
    cause.contains("certificate").then(|| {
        format!("renew the collector's certificate, or set {} to one to trust", name(OtlpSetting::Certificate))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_collector_is_one_trouble_for_all_signals_and_a_refusal_one_for_each() {
        let down = Failure::Unreachable("connection refused".into());
        let key_of = |what, failure| key(what, "http://h:4318/v1/x", Some(failure));
        assert_eq!(key_of("spans", &down), key_of("metrics", &down));
        let refused = Failure::of_status(http::StatusCode::NOT_FOUND, "");
        assert_ne!(key_of("spans", &refused), key_of("metrics", &refused));
        let broken = Failure::of_status(http::StatusCode::INTERNAL_SERVER_ERROR, "");
        assert_eq!(key_of("spans", &broken), key_of("metrics", &broken));
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        for (status, again) in
            [(400, false), (401, false), (404, false), (408, false), (429, true), (500, false), (503, true)]
        {
            let failure = Failure::of_status(http::StatusCode::from_u16(status).unwrap(), "");
            assert_eq!(failure.may_pass(), again, "{status}");
        }
    }

    #[test]
    fn hints_fit_their_causes() {
        let names = [
            (OtlpSetting::Exporter, "OTEL_METRICS_EXPORTER"),
            (OtlpSetting::Endpoint, "--exporter-otlp-metrics-endpoint"),
        ];
        let variables = SettingOrigin::Variables(names.map(|(what, name)| (what, name.to_owned())).into());
        let file = SettingOrigin::File("otel.yaml".into());
        let hint_for = |written: &SettingOrigin, failure: &Failure| {
            hint(&Place { name: "http://h:4318/".into(), written: written.clone(), proxy: None }, failure)
                .unwrap_or_default()
        };
        let unknown = Failure::of_status(http::StatusCode::NOT_FOUND, "");
        assert!(hint_for(&variables, &unknown).ends_with("or set `OTEL_METRICS_EXPORTER` to `none`"));
        assert!(hint_for(&file, &unknown).ends_with("or leave the exporter out of `otel.yaml`"));
        let refused = Failure::of_status(http::StatusCode::UNAUTHORIZED, "");
        assert!(hint_for(&file, &refused).starts_with("check `headers` in `otel.yaml`: the collector does not take"));
        let down = Failure::Unreachable("refused".into());
        assert!(hint_for(&variables, &down).starts_with("check `--exporter-otlp-metrics-endpoint`: nothing answers"));
        let distrusted = Failure::Unreachable("invalid peer certificate: UnknownIssuer".into());
        assert!(hint_for(&file, &distrusted).starts_with("set `ca_file` in `otel.yaml` to"));
    }
}
