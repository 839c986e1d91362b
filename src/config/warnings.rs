//! Warnings of variables that are not used, and the error of a flag that cannot be.

use crate::config::registry::{ValueKind, Variable};
use crate::redact;
use crate::ui::Explain;

/// A warning of a variable that is not used, or only in part.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Warning {
    /// The variable.
    pub(crate) name: &'static str,
    message: String,
    hint: Option<String>,
    /// Whether the whole variable is ignored, so that its default is used.
    is_all: bool,
}

impl Explain for Warning {
    fn hint(&self) -> Option<String> {
        self.hint.clone()
    }
}

/// A flag's value that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot use {} for `--{flag}`: expected {expected}", quoted(value.as_deref()))]
pub(crate) struct BadFlag {
    /// The flag, without dashes.
    flag: &'static str,
    /// The value, `None` when it must not be shown.
    value: Option<String>,
    /// What would have been right.
    expected: String,
    /// What to do in its place.
    hint: Option<&'static str>,
}

impl BadFlag {
    /// The error of this text for a variable's flag.
    pub(super) fn new(variable: &Variable, text: &str, expected: &str, hint: Option<&'static str>) -> BadFlag {
        let (flag, value) = (variable.flag_or_name(), shown(variable, text));
        BadFlag { flag, value, expected: expected.to_owned(), hint }
    }
}

impl Explain for BadFlag {
    fn hint(&self) -> Option<String> {
        self.hint.map(str::to_owned)
    }
}

/// The warnings of one resolution, each once: variables that all signals share are read once for each signal.
#[derive(Debug, Default)]
pub(super) struct Warnings(Vec<Warning>);

impl Warnings {
    /// Warns of a variable that is ignored, or has another effect than was meant.
    pub(super) fn warn(&mut self, name: &'static str, message: String, hint: Option<String>) {
        self.add(Warning { name, message, hint, is_all: true });
    }

    /// Warns of a part of a variable's value; the rest of it is used.
    pub(super) fn warn_of_part(&mut self, name: &'static str, message: String, hint: Option<String>) {
        self.add(Warning { name, message, hint, is_all: false });
    }

    /// Warns of a text, a variable's whole value or a part of it, that is ignored.
    pub(super) fn ignored(&mut self, variable: &Variable, text: &str, expected: &str, is_all: bool, hint: String) {
        let (name, value) = (variable.env, shown(variable, text));
        let message = format!("ignoring {} in `{name}`: expected {expected}", quoted(value.as_deref()));
        self.add(Warning { name, message, hint: Some(hint), is_all });
    }

    /// Whether the default of this variable is used, whatever it is set to.
    pub(super) fn is_ignored(&self, variable: &Variable) -> bool {
        self.0.iter().any(|warning| warning.name == variable.env && warning.is_all)
    }

    /// All of them, in the order in which they were found.
    pub(super) fn into_list(self) -> Vec<Warning> {
        self.0
    }

    fn add(&mut self, warning: Warning) {
        if !self.0.iter().any(|known| known.name == warning.name && known.message == warning.message) {
            self.0.push(warning);
        }
    }
}

/// What may be shown of a variable's text.
pub(super) fn shown(variable: &Variable, text: &str) -> Option<String> {
    match variable.kind {
        ValueKind::SecretPairs => None,
        ValueKind::Endpoint => Some(redact::endpoint(text).into_owned()),
        _ => Some(redact::message(text).into_owned()),
    }
}

fn quoted(value: Option<&str>) -> String {
    value.map_or("the value".into(), |value| format!("`{value}`"))
}
