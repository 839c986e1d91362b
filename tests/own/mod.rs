//! Functions of the user's own that become spans (`bootstrap --span`), and their threads (`bootstrap --threads`).

mod patterns;
mod project;
mod threads;

use project::{CHECKOUT, LIB, build, expected, printed, shop, spans, tree};

const ALL: [&str; 5] = ["bootstrap", "--span", "shop::checkout::**", "--span", "app::main"];

const TREE: &str = "app::main
  checkout::place
    checkout::total
      checkout::total
        checkout::total
  Cart::default
  Cart::add
  Cart::add
  Cart::fmt
  Cart::first
  Cart::pay
    checkout::nap
  Cart::pay alloc::boxed::Box<dyn core::error::Error>
  checkout::later
    checkout::nap
  checkout::cloned
  checkout::parsed
  checkout::parsed core::num::error::ParseIntError
  checkout::here
  checkout::later cancelled
    checkout::nap cancelled
";

#[test]
fn functions_of_every_kind_become_spans_of_one_tree() {
    let project = shop();
    let before = project.files();
    build(&project).ok();
    assert_eq!(printed(&project), expected());
    let table = project.otel_rs(&ALL).ok().out;
    assert!(table.contains("shop::checkout::constant (a `const fn`)"), "{table}");
    let ended = build(&project).ok();
    assert!(!ended.err.contains("warning") && ended.err.contains("Compiling shop"), "{}", ended.err);
    assert_eq!(printed(&project), expected(), "without a launcher");
    let spans = spans(&project);
    assert_eq!(tree(&spans), TREE);
    let place = spans.iter().find(|span| span.name == "checkout::place").unwrap();
    assert_eq!(place.scope.1, "1.2.0");
    assert_eq!(place.text("code.function.name"), "shop::checkout::place");
    assert_eq!(place.text("code.file.path"), "shop/src/checkout.rs");
    assert_eq!(place.get("code.line.number"), Some(&3.into()));
    let inspected = project.otel_rs(&["inspect", "target/debug/app"]).ok().out;
    assert!(inspected.contains("app    1.2.0") && inspected.contains("shop   1.2.0"), "{inspected}");
    let sources = |files: Vec<(std::path::PathBuf, Vec<u8>, std::time::SystemTime)>| {
        files.into_iter().filter(|(path, ..)| !path.starts_with(".cargo")).collect::<Vec<_>>()
    };
    assert_eq!(sources(project.files()), sources(before), "nothing of the user's is changed");
}

#[test]
fn a_build_follows_sources_and_patterns_and_remove_ends_it() {
    let project = shop();
    let before = project.files();
    project.otel_rs(&["bootstrap", "--span", "shop::checkout::place"]).ok();
    build(&project).ok();
    assert_eq!(tree(&spans(&project)), "checkout::place\n");
    assert_eq!(project.compiled(), [""; 0], "nothing is compiled twice");
    // An edit.
    project.replace("p/shop/src/checkout.rs", "    total(orders)\n", "    total(orders) + 0\n");
    assert_eq!(project.compiled(), ["shop", "app"]);
    assert_eq!(tree(&spans(&project)), "checkout::place\n");
    // A file that is not Rust.
    project.write("p/shop/texts/items.txt", "from another\n");
    assert_eq!(project.compiled(), ["shop", "app"]);
    project.write("p/shop/texts/items.txt", "from a file\n");
    // Other patterns compile the crates that they name, and no dependency.
    project.otel_rs(&["bootstrap", "--span", "shop::checkout::pars*"]).ok();
    assert_eq!(project.compiled(), ["shop", "app"]);
    let expected = "checkout::parsed\ncheckout::parsed core::num::error::ParseIntError\n";
    assert_eq!(tree(&spans(&project)), expected);
    // They stay where bootstrap is run again, and end where it is given none.
    assert!(project.otel_rs(&["bootstrap"]).ok().out.contains("shop::checkout::pars*"));
    assert_eq!(project.compiled(), [""; 0]);
    project.otel_rs(&["bootstrap", "--span", ""]).ok();
    assert_eq!(project.compiled(), ["shop", "app"]);
    assert_eq!(tree(&spans(&project)), "");
    project.replace("p/shop/src/checkout.rs", "    total(orders) + 0\n", "    total(orders)\n");
    project.otel_rs(&["bootstrap", "--span", "shop::**"]).ok();
    build(&project).ok();
    project.otel_rs(&["bootstrap", "-a", "remove"]).ok();
    build(&project).ok();
    assert_eq!(tree(&spans(&project)), "");
    let content = |files: Vec<(std::path::PathBuf, Vec<u8>, std::time::SystemTime)>| {
        files.into_iter().map(|(path, content, _)| (path, content)).collect::<Vec<_>>()
    };
    assert_eq!(content(project.files()), content(before));
}

