//! Patterns with mistakes: each is named, and nothing is written.

use super::project::shop;

#[test]
fn a_mistake_is_named_with_a_hint_and_nothing_is_written() {
    let project = shop();
    let before = project.files();
    for (pattern, message, hint) in [
        (
            "shop:checkout::*",
            "part 1: expected the name of a crate, found `shop:checkout`",
            "begin with a crate of the workspace",
        ),
        (
            "shop::pl*ce",
            "part 2: expected a name, the beginning of one and `*`, or `**`, found `pl*ce`",
            "as in a `use`",
        ),
        (
            "shop",
            "part 2: expected a module, a type or a function, found nothing",
            "`shop::**` means every function of `shop`",
        ),
        (
            "shopp::checkout::*",
            "expected a crate of this workspace, found `shopp`",
            "did you mean `shop::checkout::*`?",
        ),
        (
            "warehouse::x",
            "expected a crate of this workspace, found `warehouse`",
            "the crates of this workspace are `app`, `shop`",
        ),
        (
            "shop::checkout::plce",
            "expected at least one function, found none among 13",
            "there is `shop::checkout::place`",
        ),
        (
            "shop::checkout::constant",
            "expected a function that can be a span, found `shop::checkout::constant`, a `const fn`",
            "choose the function that calls it",
        ),
    ] {
        let ended = project.otel_rs(&["bootstrap", "--span", "shop::checkout::*", "--span", pattern]);
        assert_eq!(ended.status, 2, "{pattern}: {}{}", ended.out, ended.err);
        let expected = format!("error: cannot use the pattern `{pattern}`: {message}");
        assert!(ended.err.contains(&expected) && ended.err.contains(hint), "{pattern}: {}", ended.err);
        assert_eq!(ended.out, "");
    }
    assert_eq!(project.files(), before);
}

#[test]
fn a_pattern_that_has_lost_its_functions_is_a_warning_later() {
    let project = shop();
    project.otel_rs(&["bootstrap", "--span", "shop::checkout::place"]).ok();
    assert_eq!(project.otel_rs(&["bootstrap", "-a", "check"]).ok().out, "");
    project.replace("p/shop/src/checkout.rs", "fn place(", "fn put(");
    let ended = project.otel_rs(&["bootstrap"]).ok();
    assert!(ended.err.contains("warning: cannot use the pattern `shop::checkout::place`"), "{}", ended.err);
    let ended = project.otel_rs(&["bootstrap", "-a", "check"]);
    let found = "cannot use the pattern `shop::checkout::place`: expected at least one function, found none among 13 functions\n";
    assert_eq!((ended.status, ended.out.as_str()), (1, found), "{}", ended.err);
}

#[test]
fn the_requirements_list_functions() {
    let project = shop();
    let before = project.files();
    let args = ["bootstrap", "-a", "requirements", "--format", "json", "--span", "shop::checkout::Cart::*"];
    let shown: serde_json::Value = serde_json::from_str(&project.otel_rs(&args).ok().out).unwrap();
    let names = ["default", "add", "first", "pay", "fmt"].map(|name| format!("shop::checkout::Cart::{name}"));
    assert_eq!(shown["spans"][0]["functions"], serde_json::json!(names));
    assert_eq!(project.files(), before);
}
