//! Patterns that choose functions: `shop::checkout::*`.

use std::fmt::{self, Display};

use crate::ui::Explain;

/// A pattern for paths of functions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SpanPattern {
    text: String,
    crate_name: String,
    parts: Vec<Part>,
}

/// What stands between two `::` of a pattern, after its crate.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// This very name.
    Name(String),
    /// Names that begin like this; all of them when it is empty.
    Prefix(String),
    /// Any number of names; at least one at the end.
    Below,
}

/// What is wrong with a pattern.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("cannot use the pattern `{pattern}`: {mistake}")]
pub(crate) struct SpanPatternError {
    /// The pattern as it was written.
    pub(crate) pattern: String,
    mistake: Mistake,
}

#[derive(Debug, PartialEq, Eq)]
enum Mistake {
    /// A part that is no name.
    Part { number: usize, found: String },
    /// A crate with a `*`.
    Crate { found: String },
    /// A crate and nothing else.
    Alone { name: String },
}

impl Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mistake::Part { number, found } => {
                write!(f, "part {number}: expected a name, the beginning of one and `*`, or `**`, found `{found}`")
            }
            Mistake::Crate { found } => write!(f, "part 1: expected the name of a crate, found `{found}`"),
            Mistake::Alone { .. } => f.write_str("part 2: expected a module, a type or a function, found nothing"),
        }
    }
}

impl Explain for SpanPatternError {
    fn hint(&self) -> Option<String> {
        Some(match &self.mistake {
            Mistake::Part { .. } => {
                "write the path as in a `use`, for example `shop::checkout::place`, `shop::checkout::*`, \
                 `shop::checkout::Cart::add*`"
                    .to_owned()
            }
            Mistake::Crate { found } if found.contains('-') => {
                format!("write the crate as in a `use`: `{}`", found.replace('-', "_"))
            }
            Mistake::Crate { .. } => "begin with a crate of the workspace, for example `shop::**::place`".to_owned(),
            Mistake::Alone { name } => format!("`{name}::**` means every function of `{name}`"),
        })
    }
}

impl SpanPattern {
    /// Parses a pattern.
    pub(crate) fn parse(text: &str) -> Result<SpanPattern, SpanPatternError> {
        let error = |mistake| SpanPatternError { pattern: text.to_owned(), mistake };
        let mut words = text.trim().split("::");
        let crate_name = words.next().unwrap_or_default();
        if !is_name(crate_name) {
            return Err(error(Mistake::Crate { found: crate_name.to_owned() }));
        }
        let mut parts = Vec::new();
        for (index, word) in words.enumerate() {
            let part = match word.strip_suffix('*') {
                Some("*") => Part::Below,
                Some("") => Part::Prefix(String::new()),
                Some(prefix) if is_name(prefix) => Part::Prefix(unmarked(prefix)),
                None if is_name(word) => Part::Name(unmarked(word)),
                _ => return Err(error(Mistake::Part { number: index + 2, found: word.to_owned() })),
            };
            parts.push(part);
        }
        match parts.last_mut() {
            None => return Err(error(Mistake::Alone { name: crate_name.to_owned() })),
            // At the end, a `*` alone stands for all that is below.
            Some(last) if *last == Part::Prefix(String::new()) => *last = Part::Below,
            Some(_) => {}
        }
        Ok(SpanPattern { text: text.to_owned(), crate_name: unmarked(crate_name), parts })
    }

    /// The pattern as it was written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The crate whose functions it chooses among.
    pub(crate) fn crate_name(&self) -> &str {
        &self.crate_name
    }

    /// Whether it chooses the function at `path` in its crate.
    pub(crate) fn matches(&self, path: &[String]) -> bool {
        matches(&self.parts, path)
    }
}

fn matches(parts: &[Part], path: &[String]) -> bool {
    let Some((part, more)) = parts.split_first() else { return path.is_empty() };
    match part {
        Part::Below if more.is_empty() => !path.is_empty(),
        Part::Below => (0..=path.len()).any(|skipped| matches(more, &path[skipped..])),
        Part::Name(name) => path.first().is_some_and(|first| first == name) && matches(more, &path[1..]),
        Part::Prefix(prefix) => {
            path.first().is_some_and(|first| first.starts_with(prefix.as_str())) && matches(more, &path[1..])
        }
    }
}

fn unmarked(name: &str) -> String {
    name.trim_start_matches("r#").to_owned()
}

fn is_name(word: &str) -> bool {
    let word = word.trim_start_matches("r#");
    let begins = |c: char| c == '_' || c.is_alphabetic();
    word.chars().next().is_some_and(begins) && word.chars().all(|c| begins(c) || c.is_numeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(pattern: &str, paths: &[&str]) -> Vec<String> {
        let pattern = SpanPattern::parse(pattern).unwrap();
        let split = |path: &str| path.split("::").map(str::to_owned).collect::<Vec<_>>();
        paths.iter().filter(|path| pattern.matches(&split(path))).map(|path| (*path).to_owned()).collect()
    }

    const PATHS: [&str; 6] =
        ["main", "checkout::place", "checkout::plan", "checkout::Cart::add", "checkout::tax::rate", "pay::place"];

    #[test]
    fn a_path_chooses_itself() {
        assert_eq!(chosen("shop::checkout::place", &PATHS), ["checkout::place"]);
        assert_eq!(chosen("shop::checkout::Cart::add", &PATHS), ["checkout::Cart::add"]);
        assert_eq!(chosen("shop::main", &PATHS), ["main"]);
        assert_eq!(chosen("shop::checkout", &PATHS), [""; 0]);
    }

    #[test]
    fn a_star_at_the_end_chooses_all_below() {
        let below = ["checkout::place", "checkout::plan", "checkout::Cart::add", "checkout::tax::rate"];
        assert_eq!(chosen("shop::checkout::*", &PATHS), below);
        assert_eq!(chosen("shop::checkout::**", &PATHS), below);
        assert_eq!(chosen("shop::*", &PATHS), PATHS);
        assert_eq!(chosen("shop::main::*", &PATHS), [""; 0]);
    }

    #[test]
    fn a_star_is_the_rest_of_one_part() {
        assert_eq!(chosen("shop::checkout::pl*", &PATHS), ["checkout::place", "checkout::plan"]);
        assert_eq!(chosen("shop::*::place", &PATHS), ["checkout::place", "pay::place"]);
        assert_eq!(chosen("shop::check*::tax::r*", &PATHS), ["checkout::tax::rate"]);
    }

    #[test]
    fn two_stars_are_any_number_of_parts() {
        assert_eq!(chosen("shop::**::place", &PATHS), ["checkout::place", "pay::place"]);
        assert_eq!(chosen("shop::**::main", &PATHS), ["main"]);
    }

    #[test]
    fn raw_names_are_names() {
        assert_eq!(chosen("shop::r#match::place", &["match::place"]), ["match::place"]);
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        let error = |text| SpanPattern::parse(text).unwrap_err();
        assert_eq!(
            error("shop:checkout::*").to_string(),
            "cannot use the pattern `shop:checkout::*`: part 1: expected the name of a crate, found `shop:checkout`"
        );
        assert!(error("shop::pl*e").to_string().contains("part 2: expected a name"));
        assert!(
            error("shop::a::")
                .to_string()
                .ends_with("part 3: expected a name, the beginning of one and `*`, or `**`, found ``")
        );
        assert!(error("shop").hint().unwrap().contains("`shop::**`"));
        assert!(error("*::place").to_string().contains("found `*`"));
        assert!(error("shop-app::x").hint().unwrap().contains("`shop_app`"));
    }
}
