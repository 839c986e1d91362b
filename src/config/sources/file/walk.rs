//! The walk over a tree by the schema.
//!
//! The readers of a mapping name its keys; those that none named are reported as unknown when the [`Map`] goes out of
//! scope. A reader gets `None` for what is absent, null or wrong, the last with a report, and goes on: all that is wrong
//! is reported at once.

use std::cell::{Cell, RefCell};

use super::notice::Notice;
use super::tree::{At, Entry, Node, Yaml};
use crate::config::model::Selection;
use crate::config::text::{names, size};
use crate::{redact, ui};

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Findings {
    problems: RefCell<Vec<Notice>>,
    notices: RefCell<Vec<Notice>>,
}

impl Findings {
    pub(super) fn root<'t>(&'t self, node: &'t Node) -> Field<'t> {
        Field { node, at: node.at, key_at: node.at, path: String::new(), found: self }
    }

    /// Problems and notices.
    pub(super) fn into_lists(self) -> (Vec<Notice>, Vec<Notice>) {
        (self.problems.into_inner(), self.notices.into_inner())
    }
}

/// A value at its place in the configuration.
#[derive(Debug, Clone)]
pub(super) struct Field<'t> {
    node: &'t Node,
    at: At,
    /// The place of its key, which stands for mappings and for what is not supported.
    key_at: At,
    path: String,
    found: &'t Findings,
}

impl<'t> Field<'t> {
    /// Reports that the value is wrong.
    pub(super) fn wrong(&self, expected: &str) {
        self.problem(format!("expected {expected}, found {}", self.shown()));
    }

    /// The same without the value, which may be a secret.
    pub(super) fn wrong_secret(&self, expected: &str) {
        self.problem(format!("expected {expected}"));
    }

    pub(super) fn problem(&self, text: String) {
        self.found.problems.borrow_mut().push(self.notice(text));
    }

    /// Reports that the value is right, but has no effect, or another one.
    pub(super) fn not_used(&self, text: impl Into<String>) {
        self.found.notices.borrow_mut().push(self.notice(text.into()));
    }

    fn notice(&self, text: String) -> Notice {
        Notice { line: self.at.line, column: self.at.column, path: self.path.clone(), text }
    }

    /// The value as the file has it: what a variable holds stays where it is.
    fn shown(&self) -> String {
        match &self.node.yaml {
            Yaml::Null if self.node.written.is_empty() => "nothing".into(),
            Yaml::List(_) => "a list".into(),
            Yaml::Map(_) => "a mapping".into(),
            _ => {
                let written = redact::written(&self.node.written);
                let short: String = written.chars().take(60).collect();
                let dots = if short.len() < written.len() { "…" } else { "" };
                let text = if matches!(self.node.yaml, Yaml::Text(_)) { "text " } else { "" };
                format!("{text}`{short}{dots}`")
            }
        }
    }

    fn is_null(&self) -> bool {
        self.node.yaml == Yaml::Null
    }

