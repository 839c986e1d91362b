//! Functions of a source and the modules that it declares, found among its tokens item by item. What stands inside a
//! macro or a function's body is not looked at.

use std::fmt::{self, Display};
use std::ops::Range;

use super::super::edit::on_one_line;
use super::super::tokens::{self, TokenKind, Tree, Trees};
use super::shape::{Shape, shape};

/// What a source has.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    /// Its functions, in order.
    pub(crate) functions: Vec<FoundFunction>,
    /// The modules that it declares and that are in other files.
    pub(crate) modules: Vec<ModuleFile>,
}

/// A function with a body.
#[derive(Debug)]
pub(crate) struct FoundFunction {
    /// Its path below the source's own module: modules, the type or trait of a method, its name.
    pub(crate) path: Vec<String>,
    /// The line of its first attribute or keyword.
    pub(crate) first_line: usize,
    /// The lines from `fn` to the end of the body.
    pub(crate) lines: Range<usize>,
    /// How a span is put around it, or why none is.
    pub(crate) shape: Result<Shape, NotWovenFunction>,
    /// From where the first statement may stand to the closing brace.
    pub(super) body: Range<usize>,
}

impl FoundFunction {
    /// Whether the value that it returns can be woven as well: a `Result` is looked at, a future gets the span.
    pub(crate) fn can_hold_value(&self) -> bool {
        matches!(self.shape, Ok(Shape::Call { result: Some(_) } | Shape::Async { is_result: true, .. } | Shape::Future))
    }
}

/// A `mod name;`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ModuleFile {
    /// The modules of this source that it stands in.
    pub(crate) inside: Vec<String>,
    /// Its name.
    pub(crate) name: String,
    /// Its `#[path]`.
    pub(crate) path: Option<String>,
}

/// Why a function is left as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotWovenFunction {
    /// It may be called while the program is compiled.
    Const,
    /// Another language calls it, at any moment.
    Abi,
    /// It has no prologue.
    Naked,
    /// It is a test or a benchmark.
    Test,
    /// It is a generator.
    Generator,
    /// Its body begins with a doc comment for itself.
    InnerDoc,
}

impl Display for NotWovenFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NotWovenFunction::Const => "a `const fn`",
            NotWovenFunction::Abi => "an `extern` function",
            NotWovenFunction::Naked => "a naked function",
            NotWovenFunction::Test => "a test",
            NotWovenFunction::Generator => "a generator",
            NotWovenFunction::InnerDoc => "a function with a doc comment inside its body",
        })
    }
}

/// Finds functions and modules. The error names the line where the text is no Rust.
pub(crate) fn find(source: &str) -> Result<Contents, String> {
    let trees = tokens::lex(source)?;
    let mut finder = Finder { source, starts: line_starts(source), contents: Contents::default() };
    finder.items(&trees.0, &mut Place { path: Vec::new(), is_module: true });
    Ok(finder.contents)
}

/// Where each line begins.
fn line_starts(source: &str) -> Vec<usize> {
    std::iter::once(0).chain(source.match_indices('\n').map(|(at, _)| at + 1)).collect()
}

struct Finder<'a> {
    source: &'a str,
    starts: Vec<usize>,
    contents: Contents,
}

/// What items stand in.
struct Place {
    path: Vec<String>,
    /// As opposed to an `impl` or a `trait`.
    is_module: bool,
}

/// What stands before an item's keyword.
#[derive(Default)]
struct Head<'a> {
    /// The position of the item's first token.
    begin: usize,
    attributes: Vec<&'a Trees>,
    is_const: bool,
    is_async: bool,
    has_abi: bool,
    is_generator: bool,
}

impl Head<'_> {
    /// Whether an attribute's path ends in `name`, as `test` in `#[tokio::test(…)]`.
    fn has(&self, name: &str) -> bool {
        self.attributes.iter().any(|attribute| attribute_name(attribute) == Some(name))
    }

    /// Whether it is only there in tests.
    fn is_test(&self) -> bool {
        let is_cfg_test = |attribute: &&Trees| match attribute.0.as_slice() {
            [cfg, Tree { kind: TokenKind::Group('(', condition), .. }] if cfg.is_ident("cfg") => {
                matches!(condition.0.as_slice(), [only] if only.is_ident("test"))
            }
            _ => false,
        };
        ["test", "bench", "rstest", "test_case"].iter().any(|name| self.has(name))
            || self.attributes.iter().any(is_cfg_test)
    }
}

