//! Calls that start a thread of the standard library: `thread::spawn`, a builder's `spawn`, and `spawn` of a scope. Only
//! those that can be nothing else are found; what stands in a macro is not looked at.

use std::ops::Range;

use super::super::tokens::{self, TokenKind, Tree, Trees};
use super::find::ident;

/// A call, by what it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ThreadCall {
    /// The bytes of the closure, or whatever is called in its place.
    pub(super) work: Range<usize>,
    /// The lines of the closure.
    pub(crate) lines: Range<usize>,
}

/// Finds the calls in a source; none in what is no Rust.
pub(crate) fn thread_calls(source: &str) -> Vec<ThreadCall> {
    if !source.contains("thread") {
        return Vec::new();
    }
    let trees = tokens::lex(source).unwrap_or_default();
    let mut found = Vec::new();
    module(&trees.0, false, &mut found);
    found.sort_by_key(|work| work.start);
    let line = |at: usize| source[..at].matches('\n').count() + 1;
    found.into_iter().map(|work| ThreadCall { lines: line(work.start)..line(work.end) + 1, work }).collect()
}

/// Looks through a module. `is_known_above` is whether `thread` is the standard library's in the module around it.
fn module(trees: &[Tree], is_known_above: bool, found: &mut Vec<Range<usize>>) {
    let mut names = Names::default();
    names.read(trees);
    let is_known = !names.has_other && (names.has_own || names.takes_all_above && is_known_above);
    calls(trees, is_known, found);
}

/// What a module has under the name `thread`.
#[derive(Debug, Default)]
struct Names {
    has_own: bool,
    has_other: bool,
    takes_all_above: bool,
}

impl Names {
    /// Reads what is declared here and in blocks; inner modules have names of their own.
    fn read(&mut self, trees: &[Tree]) {
        let mut at = 0;
        while let Some(tree) = trees.get(at) {
            at += 1;
            match &tree.kind {
                TokenKind::Ident(word) if word == "use" => {
                    let length = trees[at..].iter().position(|tree| tree.is_punct(';')).unwrap_or(trees.len() - at);
                    self.import(&trees[at..at + length], &[]);
                    at += length;
                }
                TokenKind::Ident(word) if ["mod", "crate", "as"].contains(&word.as_str()) => {
                    self.has_other |= trees.get(at).is_some_and(|tree| tree.is_ident("thread"));
                    at += if word == "mod" && trees.get(at + 1).is_some_and(|tree| tree.is_group('{')) { 2 } else { 0 };
                }
                TokenKind::Group('{', inner) => self.read(&inner.0),
                _ => {}
            }
        }
    }

    /// The tree of a `use`, below a path.
    fn import(&mut self, tree: &[Tree], above: &[String]) {
        let mut path = above.to_vec();
        let mut name: Option<&str> = None;
        for (at, token) in tree.iter().enumerate() {
            match &token.kind {
                TokenKind::Group('{', inner) => {
                    inner.0.split(|tree| tree.is_punct(',')).for_each(|each| self.import(each, &path));
                    return;
                }
                TokenKind::Punct('*') => {
                    self.takes_all_above |= path == ["super"];
                    return;
                }
                TokenKind::Ident(word) if word == "as" => {
                    name = tree.get(at + 1).and_then(ident);
                    break;
                }
                TokenKind::Ident(word) if word == "self" && !path.is_empty() => {}
                TokenKind::Ident(word) => path.push(word.clone()),
                _ => {}
            }
        }
        let last = path.last().map(String::as_str);
        if name.or(last) == Some("thread") {
            let is_own = path == ["std", "thread"];
            (self.has_own, self.has_other) = (self.has_own || is_own, self.has_other || !is_own);
        }
    }
}

fn calls(trees: &[Tree], is_known: bool, found: &mut Vec<Range<usize>>) {
    let mut at = 0;
    while let Some(tree) = trees.get(at) {
        if let Some(after) = after_macro(trees, at) {
            at = after;
            continue;
        }
        if let Some(name) = after_thread(trees, at, is_known) {
            call(&trees[name..], found);
        }
        match &tree.kind {
            TokenKind::Ident(word) if word == "mod" => {
                if let Some(TokenKind::Group('{', inner)) = trees.get(at + 2).map(|tree| &tree.kind) {
                    module(&inner.0, is_known, found);
                    at += 2;
                }
            }
            TokenKind::Group(_, inner) => calls(&inner.0, is_known, found),
            _ => {}
        }
        at += 1;
    }
}

/// The position after a macro's call or definition, or an attribute, that begins at `at`.
fn after_macro(trees: &[Tree], at: usize) -> Option<usize> {
    let is = |offset: usize, punct| trees.get(at + offset).is_some_and(|tree: &Tree| tree.is_punct(punct));
    let is_group = |offset: usize| trees.get(at + offset).is_some_and(|tree| matches!(tree.kind, TokenKind::Group(..)));
    if is(0, '#') {
        return (1..=2).find(|offset| is_group(*offset)).map(|offset| at + offset + 1);
    }
    if ident(&trees[at]).is_none() || !is(1, '!') {
        return None;
    }
    (2..=3)
        .find(|offset| is_group(*offset))
        .filter(|offset| *offset == 2 || ident(&trees[at + 2]).is_some())
        .map(|offset| at + offset + 1)
}