    /// Text; a number or a boolean that was not quoted counts as its text.
    pub(super) fn text(&self) -> Option<&'t str> {
        match &self.node.yaml {
            Yaml::Text(text) => Some(text),
            Yaml::Bool(_) | Yaml::Int(_) | Yaml::Float(_) => {
                self.not_used(format!("{} is taken as text: put it in quotes, others refuse it without", self.shown()));
                Some(&self.node.text)
            }
            _ => {
                self.wrong("text");
                None
            }
        }
    }

    /// Text that no message may show.
    pub(super) fn secret_text(&self) -> Option<&'t str> {
        match &self.node.yaml {
            Yaml::List(_) | Yaml::Map(_) | Yaml::Null => {
                self.wrong_secret("text");
                None
            }
            _ => Some(&self.node.text),
        }
    }

    /// A version, which need not be quoted to be understood.
    pub(super) fn version(&self) -> Option<&'t str> {
        match &self.node.yaml {
            Yaml::Float(_) => Some(&self.node.text),
            _ => self.text(),
        }
    }

    pub(super) fn yaml(&self) -> &'t Yaml {
        &self.node.yaml
    }

    pub(super) fn boolean(&self) -> Option<bool> {
        match self.node.yaml {
            Yaml::Bool(value) => Some(value),
            _ => {
                self.wrong("`true` or `false`");
                None
            }
        }
    }

    /// A whole number that `parse`, which reads the variable of the same meaning, takes.
    pub(super) fn whole<T>(&self, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let text = match self.node.yaml {
            Yaml::Int(number) => number.to_string(),
            _ => String::new(),
        };
        parse(&text).map_err(|expected| self.wrong(&expected)).ok()
    }

    /// A size in bytes: a whole number, or text with a unit.
    pub(super) fn size(&self) -> Option<usize> {
        let text = match &self.node.yaml {
            Yaml::Int(_) | Yaml::Text(_) => self.node.text.as_str(),
            _ => "",
        };
        size(text).map_err(|expected| self.wrong(&expected)).ok()
    }

    pub(super) fn number(&self) -> Option<f64> {
        match self.node.yaml {
            Yaml::Int(number) => Some(number as f64),
            Yaml::Float(number) => Some(number),
            _ => {
                self.wrong("a number");
                None
            }
        }
    }

    /// The meaning of one of several words.
    pub(super) fn word<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        let text = match &self.node.yaml {
            Yaml::Text(text) => text,
            _ => "",
        };
        let found = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text));
        if found.is_none() {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.wrong(&format!("one of {}", names(&known)));
        }
        found.map(|(_, meaning)| *meaning)
    }

    /// The entries of a list.
    pub(super) fn items(&self) -> Vec<Field<'t>> {
        match &self.node.yaml {
            Yaml::List(nodes) => {
                let field = |(index, node): (usize, &'t Node)| Field {
                    node,
                    at: node.at,
                    key_at: node.at,
                    path: format!("{}[{index}]", self.path),
                    found: self.found,
                };
                nodes.iter().enumerate().map(field).collect()
            }
            _ => {
                self.wrong("a list");
                Vec::new()
            }
        }
    }

    /// The same for a list that must not be empty.
    pub(super) fn at_least_one(&self) -> Vec<Field<'t>> {
        let items = self.items();
        if matches!(&self.node.yaml, Yaml::List(nodes) if nodes.is_empty()) {
            self.problem("expected at least one entry".into());
        }
        items
    }

    /// The texts of a list.
    pub(super) fn texts(&self) -> Vec<String> {
        self.items().iter().filter_map(Field::text).map(str::to_owned).collect()
    }

    pub(super) fn map(&self) -> Option<Map<'t>> {
        match &self.node.yaml {
            Yaml::Map(entries) => Some(self.map_of(entries)),
            _ => {
                self.wrong("a mapping");
                None
            }
        }
    }

    fn map_of(&self, entries: &'t [Entry]) -> Map<'t> {
        Map { field: self.clone().at_key(), entries, known_keys: RefCell::default(), may_have_others: Cell::new(false) }
    }

    /// A choice: a mapping of one key, its name, and its settings, if any. `/development` is not part of the name.
    pub(super) fn choice(&self) -> Option<(&'t str, Map<'t>)> {
        let expected = "a mapping of one key";
        let Yaml::Map(entries) = &self.node.yaml else {
            self.wrong(expected);
            return None;
        };
        let [entry] = entries.as_slice() else {
            self.problem(format!("expected {expected}, found {} keys", entries.len()));
            return None;
        };
        let field = self.child(entry);
        let settings = if field.is_null() { field.map_of(&[]) } else { field.map()? };
        Some((entry.key.strip_suffix(DEVELOPMENT).unwrap_or(&entry.key), settings))
    }

    /// Reports one of the names in a text as unknown.
    pub(super) fn unknown(&self, name: &str, known: &[&'static str]) {
        self.not_used(format!("unknown `{name}`, so it is ignored{}", suggestion(name, known)));
    }

    fn at_key(self) -> Field<'t> {
        Field { at: self.key_at, ..self }
    }

    fn child(&self, entry: &'t Entry) -> Field<'t> {
        let dot = if self.path.is_empty() { "" } else { "." };
        let path = format!("{}{dot}{}", self.path, entry.key);
        Field { node: &entry.node, at: entry.node.at, key_at: entry.at, path, found: self.found }
    }
}

/// The end of names that the schema may still change. From 1.2 on it leaves it out, so both spellings count.
const DEVELOPMENT: &str = "/development";

/// A mapping that is being read.
#[derive(Debug)]
pub(super) struct Map<'t> {
    pub(super) field: Field<'t>,
    entries: &'t [Entry],
    known_keys: RefCell<Vec<&'static str>>,
    may_have_others: Cell<bool>,
}

