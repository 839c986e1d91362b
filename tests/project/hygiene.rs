//! Nothing in a project changes but what is meant to.

use std::fs;
use std::path::Path;

use super::{Project, SMALL, files, layers, target};
use crate::support::fixture::{cargo_without_otel_rs, lock};
use crate::support::{output, succeed};

/// What may be committed.
fn meant(path: &str) -> bool {
    path == ".cargo/config.toml" || path.starts_with(".otel-rs/")
}

#[test]
fn git_shows_nothing_new() {
    let _lock = lock("project");
    let project = Project::new("small");
    let before = files(&project.folder);
    project.otel_rs(&["bootstrap"]);
    project.cargo(&["build", "--locked"]);
    assert_eq!(layers(&target().join("debug/small")), SMALL);
    assert!(project.changed().is_empty(), "{:?}", project.changed());
    let mut after = files(&project.folder);
    let new: Vec<_> = after.keys().filter(|path| !before.contains_key(*path)).cloned().collect();
    assert_eq!(new, [Path::new(".cargo/.gitignore"), Path::new(".cargo/config.toml")]);
    after.retain(|path, _| before.contains_key(path));
    assert_eq!(after, before);
    project.otel_rs(&["bootstrap", "--action", "check"]);
}

#[test]
fn the_shared_form_is_the_configuration_and_the_shims() {
    let _lock = lock("project");
    let project = Project::new("small");
    let before = files(&project.folder);
    project.otel_rs(&["bootstrap", "--shared"]);
    project.cargo(&["build", "--locked"]);
    assert_eq!(layers(&target().join("debug/small")), SMALL);

    let changed = project.changed();
    assert!(changed.iter().all(|path| meant(path)), "{changed:?}");
    assert!(changed.contains(&".cargo/config.toml".to_owned()), "{changed:?}");
    assert!(!changed.iter().any(|path| path.contains("/layers/") || path.ends_with(".rlib")), "{changed:?}");
    assert!(changed.len() <= 6, "a small part: {changed:?}");
    let size: u64 = changed.iter().map(|path| fs::metadata(project.folder.join(path)).unwrap().len()).sum();
    assert!(size < 20_000, "{size} bytes to commit: {changed:?}");
    let after = files(&project.folder);
    for (path, content) in &before {
        assert_eq!(after.get(path), Some(content), "{} changed", path.display());
    }

    project.commit("with otel-rs");
    project.otel_rs(&["bootstrap"]);
    assert!(project.changed().is_empty(), "a second time changes nothing: {:?}", project.changed());
    project.otel_rs(&["bootstrap", "--action", "check"]);
}

#[test]
fn remove_leaves_nothing() {
    let _lock = lock("project");
    let project = Project::new("small");
    let before = files(&project.folder);
    project.otel_rs(&["bootstrap"]);
    project.cargo(&["build", "--locked"]);
    project.otel_rs(&["bootstrap", "--action", "remove"]);
    assert_eq!(files(&project.folder), before);
    assert!(!project.folder.join(".otel-rs").exists() && !project.folder.join(".cargo").exists());
    project.cargo(&["build", "--locked"]);
    assert_eq!(layers(&target().join("debug/small")), [""; 0], "plain again");
}

#[test]
fn the_users_own_cargo_settings_stay() {
    let project = Project::new("small");
    let own = "# mine\n[build]\n# how we build\nincremental = true # always\n\n[alias]\nb = \"build\"\n";
    fs::create_dir(project.folder.join(".cargo")).unwrap();
    fs::write(project.folder.join(".cargo/config.toml"), own).unwrap();
    project.otel_rs(&["bootstrap"]);
    let with = fs::read_to_string(project.folder.join(".cargo/config.toml")).unwrap();
    assert!(own.lines().all(|line| with.contains(line)) && with.contains("[[include]]"), "{with}");
    project.otel_rs(&["bootstrap", "--action", "remove"]);
    assert_eq!(fs::read_to_string(project.folder.join(".cargo/config.toml")).unwrap(), own);
}

#[test]
fn requirements_writes_nothing() {
    let project = Project::new("small");
    let before = files(&project.folder);
    let (printed, _) = project.otel_rs(&["bootstrap", "--action", "requirements"]);
    assert!(printed.contains("hyper") && printed.contains("1.12.0"), "{printed}");
    assert_eq!(files(&project.folder), before);
    assert!(!project.folder.join(".otel-rs").exists());
}

#[test]
fn check_fails_when_something_is_missing() {
    let project = Project::new("small");
    let check = || output(super::otel_rs(&project.folder).args(["bootstrap", "--action", "check"]));
    assert!(!check().0, "nothing is written yet");
    project.otel_rs(&["bootstrap", "--shared"]);
    assert!(check().0);
    fs::remove_file(project.folder.join(".otel-rs/rustc")).unwrap();
    let (good, stdout, stderr) = check();
    assert!(!good && format!("{stdout}{stderr}").contains("rustc"), "{stdout}{stderr}");
}

/// A colleague, or a container: the same commit on a machine without otel-rs.
#[test]
fn a_clone_builds_where_otel_rs_is_not_installed() {
    let _lock = lock("project");
    let project = Project::new("small");
    project.otel_rs(&["bootstrap", "--shared"]);
    project.commit("with otel-rs");
    let clone = project.folder.with_file_name("clone");
    super::git_in(project.folder.parent().unwrap(), &["clone", "--quiet", "project", "clone"]);
    let build = |folder: &Path| {
        let mut build = cargo_without_otel_rs(folder);
        build.args(["build", "--locked"]).env("CARGO_TARGET_DIR", target().join("without"));
        succeed(&mut build)
    };
    let (_, printed) = build(&clone);
    assert_eq!(printed.matches("warning").count(), 1, "{printed}");
    assert!(printed.contains("otel-rs is not installed"), "{printed}");
    assert_eq!(layers(&target().join("without/debug/small")), [""; 0], "plain");
    assert!(super::git_in(&clone, &["status", "--porcelain"]).is_empty());
}
