//! `--span`: which of the user's own functions become spans. A pattern that chooses none is refused before anything is
//! written.

use std::collections::BTreeMap;

use crate::layers::functions_of;
use crate::project::{OwnTarget, Package, Source};
use crate::ui::plural::counted;
use crate::ui::{self, Explain};
use crate::weave::spans::{NotWovenFunction, SpanPattern, thread_calls};

/// A pattern and what it chooses.
#[derive(Debug)]
pub(super) struct SpanRow {
    pub(super) pattern: String,
    /// The whole paths of the functions that become spans.
    pub(super) functions: Vec<String>,
    /// Those that are left as they are, and why.
    pub(super) left: Vec<(String, NotWovenFunction)>,
}

/// A pattern that chooses nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum SpanError {
    #[error("cannot use the pattern `{pattern}`: expected a crate of this workspace, found `{found}`")]
    NoCrate { pattern: String, found: String, hint: String },
    #[error("cannot use the pattern `{pattern}`: expected at least one function, found none among {}", counted(*among as u64, "function", "functions"))]
    NoFunction { pattern: String, among: usize, hint: String },
    #[error("cannot use the pattern `{pattern}`: expected a function that can be a span, found `{path}`, {reason}")]
    NotWoven { pattern: String, path: String, reason: NotWovenFunction },
    #[error("cannot use the pattern `{pattern}`: expected Rust, cannot read the crate `{name}`")]
    Unreadable { pattern: String, name: String, source: std::io::Error },
}

impl Explain for SpanError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            SpanError::NoCrate { hint, .. } | SpanError::NoFunction { hint, .. } => hint.clone(),
            SpanError::NotWoven { .. } => "choose the function that calls it".to_owned(),
            SpanError::Unreadable { .. } => "let `cargo check` compile the crate first".to_owned(),
        })
    }
}

/// How many calls in the user's own packages start threads that carry contexts.
pub(super) fn threads(packages: &[Package]) -> usize {
    let own = packages.iter().filter(|package| package.source == Source::Path).flat_map(|package| &package.targets);
    let files = own.flat_map(|target| functions_of(&target.root).unwrap_or_default());
    let calls: BTreeMap<_, _> = files.map(|file| (file.path, thread_calls(&file.text).len())).collect();
    calls.values().sum()
}

/// A function of a crate: its whole path, and why it cannot be a span, if so.
type Known = (Vec<String>, Option<NotWovenFunction>);

/// What a pattern chooses in the user's own packages.
pub(super) fn row(pattern: &SpanPattern, packages: &[Package]) -> Result<SpanRow, SpanError> {
    let own = || packages.iter().filter(|package| package.source == Source::Path).flat_map(|package| &package.targets);
    let text = || pattern.text().to_owned();
    let targets: Vec<&OwnTarget> = own().filter(|target| target.name == pattern.crate_name()).collect();
    if targets.is_empty() {
        let found = pattern.crate_name().to_owned();
        let hint = match ui::nearest(&found, own().map(|target| target.name.as_str())) {
            Some(name) => format!("did you mean `{}`?", pattern.text().replacen(&found, name, 1)),
            None => {
                let mut names: Vec<_> = own().map(|target| format!("`{}`", target.name)).collect();
                names.sort();
                names.dedup();
                format!("the crates of this workspace are {}", names.join(", "))
            }
        };
        return Err(SpanError::NoCrate { pattern: text(), found, hint });
    }
    let mut known: Vec<Known> = Vec::new();
    for target in &targets {
        let files = functions_of(&target.root).map_err(|source| SpanError::Unreadable {
            pattern: text(),
            name: target.name.clone(),
            source,
        })?;
        let functions = files.into_iter().flat_map(|file| file.functions);
        known.extend(functions.map(|(path, function)| (path, function.shape.err())));
    }
    let full = |path: &[String]| format!("{}::{}", pattern.crate_name(), path.join("::"));
    let mut row = SpanRow { pattern: text(), functions: Vec::new(), left: Vec::new() };
    for (path, reason) in known.iter().filter(|(path, _)| pattern.matches(path)) {
        match reason {
            None => row.functions.push(full(path)),
            Some(reason) => row.left.push((full(path), *reason)),
        }
    }
    if !row.functions.is_empty() {
        return Ok(row);
    }
    if let Some((path, reason)) = row.left.pop() {
        return Err(SpanError::NotWoven { pattern: text(), path, reason });
    }
    let paths: Vec<String> = known.iter().filter(|(_, reason)| reason.is_none()).map(|(path, _)| full(path)).collect();
    let hint = match ui::nearest(pattern.text().trim_end_matches(['*', ':']), paths.iter().map(String::as_str)) {
        Some(path) => format!("there is `{path}`; methods are written as `crate::module::Type::method`"),
        None => {
            "functions are written as `crate::module::function`, methods as `crate::module::Type::method`".to_owned()
        }
    };
    Err(SpanError::NoFunction { pattern: text(), among: known.len(), hint })
}
