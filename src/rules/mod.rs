//! Rules: what is known about each crate that can be instrumented, read from `instrumentation.toml` and `advice.rs`.

mod catalog;
mod schema;

pub(crate) use catalog::{Catalog, CatalogError, EXTRA_VARIABLE};

use semver::{Version, VersionReq};

use crate::weave::edit::Modifier;
use crate::weave::pattern::Pattern;
use crate::weave::scope::Scope;

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

/// One edit: a join point and what happens there.
#[derive(Debug)]
pub(crate) struct Rule {
    /// `<crate>.<id>`.
    pub(crate) name: String,
    /// The versions of the crate this rule is for, if not all.
    pub(crate) versions: Option<VersionReq>,
    /// The file in the package, with `/`.
    pub(crate) file: String,
    /// Items one inside the other, outermost first.
    pub(crate) scopes: Vec<Scope>,
    /// The tokens to look for in the innermost scope.
    pub(crate) pattern: Option<Pattern>,
    /// How many join points there must be.
    pub(crate) expect: usize,
    /// What happens at each.
    pub(crate) modifier: Modifier,
}

impl Instrumentation {
    /// The rules for `version`, in the order of the file.
    pub(crate) fn rules_for(&self, version: &Version) -> Vec<&Rule> {
        self.rules.iter().filter(|rule| rule.versions.as_ref().is_none_or(|req| req.matches(version))).collect()
    }
}
