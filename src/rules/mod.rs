//! Rules: how each crate is instrumented, and which metrics its advice records, from the texts of `instrumentation.toml`
//! and `advice.rs`. Pure: no file is read here.

mod coverage;
mod metric;
mod schema;

pub(crate) use coverage::{Coverage, known};
pub(crate) use metric::{DeclaredKind, DeclaredMetric, DeclaredNumber};
pub(crate) use schema::parse;

use semver::{Version, VersionReq};
use serde::Deserialize;

use crate::weave::Rule;

/// What a folder `instrumentations/<crate>/` defines.
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
    /// What of a program's telemetry it provides; nothing where it only carries contexts.
    pub(crate) covers: Vec<Coverage>,
    /// What a program emits with it besides metrics, for people.
    pub(crate) emits: Vec<String>,
    /// Metrics of the semantic conventions, defined by the launcher, that it has a part in.
    pub(crate) convention_metrics: Vec<String>,
    /// Metrics that its advice records.
    pub(crate) metrics: Vec<DeclaredMetric>,
    /// Crates by which a program may record the same already.
    pub(crate) overlaps: Vec<Overlap>,
    /// The edits.
    pub(crate) rules: Vec<Rule>,
    /// The text of `advice.rs`.
    pub(crate) advice: String,
    /// Changes whenever the folder's rules or advice do.
    pub(crate) digest: String,
}

/// A crate by which a program may record, of its own accord, what the instrumentation records.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Overlap {
    /// The package's name.
    #[serde(rename = "crate")]
    pub(crate) name: String,
    /// The versions that this is about; all where none are named.
    pub(crate) versions: Option<VersionReq>,
    /// What happens in a program that has both, and what its user can choose.
    pub(crate) note: String,
}

impl Overlap {
    /// Whether this is about a package.
    pub(crate) fn is_about(&self, name: &str, version: &Version) -> bool {
        self.name == name && self.versions.as_ref().is_none_or(|versions| versions.matches(version))
    }
}

impl Instrumentation {
    /// What a program emits with it, metrics at the end, for people.
    pub(crate) fn emits_with_metrics(&self) -> Vec<String> {
        let own = self.metrics.iter().map(|metric| &metric.name);
        let metrics = self.convention_metrics.iter().chain(own).map(|name| format!("metric {name}"));
        self.emits.iter().cloned().chain(metrics).collect()
    }

    /// The rules for `version`, in the order of the file.
    pub(crate) fn rules_for(&self, version: &Version) -> Vec<&Rule> {
        self.rules.iter().filter(|rule| rule.versions.as_ref().is_none_or(|req| req.matches(version))).collect()
    }
}
