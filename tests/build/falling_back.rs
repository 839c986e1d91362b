//! A build never fails because of weaving.

use super::project::{Project, run_to_end};

const WARNING: &str = "warning: cannot weave `gear` 1.2.0, compiling it as it is";

#[test]
fn a_rule_that_misses_leaves_the_crate_plain_with_one_warning() {
    let project = Project::new();
    project.replace("instrumentations/gear/instrumentation.toml", "match = \"double", "match = \"treble");
    let ended = project.otel_rs(&["bootstrap"]).ok();
    assert!(ended.out.contains("plain: rule `gear.turn` expects 1 match in `src/lib.rs`, found 0"), "{}", ended.out);
    let ended = project.cargo(&["run"]).ok();
    assert_eq!(ended.out.trim(), "4");
    assert_eq!(ended.err.matches(WARNING).count(), 1, "{}", ended.err);
    assert!(ended.err.contains("rule `gear.turn` expects 1 match in `src/lib.rs`, found 0"), "{}", ended.err);
}

#[test]
fn a_layer_that_does_not_compile_is_left_aside() {
    let project = Project::new();
    project.replace("instrumentations/gear/advice.rs", "x + 1000", "\"four\"");
    project.otel_rs(&["bootstrap"]).ok();
    let ended = project.cargo(&["run", "--message-format=json"]).ok();
    assert!(ended.out.lines().filter(|line| *line != "4").all(|line| line.starts_with('{')), "{}", ended.out);
    assert!(ended.out.ends_with("4\n"), "{}", ended.out);
    assert_eq!(ended.err.matches(WARNING).count(), 1, "{}", ended.err);
    assert!(ended.err.contains("mismatched types") && ended.err.contains("/layers/gear-1.2.0"), "{}", ended.err);
    let table = project.otel_rs(&["bootstrap"]).ok().out;
    assert!(table.contains("plain: its layer did not compile"), "{table}");
}

#[test]
fn a_dependent_that_breaks_has_its_dependency_plain_the_next_time() {
    let project = Project::new();
    // The woven `turn` takes another argument, which `engine` does not give.
    project.replace(
        "instrumentations/gear/instrumentation.toml",
        "in = [\"fn turn\"], match = \"double($x)\"",
        "match = \"pub fn turn(x: u32)\"",
    );
    project.replace(
        "instrumentations/gear/instrumentation.toml",
        "crate::otel_rs::seen(double($x))",
        "pub fn turn(x: u32, _y: u32)",
    );
    project.otel_rs(&["bootstrap"]).ok();
    let ended = project.cargo(&["build"]);
    assert_ne!(ended.status, 0);
    assert!(ended.err.contains("does not compile against woven crates: gear-1.2.0"), "{}", ended.err);
    let ended = project.cargo(&["run"]).ok();
    assert_eq!(ended.out.trim(), "4");
    assert!(ended.err.contains("`engine` 1.0.0 compiles against plain crates only: gear-1.2.0"), "{}", ended.err);
    assert_eq!(project.compiled(), [""; 0]);
    assert!(project.otel_rs(&["bootstrap"]).ok().out.contains("plain: woven, it broke a dependent"));
}

#[test]
fn an_error_in_the_users_code_is_not_blamed_on_weaving() {
    let project = Project::new();
    project.replace("p/app/Cargo.toml", "engine = \"1\"\n", "engine = \"1\"\ngear = \"1\"\n");
    project.cargo(&["generate-lockfile", "--offline"]).ok();
    project.otel_rs(&["bootstrap"]).ok();
    let right = project.read("p/app/src/main.rs");
    project.write("p/app/src/main.rs", "fn main() {\n    println!(\"{}\", gear::turn(\"two\"));\n}\n");
    let ended = project.cargo(&["build"]);
    assert_ne!(ended.status, 0);
    assert!(ended.err.contains("mismatched types") && !ended.err.contains("otel-rs"), "{}", ended.err);
    project.write("p/app/src/main.rs", &right);
    assert_eq!(project.run(), "1004", "what they depend on is woven as before");
}

#[test]
fn a_version_without_rules_stays_plain_without_a_warning() {
    let project = Project::new();
    project.replace("instrumentations/gear/instrumentation.toml", ">=1.0.0, <2", ">=1.0.0, <1.2.1-0");
    project.replace(
        "instrumentations/gear/instrumentation.toml",
        "<1.2.1-0\"\ntested = [\"1.2.0\"]",
        "<1.1.0\"\ntested = []",
    );
    let ended = project.otel_rs(&["bootstrap"]).ok();
    assert!(ended.out.contains("plain: supported are >=1.0.0, <1.1.0"), "{}", ended.out);
    let ended = project.cargo(&["run"]).ok();
    assert!(ended.out.trim() == "4" && !ended.err.contains("warning"), "{}", ended.err);
}

