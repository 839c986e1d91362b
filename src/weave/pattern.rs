//! Patterns of tokens: a rule's `match`, and where a source agrees with it.

use std::collections::BTreeMap;
use std::ops::Range;

use super::tokens::{self, TokenKind, Tree, end_of_test_module};

/// A compiled `match`: literal tokens, `$x` for exactly one tree, `$$x` for the shortest run of trees.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    parts: Vec<PatternPart>,
}

#[derive(Debug, Clone)]
enum PatternPart {
    Token(TokenKind),
    Group(char, Vec<PatternPart>),
    One(String),
    Run(String),
}

/// What the names of a pattern stood for: bytes of the source.
pub(super) type Captures = BTreeMap<String, Range<usize>>;

/// One place where a pattern agrees with the source.
#[derive(Debug, Clone)]
pub(super) struct Match {
    pub(super) range: Range<usize>,
    pub(super) captures: Captures,
}

/// Parses the text of a pattern.
pub(crate) fn parse(text: &str) -> Result<Pattern, String> {
    let parts = parts(&tokens::lex(text)?.0);
    match parts.first() {
        None => Err("is empty; expected tokens to look for".to_owned()),
        Some(PatternPart::Run(name)) => {
            Err(format!("starts with `$${name}`, which would begin anywhere; start with a token"))
        }
        Some(_) => Ok(Pattern { parts }),
    }
}

fn parts(trees: &[Tree]) -> Vec<PatternPart> {
    let mut parts = Vec::new();
    let mut rest = trees;
    loop {
        rest = match rest {
            [] => return parts,
            [a, b, Tree { kind: TokenKind::Ident(name), .. }, tail @ ..] if a.is_punct('$') && b.is_punct('$') => {
                parts.push(PatternPart::Run(name.clone()));
                tail
            }
            [a, Tree { kind: TokenKind::Ident(name), .. }, tail @ ..] if a.is_punct('$') => {
                parts.push(PatternPart::One(name.clone()));
                tail
            }
            [Tree { kind: TokenKind::Group(open, inner), .. }, tail @ ..] => {
                parts.push(PatternPart::Group(*open, self::parts(&inner.0)));
                tail
            }
            [token, tail @ ..] => {
                parts.push(PatternPart::Token(token.kind.clone()));
                tail
            }
        };
    }
}

impl Pattern {
    /// The names this pattern captures.
    pub(crate) fn names(&self) -> Vec<&str> {
        let mut names = Vec::new();
        collect_names(&self.parts, &mut names);
        names
    }

    /// Every match in `trees` and in the groups below, outermost and leftmost first; matches do not overlap.
    pub(super) fn find_all(&self, source: &str, trees: &[Tree]) -> Vec<Match> {
        let mut found = Vec::new();
        self.search(source, trees, &mut found);
        found
    }

    fn search(&self, source: &str, trees: &[Tree], found: &mut Vec<Match>) {
        let mut at = 0;
        while at < trees.len() {
            if let Some(end) = end_of_test_module(trees, at) {
                at = end;
                continue;
            }
            let mut captures = Captures::new();
            if let Some(length) = agree(source, &self.parts, &trees[at..], false, &mut captures) {
                let range = trees[at].range.start..trees[at + length - 1].range.end;
                found.push(Match { range, captures });
                at += length;
                continue;
            }
            if let TokenKind::Group(_, inner) = &trees[at].kind {
                self.search(source, &inner.0, found);
            }
            at += 1;
        }
    }
}

fn collect_names<'a>(parts: &'a [PatternPart], names: &mut Vec<&'a str>) {
    for part in parts {
        match part {
            PatternPart::One(name) | PatternPart::Run(name) => names.push(name),
            PatternPart::Group(_, inner) => collect_names(inner, names),
            PatternPart::Token(_) => {}
        }
    }
}