impl<'t> Map<'t> {
    /// The value of a key; `None` if it is absent or null. A key that ends in `/development` is found without that too.
    pub(super) fn get(&self, key: &'static str) -> Option<Field<'t>> {
        self.entry(key).map(|entry| self.field.child(entry)).filter(|field| !field.is_null())
    }

    /// The same for a key that must be there.
    pub(super) fn required(&self, key: &'static str) -> Option<Field<'t>> {
        let found = self.get(key);
        if found.is_none() {
            self.field.problem(format!("`{key}` is missing"));
        }
        found
    }

    fn entry(&self, key: &'static str) -> Option<&'t Entry> {
        self.known_keys.borrow_mut().push(key);
        let stem = key.strip_suffix(DEVELOPMENT).unwrap_or(key);
        self.entries.iter().find(|entry| entry.key == key || entry.key == stem)
    }

    pub(super) fn has(&self, key: &'static str) -> bool {
        self.entry(key).is_some()
    }

    pub(super) fn text(&self, key: &'static str) -> Option<&'t str> {
        self.get(key)?.text()
    }

    pub(super) fn boolean(&self, key: &'static str) -> Option<bool> {
        self.get(key)?.boolean()
    }

    pub(super) fn whole<T>(&self, key: &'static str, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        self.get(key)?.whole(parse)
    }

    pub(super) fn word<T: Copy>(&self, key: &'static str, words: &[(&str, T)]) -> Option<T> {
        self.get(key)?.word(words)
    }

    /// A list of texts that `parse`, which reads the variable of the same meaning, takes.
    pub(super) fn listed<T>(&self, key: &'static str, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let list = self.get(key)?;
        parse(&list.texts().join(",")).map_err(|expected| list.problem(format!("expected {expected}"))).ok()
    }

    pub(super) fn items(&self, key: &'static str) -> Vec<Field<'t>> {
        self.get(key).map(|field| field.items()).unwrap_or_default()
    }

    pub(super) fn map(&self, key: &'static str) -> Option<Map<'t>> {
        self.get(key)?.map()
    }

    /// Names by patterns.
    pub(super) fn selection(&self, key: &'static str) -> Option<Selection> {
        let patterns = self.map(key)?;
        let texts = |key| patterns.get(key).map(|field| field.texts());
        Some(Selection { included: texts("included"), excluded: texts("excluded").unwrap_or_default() })
    }

    /// Reports a key that only the schema has, with what that means for the user.
    pub(super) fn unsupported(&self, key: &'static str, meaning: &str) {
        if let Some(entry) = self.entry(key).filter(|entry| entry.node.yaml != Yaml::Null) {
            self.field.child(entry).at_key().not_used(format!("not supported: {meaning}"));
        }
    }

    /// The same for keys that are supported at one value, which is the schema's default.
    pub(super) fn supported_at(&self, key: &'static str, values: &[&str], meaning: &str) {
        if let Some(field) = self.get(key)
            && !values.contains(&field.node.text.as_str())
        {
            field.not_used(format!("not supported: {meaning}"));
        }
    }

    /// Reports the choice that led here as unknown.
    pub(super) fn unknown_choice(&self, name: &str, known: &[&'static str]) {
        self.allow_others();
        let why = suggestion(name, known);
        self.field.not_used(format!("unknown, so it is ignored{why}"));
    }

    /// Reports the choice that led here as one that only the schema has.
    pub(super) fn unsupported_choice(&self, meaning: &str) {
        self.allow_others();
        self.field.not_used(format!("not supported: {meaning}"));
    }

    /// Turns off the report of unknown keys.
    pub(super) fn allow_others(&self) {
        self.may_have_others.set(true);
    }
}

impl Drop for Map<'_> {
    fn drop(&mut self) {
        if self.may_have_others.get() {
            return;
        }
        let known_keys = self.known_keys.borrow();
        for entry in self.entries {
            let is_known = known_keys
                .iter()
                .any(|key| *key == entry.key || key.strip_suffix(DEVELOPMENT) == Some(entry.key.as_str()));
            // The schema allows any key at the top, and that is where people keep what their aliases stand for.
            let keeps_anchors = self.field.path.is_empty() && entry.node.anchored;
            if !is_known && !keeps_anchors {
                let field = self.field.child(entry).at_key();
                field.not_used(format!("unknown key, so it is ignored{}", suggestion(&entry.key, &known_keys)));
            }
        }
    }
}

/// The nearest of the known names, or all if none is near.
fn suggestion(name: &str, known: &[&'static str]) -> String {
    fn stem(name: &str) -> &str {
        name.strip_suffix(DEVELOPMENT).unwrap_or(name)
    }
    let nearest = ui::nearest(stem(name), known.iter().map(|known| stem(known)));
    match nearest.and_then(|nearest| known.iter().find(|known| stem(known) == nearest)) {
        Some(nearest) => format!("; did you mean `{nearest}`?"),
        None if known.is_empty() => String::new(),
        None => format!("; known are {}", names(known)),
    }
}
