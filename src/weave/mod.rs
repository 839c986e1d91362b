//! Weaving: a source and its rules in, the woven source out. Pure: no file is read or written here.
//!
//! The source is lexed, rules look for join points among its tokens, and edits are made by byte offset, so that
//! formatting, comments and line numbers elsewhere stay as they are. If one rule does not find exactly what it expects,
//! nothing is woven.

pub(crate) mod edit;
pub(crate) mod pattern;
mod rule;
pub(crate) mod scope;
pub(crate) mod spans;
mod tokens;

use crate::ui::Explain;
use crate::ui::plural::noun;
use edit::Edit;
pub(crate) use rule::Rule;
use scope::Body;

/// What was done to a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WeaveReport {
    /// Each rule with the number of its join points, in the order given.
    pub(crate) woven: Vec<(String, usize)>,
}

/// Why a source was not woven.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum WeaveError {
    /// The source could not be split into tokens.
    #[error("cannot read `{file}` as Rust: {reason}")]
    NotRust {
        /// The file.
        file: String,
        /// Where and why.
        reason: String,
    },
    /// A rule did not find what it expects.
    #[error("rule `{rule}` expects {expected} {} in `{file}`, found {found}{}", noun(*expected as u64, "match", "matches"), missing(scope.as_deref()))]
    Miss {
        /// The rule's name.
        rule: String,
        /// The file it looked into.
        file: String,
        /// How many join points there should be.
        expected: usize,
        /// How many there are.
        found: usize,
        /// The entry of `in` that is not there at all.
        scope: Option<String>,
    },
    /// Two rules change the same tokens.
    #[error("rules `{first}` and `{second}` change the same tokens in `{file}`, line {line}")]
    Overlap {
        /// The rule that comes first in the source.
        first: String,
        /// The other one.
        second: String,
        /// The file.
        file: String,
        /// The line where they meet.
        line: usize,
    },
}

impl Explain for WeaveError {}

fn missing(scope: Option<&str>) -> String {
    scope.map(|scope| format!(" (there is no `{scope}`)")).unwrap_or_default()
}

/// Weaves `rules`, which must all be for the file that `source` is the text of.
pub(crate) fn weave(source: &str, rules: &[&Rule]) -> Result<(String, WeaveReport), WeaveError> {
    let file = || rules.first().map(|rule| rule.file.clone()).unwrap_or_default();
    let trees = tokens::lex(source).map_err(|reason| WeaveError::NotRust { file: file(), reason })?;
    let mut edits: Vec<(&Rule, Edit)> = Vec::new();
    let mut report = WeaveReport { woven: Vec::new() };
    for rule in rules {
        let made = edits_of(source, &trees.0, rule)?;
        report.woven.push((rule.name.clone(), made.len()));
        edits.extend(made.into_iter().map(|edit| (*rule, edit)));
    }
    // Stable: texts that go to the same place keep the order of their rules.
    edits.sort_by_key(|(_, edit)| (edit.range.start, edit.range.end));
    for pair in edits.windows(2) {
        let [(first, before), (second, after)] = pair else { continue };
        if before.range.end > after.range.start {
            let line = source[..after.range.start].lines().count().max(1);
            let (first, second) = (first.name.clone(), second.name.clone());
            return Err(WeaveError::Overlap { first, second, file: file(), line });
        }
    }
    let mut woven = String::with_capacity(source.len() + edits.iter().map(|(_, edit)| edit.text.len()).sum::<usize>());
    let mut done = 0;
    for (_, edit) in &edits {
        woven.push_str(&source[done..edit.range.start]);
        woven.push_str(&edit.text);
        done = edit.range.end;
    }
    woven.push_str(&source[done..]);
    Ok((woven, report))
}

fn edits_of(source: &str, trees: &[tokens::Tree], rule: &Rule) -> Result<Vec<Edit>, WeaveError> {
    let miss = |found: usize, scope: Option<String>| WeaveError::Miss {
        rule: rule.name.clone(),
        file: rule.file.clone(),
        expected: rule.expect,
        found,
        scope,
    };
    let mut bodies = vec![Body { trees, inside: 0..source.len() }];
    for scope in &rule.scopes {
        let mut inner = Vec::new();
        for body in &bodies {
            scope.find_all(body.trees, &mut inner);
        }
        if inner.is_empty() {
            return Err(miss(0, Some(scope.text().to_owned())));
        }
        bodies = inner;
    }
    let edits: Vec<Edit> = match &rule.pattern {
        Some(pattern) => bodies
            .iter()
            .flat_map(|body| pattern.find_all(source, body.trees))
            .map(|found| rule.modifier.at_match(source, &found))
            .collect(),
        None => bodies.iter().map(|body| rule.modifier.in_scope(body)).collect(),
    };
    if edits.len() == rule.expect { Ok(edits) } else { Err(miss(edits.len(), None)) }
}
