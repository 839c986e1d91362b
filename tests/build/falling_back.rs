//! A build never fails because of weaving.

use super::project::{Project, said};

const WARNING: &str = "warning: cannot weave `gear` 1.2.0, compiling it as it is";

#[test]
fn a_rule_that_misses_leaves_the_crate_plain_with_one_warning() {
    let project = Project::new();
    project.replace("instrumentations/gear/instrumentation.toml", "match = \"double", "match = \"treble");
    let said = project.otel_rs(&["bootstrap"]).ok();
    assert!(said.out.contains("plain: rule `gear.turn` expects 1 match in `src/lib.rs`, found 0"), "{}", said.out);
    let said = project.cargo(&["run"]).ok();
    assert_eq!(said.out.trim(), "4");
    assert_eq!(said.err.matches(WARNING).count(), 1, "{}", said.err);
    assert!(said.err.contains("rule `gear.turn` expects 1 match in `src/lib.rs`, found 0"), "{}", said.err);
}

#[test]
fn a_layer_that_does_not_compile_is_left_aside() {
    let project = Project::new();
    project.replace("instrumentations/gear/advice.rs", "x + 1000", "\"four\"");
    project.otel_rs(&["bootstrap"]).ok();
    let said = project.cargo(&["run", "--message-format=json"]).ok();
    assert!(said.out.lines().filter(|line| *line != "4").all(|line| line.starts_with('{')), "{}", said.out);
    assert!(said.out.ends_with("4\n"), "{}", said.out);
    assert_eq!(said.err.matches(WARNING).count(), 1, "{}", said.err);
    assert!(said.err.contains("mismatched types") && said.err.contains("/layers/gear-1.2.0"), "{}", said.err);
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
    let said = project.cargo(&["build"]);
    assert_ne!(said.status, 0);
    assert!(said.err.contains("does not compile against woven crates: gear-1.2.0"), "{}", said.err);
    assert_eq!(project.run(), "4");
    assert!(project.otel_rs(&["bootstrap"]).ok().out.contains("plain: woven, it broke a dependent"));
}

#[test]
fn a_mistake_of_the_users_own_is_theirs_alone() {
    let project = Project::new();
    project.replace("p/app/Cargo.toml", "engine = \"1\"\n", "engine = \"1\"\ngear = \"1\"\n");
    project.cargo(&["generate-lockfile", "--offline"]).ok();
    project.otel_rs(&["bootstrap"]).ok();
    let right = project.read("p/app/src/main.rs");
    project.write("p/app/src/main.rs", "fn main() {\n    println!(\"{}\", gear::turn(\"two\"));\n}\n");
    let said = project.cargo(&["build"]);
    assert_ne!(said.status, 0);
    assert!(said.err.contains("mismatched types") && !said.err.contains("otel-rs"), "{}", said.err);
    project.write("p/app/src/main.rs", &right);
    assert_eq!(project.run(), "1004", "what they depend on is woven as before");
}

#[test]
fn a_version_without_rules_stays_plain_in_silence() {
    let project = Project::new();
    project.replace("instrumentations/gear/instrumentation.toml", ">=1.0.0, <2", ">=1.0.0, <1.2.1-0");
    project.replace(
        "instrumentations/gear/instrumentation.toml",
        "<1.2.1-0\"\ntested = [\"1.2.0\"]",
        "<1.1.0\"\ntested = []",
    );
    let said = project.otel_rs(&["bootstrap"]).ok();
    assert!(said.out.contains("plain: supported are >=1.0.0, <1.1.0"), "{}", said.out);
    let said = project.cargo(&["run"]).ok();
    assert!(said.out.trim() == "4" && !said.err.contains("warning"), "{}", said.err);
}

#[test]
fn a_colleague_without_otel_rs_builds_plain_with_one_warning() {
    let project = Project::new();
    project.otel_rs(&["bootstrap", "--shared"]).ok();
    // What a colleague has not.
    let none = project.path("no cache");
    let paths = std::env::split_paths(&std::env::var_os("PATH").unwrap())
        .filter(|path| !path.join("otel-rs").exists())
        .collect::<Vec<_>>();
    let without = std::env::join_paths(paths).unwrap();
    let plain =
        said(project.command(env!("CARGO")).args(["run"]).env("PATH", &without).env("OTEL_RS_CACHE_DIR", &none)).ok();
    assert_eq!(plain.out.trim(), "4");
    assert_eq!(plain.err.matches("otel-rs is not installed").count(), 1, "{}", plain.err);
    said(project.command(env!("CARGO")).args(["doc"]).env("PATH", &without).env("OTEL_RS_CACHE_DIR", &none)).ok();
    assert!(!none.exists() && !project.path("p/.otel-rs/local").exists(), "nothing is written");
    // Once it is installed, the next build is woven.
    project.otel_rs(&["bootstrap"]).ok();
    assert_eq!(project.run(), "1004");
}

#[test]
fn a_malformed_instrumentation_is_told_and_its_repair_noticed() {
    let project = Project::new();
    project.otel_rs(&["bootstrap"]).ok();
    assert_eq!(project.run(), "1004");
    project.replace("instrumentations/gear/instrumentation.toml", "signals", "signal");
    let said = project.otel_rs(&["bootstrap"]);
    assert!(said.status == 1 && said.err.contains("line 5") && said.err.contains("`signal`"), "{}", said.err);
    project.cargo(&["clean", "-p", "gear"]).ok();
    let said = project.cargo(&["run"]).ok();
    assert!(said.out.trim() == "4" && said.err.matches("gear/instrumentation.toml").count() == 1, "{}", said.err);
    project.replace("instrumentations/gear/instrumentation.toml", "signal", "signals");
    assert_eq!(project.run(), "1004");
}
