//! A YAML text as a tree in which every node has its place.
//!
//! The types of plain scalars are those of YAML 1.2's core schema, decided after variables were replaced; quoted scalars
//! and blocks are text. Anchors, aliases and merge keys (`<<`) work. What they expand to is counted: a short text can
//! stand for more nodes than fit into memory.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};

use super::notice::Notice;
use super::substitute::{BadReference, substitute};

/// Maximum number of nodes, aliases expanded.
const MOST_NODES: usize = 10_000;
/// Maximum depth of the tree.
const DEEPEST: usize = 64;

/// A place in the text; both count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At {
    pub(super) line: usize,
    pub(super) column: usize,
}

/// A value and its place.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) at: At,
    pub(super) yaml: Yaml,
    /// A scalar as it stands in the file. Messages show this, never what a variable holds.
    pub(super) written: String,
    /// A scalar with its references replaced.
    pub(super) text: String,
    /// Whether it, or anything in it, can be referred to by an alias.
    pub(super) anchored: bool,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Yaml {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key and its value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) at: At,
    pub(super) node: Node,
}

impl PartialEq for Node {
    fn eq(&self, other: &Node) -> bool {
        self.yaml == other.yaml
    }
}

/// Reads a text that holds one document. `Err` has everything that is wrong with it, up to where it cannot be read on.
pub(super) fn parse(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<Node, Vec<Notice>> {
    let parser = Parser::new_from_str(text.strip_prefix('\u{feff}').unwrap_or(text));
    let mut loader = Loader { parser, env, anchors: HashMap::new(), nodes: 0, faults: Vec::new() };
    match loader.stream() {
        Ok(node) if loader.faults.is_empty() => Ok(node),
        _ => Err(loader.faults),
    }
}

struct Loader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    env: &'a dyn Fn(&str) -> Option<String>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    faults: Vec<Notice>,
}

/// The text cannot be read on; why is among the faults.
struct Stopped;

impl<'a> Loader<'a> {
    fn stream(&mut self) -> Result<Node, Stopped> {
        let mut root = None;
        loop {
            match self.next()? {
                (Event::StreamEnd, at) => {
                    return match root {
                        Some(root) => Ok(root),
                        None => self.stop(at, "the file is empty"),
                    };
                }
                (Event::Nothing | Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd, _) => {}
                (_, at) if root.is_some() => return self.stop(at, "a second document begins: expected one"),
                (event, at) => root = Some(self.node(event, at, 0)?),
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'a>, At), Stopped> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, start(span))),
            Some(Err(error)) => self.stop(place(&error), format!("not YAML: {}", error.info())),
            None => self.stop(At { line: 1, column: 1 }, "the file ends early"),
        }
    }

    fn stop<T>(&mut self, at: At, why: impl Into<String>) -> Result<T, Stopped> {
        self.fault(at, why);
        Err(Stopped)
    }

    fn fault(&mut self, at: At, why: impl Into<String>) {
        self.faults.push(Notice { line: at.line, column: at.column, path: String::new(), text: why.into() });
    }

    fn node(&mut self, event: Event<'a>, at: At, depth: usize) -> Result<Node, Stopped> {
        if depth > DEEPEST {
            return self.stop(at, "nested too deeply");
        }
        self.count(1, at)?;
        let (anchor, mut node) = match event {
            Event::Alias(anchor) => return self.alias(anchor, at),
            Event::Scalar(written, style, anchor, tag) => (anchor, self.scalar(&written, style, tag.as_deref(), at)),
            Event::SequenceStart(anchor, _) => {
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break,
                        (event, at) => items.push(self.node(event, at, depth + 1)?),
                    }
                }
                let anchored = items.iter().any(|item| item.anchored);
                (anchor, Node { at, yaml: Yaml::List(items), written: String::new(), text: String::new(), anchored })
            }
            Event::MappingStart(anchor, _) => {
                let entries = self.entries(depth)?;
                let anchored = entries.iter().any(|entry| entry.node.anchored);
                (anchor, Node { at, yaml: Yaml::Map(entries), written: String::new(), text: String::new(), anchored })
            }
            _ => return self.stop(at, "not YAML: a value is missing"),
        };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
            node.anchored = true;
        }
        Ok(node)
    }

    fn alias(&mut self, anchor: usize, at: At) -> Result<Node, Stopped> {
        // An anchor is known when its node is complete, so nothing can contain itself.
        let Some(node) = self.anchors.get(&anchor).cloned() else {
            return self.stop(at, "the alias stands within what it refers to");
        };
        self.count(size(&node), at)?;
        Ok(node)
    }

    fn count(&mut self, more: usize, at: At) -> Result<(), Stopped> {
        self.nodes += more;
        if self.nodes > MOST_NODES {
            return self.stop(at, format!("more than {MOST_NODES} values, aliases counted by what they stand for"));
        }
        Ok(())
    }

    fn entries(&mut self, depth: usize) -> Result<Vec<Entry>, Stopped> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut merged = Vec::new();
        loop {
            let (event, at) = self.next()?;
            let (key, is_merge) = match event {
                Event::MappingEnd => break,
                Event::Scalar(key, style, ..) => {
                    let is_merge = key == "<<" && style == ScalarStyle::Plain;
                    (Some(key.into_owned()), is_merge)
                }
                event => {
                    self.node(event, at, depth + 1)?;
                    self.fault(at, "expected a word as the key");
                    (None, false)
                }
            };
            let (event, value_at) = self.next()?;
            let mut node = self.node(event, value_at, depth + 1)?;
            if node.written.is_empty() && node.yaml == Yaml::Null {
                // An empty value has no place of its own.
                node.at = at;
            }
            let Some(key) = key else { continue };
            if is_merge {
                merged.extend(self.merged(node));
            } else if let Some(first) = entries.iter().find(|entry| entry.key == key) {
                let first = first.at.line;
                self.fault(at, format!("`{key}` stands here a second time, first in line {first}"));
            } else {
                entries.push(Entry { key, at, node });
            }
        }
        for entry in merged {
            // The mapping's own entries count more, then what was merged first.
            if !entries.iter().any(|known| known.key == entry.key) {
                entries.push(entry);
            }
        }
        Ok(entries)
    }

    fn merged(&mut self, node: Node) -> Vec<Entry> {
        match node.yaml {
            Yaml::Map(entries) => entries,
            Yaml::List(items) => items.into_iter().flat_map(|item| self.merged(item)).collect(),
            _ => {
                self.fault(node.at, "expected a mapping to merge, such as `<<: *anchor`");
                Vec::new()
            }
        }
    }

    fn scalar(&mut self, written: &str, style: ScalarStyle, tag: Option<&Tag>, at: At) -> Node {
        let text = substitute(written, self.env).unwrap_or_else(|BadReference(reference)| {
            self.fault(
                at,
                format!(
                    "`{reference}` is not a reference to a variable: expected `${{NAME}}`, `${{env:NAME}}` or \
                     `${{NAME:-default}}`; a `$` itself is written `$$`"
                ),
            );
            String::new()
        });
        let yaml = match tag {
            None if style == ScalarStyle::Plain => plain(&text).unwrap_or_else(|| Yaml::Text(text.clone())),
            None => Yaml::Text(text.clone()),
            Some(tag) => self.tagged(tag, &text, at),
        };
        Node { at, yaml, written: written.to_owned(), text, anchored: false }
    }

    fn tagged(&mut self, tag: &Tag, text: &str, at: At) -> Yaml {
        let kind = if tag.is_yaml_core_schema() || tag.suffix.is_empty() { tag.suffix.as_str() } else { "?" };
        match (kind, plain(text)) {
            ("str" | "", _) => Yaml::Text(text.to_owned()),
            ("int", Some(yaml @ Yaml::Int(_)))
            | ("float", Some(yaml @ Yaml::Float(_)))
            | ("bool", Some(yaml @ Yaml::Bool(_)))
            | ("null", Some(yaml @ Yaml::Null)) => yaml,
            ("float", Some(Yaml::Int(number))) => Yaml::Float(number as f64),
            ("int" | "float" | "bool" | "null", _) => {
                self.fault(at, format!("the value is no `!!{kind}`"));
                Yaml::Null
            }
            _ => {
                self.fault(at, format!("unknown tag `{tag}`"));
                Yaml::Null
            }
        }
    }
}

