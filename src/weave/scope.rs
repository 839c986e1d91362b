//! Scopes: the items a rule's `in` names, found by their headers.

use std::ops::Range;

use super::tokens::{self, TokenKind, Tree, end_of_test_module};

/// The keywords a scope may begin with.
const KEYWORDS: [&str; 8] = ["impl", "fn", "struct", "enum", "union", "trait", "mod", "match"];

/// A compiled entry of `in`: the keyword of an item and tokens of its header, in order.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    text: String,
    keyword: String,
    header: Vec<TokenKind>,
}

/// Parses one entry of `in`.
pub(crate) fn parse(text: &str) -> Result<Scope, String> {
    let expected = format!("expected one of `{}` first", KEYWORDS.join("`, `"));
    let trees = tokens::lex(text)?.0;
    let Some((Tree { kind: TokenKind::Ident(keyword), .. }, header)) = trees.split_first() else {
        return Err(expected);
    };
    if !KEYWORDS.contains(&keyword.as_str()) {
        return Err(format!("{expected}, found `{keyword}`"));
    }
    if header.is_empty() {
        return Err(format!("expected a name after `{keyword}`"));
    }
    let mut flat = Vec::new();
    flatten(header, &mut flat);
    Ok(Scope { text: text.to_owned(), keyword: keyword.clone(), header: flat })
}

/// A found scope: what stands between its brackets.
#[derive(Debug, Clone)]
pub(super) struct Body<'a> {
    pub(super) trees: &'a [Tree],
    /// The bytes between the brackets.
    pub(super) inside: Range<usize>,
}

impl Scope {
    /// The entry as it was written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The bodies of all items in `trees`, and in the groups below, whose header agrees.
    pub(super) fn find_all<'a>(&self, trees: &'a [Tree], found: &mut Vec<Body<'a>>) {
        let mut at = 0;
        while at < trees.len() {
            if let Some(end) = end_of_test_module(trees, at) {
                at = end;
                continue;
            }
            if let Some((body, end)) = self.at(trees, at) {
                found.push(body);
                at = end;
                continue;
            }
            if let TokenKind::Group(_, inner) = &trees[at].kind {
                self.find_all(&inner.0, found);
            }
            at += 1;
        }
    }

    /// The body of the item whose keyword stands at `at`, and the position after it.
    fn at<'a>(&self, trees: &'a [Tree], at: usize) -> Option<(Body<'a>, usize)> {
        if !trees[at].is_ident(&self.keyword) || !self.begins_item(trees, at) {
            return None;
        }
        let header = &trees[at + 1..];
        let tuple = if self.keyword == "struct" { tuple_of_struct(header) } else { None };
        let length = header
            .iter()
            .enumerate()
            .position(|(at, tree)| tree.is_group('{') || tree.is_punct(';') || Some(at) == tuple)?;
        let end = at + 1 + length;
        let TokenKind::Group(_, inner) = &trees[end].kind else { return None };
        if !self.agrees(&trees[at + 1..end]) {
            return None;
        }
        let range = &trees[end].range;
        Some((Body { trees: &inner.0, inside: range.start + 1..range.end - 1 }, end + 1))
    }

    /// `impl` is also a type (`x: impl Future`), `fn` too (`f: fn(u8)`): the latter has no name, the former follows
    /// something that no item follows.
    fn begins_item(&self, trees: &[Tree], at: usize) -> bool {
        if self.keyword != "impl" {
            return true;
        }
        match trees[..at].split_last() {
            None => true,
            Some((tree, earlier)) => match &tree.kind {
                TokenKind::Group(..) | TokenKind::Punct(';') => true,
                // Another keyword of the item, as opposed to `&mut impl T` and `&'a impl T`.
                TokenKind::Ident(word) => word != "mut" && !earlier.last().is_some_and(|tree| tree.is_punct('\'')),
                _ => false,
            },
        }
    }

    fn agrees(&self, header: &[Tree]) -> bool {
        let mut found = Vec::new();
        flatten(header, &mut found);
        match self.keyword.as_str() {
            "match" => subsequence(&self.header, &found),
            "impl" => {
                // Generics in a rule are compared; those of the source alone are not.
                if !self.header.contains(&TokenKind::Punct('<')) {
                    found = without_generics(&found);
                }
                let for_ = TokenKind::Ident("for".to_owned());
                // `impl Server` means the inherent one, not every trait's.
                self.header.contains(&for_) == found.contains(&for_) && subsequence(&self.header, &found)
            }
            _ => found.first() == self.header.first() && subsequence(&self.header, &found),
        }
    }
}

