//! Warnings about collectors: one for each trouble when it begins, and a note when it is over.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Mutex, PoisonError};

use super::failure::Failure;
use super::sink::Unusable;
use crate::bounds::losses::Reason;
use crate::config::SettingOrigin;
use crate::redact;
use crate::ui::{self, Explain, plural};

/// The warning about a failure.
#[derive(Debug, thiserror::Error)]
#[error("cannot export {what} to `{endpoint}`, the program keeps running")]
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
pub(crate) struct ExportTarget {
    /// An endpoint, or the name of a stream.
    pub(crate) name: String,
    /// Where it is set.
    pub(crate) origin: SettingOrigin,
    /// The variable of the proxy before it.
    pub(crate) proxy: Option<&'static str>,
}

/// The warning about an exporter that cannot be made, for one signal or several.
#[derive(Debug, thiserror::Error)]
#[error("cannot export {} to `{target}`, the program keeps running without this exporter", plural::list(signals))]
struct CannotMakeExporter {
    signals: Vec<&'static str>,
    target: String,
    #[source]
    cause: Unusable,
    hint: Option<String>,
}

impl Explain for CannotMakeExporter {
    fn hint(&self) -> Option<String> {
        self.hint.clone()
    }
}

impl Explain for CannotExport {
    fn hint(&self) -> Option<String> {
        self.hint.clone()
    }
}

/// A message for the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Notice {
    /// The launcher goes on, with less.
    Warning { message: String, causes: Vec<String>, hint: Option<String> },
    /// A fact.
    Note(String),
}

impl Notice {
    /// A warning with an error's own causes and its hint.
    fn of(error: &dyn Explain) -> Notice {
        Notice::Warning { message: error.to_string(), causes: ui::causes(error), hint: error.hint() }
    }
}

/// The notices of all exports: each trouble is one. They are handed to the one place that shows them.
#[derive(Debug, Default)]
pub(crate) struct ExportNotices {
    /// Without it they are discarded.
    show: Option<fn(Notice)>,
    troubles: Mutex<HashMap<String, Trouble>>,
    unusable: Mutex<Vec<CannotMakeExporter>>,
    remarks: Mutex<HashSet<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    /// It has been warned of.
    Begun,
    Over,
}

impl ExportNotices {
    /// Notices that are handed to `show`.
    pub(crate) fn new(show: fn(Notice)) -> ExportNotices {
        ExportNotices { show: Some(show), ..ExportNotices::default() }
    }

    fn show(&self, notice: Notice) {
        if let Some(show) = self.show {
            show(notice);
        }
    }

    /// Shows a warning with an error's own causes and its hint.
    pub(super) fn warning_of(&self, error: &dyn Explain) {
        self.show(Notice::of(error));
    }

    /// Shows a warning.
    pub(super) fn warning(&self, message: impl fmt::Display, causes: Vec<String>, hint: Option<String>) {
        self.show(Notice::Warning { message: message.to_string(), causes, hint });
    }

    /// Shows a fact.
    pub(super) fn note(&self, text: impl fmt::Display) {
        self.show(Notice::Note(text.to_string()));
    }

    /// An exporter of `what` cannot be made. One cause for several signals is one warning, by
    /// [`warn_of_unusable`](Self::warn_of_unusable).
    pub(super) fn unusable(&self, what: &'static str, target: String, cause: Unusable, hint: Option<String>) {
        let mut unusable = self.unusable.lock().unwrap_or_else(PoisonError::into_inner);
        let text = cause.to_string();
        match unusable.iter_mut().find(|known| known.target == target && known.cause.to_string() == text) {
            Some(known) => known.signals.push(what),
            None => unusable.push(CannotMakeExporter { signals: vec![what], target, cause, hint }),
        }
    }

    /// Warns of exporters that could not be made, when all have been tried.
    pub(crate) fn warn_of_unusable(&self) {
        let unusable = std::mem::take(&mut *self.unusable.lock().unwrap_or_else(PoisonError::into_inner));
        unusable.iter().for_each(|each| self.warning_of(each));
    }

    /// A collector accepted `what` with a warning.
    pub(super) fn accepted_with_warning(&self, what: &str, endpoint: &str, words: &str) {
        let first = self.remarks.lock().unwrap_or_else(PoisonError::into_inner).insert(key_of_one(what, endpoint));
        if first {
            let (endpoint, words) = (redact::endpoint(endpoint), redact::message(words));
            self.warning(format_args!("`{endpoint}` accepted the {what} with a warning: {words}"), Vec::new(), None);
        }
    }

