//! Rust source as trees of tokens, each with the range of its bytes.
//!
//! Rules match tokens, not syntax trees: macros such as `cfg_rt! { … }` and `pin_project! { … }` hide whole items from
//! a parser, but not from a lexer.

use std::ops::Range;
use std::str::FromStr;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// One token, or a bracketed group of them.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    /// The bytes from the first to the last character, brackets included.
    pub(super) range: Range<usize>,
    pub(super) kind: TokenKind,
}

/// What a [`Tree`] is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// A name or keyword.
    Ident(String),
    /// One character of punctuation; `->` is two of them.
    Punct(char),
    /// A literal as it is written.
    Literal(String),
    /// `(…)`, `[…]` or `{…}`, by its opening character.
    Group(char, Trees),
}

/// Trees side by side.
#[derive(Debug, Clone, Default)]
pub(super) struct Trees(pub(super) Vec<Tree>);

impl PartialEq for Trees {
    fn eq(&self, other: &Self) -> bool {
        self.0.len() == other.0.len() && self.0.iter().zip(&other.0).all(|(a, b)| a.kind == b.kind)
    }
}

impl Eq for Trees {}

impl Tree {
    pub(super) fn is_ident(&self, name: &str) -> bool {
        matches!(&self.kind, TokenKind::Ident(ident) if ident == name)
    }

    pub(super) fn is_punct(&self, punct: char) -> bool {
        self.kind == TokenKind::Punct(punct)
    }

    pub(super) fn is_group(&self, open: char) -> bool {
        matches!(&self.kind, TokenKind::Group(delimiter, _) if *delimiter == open)
    }
}

/// Splits `source` into trees. The error names the line where the text stops being Rust tokens.
pub(super) fn lex(source: &str) -> Result<Trees, String> {
    let stream = TokenStream::from_str(source).map_err(|error| {
        let start = error.span().start();
        format!("line {}, column {}: {error}", start.line, start.column + 1)
    })?;
    let trees = convert(stream);
    // The span table of a thread grows with every text it has lexed; ours are byte ranges by now.
    proc_macro2::extra::invalidate_current_thread_spans();
    Ok(trees)
}

fn convert(stream: TokenStream) -> Trees {
    let mut trees: Vec<Tree> = Vec::new();
    for token in stream {
        let range = token.span().byte_range();
        let kind = match token {
            TokenTree::Ident(ident) => TokenKind::Ident(ident.to_string()),
            TokenTree::Punct(punct) => TokenKind::Punct(punct.as_char()),
            TokenTree::Literal(literal) => TokenKind::Literal(literal.to_string()),
            TokenTree::Group(group) => {
                let open = match group.delimiter() {
                    Delimiter::Parenthesis => '(',
                    Delimiter::Bracket => '[',
                    Delimiter::Brace | Delimiter::None => '{',
                };
                TokenKind::Group(open, convert(group.stream()))
            }
        };
        trees.push(Tree { range, kind });
    }
    Trees(trees)
}

/// The position after an outer `#[cfg(test)]` item that starts at `at`, if one does. Test modules repeat the code they
/// test; a match there would spoil the count.
pub(super) fn end_of_test_module(trees: &[Tree], at: usize) -> Option<usize> {
    let [hash, attribute, rest @ ..] = &trees[at..] else { return None };
    let TokenKind::Group('[', inner) = &attribute.kind else { return None };
    let is_cfg_test = match inner.0.as_slice() {
        [cfg, Tree { kind: TokenKind::Group('(', condition), .. }] => {
            cfg.is_ident("cfg") && matches!(condition.0.as_slice(), [only] if only.is_ident("test"))
        }
        _ => false,
    };
    if !hash.is_punct('#') || !is_cfg_test {
        return None;
    }
    // `pub`, `(crate)` and further attributes may stand between.
    let between =
        |tree: &&Tree| tree.is_ident("pub") || tree.is_punct('#') || matches!(tree.kind, TokenKind::Group(..));
    let keyword = rest.iter().take_while(between).count();
    let is_module = rest.get(keyword)?.is_ident("mod") && rest.get(keyword + 2)?.is_group('{');
    is_module.then_some(at + 2 + keyword + 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_bytes_also_after_wide_characters() {
        let source = "// ä → ö\nlet é = \"ü\"; tail";
        let trees = lex(source).unwrap();
        let last = trees.0.last().unwrap();
        assert_eq!(&source[last.range.clone()], "tail");
    }

    #[test]
    fn byte_order_mark_is_counted() {
        let source = "\u{feff}fn f() {}";
        let trees = lex(source).unwrap();
        assert_eq!(&source[trees.0[0].range.clone()], "fn");
        assert_eq!(&source[trees.0[3].range.clone()], "{}");
    }

    #[test]
    fn group_range_holds_its_brackets() {
        let source = "macro_x! { a (b) }";
        let trees = lex(source).unwrap();
        assert_eq!(&source[trees.0[2].range.clone()], "{ a (b) }");
    }

    #[test]
    fn unbalanced_text_is_an_error_that_names_its_line() {
        assert!(lex("fn f() {\n  (]\n}").unwrap_err().starts_with("line 2"), "{:?}", lex("fn f() {\n  (]\n}"));
    }

    #[test]
    fn test_module_is_recognised_with_attributes() {
        let trees = lex("#[cfg(test)] #[x] mod tests { a } b").unwrap();
        let end = end_of_test_module(&trees.0, 0).unwrap();
        assert!(trees.0[end].is_ident("b"));
        let trees = lex("#[cfg(test)] use a; mod b { c }").unwrap();
        assert_eq!(end_of_test_module(&trees.0, 0), None);
    }
}
