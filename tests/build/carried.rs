//! A project that is copied to another machine builds there: its files do not depend on the first machine.

use std::fs;
use std::path::{Path, PathBuf};

use super::project::{Ended, Project, run_to_end};

fn copy(from: &Path, to: &Path) {
    for entry in walkdir::WalkDir::new(from) {
        let entry = entry.unwrap();
        let below = entry.path().strip_prefix(from).unwrap();
        let to = if below.as_os_str().is_empty() { to.to_owned() } else { to.join(below) };
        if entry.file_type().is_dir() {
            fs::create_dir_all(&to).unwrap();
        } else {
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(entry.path(), &to).unwrap();
        }
    }
}

/// Copies some of the project, as a Dockerfile does.
fn carried(project: &Project, names: &[&str]) -> PathBuf {
    let to = project.path("carried");
    let _ = fs::remove_dir_all(&to);
    for name in names {
        if *name == "." {
            copy(&project.path("p"), &to);
            continue;
        }
        copy(&project.path("p").join(name), &to.join(name));
    }
    to
}

/// Builds and runs it on a machine that never had otel-rs.
fn elsewhere(project: &Project, folder: &Path) -> Ended {
    let path = std::env::var_os("PATH").unwrap();
    let others = std::env::split_paths(&path).filter(|path| !path.join("otel-rs").exists());
    let mut command = project.command(env!("CARGO"));
    command.args(["run", "--quiet", "--offline"]).current_dir(folder).env_remove("OTEL_RS_INSTRUMENTATIONS");
    run_to_end(
        command.env("OTEL_RS_CACHE_DIR", project.path("none")).env("PATH", std::env::join_paths(others).unwrap()),
    )
}

/// Hides the cache while something is built on another machine.
fn without_cache<T>(project: &Project, build: impl FnOnce() -> T) -> T {
    let hidden = project.path("hidden");
    fs::rename(project.cache(""), &hidden).unwrap();
    let built = build();
    fs::rename(&hidden, project.cache("")).unwrap();
    built
}

const SOURCES: [&str; 5] = ["Cargo.toml", "Cargo.lock", "app", "vendor", ".cargo"];

#[test]
fn a_container_that_gets_the_sources_and_the_configuration_builds_plain() {
    let project = Project::new().with_own_cache();
    project.otel_rs(&["bootstrap"]).ok();
    for names in [&SOURCES[..], &["."]] {
        let folder = carried(&project, names);
        without_cache(&project, || {
            let plain = elsewhere(&project, &folder).ok();
            assert_eq!((plain.out.as_str(), plain.err.as_str()), ("4\n", ""), "{names:?}");
        });
    }
    assert_eq!(project.run(), "1004");
}

#[test]
fn lost_permissions_line_ends_and_folders_leave_the_build_as_it_was() {
    use std::os::unix::fs::PermissionsExt;
    let project = Project::new().with_own_cache();
    project.otel_rs(&["bootstrap"]).ok();
    assert!(!project.path("p/.otel-rs").exists(), "there is nothing to lose");
    let folder = carried(&project, &SOURCES);
    for entry in walkdir::WalkDir::new(&folder).into_iter().map(Result::unwrap).filter(|e| e.file_type().is_file()) {
        fs::set_permissions(entry.path(), fs::Permissions::from_mode(0o644)).unwrap();
        let text = fs::read_to_string(entry.path()).unwrap();
        fs::write(entry.path(), text.replace('\n', "\r\n")).unwrap();
    }
    without_cache(&project, || assert_eq!(elsewhere(&project, &folder).ok().out.trim(), "4"));
    assert_eq!(
        run_to_end(project.command(env!("CARGO")).args(["run", "--quiet"]).current_dir(&folder)).ok().out.trim(),
        "1004"
    );
    fs::remove_dir_all(project.cache("")).unwrap();
    let plain = project.cargo(&["run", "--quiet"]).ok();
    assert_eq!((plain.out.as_str(), plain.err.as_str()), ("4\n", ""));
}