    /// Items are dropped that a collector might have accepted later. `queue` is the variable that bounds their queue.
    pub(super) fn dropping(&self, what: &str, queue: &str, target: &ExportTarget, reason: Reason) {
        let key = format!("dropping {what} {} {reason:?}", authority(&target.name));
        if !self.remarks.lock().unwrap_or_else(PoisonError::into_inner).insert(key) {
            return;
        }
        let endpoint = redact::endpoint(&target.name);
        let (bound, variable, key) = match reason {
            Reason::Queue => ("the queue is full", queue, "max_queue_size"),
            _ => ("the memory limit is reached", "OTEL_RS_MEMORY_LIMIT", "memory_limit"),
        };
        let hint = match &target.origin {
            SettingOrigin::Variables(_) => format!("`{variable}` bounds it"),
            SettingOrigin::File(file) => format!("`{key}` in `{}` bounds it", file.display()),
        };
        let message = format_args!("dropping the oldest {what} for `{endpoint}`: {bound}");
        self.warning(message, Vec::new(), Some(hint));
    }

    /// An export of `what` failed.
    pub(crate) fn failed(&self, what: &'static str, target: &ExportTarget, failure: &Failure) {
        let key = key(what, &target.name, Some(failure));
        let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        if troubles.contains_key(&key) {
            return;
        }
        troubles.insert(key, Trouble::Begun);
        drop(troubles);
        let cause = Cause(redact::message(&failure.to_string()).into_owned());
        let hint = failure.hint(&target.name, &target.origin, target.proxy);
        let what = if failure.is_about_one_signal() { what } else { "telemetry" };
        let endpoint = redact::endpoint(&target.name).into_owned();
        self.warning_of(&CannotExport { what, endpoint, cause, hint });
    }

    /// An export of `what` arrived.
    pub(crate) fn arrived(&self, what: &'static str, ExportTarget { name: endpoint, .. }: &ExportTarget) {
        let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        if troubles.is_empty() {
            return;
        }
        let mut over = false;
        for key in [key(what, endpoint, None), key_of_one(what, endpoint)] {
            if let Some(trouble) = troubles.get_mut(&key).filter(|trouble| **trouble == Trouble::Begun) {
                *trouble = Trouble::Over;
                over = true;
            }
        }
        drop(troubles);
        if over {
            self.note(format_args!("`{}` accepts telemetry again", redact::endpoint(endpoint)));
        }
    }
}

/// A collector that is down is one trouble; one that accepts spans but not metrics is another.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_that_is_down_is_one_trouble_and_a_refusal_is_one_for_each_signal() {
        let down = Failure::transport(&std::io::Error::from(std::io::ErrorKind::ConnectionRefused));
        let key_of = |what, failure| key(what, "http://h:4318/v1/x", Some(failure));
        assert_eq!(key_of("spans", &down), key_of("metrics", &down));
        let refused = Failure::http(http::StatusCode::NOT_FOUND, "");
        assert_ne!(key_of("spans", &refused), key_of("metrics", &refused));
        let broken = Failure::http(http::StatusCode::INTERNAL_SERVER_ERROR, "");
        assert_eq!(key_of("spans", &broken), key_of("metrics", &broken));
    }

    #[test]
    fn a_trouble_is_one_warning_and_its_end_one_note() {
        static SHOWN: Mutex<Vec<Notice>> = Mutex::new(Vec::new());
        let notices = ExportNotices::new(|notice| SHOWN.lock().unwrap().push(notice));
        let target = ExportTarget { name: "http://h:4318/".into(), origin: SettingOrigin::default(), proxy: None };
        let down = Failure::transport(&std::io::Error::from(std::io::ErrorKind::ConnectionRefused));
        notices.failed("spans", &target, &down);
        notices.failed("metrics", &target, &down);
        notices.arrived("spans", &target);
        notices.arrived("metrics", &target);
        let shown = SHOWN.lock().unwrap();
        let [Notice::Warning { message, causes, hint }, Notice::Note(note)] = &shown[..] else { panic!("{shown:?}") };
        assert_eq!(message, "cannot export telemetry to `http://h:4318/`, the program keeps running");
        assert_eq!((causes.as_slice(), hint.is_some()), (&["connection refused".to_owned()][..], true));
        assert_eq!(note, "`http://h:4318/` accepts telemetry again");
    }
}
