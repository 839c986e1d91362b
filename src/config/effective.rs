//! The value of each variable as reports show it, and where it was set.

use crate::config::registry::{OTEL_TRACES_SAMPLER_ARG, ValueKind, Variable};
use crate::config::sources::{Settings, variables};
use crate::config::text;
use crate::config::warnings::shown;

/// A variable's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EffectiveSetting {
    pub(crate) env: &'static str,
    /// Without secrets; empty when there is none, or when it is computed from others.
    pub(crate) shown: String,
    pub(crate) source: ValueSource,
}

/// Which source's value is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ValueSource {
    Flag,
    Environment,
    Default,
}

impl EffectiveSetting {
    /// The effective value of a variable, once all variables were read.
    pub(super) fn of(variable: &'static Variable, settings: &Settings) -> EffectiveSetting {
        let is_ignored = || {
            let is_for_another_sampler =
                variable.env == OTEL_TRACES_SAMPLER_ARG.env && variables::sampler::is_remote(settings);
            settings.warnings.is_ignored(variable) || is_for_another_sampler
        };
        let (text, source) = match settings.flag(variable) {
            Some(text) => (text, ValueSource::Flag),
            None => match settings.in_environment(variable).filter(|_| !is_ignored()) {
                Some(text) => (text, ValueSource::Environment),
                None => (variable.default, ValueSource::Default),
            },
        };
        let shown = match variable.kind {
            ValueKind::SecretPairs => text::pairs(text).map_or_else(
                |_| String::new(),
                |pairs| pairs.iter().map(|(key, _)| format!("{key}=REDACTED")).collect::<Vec<_>>().join(","),
            ),
            _ => shown(variable, text).unwrap_or_default(),
        };
        EffectiveSetting { env: variable.env, shown, source }
    }

    /// The value and its source as a message; none for a default.
    pub(crate) fn message(&self) -> Option<String> {
        let by = match self.source {
            ValueSource::Flag => "a flag",
            ValueSource::Environment => "the environment",
            ValueSource::Default => return None,
        };
        Some(format!("`{}` is `{}`, by {by}", self.env, self.shown))
    }
}
