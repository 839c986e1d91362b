//! How a span is put around a function, decided by what it returns.

use super::super::tokens::{self, TokenKind, Tree, Trees};
use super::find::ident;

/// How a span is put around a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Around the call.
    Call {
        /// The type of what it returns, where that is a `Result` that a closure can return in its place.
        result: Option<String>,
    },
    /// Around what an `async fn` does.
    Async {
        /// The type of its output, where it can be written in the body.
        output: Option<String>,
        /// Whether that is a `Result`.
        is_result: bool,
    },
    /// Around the call and the future that it returns.
    Future,
}

/// How a span is put around a function that returns the type written as `returned`.
pub(super) fn shape(is_async: bool, returned: Option<String>, body: &Trees, takes_closure: bool) -> Shape {
    let text = returned.unwrap_or_else(|| "()".to_owned());
    let trees = tokens::lex(&text).unwrap_or_default();
    let can_be_written = !holds_impl(&trees.0) && text != "!";
    let is_result = last_of_path(&trees.0) == Some("Result");
    if is_async {
        return Shape::Async { is_result: is_result && can_be_written, output: can_be_written.then_some(text) };
    }
    let is_future = trees.0.first().is_some_and(|tree| tree.is_ident("impl"));
    if is_future && last_of_path(&trees.0[1..]) == Some("Future") && !leaves_early(&body.0) {
        return Shape::Future;
    }
    Shape::Call { result: (is_result && can_be_written && takes_closure).then_some(text) }
}

/// The last name of the path that a type begins with.
fn last_of_path(trees: &[Tree]) -> Option<&str> {
    trees.iter().take_while(|tree| ident(tree).is_some() || tree.is_punct(':')).last().and_then(ident)
}

fn holds_impl(trees: &[Tree]) -> bool {
    trees.iter().any(|tree| match &tree.kind {
        TokenKind::Group(_, inner) => holds_impl(&inner.0),
        _ => tree.is_ident("impl"),
    })
}

/// Whether a body may end other than at its last expression. What stands in an `async` block is that block's own.
fn leaves_early(trees: &[Tree]) -> bool {
    let mut at = 0;
    while let Some(tree) = trees.get(at) {
        if tree.is_ident("async") {
            let moves = usize::from(trees.get(at + 1).is_some_and(|tree| tree.is_ident("move")));
            if trees.get(at + 1 + moves).is_some_and(|tree| tree.is_group('{')) {
                at += 2 + moves;
                continue;
            }
        }
        let leaves = match &tree.kind {
            TokenKind::Group(_, inner) => leaves_early(&inner.0),
            TokenKind::Ident(word) => word == "return",
            TokenKind::Punct(punct) => *punct == '?',
            TokenKind::Literal(_) => false,
        };
        if leaves {
            return true;
        }
        at += 1;
    }
    false
}
