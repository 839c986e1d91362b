//! What a variable says and where that is from, for people.

use super::resolve::{Sources, shown};
use super::value;
use super::variables::{Kind, Variable};

/// A variable's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) env: &'static str,
    /// Without secrets; empty when there is none, or when it is computed from others.
    pub(crate) shown: String,
    pub(crate) origin: Origin,
}

impl Setting {
    /// What was said and by what, for people; nothing of a default.
    pub(crate) fn told(&self) -> Option<String> {
        let by = match self.origin {
            Origin::Flag => "a flag",
            Origin::Environment => "the environment",
            Origin::Default => return None,
        };
        Some(format!("`{}` is `{}`, by {by}", self.env, self.shown))
    }
}

/// Where a value came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    Flag,
    Environment,
    Default,
}

impl Sources<'_> {
    /// The value that counts.
    pub(super) fn setting(&self, variable: &'static Variable) -> Setting {
        let env = variable.env;
        let is_bad = || {
            self.warnings.iter().any(|warning| warning.name == env && warning.is_all)
                || self.is_for_another_sampler(env)
        };
        let (text, origin) = match self.flag(env) {
            Some(text) => (text.clone(), Origin::Flag),
            None => match self.in_environment(env).filter(|_| !is_bad()) {
                Some(text) => (text, Origin::Environment),
                None => (variable.default.to_owned(), Origin::Default),
            },
        };
        let shown = match variable.kind {
            Kind::SecretPairs => value::pairs(&text).map_or_else(
                |_| String::new(),
                |pairs| pairs.iter().map(|(key, _)| format!("{key}=REDACTED")).collect::<Vec<_>>().join(","),
            ),
            _ => shown(variable, &text).unwrap_or_default(),
        };
        Setting { env, shown, origin }
    }
}