/// Where the name stands that follows `std::thread::` or, if that is `is_known` to be the same, `thread::`.
fn after_thread(trees: &[Tree], at: usize, is_known: bool) -> Option<usize> {
    let follows = |at: usize, words: &[&str]| {
        let mut next = at;
        for word in words {
            if !trees.get(next)?.is_ident(word) || !is_separator(trees, next + 1) {
                return None;
            }
            next += 3;
        }
        Some(next)
    };
    let before = at.checked_sub(1).map(|before| &trees[before]);
    let is_first = !before.is_some_and(|tree| tree.is_punct(':') || tree.is_punct('.'));
    // `::std`
    let is_absolute = at >= 2 && is_separator(trees, at - 2) && !(at >= 3 && ends_path(&trees[at - 3]));
    match follows(at, &["std", "thread"]).filter(|_| is_first || is_absolute) {
        Some(name) => Some(name),
        None => follows(at, &["thread"]).filter(|_| is_first && is_known),
    }
}

fn is_separator(trees: &[Tree], at: usize) -> bool {
    trees.get(at..at + 2).is_some_and(|pair| pair.iter().all(|tree| tree.is_punct(':')))
}

/// Whether `::` after this token goes on with a path.
fn ends_path(tree: &Tree) -> bool {
    let keywords = ["return", "in", "else", "match", "if", "while", "move", "break"];
    tree.is_punct('>') || ident(tree).is_some_and(|word| !keywords.contains(&word))
}

/// A call of what `std::thread` has, whose name comes first.
fn call(trees: &[Tree], found: &mut Vec<Range<usize>>) {
    let arguments = |at: usize| match trees.get(at).map(|tree| &tree.kind) {
        Some(TokenKind::Group('(', inner)) => Some(inner),
        _ => None,
    };
    match trees.first().and_then(ident) {
        Some("spawn") => found.extend(arguments(1).and_then(|inner| range(&inner.0))),
        Some("scope") => {
            if let Some(inner) = arguments(1) {
                scope(&inner.0, found);
            }
        }
        Some("Builder") if is_separator(trees, 1) && trees.get(3).is_some_and(|tree| tree.is_ident("new")) => {
            let mut at = 5;
            while let (Some(name), Some(inner)) = (trees.get(at + 1).and_then(ident), arguments(at + 2)) {
                if !trees[at].is_punct('.') {
                    return;
                }
                match name {
                    "name" | "stack_size" => at += 3,
                    "spawn" => return found.extend(range(&inner.0)),
                    "spawn_scoped" => {
                        let comma = inner.0.iter().position(|tree| tree.is_punct(','));
                        return found.extend(comma.and_then(|comma| range(&inner.0[comma + 1..])));
                    }
                    _ => return,
                }
            }
        }
        _ => {}
    }
}

/// The bytes of a call's last argument.
fn range(argument: &[Tree]) -> Option<Range<usize>> {
    Some(argument.first()?.range.start..argument.last()?.range.end)
}

/// The threads of a scope, started by the name that the closure gives it, unless something else has that name as well.
fn scope(closure: &[Tree], found: &mut Vec<Range<usize>>) {
    let closure = &closure[usize::from(closure.first().is_some_and(|tree| tree.is_ident("move")))..];
    let [bar, name, rest @ ..] = closure else { return };
    let (Some(name), Some(end)) = (ident(name), rest.iter().position(|tree| tree.is_punct('|'))) else { return };
    let body = &rest[end + 1..];
    if bar.is_punct('|') && !binds(body, name) {
        scoped(body, name, found);
    }
}

fn scoped(trees: &[Tree], name: &str, found: &mut Vec<Range<usize>>) {
    let mut at = 0;
    while let Some(tree) = trees.get(at) {
        if let Some(after) = after_macro(trees, at) {
            at = after;
            continue;
        }
        if let [scope, dot, spawn, Tree { kind: TokenKind::Group('(', work), .. }, ..] = &trees[at..] {
            let is_first = at == 0 || !(trees[at - 1].is_punct('.') || trees[at - 1].is_punct(':'));
            if is_first && scope.is_ident(name) && dot.is_punct('.') && spawn.is_ident("spawn") {
                found.extend(range(&work.0));
            }
        }
        if let TokenKind::Group(_, inner) = &tree.kind {
            scoped(&inner.0, name, found);
        }
        at += 1;
    }
}

