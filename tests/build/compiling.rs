//! Woven crates compiled by plain cargo.

use super::project::{Project, run_to_end, script};

#[test]
fn an_instrumented_crate_is_woven_by_plain_cargo() {
    let project = Project::new();
    assert_eq!(project.run(), "4");
    let lock = project.read("p/Cargo.lock");
    let ended = project.otel_rs(&["bootstrap"]).ok();
    assert!(
        ended.out.contains("gear") && ended.out.contains("woven") && ended.out.contains("span `turn`"),
        "{}",
        ended.out
    );
    assert!(ended.out.contains("otel-rs instrument -- ./target/release/app"), "{}", ended.out);
    assert_eq!(project.run(), "1004");
    assert_eq!(project.compiled(), [""; 0], "nothing is compiled twice");
    assert_eq!(project.read("p/Cargo.lock"), lock);
    project.cargo(&["build", "--locked", "--offline"]).ok();
    let notes = project.otel_rs(&["inspect", "target/debug/app"]).ok();
    assert!(notes.out.contains("gear   1.2.0"), "{}", notes.out);
}

#[test]
fn every_ordinary_cargo_command_passes() {
    let project = Project::new();
    project.otel_rs(&["bootstrap"]).ok();
    for args in
        [&["check"][..], &["test", "--workspace"], &["test", "--doc", "-p", "gear"], &["doc"], &["build", "--release"]]
    {
        let ended = project.cargo(args).ok();
        assert!(!ended.err.contains("warning"), "cargo {args:?}: {}", ended.err);
    }
    // Not every toolchain has it.
    let clippy = project.cargo(&["clippy"]);
    assert!(
        clippy.status == 0 || clippy.err.contains("not installed") || clippy.err.contains("no such command"),
        "{}",
        clippy.err
    );
}

#[test]
fn profiles_that_link_differently_hold_the_layer() {
    let project = Project::new();
    project.otel_rs(&["bootstrap"]).ok();
    let profile = "[profile.release]\nlto = \"fat\"\npanic = \"abort\"\nstrip = true\ncodegen-units = 1\n";
    let manifest = project.read("p/Cargo.toml");
    project.write("p/Cargo.toml", &format!("{manifest}{profile}"));
    assert_eq!(project.cargo(&["run", "--quiet", "--release"]).ok().out.trim(), "1004");
    project.otel_rs(&["inspect", "target/release/app"]).ok();
}

#[test]
fn switching_weaving_off_and_on_compiles_nothing_anew() {
    let project = Project::new();
    assert_eq!(project.run(), "4");
    project.otel_rs(&["bootstrap"]).ok();
    assert_eq!(project.run(), "1004");
    let off = run_to_end(project.command(env!("CARGO")).args(["build"]).env("RUSTC_WRAPPER", "")).ok();
    // The program itself is linked in place, which is quick.
    assert!(!off.err.contains("Compiling gear"), "{}", off.err);
    assert_eq!(project.compiled(), ["app"; 0]);
    assert_eq!(project.run(), "1004");
}

#[test]
fn changed_advice_compiles_its_crate_and_dependents() {
    let project = Project::new();
    project.otel_rs(&["bootstrap"]).ok();
    assert_eq!(project.run(), "1004");
    project.replace("instrumentations/gear/advice.rs", "1000", "2000");
    assert_eq!(project.run(), "2004");
    assert_eq!(project.compiled(), [""; 0]);
}

#[test]
fn a_former_wrapper_runs_inside() {
    let project = Project::new();
    let wrapper = project.path("wrapper");
    script(&wrapper, "#!/bin/sh\necho \"$@\" >>\"${0%/*}/calls\"\nexec \"$@\"\n");
    let config = project.read("p/.cargo/config.toml");
    project.write("p/.cargo/config.toml", &format!("{config}\n[build]\nrustc-wrapper = \"{}\"\n", wrapper.display()));
    let before = project.read("p/.cargo/config.toml");
    project.otel_rs(&["bootstrap", "--shared"]).ok();
    assert_eq!(project.run(), "1004");
    let calls = project.read("calls");
    assert!(calls.contains("--extern otel_rs_hooks=") && !calls.contains("--remap-path-prefix"), "{calls}");
    project.otel_rs(&["bootstrap", "-a", "remove"]).ok();
    assert_eq!(project.read("p/.cargo/config.toml"), before);
}

#[test]
fn hooks_built_anew_fit_what_the_target_folder_holds() {
    let project = Project::new().with_own_cache();
    project.otel_rs(&["bootstrap"]).ok();
    assert_eq!(project.run(), "1004");
    for folder in ["hooks", "layers"] {
        std::fs::remove_dir_all(project.cache(folder)).unwrap();
    }
    project.otel_rs(&["bootstrap"]).ok();
    project.write("p/app/src/main.rs", "fn main() {\n    println!(\"{}!\", engine::run(2));\n}\n");
    assert_eq!(project.compiled(), ["app"]);
    assert_eq!(project.run(), "1004!");
}

#[test]
fn nothing_is_compiled_twice_where_cargo_compares_contents() {
    let project = Project::new();
    project.otel_rs(&["bootstrap"]).ok();
    let build = || {
        let mut cargo = project.command(env!("CARGO"));
        // The flag is one of nightly's.
        cargo.args(["build", "--offline", "-Zchecksum-freshness"]).env("RUSTC_BOOTSTRAP", "1");
        run_to_end(&mut cargo).ok().err
    };
    assert!(build().contains("Compiling gear"));
    let again = build();
    // Of `engine`, which is plain, the compiler escapes the blank in the folder's name, and cargo does not read it back.
    assert!(!again.contains("Compiling gear"), "{again}");
    project.replace("instrumentations/gear/advice.rs", "1000", "2000");
    assert!(build().contains("Compiling gear"), "a changed rule is noticed");
}

#[test]
fn a_path_dependency_stays_plain_whatever_lints_the_user_caps() {
    for flags in ["--cap-lints=warn", "--cap-lints warn"] {
        let project = Project::new();
        project.write("p/Cargo.toml", "[workspace]\nmembers = [\"app\"]\nresolver = \"2\"\n[patch.crates-io]\ngear = { path = \"vendor/gear\" }\n");
        project.cargo(&["generate-lockfile", "--offline"]).ok();
        let table = project.otel_rs(&["bootstrap"]).ok().out;
        assert!(table.contains("a path dependency is the user's own code"), "{table}");
        let run = run_to_end(project.command(env!("CARGO")).args(["run", "--quiet"]).env("RUSTFLAGS", flags)).ok();
        assert_eq!(run.out.trim(), "4", "{flags}");
    }
}