/// The last part of an attribute's path; `unsafe(no_mangle)` counts as `no_mangle`.
fn attribute_name(attribute: &Trees) -> Option<&str> {
    let is_path = |tree: &&Tree| matches!(tree.kind, TokenKind::Ident(_)) || tree.is_punct(':');
    let last = attribute.0.iter().take_while(is_path).last()?;
    match (&last.kind, attribute.0.get(1).map(|tree| &tree.kind)) {
        (TokenKind::Ident(name), Some(TokenKind::Group('(', inner))) if name == "unsafe" => attribute_name(inner),
        (TokenKind::Ident(name), _) => Some(name),
        _ => None,
    }
}

impl Finder<'_> {
    fn items(&mut self, trees: &[Tree], place: &mut Place) {
        let mut at = 0;
        while at < trees.len() {
            at = self.item(trees, at, place);
        }
    }

    /// Looks at the item that begins at `at`; the position after it.
    fn item(&mut self, trees: &[Tree], mut at: usize, place: &mut Place) -> usize {
        let mut head = Head { begin: at, ..Head::default() };
        while let Some(tree) = trees.get(at) {
            match &tree.kind {
                TokenKind::Punct('#') => {
                    let inner = usize::from(trees.get(at + 1).is_some_and(|tree| tree.is_punct('!')));
                    match trees.get(at + 1 + inner).map(|tree| &tree.kind) {
                        Some(TokenKind::Group('[', attribute)) => {
                            // One for the whole file or module is not the next item's.
                            at += 2 + inner;
                            if inner == 0 {
                                head.attributes.push(attribute);
                            } else {
                                head.begin = at;
                            }
                        }
                        _ => return at + 1,
                    }
                }
                TokenKind::Ident(word) => match word.as_str() {
                    "pub" => {
                        at += 1;
                        at += usize::from(trees.get(at).is_some_and(|tree| tree.is_group('(')));
                    }
                    "const" => (head.is_const, at) = (true, at + 1),
                    "async" => (head.is_async, at) = (true, at + 1),
                    "gen" => (head.is_generator, at) = (true, at + 1),
                    "unsafe" | "safe" | "default" | "auto" => at += 1,
                    "extern" => {
                        head.has_abi = true;
                        at += 1;
                        at += usize::from(matches!(trees.get(at).map(|tree| &tree.kind), Some(TokenKind::Literal(_))));
                        // A block of foreign functions.
                        if trees.get(at).is_some_and(|tree| tree.is_group('{')) {
                            return at + 1;
                        }
                    }
                    "fn" => return self.function(trees, at, place, &head),
                    "mod" if !head.is_const => return self.module(trees, at, place, &head),
                    "impl" | "trait" if place.is_module => return self.methods(trees, at, place, &head),
                    "struct" | "enum" | "union" if trees.get(at + 1).and_then(ident).is_some() => {
                        return end_of_header(trees, at).map_or(trees.len(), |end| end + 1);
                    }
                    _ => return after_other(trees, at),
                },
                TokenKind::Group('{', _) => return at + 1,
                _ => return at + 1,
            }
        }
        at
    }

    fn function(&mut self, trees: &[Tree], keyword: usize, place: &Place, head: &Head<'_>) -> usize {
        let Some(end) = end_of_header(trees, keyword) else { return trees.len() };
        let (TokenKind::Group('{', body), Some(TokenKind::Ident(name))) =
            (&trees[end].kind, trees.get(keyword + 1).map(|tree| &tree.kind))
        else {
            return end + 1;
        };
        let inside = trees[end].range.start + 1..trees[end].range.end - 1;
        let (begin, is_documented) = first_statement(self.source, body, &inside);
        let shape = if head.is_test() {
            Err(NotWovenFunction::Test)
        } else if head.is_const {
            Err(NotWovenFunction::Const)
        } else if head.has_abi {
            Err(NotWovenFunction::Abi)
        } else if head.has("naked") {
            Err(NotWovenFunction::Naked)
        } else if head.is_generator {
            Err(NotWovenFunction::Generator)
        } else if is_documented {
            Err(NotWovenFunction::InnerDoc)
        } else {
            let returned = self.returned(&trees[keyword..end]);
            // A closure is not compiled for the features that its function needs, nor has it its caller's location.
            let takes_closure = !["track_caller", "target_feature"].iter().any(|name| head.has(name));
            Ok(shape(head.is_async, returned, body, takes_closure))
        };
        let path = place.path.iter().map(String::as_str).chain([plain(name)]).map(str::to_owned).collect();
        let lines = self.line(trees[keyword].range.start)..self.line(trees[end].range.end) + 1;
        let first_line = self.line(trees[head.begin].range.start);
        self.contents.functions.push(FoundFunction { path, first_line, lines, shape, body: begin..inside.end });
        end + 1
    }

    /// The tokens of the type that a function returns, as text, on one line.
    fn returned(&self, header: &[Tree]) -> Option<String> {
        // The arrow of a bound among the generics, as `<F: Fn() -> u8>`, stands before the parameters.
        let arrow = parameters(header)? + 1;
        if !header.get(arrow)?.is_punct('-') {
            return None;
        }
        let mut end = arrow + 2;
        let mut depth = 0_usize;
        while let Some(tree) = header.get(end) {
            match &tree.kind {
                TokenKind::Ident(word) if word == "where" && depth == 0 => break,
                TokenKind::Punct('<') => depth += 1,
                TokenKind::Punct('>') if !header[end - 1].is_punct('-') => depth = depth.saturating_sub(1),
                _ => {}
            }
            end += 1;
        }
        let text = &self.source[header.get(arrow + 2)?.range.start..header[end - 1].range.end];
        Some(on_one_line(text))
    }

    fn module(&mut self, trees: &[Tree], keyword: usize, place: &mut Place, head: &Head<'_>) -> usize {
        let Some(TokenKind::Ident(name)) = trees.get(keyword + 1).map(|tree| &tree.kind) else { return keyword + 1 };
        let path = head.attributes.iter().find_map(|attribute| path_of(attribute));
        match trees.get(keyword + 2).map(|tree| &tree.kind) {
            Some(TokenKind::Group('{', inner)) if !head.is_test() => {
                place.path.push(plain(name).to_owned());
                let modules = self.contents.modules.len();
                self.items(&inner.0, place);
                // The folder of its own that an inline module may have (`#[path]`) is not followed.
                if path.is_some() {
                    self.contents.modules.truncate(modules);
                }
                place.path.pop();
            }
            Some(TokenKind::Punct(';')) if !head.is_test() => {
                self.contents.modules.push(ModuleFile {
                    inside: place.path.clone(),
                    name: plain(name).to_owned(),
                    path,
                });
            }
            _ => {}
        }
        keyword + 3
    }

    fn methods(&mut self, trees: &[Tree], keyword: usize, place: &mut Place, head: &Head<'_>) -> usize {
        let Some(end) = end_of_header(trees, keyword) else { return trees.len() };
        let TokenKind::Group('{', inner) = &trees[end].kind else { return end + 1 };
        let header = &trees[keyword + 1..end];
        let name = if trees[keyword].is_ident("trait") { header.first().and_then(ident) } else { implemented(header) };
        if let Some(name) = name.filter(|_| !head.is_test()) {
            place.path.push(plain(name).to_owned());
            self.items(&inner.0, &mut Place { path: place.path.clone(), is_module: false });
            place.path.pop();
        }
        end + 1
    }

    fn line(&self, at: usize) -> usize {
        self.starts.partition_point(|start| *start <= at)
    }
}