#[test]
fn git_shows_nothing_whatever_it_has_of_the_configuration() {
    let folder = |project: &Project| {
        // The sources are named above the project, so that the project may have no configuration of its own.
        let config = project.read("p/.cargo/config.toml").replace("\"vendor\"", "\"p/vendor\"");
        project.write(".cargo/config.toml", &config);
        fs::remove_dir_all(project.path("p/.cargo")).unwrap();
    };
    type Prepare<'a> = &'a dyn Fn(&Project);
    let cases: [(&str, Prepare<'_>); 6] = [
        ("absent", &|project| {
            folder(project);
            project.commit();
        }),
        ("absent, with a list of its own", &|project| {
            folder(project);
            project.write("p/.cargo/.gitignore", "credentials.toml\n");
            project.commit();
        }),
        ("untracked", &|project| {
            folder(project);
            project.commit();
            project.write("p/.cargo/config.toml", "[net]\nretry = 2\n");
        }),
        ("ignored", &|project| {
            folder(project);
            project.commit();
            project.write("p/.gitignore", "target\n.cargo\n");
            project.write("p/.cargo/config.toml", "[net]\nretry = 2\n");
        }),
        ("old name", &|project| {
            folder(project);
            project.commit();
            project.write("p/.cargo/config", "[net]\nretry = 2\n");
        }),
        ("tracked", &Project::commit),
    ];
    for (name, prepare) in cases {
        let project = Project::new();
        prepare(&project);
        let (before, status) = (project.files(), project.changed());
        let ended = project.otel_rs(&["bootstrap"]).ok();
        assert_eq!(project.changed(), status, "{name}");
        let tracked = name == "tracked";
        assert_eq!(project.run(), if tracked { "4" } else { "1004" }, "{name}");
        assert_eq!(project.otel_rs(&["cargo", "run", "--quiet"]).ok().out, "1004\n", "{name}");
        assert_eq!(ended.err.contains("git tracks `.cargo/config.toml`"), tracked, "{name}: {}", ended.err);
        assert_eq!(ended.out.contains("otel-rs cargo build --release"), tracked, "{name}: {}", ended.out);
        project.otel_rs(&["bootstrap", "-a", "check"]).ok();
        project.otel_rs(&["bootstrap"]).ok();
        assert_eq!(project.changed(), status, "{name}: the second time");
        let clone = project.path("clone");
        project.git(&["clone", "--quiet", ".", clone.to_str().unwrap()]);
        assert!(!clone.join(".otel-rs").exists() && !clone.join(".cargo/.gitignore").is_symlink(), "{name}");
        assert_eq!(elsewhere(&project, &clone).ok().out, "4\n", "{name}");
        project.otel_rs(&["bootstrap", "-a", "remove"]).ok();
        let bytes = |files: Vec<(PathBuf, Vec<u8>, _)>| files.into_iter().map(|(n, b, _)| (n, b)).collect::<Vec<_>>();
        assert!(bytes(project.files()) == bytes(before), "{name}: removed byte for byte");
        assert_eq!(
            fs::read_to_string(project.path("p/.git/info/exclude")).unwrap_or_default().matches("otel-rs").count(),
            0
        );
    }
}

#[test]
fn the_shared_form_keeps_its_line_ends_and_builds_plain_in_a_clone() {
    let project = Project::new();
    project.otel_rs(&["bootstrap"]).ok();
    project.otel_rs(&["bootstrap", "--shared"]).ok();
    assert!(!project.path("p/.cargo/.gitignore").exists(), "it is to be committed");
    project.commit();
    assert_eq!(project.run(), "1004");
    project.otel_rs(&["bootstrap", "-a", "check"]).ok();
    assert_eq!(project.otel_rs(&["bootstrap"]).ok().err, "", "it stays shared");
    assert_eq!(project.changed(), "");
    for name in ["layers", "hooks", "stamps", "local"] {
        assert!(!project.path("p/.otel-rs").join(name).exists(), "{name} is in the cache");
    }
    let clone = project.path("clone");
    project.git(&["-c", "core.autocrlf=true", "clone", "--quiet", ".", clone.to_str().unwrap()]);
    assert!(fs::read_to_string(clone.join(".cargo/config.toml")).unwrap().contains("\r\n"), "this clone has CRLF");
    let plain = elsewhere(&project, &clone).ok();
    assert_eq!(plain.out.trim(), "4");
    assert_eq!(plain.err.matches("otel-rs is not installed").count(), 1, "{}", plain.err);
    project.otel_rs(&["bootstrap", "-a", "remove"]).ok();
    assert!(!project.path("p/.otel-rs").exists());
}
