//! A rule: one edit of a crate's source.

use semver::VersionReq;

use super::edit::Modifier;
use super::pattern::Pattern;
use super::scope::Scope;

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