/// Where the fields of a tuple struct may be: the brackets that follow the name and its generics. Bounds such as `F: Fn(u8)`
/// have brackets too.
fn tuple_of_struct(header: &[Tree]) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, tree) in header.iter().enumerate() {
        let is_arrow = at > 0 && header[at - 1].is_punct('-');
        match &tree.kind {
            TokenKind::Punct('<') => depth += 1,
            TokenKind::Punct('>') if !is_arrow => depth = depth.saturating_sub(1),
            TokenKind::Group('(', _) if depth == 0 => return Some(at),
            TokenKind::Group('{', _) if depth == 0 => return None,
            TokenKind::Ident(word) if word == "where" => return None,
            _ => {}
        }
    }
    None
}

/// The tokens of `trees`, brackets as punctuation.
fn flatten(trees: &[Tree], flat: &mut Vec<TokenKind>) {
    for tree in trees {
        match &tree.kind {
            TokenKind::Group(open, inner) => {
                flat.push(TokenKind::Punct(*open));
                flatten(&inner.0, flat);
                flat.push(TokenKind::Punct(match open {
                    '(' => ')',
                    '[' => ']',
                    _ => '}',
                }));
            }
            kind => flat.push(kind.clone()),
        }
    }
}

/// Leaves out `<…>` and all from `where` on; the `>` of `->` closes nothing.
fn without_generics(header: &[TokenKind]) -> Vec<TokenKind> {
    let mut kept = Vec::new();
    let mut depth = 0_usize;
    for (index, kind) in header.iter().enumerate() {
        match kind {
            TokenKind::Punct('<') => depth += 1,
            TokenKind::Punct('>') if index > 0 && header[index - 1] == TokenKind::Punct('-') => {}
            TokenKind::Punct('>') => depth = depth.saturating_sub(1),
            TokenKind::Ident(word) if word == "where" && depth == 0 => break,
            kind if depth == 0 => kept.push(kind.clone()),
            _ => {}
        }
    }
    kept
}

fn subsequence(expected: &[TokenKind], found: &[TokenKind]) -> bool {
    let mut found = found.iter();
    expected.iter().all(|expected| found.any(|found| found == expected))
}

#[cfg(test)]
mod tests {
    use super::super::pattern::trees;
    use super::*;

    /// The insides of the scopes found.
    fn found(scope: &str, source: &str) -> Vec<String> {
        let trees = trees(source);
        let mut bodies = Vec::new();
        parse(scope).unwrap().find_all(&trees.0, &mut bodies);
        bodies.into_iter().map(|body| source[body.inside].trim().to_owned()).collect()
    }

    #[test]
    fn impl_header_is_compared_without_generics_and_paths() {
        let source = "impl<S, B: Fn() -> u8> super::Dispatch<B> for Server<S, B> where S: For { a }";
        assert_eq!(found("impl Dispatch for Server", source), ["a"]);
        assert_eq!(found("impl Dispatch for Client", source), Vec::<String>::new());
    }

    #[test]
    fn inherent_impl_is_not_a_traits() {
        let source = "impl Drop for Server { a } impl<T> Server<T> { b }";
        assert_eq!(found("impl Server", source), ["b"]);
        assert_eq!(found("impl Drop for Server", source), ["a"]);
    }

    #[test]
    fn written_generics_are_compared() {
        let source = "impl From<A> for X { a } impl From<B> for X { b }";
        assert_eq!(found("impl From<B> for X", source), ["b"]);
    }

    #[test]
    fn impl_in_a_return_type_is_not_an_item() {
        let source =
            "fn f() -> impl Future { a } fn g() -> &'a impl Future { b } impl Future { c } default impl Future { d }";
        assert_eq!(found("impl Future", source), ["c", "d"]);
    }

    #[test]
    fn functions_are_found_by_their_exact_name() {
        let source = "trait T { fn poll(&self); fn poll_next(&self) { n } fn poll(f: fn(u8) -> u8) -> u8 { p } }";
        assert_eq!(found("fn poll", source), ["p"]);
    }

    #[test]
    fn scopes_are_found_inside_macros() {
        assert_eq!(found("struct S", "cfg_rt! { pin_project! { pub struct S<T> where T: X { f: T } } }"), ["f: T"]);
    }

    #[test]
    fn bounds_with_brackets_are_no_body_of_a_struct() {
        assert_eq!(found("struct S", "struct S<F> where F: FnOnce(bool) -> R, { f: F }"), ["f: F"]);
        assert_eq!(found("struct S", "struct S<F: FnOnce(bool) -> R> { f: F }"), ["f: F"]);
    }

    #[test]
    fn tuple_struct_and_match_have_bodies() {
        assert_eq!(found("struct S", "struct S(u8, u16);"), ["u8, u16"]);
        assert_eq!(found("struct S", "struct S<F: Fn(u8) -> u8>(F) where F: Fn(u8);"), ["F"]);
        assert_eq!(found("match self.state", "match self.state { A => b } match other { C => d }"), ["A => b"]);
    }

    #[test]
    fn scope_without_a_keyword_is_refused() {
        assert!(parse("Dispatch for Server").unwrap_err().contains("found `Dispatch`"));
        assert!(parse("fn").unwrap_err().contains("a name after `fn`"));
    }
}
