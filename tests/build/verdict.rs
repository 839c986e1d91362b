//! What bootstrap makes of a project as a whole: what will be covered, what will not, and which program comes next.

use super::project::{Project, run_to_end};

/// The same project; `gear` stands for jobs, and the program uses a server that there is no instrumentation for.
fn with_server() -> Project {
    let project = Project::new();
    project.replace("instrumentations/gear/instrumentation.toml", "emits", "covers = [\"jobs\"]\nemits");
    project.write("p/vendor/tide/Cargo.toml", "[package]\nname = \"tide\"\nversion = \"0.17.0\"\nedition = \"2021\"\n");
    project.write("p/vendor/tide/src/lib.rs", "");
    project.write("p/vendor/tide/.cargo-checksum.json", &project.read("p/vendor/gear/.cargo-checksum.json"));
    project.replace("p/app/Cargo.toml", "engine = \"1\"", "engine = \"1\"\ntide = \"0.17\"");
    project.cargo(&["generate-lockfile", "--offline"]).ok();
    project
}

#[test]
fn what_is_covered_and_what_is_not_is_listed() {
    let project = with_server();
    let table = project.otel_rs(&["bootstrap"]).ok().out;
    assert!(table.contains("\ncovered: jobs (gear)\nnot covered: requests served (tide 0.17.0)\n"), "{table}");
    let json: serde_json::Value =
        serde_json::from_str(&project.otel_rs(&["bootstrap", "--format", "json"]).ok().out).unwrap();
    assert_eq!(json["covered"], serde_json::json!({ "jobs": ["gear"] }));
    assert_eq!(json["not-covered"], serde_json::json!({ "server": ["tide 0.17.0"] }));
    project.cargo(&["build"]).ok();
    let program = project.path("p/target/debug/app");
    let inspect = project.otel_rs(&["inspect", program.to_str().unwrap()]).ok().out;
    assert!(inspect.ends_with("\ncovered: jobs (gear)\n"), "{inspect}");
    let config = project.otel_rs(&["config", "--", program.to_str().unwrap()]).out;
    assert!(config.contains("  covered: jobs (gear)\n"), "{config}");
}

#[test]
fn a_version_without_rules_is_not_covered_unless_the_user_chose_so() {
    let project = with_server();
    project.replace("instrumentations/gear/instrumentation.toml", ">=1.0.0, <2", ">=1.0.0, <1.1.0");
    project.replace("instrumentations/gear/instrumentation.toml", "tested = [\"1.2.0\"]", "tested = []");
    let table = project.otel_rs(&["bootstrap"]).ok().out;
    assert!(table.contains("\nnot covered: requests served (tide 0.17.0), jobs (gear 1.2.0)\n"), "{table}");
    let table = project.otel_rs(&["bootstrap", "--exclude", "gear"]).ok().out;
    assert!(table.contains("\nnot covered: requests served (tide 0.17.0)\n"), "{table}");
}

#[test]
fn what_only_tests_use_is_not_missed() {
    let project = with_server();
    project.replace("p/app/Cargo.toml", "tide = \"0.17\"", "\n[dev-dependencies]\ntide = \"0.17\"");
    let table = project.otel_rs(&["bootstrap"]).ok().out;
    assert!(table.contains("\ncovered: jobs (gear)\n") && !table.contains("not covered"), "{table}");
}

#[test]
fn the_next_program_is_that_of_the_folder() {
    let project = Project::new();
    project.replace("p/Cargo.toml", "\"app\"", "\"app\", \"job\"");
    let manifest = project.read("p/app/Cargo.toml").replace("\"app\"", "\"job\"");
    project.write("p/job/Cargo.toml", &manifest);
    project.write("p/job/src/main.rs", &project.read("p/app/src/main.rs"));
    project.cargo(&["generate-lockfile", "--offline"]).ok();
    for folder in ["app", "job"] {
        let mut bootstrap = project.command(env!("CARGO_BIN_EXE_otel-rs"));
        let table = run_to_end(bootstrap.arg("bootstrap").current_dir(project.path("p").join(folder))).ok().out;
        assert!(table.contains(&format!("OTEL_SERVICE_NAME={folder} ")), "{table}");
    }
}

#[test]
fn what_git_ignores_of_the_shared_form_is_named() {
    let project = Project::new();
    project.git(&["init", "--quiet"]);
    let ended = project.otel_rs(&["bootstrap", "--shared"]).ok();
    assert!(!ended.err.contains("git ignores"), "{}", ended.err);
    project.write("p/.gitignore", ".otel-rs\n");
    let ended = project.otel_rs(&["bootstrap", "--shared"]).ok();
    assert_eq!(ended.err.matches("git ignores `.otel-rs`").count(), 1, "{}", ended.err);
}