#[test]
fn errors_and_warnings_are_the_users_own_and_come_once() {
    let project = shop();
    project.otel_rs(&ALL).ok();
    let error_of = |project: &crate::build::project::Project| {
        let plain = crate::build::project::run_to_end(
            project.command(env!("CARGO")).args(["build", "--offline"]).env("RUSTC_WRAPPER", ""),
        );
        let woven = build(project);
        // Other tests' cargo may hold its locks.
        let messages = |text: &str| {
            let lines = text.lines().filter(|line| !line.contains("Blocking") && !line.contains("Finished"));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(messages(&woven.err), messages(&plain.err));
        assert_eq!(woven.status, plain.status);
        woven.err
    };
    project.replace("p/shop/src/checkout.rs", "    total(orders)\n", "    total(\"x\")\n");
    let error = error_of(&project);
    assert!(error.contains("--> shop/src/checkout.rs:4:11") && error.contains("mismatched types"), "{error}");
    assert_eq!(error.matches("mismatched types").count(), 1, "{error}");
    project.replace("p/shop/src/checkout.rs", "    total(\"x\")\n", "    let unused = 1; total(orders)\n");
    let error = error_of(&project);
    assert!(error.contains("#[deny(unused_variables)]"), "{error}");
    project.write("p/shop/src/lib.rs", &LIB.replace("deny(warnings)", "warn(missing_docs)"));
    let warning = error_of(&project);
    assert!(warning.contains("unused variable") && warning.contains("missing documentation"), "{warning}");
    assert!(tree(&spans(&project)).contains("\n  Cart::pay\n"), "it is woven all the same");
    project.write("p/shop/src/checkout.rs", "pub fn broken( {\n");
    let error = error_of(&project);
    assert!(error.contains("--> shop/src/checkout.rs:1:"), "{error}");
}

#[test]
fn a_function_that_does_not_compile_woven_is_left_out_alone() {
    let project = shop();
    // Nothing but a signature may name the type that the macro makes.
    let hidden = "\nmacro_rules! copied {\n    () => {\n        impl Copy\n    };\n}\n\n\
                  pub async fn hidden() -> copied!() {\n    1\n}\n";
    project.write("p/shop/src/checkout.rs", &format!("{CHECKOUT}{hidden}"));
    project.otel_rs(&ALL).ok();
    let warning = "warning: cannot make spans of `shop::checkout::hidden`: error[E0562]";
    let ended = build(&project).ok();
    assert_eq!(ended.err.matches("warning").count(), 1, "{}", ended.err);
    assert!(ended.err.contains(warning) && ended.err.contains("--> shop/src/checkout.rs:"), "{}", ended.err);
    assert_eq!(tree(&spans(&project)), TREE);
    // It is known from then on; `cloned` and `first` have less of a span than others, without a word.
    project.replace("p/shop/src/checkout.rs", "    total(orders)\n", "    total(orders) + 0\n");
    assert!(!build(&project).ok().err.contains("warning"));
    assert_eq!(tree(&spans(&project)), TREE);
}

#[test]
fn checks_tests_and_documentation_are_as_they_are() {
    let project = shop();
    project.write(
        "p/shop/src/checkout.rs",
        &format!("/// ```\n/// assert_eq!(shop::checkout::doubled(2), 4);\n/// ```\npub fn doubled(x: u32) -> u32 {{\n    x * 2\n}}\n\n{CHECKOUT}\n#[cfg(test)]\nmod tests {{\n    #[test]\n    fn place_adds_up() {{\n        assert_eq!(super::place(2), 3);\n    }}\n}}\n"),
    );
    project.otel_rs(&ALL).ok();
    for args in [&["check"][..], &["test", "--workspace"], &["doc"], &["build", "--release"]] {
        let ended = project.cargo(args).ok();
        assert!(!ended.err.contains("warning"), "cargo {args:?}: {}", ended.err);
    }
    let clippy = project.cargo(&["clippy"]);
    assert!(
        clippy.status == 0 || clippy.err.contains("not installed") || clippy.err.contains("no such command"),
        "{}",
        clippy.err
    );
}