/// How many of `trees` the `parts` cover from the start; with `whole`, only all of them will do.
fn agree(source: &str, parts: &[PatternPart], trees: &[Tree], whole: bool, captures: &mut Captures) -> Option<usize> {
    let Some((part, parts)) = parts.split_first() else {
        return (!whole || trees.is_empty()).then_some(0);
    };
    if let PatternPart::Run(name) = part {
        for length in 0..=trees.len() {
            let mut attempt = captures.clone();
            if !bind(source, &mut attempt, name, &trees[..length], trees.get(length)) {
                continue;
            }
            if let Some(rest) = agree(source, parts, &trees[length..], whole, &mut attempt) {
                *captures = attempt;
                return Some(length + rest);
            }
        }
        return None;
    }
    let (tree, rest) = trees.split_first()?;
    let agrees = match (part, &tree.kind) {
        (PatternPart::Token(expected), found) => expected == found,
        (PatternPart::Group(expected, inner), TokenKind::Group(open, found)) => {
            expected == open && {
                // The captures of the group must hold for what follows it, so that they are tried together.
                let mut attempt = captures.clone();
                let agrees = agree(source, inner, &found.0, true, &mut attempt).is_some();
                if agrees {
                    *captures = attempt;
                }
                agrees
            }
        }
        (PatternPart::One(name), _) => bind(source, captures, name, std::slice::from_ref(tree), None),
        (PatternPart::Group(..) | PatternPart::Run(_), _) => false,
    };
    if !agrees {
        return None;
    }
    agree(source, parts, rest, whole, captures).map(|length| length + 1)
}

/// Notes what `name` stands for. A name used twice must stand for the same text both times.
fn bind(source: &str, captures: &mut Captures, name: &str, trees: &[Tree], next: Option<&Tree>) -> bool {
    let range = match (trees.first(), trees.last()) {
        (Some(first), Some(last)) => first.range.start..last.range.end,
        _ => next.map_or(0..0, |tree| tree.range.start..tree.range.start),
    };
    match captures.get(name) {
        Some(earlier) => source[earlier.clone()] == source[range],
        None => {
            captures.insert(name.to_owned(), range);
            true
        }
    }
}

/// The trees of a text, for the tests of this module's neighbours.
#[cfg(test)]
pub(super) fn trees(source: &str) -> tokens::Trees {
    tokens::lex(source).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The matched texts, each with its captures.
    fn found(pattern: &str, source: &str) -> Vec<String> {
        let pattern = parse(pattern).unwrap();
        let matches = pattern.find_all(source, &trees(source).0);
        matches
            .into_iter()
            .map(|found| {
                let captures: String = found
                    .captures
                    .iter()
                    .map(|(name, range)| format!(" {name}=<{}>", &source[range.clone()]))
                    .collect();
                format!("{}{captures}", &source[found.range])
            })
            .collect()
    }

    #[test]
    fn formatting_and_comments_do_not_count() {
        assert_eq!(found("self.call(x);", "a; self\n  .call( /* why */ x ) ; b"), ["self\n  .call( /* why */ x ) ;"]);
    }

    #[test]
    fn one_takes_one_tree_and_a_group_is_one() {
        assert_eq!(found("let $f = call($r);", "let fut = call(req);"), ["let fut = call(req); f=<fut> r=<req>"]);
        assert_eq!(found("call($r)", "call(a, b)"), Vec::<String>::new());
        assert_eq!(found("call $r", "call(a, b)"), ["call(a, b) r=<(a, b)>"]);
    }

    #[test]
    fn run_is_the_shortest_and_may_be_empty() {
        assert_eq!(found("let $$x;", "let a = 1; let b = 2;"), ["let a = 1; x=<a = 1>", "let b = 2; x=<b = 2>"]);
        assert_eq!(found("f($$args)", "f()"), ["f() args=<>"]);
        assert_eq!(found("f($$a, last)", "f(x, y, last)"), ["f(x, y, last) a=<x, y>"]);
    }

    #[test]
    fn a_group_must_agree_to_its_end() {
        assert_eq!(found("S { a, $$more }", "S { a, b, c } S { b }"), ["S { a, b, c } more=<b, c>"]);
        assert_eq!(found("S { a }", "S { a, b }"), Vec::<String>::new());
    }

    #[test]
    fn matches_are_found_inside_macros() {
        assert_eq!(found("struct $n;", "cfg_rt! { pin_project! { struct A; } }"), ["struct A; n=<A>"]);
    }

    #[test]
    fn a_name_used_twice_must_stand_for_the_same() {
        assert_eq!(found("$a = $a", "x = y; z = z;"), ["z = z a=<z>"]);
    }

    #[test]
    fn test_modules_are_left_out() {
        assert_eq!(found("call()", "call(); #[cfg(test)] mod tests { fn t() { call() } }"), ["call()"]);
    }

    #[test]
    fn dollar_without_a_name_is_itself() {
        assert_eq!(found("$(x)", "m!($(x)*)"), ["$(x)"]);
    }

    #[test]
    fn pattern_that_could_begin_anywhere_is_refused() {
        assert!(parse("$$x foo").unwrap_err().contains("start with a token"));
        assert!(parse("").unwrap_err().contains("empty"));
        assert!(parse("foo(").is_err());
    }
}
