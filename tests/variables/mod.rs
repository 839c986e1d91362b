//! One test for each variable that otel-rs reads, named after it: what counts when it is not set, what a good value
//! does, seen where it is meant to show, and that a bad value is named on stderr.

mod choosing;
mod config_file;
mod general;
mod limits;
mod otlp;
mod run;
mod signals;
mod specification;

use std::collections::BTreeSet;

use crate::support::source;

/// Tests named after variables, and the list of them.
macro_rules! variables {
    ($($name:ident => $test:block)*) => {
        pub(super) const NAMES: &[&str] = &[$(stringify!($name)),*];
        $(
            #[test]
            #[allow(non_snake_case, reason = "the name is a variable's")]
            fn $name() $test
        )*
    };
}
pub(crate) use variables;

/// Variables without effect on a run, and where they are tested.
const ELSEWHERE: [(&str, &str); 4] = [
    ("OTEL_RS_CACHE_DIR", "tests/build/caching.rs"),
    ("OTEL_EXPERIMENTAL_CONFIG_FILE", "tests/variables/config_file.rs"),
    ("OTEL_RS_INSTRUMENTATIONS", "tests/build/project.rs"),
    ("OTEL_RS_RUSTC_WRAPPER", "tests/project/sccache.rs"),
];

/// The reference page names no variable that has no test here, and leaves none out that has.
#[test]
fn every_variable_of_the_reference_has_its_test() {
    let page = std::fs::read_to_string(source("docs/reference/variables.md")).expect("docs/reference/variables.md");
    let words = page.split(|c: char| !c.is_ascii_uppercase() && !c.is_ascii_digit() && c != '_');
    // `OTEL_…_` is a family of names, spelt out elsewhere on the page.
    let on_page: BTreeSet<_> = words.filter(|word| word.starts_with("OTEL_") && !word.ends_with('_')).collect();
    let here = [choosing::NAMES, config_file::NAMES, general::NAMES, limits::NAMES, otlp::NAMES, signals::NAMES];
    let tested: BTreeSet<_> = here.concat().into_iter().chain(ELSEWHERE.map(|(name, _)| name)).collect();
    assert!(on_page.len() > 80, "{on_page:?}");
    assert_eq!(on_page.difference(&tested).collect::<Vec<_>>(), [] as [&&str; 0], "have no test");
    assert_eq!(tested.difference(&on_page).collect::<Vec<_>>(), [] as [&&str; 0], "are not on the page");
    for (name, file) in ELSEWHERE {
        assert!(std::fs::read_to_string(source(file)).expect("a file").contains(name), "{file} does not set {name}");
    }
}
