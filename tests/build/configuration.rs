//! What `bootstrap` does to a project's files.

use super::project::{Project, run_to_end};

#[test]
fn a_second_bootstrap_changes_nothing() {
    let project = Project::new();
    project.otel_rs(&["bootstrap"]).ok();
    let before = project.files();
    project.otel_rs(&["bootstrap"]).ok();
    assert!(project.files() == before, "a file changed, or its time");
    project.otel_rs(&["bootstrap", "-a", "check"]).ok();
}

#[test]
fn remove_restores_every_byte() {
    let project = Project::new();
    let before = project.files();
    project.otel_rs(&["bootstrap"]).ok();
    project.cargo(&["build"]).ok();
    project.otel_rs(&["bootstrap", "-a", "remove"]).ok();
    let names_and_bytes =
        |files: Vec<(_, Vec<u8>, _)>| files.into_iter().map(|(name, bytes, _)| (name, bytes)).collect::<Vec<_>>();
    assert!(names_and_bytes(project.files()) == names_and_bytes(before));
}

#[test]
fn requirements_write_nothing() {
    let project = Project::new();
    let before = project.files();
    let ended = project.otel_rs(&["bootstrap", "-a", "requirements"]).ok();
    assert!(ended.out.contains("gear   1.2.0    woven"), "{}", ended.out);
    assert!(project.files() == before);
}

#[test]
fn check_lists_what_differs() {
    let project = Project::new().with_own_cache();
    let ended = project.otel_rs(&["bootstrap", "-a", "check"]);
    assert_eq!(ended.status, 1);
    assert!(
        ended.out.contains("/rustc is missing") && ended.out.contains(".cargo/config.toml differs"),
        "{}",
        ended.out
    );
    project.otel_rs(&["bootstrap"]).ok();
    project.replace("instrumentations/gear/advice.rs", "1000", "2000");
    let ended = project.otel_rs(&["bootstrap", "-a", "check"]);
    assert!(ended.status == 1 && ended.out.contains("/layers/gear-1.2.0"), "{}", ended.out);
}

#[test]
fn works_from_a_member_and_in_json() {
    let project = Project::new();
    let ended = project.otel_rs(&["bootstrap", "app", "--format", "json"]).ok();
    let ended: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(ended["crates"][0]["crate"], "gear");
    assert_eq!(ended["crates"][0]["state"], "woven");
    assert!(project.home().join("rustc").is_file());
}

#[test]
fn excluded_crate_stays_plain_and_the_choice_is_kept() {
    let project = Project::new();
    project.otel_rs(&["bootstrap", "--exclude", "gear"]).ok();
    assert_eq!(project.run(), "4");
    assert!(project.otel_rs(&["bootstrap"]).ok().out.contains("plain: left out"));
    project.otel_rs(&["bootstrap", "--exclude", ""]).ok();
    assert_eq!(project.run(), "1004");
    let ended = project.otel_rs(&["bootstrap", "--only", "gaer"]);
    assert!(ended.status == 2 && ended.err.contains("cannot instrument `gaer`"), "{}", ended.err);
}

#[test]
fn a_project_without_instrumented_crates_is_left_alone() {
    let project = Project::new();
    std::fs::remove_dir_all(project.path("instrumentations/gear")).unwrap();
    let before = project.files();
    let ended = project.otel_rs(&["bootstrap"]).ok();
    assert!(ended.out.contains("can be instrumented"), "{}", ended.out);
    assert!(project.files() == before);
}

#[test]
fn missing_and_malformed_lock_files_are_named() {
    let project = Project::new();
    project.write("p/Cargo.lock", "version = 4\n\n[[package]\n");
    let ended = project.otel_rs(&["bootstrap"]);
    assert!(ended.status != 0 && ended.err.contains("Cargo.lock") && ended.err.contains("line 3"), "{}", ended.err);
    std::fs::remove_file(project.path("p/Cargo.lock")).unwrap();
    let ended = project.otel_rs(&["bootstrap"]);
    assert!(ended.status != 0 && ended.err.contains("cargo generate-lockfile"), "{}", ended.err);
}

#[test]
fn wrapper_in_the_environment_is_warned_of() {
    let project = Project::new();
    let ended =
        run_to_end(project.command(env!("CARGO_BIN_EXE_otel-rs")).arg("bootstrap").env("RUSTC_WRAPPER", "sccache"))
            .ok();
    assert!(ended.err.contains("OTEL_RS_RUSTC_WRAPPER=sccache"), "{}", ended.err);
}

#[test]
fn project_that_cannot_be_written_is_named_and_left_alone() {
    use std::os::unix::fs::PermissionsExt;
    let project = Project::new();
    let chmod = |mode| {
        for folder in ["p", "p/.cargo"] {
            std::fs::set_permissions(project.path(folder), std::fs::Permissions::from_mode(mode)).unwrap();
        }
    };
    chmod(0o555);
    let writable = std::fs::write(project.path("p/probe"), "").is_ok();
    let ended = project.otel_rs(&["bootstrap"]);
    chmod(0o755);
    // Root writes everywhere.
    if !writable {
        assert!(ended.status != 0 && ended.err.contains("cannot change this project"), "{}", ended.err);
        assert!(!project.read("p/.cargo/config.toml").contains("otel-rs"));
    }
}

#[test]
fn diff_shows_what_is_woven() {
    let project = Project::new();
    let ended = project.otel_rs(&["diff", "gear"]).ok();
    assert!(
        ended.out.contains("-    double(x) // twice\n+    crate::otel_rs::seen(double(x)) // twice\n"),
        "{}",
        ended.out
    );
    let ended = project.otel_rs(&["diff", "engine"]);
    assert!(ended.status == 2 && ended.err.contains("`engine` is not in this project"), "{}", ended.err);
}

#[test]
fn a_crate_in_no_program_is_not_listed_as_woven() {
    for (section, why) in [
        ("[dev-dependencies]", "only tests, examples and benchmarks use it"),
        ("[build-dependencies]", "only build scripts and macros use it"),
    ] {
        let project = Project::new();
        project.replace("p/app/Cargo.toml", "[dependencies]", section);
        project.write("p/app/src/main.rs", "fn main() {}\n");
        project.cargo(&["generate-lockfile", "--offline"]).ok();
        let table = project.otel_rs(&["bootstrap"]).ok().out;
        assert!(table.contains(&format!("not in the program: {why}")) && !table.contains("woven"), "{table}");
        let json = project.otel_rs(&["bootstrap", "--format", "json"]).ok().out;
        assert!(json.contains("\"state\":\"unused\"") && json.contains(why), "{json}");
    }
}

#[test]
fn a_crate_behind_a_disabled_feature_is_not_listed_as_woven() {
    let project = Project::new();
    project.replace("p/app/Cargo.toml", "engine = \"1\"", "engine = { version = \"1\", optional = true }");
    project.write("p/app/src/main.rs", "fn main() {}\n");
    project.cargo(&["generate-lockfile", "--offline"]).ok();
    let table = project.otel_rs(&["bootstrap"]).ok().out;
    assert!(!table.contains("woven"), "{table}");
}
