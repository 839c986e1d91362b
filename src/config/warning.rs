//! What is said of variables that are not used.

use super::resolve::{ConfigError, Sources, quoted, shown, variable};
use crate::ui::Explain;

/// Something in the environment that is not used.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Warning {
    /// The variable.
    pub(crate) name: &'static str,
    pub(super) message: String,
    hint: Option<String>,
    /// Whether the variable counts for nothing, so that its default does.
    pub(super) is_all: bool,
}

impl Explain for Warning {
    fn hint(&self) -> Option<String> {
        self.hint.clone()
    }
}

impl Sources<'_> {
    /// Tells of a variable that is not used, or not as it was meant. Shared variables are read once for each signal and
    /// complained about once.
    pub(super) fn warn(&mut self, name: &'static str, message: String, hint: Option<String>) {
        self.add(Warning { name, message, hint, is_all: true });
    }

    /// The same, where only a part of what the variable says is not used.
    pub(super) fn warn_of_part(&mut self, name: &'static str, message: String, hint: Option<String>) {
        self.add(Warning { name, message, hint, is_all: false });
    }

    fn add(&mut self, warning: Warning) {
        if !self.warnings.iter().any(|known| known.name == warning.name && known.message == warning.message) {
            self.warnings.push(warning);
        }
    }

    /// Refuses a part of what a variable says: an error if it was typed, a warning if it was set.
    pub(super) fn refuse_part(&mut self, name: &'static str, part: &str, expected: &str) -> Result<(), ConfigError> {
        let value = shown(variable(name), part);
        if self.flag(name).is_some() {
            let (flag, expected) = (variable(name).flag.unwrap_or(name), expected.to_owned());
            return Err(ConfigError::BadFlag { flag, value, expected, hint: None });
        }
        let message = format!("ignoring {} in `{name}`: expected {expected}", quoted(&value));
        let is_all = self.in_environment(name).is_none_or(|text| text.trim() == part);
        let rest = if is_all { " or unset it" } else { "; the rest of it counts" };
        self.add(Warning { name, message, hint: Some(format!("correct `{name}`{rest}")), is_all });
        Ok(())
    }
}
