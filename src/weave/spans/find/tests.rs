use super::super::shape::Shape;
use super::*;

/// Each function with how it is woven.
fn found(source: &str) -> Vec<String> {
    let shown = |function: &FoundFunction| {
        let shape = match &function.shape {
            Ok(Shape::Call { result: None }) => "call".to_owned(),
            Ok(Shape::Call { result: Some(result) }) => format!("call -> {result}"),
            Ok(Shape::Async { output, is_result }) => {
                format!("async{} -> {}", if *is_result { " result" } else { "" }, output.as_deref().unwrap_or("?"))
            }
            Ok(Shape::Future) => "future".to_owned(),
            Err(reason) => format!("not: {reason}"),
        };
        format!("{} {shape}", function.path.join("::"))
    };
    find(source).unwrap().functions.iter().map(shown).collect()
}

#[test]
fn functions_are_found_in_modules_and_types() {
    let source = "fn a() {} pub(crate) mod m { pub mod n { pub fn b<T: Into<u8>>(t: T) -> u8 { t.into() } } }\n\
                  struct S<const N: usize>; impl<const N: usize> S<{ N }> { fn c(&self) {} const X: u8 = { 1 }; fn d() {} }\n\
                  impl std::fmt::Display for m::Other<'_> { fn fmt(&self, f: &mut F) -> std::fmt::Result { f.x() } }\n\
                  trait T { fn e(&self); fn f(&self) {} } impl<T> From<T> for &'static mut dyn Any where T: X {{ }}";
    assert_eq!(
        found(source),
        ["a call", "m::n::b call", "S::c call", "S::d call", "Other::fmt call -> std::fmt::Result", "T::f call"]
    );
}

#[test]
fn items_without_functions_are_passed_over() {
    let source = "#![allow(x)]\nuse a::{b, c}; const A: fn() = { fn hidden() {} hidden }; static B: u8 = 1; type C = D;\n\
                  macro_rules! m { () => { fn made() {} } } m!(); x::y! { fn made() {} } union U { a: u8 } enum E { A { x: u8 } }\n\
                  struct T(u8) where u8: Copy; extern \"C\" { fn foreign(); } extern crate alloc; thread_local!(static X: u8 = 1);\n\
                  pub fn last() {}";
    assert_eq!(found(source), ["last call"]);
}

#[test]
fn what_cannot_be_woven_is_named() {
    let source = "const fn a() {} unsafe extern \"C\" fn b() {} #[tokio::test] async fn c() {} #[unsafe(naked)] fn d() {}\n\
                  #[cfg(test)] fn e() {} fn f() { //! text\n g() } #[cfg(test)] mod tests { fn h() {} } pub unsafe fn i() {}";
    assert_eq!(
        found(source),
        [
            "a not: a `const fn`",
            "b not: an `extern` function",
            "c not: a test",
            "d not: a naked function",
            "e not: a test",
            "f not: a function with a doc comment inside its body",
            "i call"
        ]
    );
}

#[test]
fn what_a_function_returns_decides() {
    let source = "async fn a() {} async fn b<F: Fn() -> u8>(f: F) -> io::Result<Vec<u8>> where F: X { x() } async fn c() -> impl T { x }\n\
                  fn d() -> Result<(), E> { y()? } #[track_caller] fn e() -> Result<(), E> { y()? } fn f() -> ! { z() }\n\
                  fn g() -> impl Future<Output = Result<(), E>> + Send { async move { x()?; Ok(()) } }\n\
                  fn h() -> impl Future<Output = ()> { if x { return y; } async {} } fn i() -> Option<Result<u8, E>> { x }\n\
                  fn j() -> Result<impl T, E> { x } fn k() -> impl Iterator<Item = u8> { x }";
    assert_eq!(
        found(source),
        [
            "a async -> ()",
            "b async result -> io::Result<Vec<u8>>",
            "c async -> ?",
            "d call -> Result<(), E>",
            "e call",
            "f call",
            "g future",
            "h call",
            "i call",
            "j call",
            "k call"
        ]
    );
}

#[test]
fn lines_are_those_of_the_function() {
    let contents = find("// one\n#[inline]\nfn a(\n) {\n    b()\n}\nfn c() {}").unwrap();
    let lines: Vec<_> = contents.functions.iter().map(|function| function.lines.clone()).collect();
    assert_eq!(lines, [3..7, 7..8]);
}

#[test]
fn modules_in_other_files_are_listed() {
    let contents = find(
        "mod a; #[path = \"x/y.rs\"] pub mod b; mod c { mod d; } #[cfg(test)] mod tests; #[path = \"z\"] mod e { mod f; }",
    );
    let module = |inside: &[&str], name: &str, path: Option<&str>| ModuleFile {
        inside: inside.iter().map(ToString::to_string).collect(),
        name: name.to_owned(),
        path: path.map(str::to_owned),
    };
    assert_eq!(
        contents.unwrap().modules,
        [module(&[], "a", None), module(&[], "b", Some("x/y.rs")), module(&["c"], "d", None)]
    );
}