/// A name without the mark of a raw one.
fn plain(name: &str) -> &str {
    name.trim_start_matches("r#")
}

pub(super) fn ident(tree: &Tree) -> Option<&str> {
    match &tree.kind {
        TokenKind::Ident(name) => Some(name),
        _ => None,
    }
}

/// The position of an item's body or semicolon, generics and their braces passed over.
fn end_of_header(trees: &[Tree], from: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, tree) in trees.iter().enumerate().skip(from) {
        match &tree.kind {
            TokenKind::Punct('<') => depth += 1,
            TokenKind::Punct('>') if at > 0 && trees[at - 1].is_punct('-') => {}
            TokenKind::Punct('>') => depth = depth.saturating_sub(1),
            TokenKind::Group('{', _) | TokenKind::Punct(';') if depth == 0 => return Some(at),
            _ => {}
        }
    }
    None
}

/// The position after an item that holds no function of its own: `use`, `static`, a macro's call.
fn after_other(trees: &[Tree], from: usize) -> usize {
    let is_macro = trees.get(from + 1).is_some_and(|tree| tree.is_punct('!'))
        || (trees[from..].iter().take(8).any(|tree| tree.is_punct('!'))
            && trees[from..].iter().take_while(|tree| !tree.is_punct('!')).all(|tree| {
                tree.is_punct(':') || (ident(tree).is_some() && !tree.is_ident("use") && !tree.is_ident("static"))
            }));
    let ends = |tree: &Tree| tree.is_punct(';') || (is_macro && tree.is_group('{'));
    match trees[from..].iter().position(ends) {
        Some(length) => from + length + 1,
        None => from + 1,
    }
}

