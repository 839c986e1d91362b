//! `otel-rs cargo`: woven, with nothing written into the project.

use super::project::{Project, run_to_end, script};

#[test]
fn it_weaves_and_writes_nothing_into_the_project() {
    let project = Project::new();
    project.commit();
    let before = project.files();
    let run = project.otel_rs(&["cargo", "run", "--quiet", "--offline"]).ok();
    assert_eq!((run.out.as_str(), run.err.as_str()), ("1004\n", ""));
    assert_eq!(project.changed(), "");
    assert!(project.files() == before, "a file changed, or its time");
    assert_eq!(project.run(), "4", "plain cargo stays plain");
    let again = project.otel_rs(&["cargo", "build"]).ok();
    assert!(!again.err.contains("Compiling"), "{}", again.err);
    for args in
        [&["check"][..], &["test", "--workspace"], &["test", "--doc", "-p", "gear"], &["doc"], &["build", "--release"]]
    {
        let ended = project.otel_rs(&[&["cargo"], args].concat()).ok();
        assert!(!ended.err.contains("warning"), "{args:?}: {}", ended.err);
    }
    project.otel_rs(&["inspect", "target/release/app"]).ok();
}

#[test]
fn it_finds_the_project_and_passes_everything_on() {
    let project = Project::new();
    let run = |folder: &str, args: &[&str]| {
        let mut command = project.command(env!("CARGO_BIN_EXE_otel-rs"));
        run_to_end(command.arg("cargo").args(args).current_dir(project.path(folder)))
    };
    assert_eq!(run("p/app/src", &["run", "--quiet"]).ok().out, "1004\n");
    let home = project.home();
    // From outside, cargo does not read the project's configuration, which names the sources.
    project.write(".cargo/config.toml", &project.read("p/.cargo/config.toml").replace("\"vendor\"", "\"p/vendor\""));
    assert_eq!(run("", &["run", "--quiet", "--manifest-path", "p/Cargo.toml"]).ok().out, "1004\n");
    assert_eq!(run("", &["run", "--quiet", "--manifest-path=p/app/Cargo.toml"]).ok().out, "1004\n");
    assert_eq!(project.home(), home);
    let help = run("p", &["build", "--help"]).ok();
    assert!(help.out.contains("--release") && help.err.is_empty(), "cargo's own: {}", help.out);
    assert_eq!(run("p", &["build", "--no-such-flag"]).status, 1);
    assert!(run("p", &["--version"]).ok().out.starts_with("cargo "));
    project.write("p/app/src/main.rs", "fn main() {\n    std::process::exit(7);\n}\n");
    assert_eq!(run("p", &["run", "--quiet"]).status, 7);
    let lines = run("p", &["build", "--message-format=json"]).ok().out;
    assert!(lines.lines().all(|line| line.starts_with('{')), "{lines}");
    // A program that calls cargo for a project which it has yet to write.
    script(
        &project.path("cargo-cook"),
        "#!/bin/sh\nmkdir cooked && cp -r p/Cargo.* p/app p/vendor p/.cargo cooked && cd cooked && cargo run --quiet\n",
    );
    let path = std::env::var_os("PATH").unwrap();
    let path = std::env::join_paths(std::iter::once(project.path("")).chain(std::env::split_paths(&path))).unwrap();
    let mut cook = project.command(env!("CARGO_BIN_EXE_otel-rs"));
    project.write("p/app/src/main.rs", "fn main() {\n    println!(\"{}\", engine::run(2));\n}\n");
    let cooked = run_to_end(cook.args(["cargo", "cook"]).env("PATH", path).current_dir(project.path(""))).ok();
    assert_eq!((cooked.out.as_str(), cooked.err.as_str()), ("1004\n", ""));
    if which::which("rustup").is_ok() {
        assert_eq!(run("p", &["+stable", "run", "--quiet"]).ok().out, "1004\n");
    }
}

#[test]
fn wrappers_of_the_environment_run_inside_and_programs_do_not_see_ours() {
    let project = Project::new();
    script(&project.path("wrap.sh"), "#!/bin/sh\necho \"$@\" >>\"${0%/*}/calls\"\nexec \"$@\"\n");
    project.write(
        "p/app/src/main.rs",
        "fn main() {\n    let set = |name| std::env::var_os(name).is_some();\n    \
         println!(\"{} {}\", engine::run(2), set(\"RUSTC_WRAPPER\") || set(\"RUSTDOC\") || set(\"OTEL_RS_PROJECT\"));\n}\n",
    );
    assert_eq!(project.otel_rs(&["cargo", "run", "--quiet"]).ok().out, "1004 false\n");
    for variable in ["RUSTC_WRAPPER", "CARGO_BUILD_RUSTC_WRAPPER"] {
        for wrapper in ["../wrap.sh".into(), project.path("wrap.sh")] {
            let _ = std::fs::remove_file(project.path("calls"));
            project.otel_rs(&["cargo", "clean"]).ok();
            let mut command = project.command(env!("CARGO_BIN_EXE_otel-rs"));
            let run = run_to_end(command.args(["cargo", "run", "--quiet"]).env(variable, wrapper)).ok();
            assert!(run.out.starts_with("1004 "), "{variable}: {}{}", run.out, run.err);
            assert!(project.read("calls").contains("--extern otel_rs_hooks="), "{variable}");
        }
    }
    let mut off = project.command(env!("CARGO_BIN_EXE_otel-rs"));
    assert!(run_to_end(off.args(["cargo", "run", "--quiet"]).env("RUSTC_WRAPPER", "")).ok().out.starts_with("1004 "));
}

#[test]
fn a_cargo_that_cannot_include_leaves_the_project_alone() {
    let project = Project::new();
    let old = format!(
        "#!/bin/sh\n[ \"$1\" = --version ] && exec echo 'cargo 1.80.0 (x 2024-01-01)'\nexec '{}' \"$@\"\n",
        env!("CARGO")
    );
    script(&project.path("cargo"), &old);
    let before = project.files();
    let mut command = project.command(env!("CARGO_BIN_EXE_otel-rs"));
    let ended = run_to_end(command.arg("bootstrap").env("CARGO", project.path("cargo"))).ok();
    assert!(ended.err.contains("cargo 1.80.0") && ended.err.contains("otel-rs cargo build"), "{}", ended.err);
    assert!(project.files() == before);
    assert_eq!(project.otel_rs(&["cargo", "run", "--quiet"]).ok().out, "1004\n");
}
