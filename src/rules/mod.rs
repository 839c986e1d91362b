//! Rules: what is known about each crate that can be instrumented, read from `instrumentation.toml` and `advice.rs`.

mod catalog;
mod schema;
#[cfg(test)]
mod weaving_cases;

pub(crate) use catalog::{Catalog, CatalogError, EXTRA_VARIABLE};

use semver::{Version, VersionReq};

use crate::weave::Rule;

/// What a folder `instrumentations/<crate>/` says.
#[derive(Debug)]
pub(crate) struct Instrumentation {
    /// The package's name.
    pub(crate) name: String,
    /// The versions its rules are for.
    pub(crate) versions: VersionReq,
    /// The lowest and the newest version that have been compiled and run.
    pub(crate) tested: Vec<Version>,
    /// One line for people.
    pub(crate) summary: String,
    /// `traces`, `metrics`, `logs` or `context`.
    pub(crate) signals: Vec<String>,
    /// What a program emits with it, for people.
    pub(crate) emits: Vec<String>,
    /// The edits.
    pub(crate) rules: Vec<Rule>,
    /// The text of `advice.rs`.
    pub(crate) advice: String,
    /// Changes whenever the folder's rules or advice do.
    pub(crate) digest: String,
}

impl Instrumentation {
    /// The rules for `version`, in the order of the file.
    pub(crate) fn rules_for(&self, version: &Version) -> Vec<&Rule> {
        self.rules.iter().filter(|rule| rule.versions.as_ref().is_none_or(|req| req.matches(version))).collect()
    }
}