/// Where a function's parameters stand in its header.
fn parameters(header: &[Tree]) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, tree) in header.iter().enumerate() {
        match &tree.kind {
            TokenKind::Punct('<') => depth += 1,
            TokenKind::Punct('>') if at > 0 && header[at - 1].is_punct('-') => {}
            TokenKind::Punct('>') => depth = depth.saturating_sub(1),
            TokenKind::Group('(', _) if depth == 0 => return Some(at),
            _ => {}
        }
    }
    None
}

/// The name of the type that an `impl` is for: `Cart` of `impl<T> Display for shop::Cart<T> where …`.
fn implemented(header: &[Tree]) -> Option<&str> {
    let mut depth = 0_usize;
    let mut name = None;
    for (at, tree) in header.iter().enumerate() {
        match &tree.kind {
            TokenKind::Punct('<') => depth += 1,
            TokenKind::Punct('>') if at > 0 && header[at - 1].is_punct('-') => {}
            TokenKind::Punct('>') => depth = depth.saturating_sub(1),
            TokenKind::Ident(word) if depth == 0 => match word.as_str() {
                "where" => break,
                "for" => name = None,
                "mut" | "dyn" | "const" | "unsafe" => {}
                _ if at > 0 && header[at - 1].is_punct('\'') => {}
                _ => name = Some(word.as_str()),
            },
            _ => {}
        }
    }
    name
}

/// The file that `#[path = "…"]` names.
fn path_of(attribute: &Trees) -> Option<String> {
    match attribute.0.as_slice() {
        [path, equals, Tree { kind: TokenKind::Literal(text), .. }]
            if path.is_ident("path") && equals.is_punct('=') =>
        {
            Some(text.strip_prefix('"')?.strip_suffix('"')?.to_owned())
        }
        _ => None,
    }
}

/// Where a body's first statement may stand: at its brace, or after its inner attributes; and whether one of these is a
/// comment, which would swallow what is put behind it.
fn first_statement(source: &str, body: &Trees, inside: &Range<usize>) -> (usize, bool) {
    let mut at = 0;
    let mut is_documented = false;
    while let [hash, bang, attribute, ..] = &body.0[at..] {
        if !hash.is_punct('#') || !bang.is_punct('!') || !attribute.is_group('[') {
            break;
        }
        is_documented |= !source[attribute.range.clone()].starts_with('[');
        at += 3;
    }
    match body.0.get(at) {
        _ if at == 0 => (inside.start, false),
        Some(first) => (first.range.start, is_documented),
        None => (inside.end, is_documented),
    }
}

#[cfg(test)]
mod tests;