#[test]
fn a_colleague_without_otel_rs_builds_plain_with_one_warning() {
    let project = Project::new();
    project.otel_rs(&["bootstrap", "--shared"]).ok();
    // A machine without otel-rs: no cache, and no otel-rs in PATH.
    let none = project.path("no cache");
    let paths = std::env::split_paths(&std::env::var_os("PATH").unwrap())
        .filter(|path| !path.join("otel-rs").exists())
        .collect::<Vec<_>>();
    let without = std::env::join_paths(paths).unwrap();
    let plain =
        run_to_end(project.command(env!("CARGO")).args(["run"]).env("PATH", &without).env("OTEL_RS_CACHE_DIR", &none))
            .ok();
    assert_eq!(plain.out.trim(), "4");
    assert_eq!(plain.err.matches("otel-rs is not installed").count(), 1, "{}", plain.err);
    run_to_end(project.command(env!("CARGO")).args(["doc"]).env("PATH", &without).env("OTEL_RS_CACHE_DIR", &none)).ok();
    assert!(!none.exists() && !project.path("p/.otel-rs/local").exists(), "nothing is written");
    // Once it is installed, the next build is woven.
    project.otel_rs(&["bootstrap"]).ok();
    assert_eq!(project.run(), "1004");
}

#[test]
fn a_malformed_instrumentation_is_an_error_until_it_is_repaired() {
    let project = Project::new();
    project.otel_rs(&["bootstrap"]).ok();
    assert_eq!(project.run(), "1004");
    project.replace("instrumentations/gear/instrumentation.toml", "signals", "signal");
    let ended = project.otel_rs(&["bootstrap"]);
    assert!(ended.status == 1 && ended.err.contains("line 5") && ended.err.contains("`signal`"), "{}", ended.err);
    project.cargo(&["clean", "-p", "gear"]).ok();
    let ended = project.cargo(&["run"]).ok();
    assert!(ended.out.trim() == "4" && ended.err.matches("gear/instrumentation.toml").count() == 1, "{}", ended.err);
    project.replace("instrumentations/gear/instrumentation.toml", "signal", "signals");
    assert_eq!(project.run(), "1004");
}

/// A dependent that lacks a feature of its own, which no weaving is to blame for.
fn with_a_missing_feature(project: &Project) {
    let manifest = project.read("p/vendor/engine/Cargo.toml") + "[features]\nfast = []\n";
    project.write("p/vendor/engine/Cargo.toml", &manifest);
    project.write(
        "p/vendor/engine/src/lib.rs",
        "#[cfg(feature = \"fast\")]\nfn speed() -> u32 {\n    0\n}\npub fn run(x: u32) -> u32 {\n    gear::turn(x) + speed()\n}\n",
    );
    project.cargo(&["generate-lockfile", "--offline"]).ok();
    project.otel_rs(&["bootstrap"]).ok();
    assert_ne!(project.cargo(&["build"]).status, 0);
}

#[test]
fn a_dependency_that_fails_for_its_own_reason_is_woven_once_it_is_mended() {
    let project = Project::new();
    with_a_missing_feature(&project);
    let table = project.otel_rs(&["bootstrap"]).ok().out;
    assert!(table.contains("plain: a dependent did not compile"), "{table}");
    project.replace("p/app/Cargo.toml", "engine = \"1\"", "engine = { version = \"1\", features = [\"fast\"] }");
    assert!(project.otel_rs(&["bootstrap"]).ok().out.contains("woven"));
    assert_eq!(project.run(), "1004");
    assert_eq!(project.compiled(), [""; 0]);
}

#[test]
fn weaving_is_cleared_when_the_plain_build_fails_as_well() {
    let project = Project::new();
    with_a_missing_feature(&project);
    let again = project.cargo(&["build"]);
    assert!(again.status != 0 && !again.err.contains("otel-rs"), "{}", again.err);
    let third = project.cargo(&["build"]);
    assert!(third.status != 0 && !third.err.contains("otel-rs"), "no second suspicion: {}", third.err);
    assert!(project.otel_rs(&["bootstrap"]).ok().out.contains("woven"));
    // The fix changes no manifest.
    assert_eq!(project.cargo(&["run", "--quiet", "--features", "engine/fast"]).ok().out.trim(), "1004");
}

#[test]
fn an_instrumented_crate_that_fails_for_its_own_reason_is_not_blamed_on_its_layer() {
    let project = Project::new();
    let right = project.read("p/vendor/gear/src/lib.rs");
    project.write("p/vendor/gear/src/lib.rs", &(right.clone() + "compile_error!(\"no pool chosen\");\n"));
    project.otel_rs(&["bootstrap"]).ok();
    let ended = project.cargo(&["build"]);
    assert!(ended.status != 0 && ended.err.contains("no pool chosen"), "{}", ended.err);
    assert!(!ended.err.contains("otel-rs"), "{}", ended.err);
    let table = project.otel_rs(&["bootstrap"]).ok().out;
    assert!(table.contains("woven"), "{table}");
    project.write("p/vendor/gear/src/lib.rs", &right);
    project.cargo(&["clean", "-p", "gear"]).ok();
    assert_eq!(project.run(), "1004");
}