fn size(node: &Node) -> usize {
    match &node.yaml {
        Yaml::List(items) => 1 + items.iter().map(size).sum::<usize>(),
        Yaml::Map(entries) => 1 + entries.iter().map(|entry| size(&entry.node)).sum::<usize>(),
        _ => 1,
    }
}

fn start(span: Span) -> At {
    At { line: span.start.line(), column: span.start.col() + 1 }
}

fn place(error: &ScanError) -> At {
    At { line: error.marker().line(), column: error.marker().col() + 1 }
}

/// The value of a plain scalar in YAML 1.2's core schema; `None` for text.
fn plain(text: &str) -> Option<Yaml> {
    let text = text.trim_matches(' ');
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Some(Yaml::Null),
        "true" | "True" | "TRUE" => return Some(Yaml::Bool(true)),
        "false" | "False" | "FALSE" => return Some(Yaml::Bool(false)),
        ".nan" | ".NaN" | ".NAN" => return Some(Yaml::Float(f64::NAN)),
        _ => {}
    }
    let digits = |text: &str, radix| !text.is_empty() && text.chars().all(|c: char| c.is_digit(radix));
    if let Some(octal) = text.strip_prefix("0o").filter(|rest| digits(rest, 8)) {
        return i64::from_str_radix(octal, 8).ok().map(Yaml::Int);
    }
    if let Some(hex) = text.strip_prefix("0x").filter(|rest| digits(rest, 16)) {
        return i64::from_str_radix(hex, 16).ok().map(Yaml::Int);
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
        let sign = if text.starts_with('-') { -1.0 } else { 1.0 };
        return Some(Yaml::Float(sign * f64::INFINITY));
    }
    if digits(unsigned, 10) {
        // A number too great for 64 bits is still a number.
        return text.parse().map(Yaml::Int).or_else(|_| text.parse().map(Yaml::Float)).ok();
    }
    // What Rust takes for a float and YAML does not: `inf`, `nan` and the like.
    let like_a_number = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && unsigned.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-'));
    if like_a_number { text.parse().ok().map(Yaml::Float) } else { None }
}

#[cfg(test)]
mod tests;
