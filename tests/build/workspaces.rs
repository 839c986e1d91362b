//! Workspaces whose patterns match what bootstrap writes: cargo is run again, and all is undone.

use std::fs;

use super::project::{Project, run_to_end};

/// Names the sources above the project, which then has no configuration of its own.
fn configured_above(project: &Project) {
    let config = project.read("p/.cargo/config.toml").replace("\"vendor\"", "\"p/vendor\"");
    project.write(".cargo/config.toml", &config);
    fs::remove_dir_all(project.path("p/.cargo")).unwrap();
}

#[test]
fn members_that_match_all_folders_leave_the_project_alone() {
    for (pattern, excluded) in [("*", "\"vendor\", \"target\""), ("[a-z.]*", "\"vendor\", \"target\"")] {
        let project = Project::new();
        configured_above(&project);
        project.replace("p/Cargo.toml", "\"app\"", &format!("\"{pattern}\""));
        project.replace("p/Cargo.toml", "resolver", &format!("exclude = [{excluded}]\nresolver"));
        project.cargo(&["metadata", "--offline", "--no-deps", "--format-version", "1"]).ok();
        let before = project.files();
        let ended = project.otel_rs(&["bootstrap"]).ok();
        assert!(ended.err.contains("it was taken back") && ended.err.contains("otel-rs cargo build"), "{}", ended.err);
        assert!(project.files() == before && !project.path("p/.cargo").exists(), "{pattern}");
        assert_eq!(project.run(), "4", "{pattern}");
        assert_eq!(project.otel_rs(&["cargo", "run", "--quiet"]).ok().out, "1004\n");
        project.otel_rs(&["bootstrap", "-a", "check"]).ok();
        let refused = project.otel_rs(&["bootstrap", "--shared"]);
        assert!(refused.status == 1 && refused.err.contains("cargo cannot read this project with"), "{}", refused.err);
        assert!(project.files() == before && !project.path("p/.otel-rs").exists(), "{pattern}");
        assert_eq!(project.run(), "4", "{pattern}");
    }
}

#[test]
fn a_workspace_above_the_project_stays_readable() {
    let project = Project::new();
    configured_above(&project);
    project.write("outer/x/y/Cargo.toml", "[package]\nname = \"y\"\nversion = \"0.1.0\"\n");
    project.write("outer/x/y/src/lib.rs", "");
    project.write("outer/Cargo.toml", "[workspace]\nmembers = [\"*/*\"]\nexclude = [\"p\"]\nresolver = \"2\"\n");
    fs::rename(project.path("p"), project.path("outer/p")).unwrap();
    project.write("outer/.cargo/config.toml", &project.read(".cargo/config.toml"));
    let command = |program: &str, folder: &str, args: &[&str]| {
        run_to_end(project.command(program).args(args).current_dir(project.path(folder)))
    };
    let outer = || command(env!("CARGO"), "outer", &["metadata", "--no-deps", "--format-version", "1"]).status;
    if outer() != 0 {
        project.replace("outer/Cargo.toml", "[\"p\"]", "[\"p/app\", \"p/vendor\"]");
    }
    assert_eq!(outer(), 0);
    command(env!("CARGO_BIN_EXE_otel-rs"), "outer/p", &["bootstrap"]).ok();
    assert_eq!(outer(), 0, "the workspace above can be read");
    assert_eq!(command(env!("CARGO_BIN_EXE_otel-rs"), "outer/p", &["cargo", "run", "--quiet"]).ok().out, "1004\n");
    let demo = command(env!("CARGO_BIN_EXE_otel-rs"), "outer", &["demo", "x/demo"]);
    assert!(demo.status != 0 && demo.err.contains("a part of a workspace above it"), "{}", demo.err);
    assert_eq!(outer(), 0);
    assert!(!project.path("outer/x/demo").exists());
}
