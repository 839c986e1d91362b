//! Edits: a rule's `do`, turned into text at a byte offset.

use std::collections::BTreeMap;
use std::ops::Range;

use super::pattern::{Captures, Match};
use super::scope::Body;
use super::tokens::{self, TokenKind, Tree, Trees};

/// A compiled `do`.
#[derive(Debug, Clone)]
pub(crate) struct Modifier {
    place: Placement,
    parts: Vec<ModifierPart>,
}

/// Where the text of a [`Modifier`] goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placement {
    /// Instead of the matched tokens.
    Replace,
    /// Right before the matched tokens.
    Before,
    /// Right after the matched tokens.
    After,
    /// At the start of the innermost scope.
    Prelude,
    /// At the end of the innermost scope.
    Postlude,
}

impl Placement {
    /// Whether the text goes around tokens that a `match` finds.
    pub(crate) fn needs_match(self) -> bool {
        matches!(self, Placement::Replace | Placement::Before | Placement::After)
    }
}

#[derive(Debug, Clone)]
enum ModifierPart {
    Text(String),
    Capture(String),
}

/// One change of the source: these bytes become that text.
#[derive(Debug, Clone)]
pub(super) struct Edit {
    pub(super) range: Range<usize>,
    pub(super) text: String,
}

/// Parses the text of a `do`. `names` are those its `match` captures.
pub(crate) fn parse(place: Placement, text: &str, names: &[&str]) -> Result<Modifier, String> {
    let trees = tokens::lex(text)?;
    let mut parts = vec![ModifierPart::Text(String::new())];
    let mut flat = Vec::new();
    if !pieces(text, &trees, &mut flat) {
        return Err("holds a doc comment; use none, or a plain one".to_owned());
    }
    let mut index = 0;
    let mut end = 0;
    while index < flat.len() {
        let (range, dollar, _) = &flat[index];
        let name_at = if !dollar {
            None
        } else if flat.get(index + 1).is_some_and(|(_, dollar, _)| *dollar) {
            Some(index + 2)
        } else {
            Some(index + 1)
        };
        let name = name_at
            .and_then(|at| flat.get(at))
            .and_then(|(range, _, ident)| ident.then(|| (range.clone(), &text[range.clone()])));
        push_text(&mut parts, &gap(&text[end..range.start]));
        match (name, name_at) {
            (Some((name_range, name)), Some(at)) => {
                if !names.contains(&name) {
                    let known =
                        if names.is_empty() { "nothing".to_owned() } else { format!("`{}`", names.join("`, `")) };
                    return Err(format!("uses `${name}`, but `match` captures {known}"));
                }
                parts.push(ModifierPart::Capture(name.to_owned()));
                end = name_range.end;
                index = at + 1;
            }
            _ => {
                push_text(&mut parts, &text[range.clone()]);
                end = range.end;
                index += 1;
            }
        }
    }
    Ok(Modifier { place, parts })
}

/// The tokens of `trees` in the order of the text: range, whether it is a `$`, whether it is a name. False when a doc
/// comment is among them: its tokens do not stand in the text.
fn pieces(text: &str, trees: &Trees, flat: &mut Vec<(Range<usize>, bool, bool)>) -> bool {
    for Tree { range, kind } in &trees.0 {
        match kind {
            TokenKind::Group(open, inner) => {
                if !text[range.clone()].starts_with(*open) {
                    return false;
                }
                flat.push((range.start..range.start + 1, false, false));
                if !pieces(text, inner, flat) {
                    return false;
                }
                flat.push((range.end - 1..range.end, false, false));
            }
            TokenKind::Ident(_) => flat.push((range.clone(), false, true)),
            TokenKind::Punct(punct) => flat.push((range.clone(), *punct == '$', false)),
            TokenKind::Literal(_) => flat.push((range.clone(), false, false)),
        }
    }
    true
}

/// What stands between two tokens, on one line: a comment or a line end would move or swallow the rest of the line.
fn gap(text: &str) -> String {
    if text.chars().all(|c| c == ' ') { text.to_owned() } else { " ".to_owned() }
}

fn push_text(parts: &mut Vec<ModifierPart>, text: &str) {
    match parts.last_mut() {
        Some(ModifierPart::Text(last)) => last.push_str(text),
        _ => parts.push(ModifierPart::Text(text.to_owned())),
    }
}

impl Modifier {
    /// The edit this makes at a match.
    pub(super) fn at_match(&self, source: &str, found: &Match) -> Edit {
        let text = self.text(source, &found.captures);
        match self.place {
            Placement::Before => Edit { range: found.range.start..found.range.start, text: format!("{text} ") },
            Placement::After => Edit { range: found.range.end..found.range.end, text: format!(" {text}") },
            _ => {
                // What follows must keep its line: panic messages and debuggers count them.
                let lost = lines(&source[found.range.clone()]).saturating_sub(lines(&text));
                Edit { range: found.range.clone(), text: text + &"\n".repeat(lost) }
            }
        }
    }

    /// The edit this makes in a scope.
    pub(super) fn in_scope(&self, body: &Body<'_>) -> Edit {
        let text = format!(" {} ", self.text("", &BTreeMap::new()));
        let at = if self.place == Placement::Prelude { body.inside.start } else { last_token_end(body) };
        Edit { range: at..at, text }
    }

    fn text(&self, source: &str, captures: &Captures) -> String {
        let mut used = Vec::new();
        let mut text = String::new();
        for part in &self.parts {
            match part {
                ModifierPart::Text(part) => text.push_str(part),
                ModifierPart::Capture(name) => {
                    let capture = captures.get(name).map_or("", |range| &source[range.clone()]);
                    if used.contains(&name) {
                        text.push_str(&on_one_line(capture));
                    } else {
                        text.push_str(capture);
                    }
                    used.push(name);
                }
            }
        }
        text
    }
}

/// The end of what a scope holds: text put there stands on the line of the last token, never inside a comment after it.
fn last_token_end(body: &Body<'_>) -> usize {
    body.trees.last().map_or(body.inside.start, |tree| tree.range.end)
}

/// A captured text once more, without its line ends: only the first use may keep the lines.
pub(super) fn on_one_line(text: &str) -> String {
    if !text.contains('\n') {
        return text.to_owned();
    }
    let Ok(trees) = tokens::lex(text) else { return text.to_owned() };
    let mut flat = Vec::new();
    if !pieces(text, &trees, &mut flat) {
        return text.to_owned();
    }
    let mut line = String::new();
    let mut end = 0;
    for (range, ..) in flat {
        line.push_str(&gap(&text[end..range.start]));
        line.push_str(&text[range.clone()]);
        end = range.end;
    }
    line
}

fn lines(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'\n').count()
}