/// Whether a pattern may give `name` another meaning: after `let` and `for`, between bars, before `=>`, in a function.
fn binds(trees: &[Tree], name: &str) -> bool {
    let until = |at: usize, ends: &dyn Fn(&Tree) -> bool| {
        let length = trees[at..].iter().position(ends).unwrap_or(trees.len() - at);
        holds(&trees[at..at + length], name)
    };
    trees.iter().enumerate().any(|(at, tree)| match &tree.kind {
        TokenKind::Group(_, inner) => binds(&inner.0, name),
        TokenKind::Ident(word) => match word.as_str() {
            "let" => until(at + 1, &|tree| tree.is_punct('=') || tree.is_punct(';')),
            "for" => until(at + 1, &|tree| tree.is_ident("in")),
            "fn" | "static" | "const" => until(at + 1, &|tree| tree.is_group('{') || tree.is_punct(';')),
            _ => false,
        },
        TokenKind::Punct('|') => until(at + 1, &|tree| tree.is_punct('|')) && has_another_bar(&trees[at + 1..]),
        TokenKind::Punct('>') if at > 0 && trees[at - 1].is_punct('=') => {
            let arm = trees[..at - 1].iter().rposition(|tree| tree.is_punct(',') || tree.is_group('{'));
            holds(&trees[arm.map_or(0, |arm| arm + 1)..at - 1], name)
        }
        _ => false,
    })
}

fn has_another_bar(trees: &[Tree]) -> bool {
    trees.iter().any(|tree| tree.is_punct('|'))
}

fn holds(trees: &[Tree], name: &str) -> bool {
    trees.iter().any(|tree| match &tree.kind {
        TokenKind::Group(_, Trees(inner)) => holds(inner, name),
        _ => tree.is_ident(name),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is run in the threads that are found.
    fn found(source: &str) -> Vec<&str> {
        thread_calls(source).into_iter().map(|call| &source[call.work]).collect()
    }

    #[test]
    fn calls_of_the_standard_library_are_found() {
        for (source, expected) in [
            ("fn a() { std::thread::spawn(|| 1); }", &["|| 1"][..]),
            ("fn a() { let _ = ::std::thread::spawn(work).join(); return ::std::thread::spawn(b); }", &["work", "b"]),
            (
                "use std::thread; fn a() { thread::spawn(move || { thread::spawn(f); }); }",
                &["move || { thread::spawn(f); }", "f"],
            ),
            ("use std::{io, thread::{self, JoinHandle}}; fn a() { thread::spawn(f,); }", &["f,"]),
            ("fn a() { use std::thread; thread::spawn(f); }", &["f"]),
            ("use std::thread; mod b { use super::*; fn a() { thread::spawn(f); } }", &["f"]),
            ("use std::thread; fn a() { thread::Builder::new().name(n(1)).stack_size(9).spawn(f)?; }", &["f"]),
            ("fn a() { std::thread::Builder::new().spawn_scoped(s, || f(1, 2)).unwrap(); }", &["|| f(1, 2)"]),
            (
                "use std::thread; fn a() { thread::scope(|s| { s.spawn(f); x(|| s.spawn(|| { s.spawn(g); })) }); }",
                &["f", "|| { s.spawn(g); }", "g"],
            ),
            ("fn a() { std::thread::scope(|scope: &Scope<'_, '_>| scope.spawn(f).join()); }", &["f"]),
            ("static A: Lazy<()> = Lazy::new(|| { std::thread::spawn(f); });", &["f"]),
        ] {
            assert_eq!(found(source), expected, "{source}");
        }
    }

    #[test]
    fn what_may_be_something_else_is_left() {
        for source in [
            "fn a() { thread::spawn(f); spawn(f); tokio::spawn(f); pool.spawn(f); }",
            "use loom::thread; fn a() { thread::spawn(f); }",
            "#[cfg(loom)] use loom::thread; #[cfg(not(loom))] use std::thread; fn a() { thread::spawn(f); }",
            "use std::thread; mod thread; fn a() { thread::spawn(f); }",
            "use std::thread as t; use mine as thread; fn a() { thread::spawn(f); }",
            "use std::thread; mod b { fn a() { thread::spawn(f); } }",
            "use std::thread; mod b { use super::*; use mine::thread; fn a() { thread::spawn(f); } }",
            "fn a() { my::std::thread::spawn(f); crate::std::thread::spawn(f); }",
            "use std::thread; fn a() { mine::thread::spawn(f); b.thread.spawn(f); thread::spawn::<F, ()>(f); }",
            "use std::thread; macro_rules! m { () => { std::thread::spawn(f) } } fn a() { vec![thread::spawn(f)]; }",
            "use std::thread; fn a() { thread::Builder::new().other().spawn(f); let b = thread::Builder::new(); b.spawn(f); }",
            "use std::thread; fn a() { thread::scope(run); thread::scope(|_| t.spawn(f)); thread::scope(|s| x.s.spawn(f)); }",
            "fn a() { std::thread::scope(|s| { let s = other(s); s.spawn(f); }); }",
            "fn a() { std::thread::scope(|s| { for s in all { s.spawn(f); } }); }",
            "fn a() { std::thread::scope(|s| each(|s| s.spawn(f))); }",
            "fn a() { std::thread::scope(|s| match x { Some(s) => s.spawn(f), None => y }); }",
            "fn a() { std::thread::scope(|s| { if let Some(s) = x { s.spawn(f); } }); }",
            "fn a() { std::thread::spawn(); }",
        ] {
            assert_eq!(found(source), [""; 0], "{source}");
        }
    }
}
