//! The woven text: calls of the hooks in the bodies of functions, on the lines that are there.

use super::find::FoundFunction;
use super::shape::Shape;
use super::threads::ThreadCall;

/// The module that a woven crate gets, at the end of its root.
const MODULE: &str = "__otel_rs";
const HOOKS: &str = "::otel_rs_hooks::kit::function";

/// A function to put a span around.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PlacedSpan<'a> {
    pub(crate) function: &'a FoundFunction,
    /// Its whole path.
    pub(crate) path: &'a str,
    /// Whether the value that it returns is woven as well, which does not compile everywhere.
    pub(crate) with_value: bool,
}

/// The source of `file` with the calls that make spans, and those that carry contexts into threads. No line is added.
pub(crate) fn with_spans(source: &str, file: &str, placed: &[PlacedSpan<'_>], threads: &[&ThreadCall]) -> String {
    let mut inserts: Vec<(usize, String)> = Vec::new();
    for PlacedSpan { function, path, with_value } in placed {
        let Ok(shape) = &function.shape else { continue };
        let line = function.lines.start;
        let name = last_two(path);
        let place = format!(
            "&crate::{MODULE}::SCOPE, &{HOOKS}::Function {{ name: {name:?}, path: {path:?}, file: {file:?}, line: {line} }}"
        );
        let (before, after) = texts(shape, &place, *with_value);
        inserts.push((function.body.start, before));
        inserts.push((function.body.end, after));
    }
    for call in threads {
        inserts.push((call.work.start, format!("::otel_rs_hooks::carry_fn(&crate::{MODULE}::SCOPE, ")));
        inserts.push((call.work.end, ")".to_owned()));
    }
    inserts.sort_by_key(|(at, _)| *at);
    let mut woven = String::with_capacity(source.len() + inserts.iter().map(|(_, text)| text.len()).sum::<usize>());
    let mut done = 0;
    for (at, text) in inserts {
        woven.push_str(&source[done..at]);
        woven.push_str(&text);
        done = at;
    }
    woven.push_str(&source[done..]);
    woven
}

/// What stands before a body's first statement and behind its last.
fn texts(shape: &Shape, place: &str, with_value: bool) -> (String, String) {
    match shape {
        Shape::Call { result: Some(result) } if with_value => (
            format!(" {HOOKS}::Guard::returned({HOOKS}::enter({place}), (move || -> {result} {{ "),
            " })()) ".to_owned(),
        ),
        Shape::Future if with_value => (
            format!(" let __otel_rs = {HOOKS}::enter({place}); let __otel_rs_future = {{ "),
            " }; __otel_rs.future(__otel_rs_future) ".to_owned(),
        ),
        Shape::Call { .. } | Shape::Future => (format!(" let __otel_rs = {HOOKS}::enter({place}); "), String::new()),
        Shape::Async { output, is_result } => {
            let around = if *is_result && with_value { "around_result" } else { "around" };
            // What the block returns must be known before its statements are read: values are coerced to it.
            let returned = output.as_ref().map_or_else(String::new, |output| {
                format!(
                    "if let ::core::option::Option::Some(__otel_rs) = ::core::option::Option::None::<{output}> \
                     {{ return __otel_rs; }} "
                )
            });
            (format!(" {HOOKS}::{around}({place}, async move {{ {returned}"), " }).await ".to_owned())
        }
    }
}

/// The span's name: what a reader needs to recognise the function, without the modules around it.
fn last_two(path: &str) -> &str {
    let mut separators = path.rmatch_indices("::").map(|(at, _)| at + 2);
    separators.nth(1).map_or(path, |at| &path[at..])
}

/// A crate's root with what the calls name. `marker` is the text by which a binary shows that it holds them.
pub(crate) fn with_module(mut root: String, marker: &str) -> String {
    if !root.ends_with('\n') {
        root.push('\n');
    }
    let length = marker.len() + 1;
    root.push_str(&format!(
        "#[doc(hidden)] mod {MODULE} {{ pub(crate) static SCOPE: ::otel_rs_hooks::Scope = \
         ::otel_rs_hooks::Scope::new(\"{marker}\\n\"); #[used] static NOTE: [u8; {length}] = *b\"{marker}\\n\"; }}\n"
    ));
    root
}

#[cfg(test)]
mod tests {
    use super::super::{find, thread_calls};
    use super::*;

    fn woven(source: &str) -> String {
        let contents = find(source).unwrap();
        let paths: Vec<String> =
            contents.functions.iter().map(|function| format!("shop::{}", function.path.join("::"))).collect();
        let placed: Vec<_> = contents
            .functions
            .iter()
            .zip(&paths)
            .map(|(function, path)| PlacedSpan { function, path, with_value: true })
            .collect();
        let threads = thread_calls(source);
        with_spans(source, "src/lib.rs", &placed, &threads.iter().collect::<Vec<_>>())
    }

    #[test]
    fn lines_stay_where_they_are() {
        let source = "fn a() {\n    b(); // last\n}\nasync fn c() -> Result<(), E> {\n    d().await?;\n    Ok(())\n}\n\
                      fn e() -> Result<(), E> {\n    Ok(())\n}\nfn f() -> impl Future<Output = ()> {\n    async {}\n}\n";
        let woven = woven(source);
        let kept = woven.lines().zip(source.lines()).all(|(woven, plain)| {
            let begin = plain.trim_end_matches(['{', '}']).trim_end();
            woven.starts_with(begin) || woven.trim_end().ends_with(plain)
        });
        assert!(kept && woven.lines().count() == source.lines().count(), "{woven}");
        assert!(proc_macro2::TokenStream::from_str_checked(&woven), "{woven}");
    }

    #[test]
    fn a_guard_comes_first_and_inner_attributes_before_it() {
        let text = woven("fn a() { b() }");
        assert!(text.starts_with("fn a() { let __otel_rs = ::otel_rs_hooks::kit::function::enter("), "{text}");
        assert!(text.contains("name: \"shop::a\", path: \"shop::a\", file: \"src/lib.rs\", line: 1 }); "), "{text}");
        let text = woven("fn a() { #![allow(x)] b() }");
        assert!(text.starts_with("fn a() { #![allow(x)]  let __otel_rs"), "{text}");
    }

    #[test]
    fn an_empty_body_is_woven() {
        assert!(woven("fn a() {}").ends_with("); }"));
        assert!(woven("async fn a() {}").ends_with("None::<()> { return __otel_rs; }  }).await }"));
    }

    #[test]
    fn what_a_thread_runs_is_wrapped() {
        let text = woven("static A: B = B::new(|| std::thread::spawn(move || std::thread::spawn(f)));");
        let carried = "::otel_rs_hooks::carry_fn(&crate::__otel_rs::SCOPE, ";
        let inner = format!("std::thread::spawn({carried}f))");
        assert_eq!(text, format!("static A: B = B::new(|| std::thread::spawn({carried}move || {inner})));"));
    }

    #[test]
    fn names_are_the_last_two_parts() {
        assert_eq!(last_two("shop::checkout::cart::Cart::add"), "Cart::add");
        assert_eq!(last_two("shop::place"), "shop::place");
    }

    #[test]
    fn the_root_gets_one_line_more() {
        assert_eq!(with_module("// end".to_owned(), "m|").lines().count(), 2);
        assert!(with_module(String::new(), "m|").contains("[u8; 3] = *b\"m|\\n\""));
    }

    trait Checked {
        fn from_str_checked(text: &str) -> bool;
    }

    impl Checked for proc_macro2::TokenStream {
        fn from_str_checked(text: &str) -> bool {
            text.parse::<proc_macro2::TokenStream>().is_ok()
        }
    }
}
