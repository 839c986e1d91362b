//! The files that otel-rs changes in a project, and the ways in which the project is built.

mod builds;
mod hygiene;
mod sccache;
mod two_versions;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::fixture::{cargo, otel_rs};
use crate::support::{OTEL_RS, clean, kept, output, source, succeed};

/// The layers that the fixture `small` carries.
const SMALL: [&str; 5] = ["axum 0.8.9", "hyper 1.12.0", "hyper-util 0.1.21", "tokio 1.54.1", "tower 0.5.3"];

/// A small server, with a library, doc tests and tests of its own, in a git repository.
struct Project {
    folder: PathBuf,
    _temporary: tempfile::TempDir,
}

impl Project {
    /// One of `tests/fixtures`, committed.
    fn new(fixture: &str) -> Self {
        let temporary = tempfile::Builder::new().prefix("otel-rs-").tempdir().expect("a folder");
        let folder = temporary.path().join("project");
        copy(&source(&format!("tests/fixtures/{fixture}")), &folder);
        fs::write(folder.join(".gitignore"), "/target\n").expect("a file");
        let project = Self { folder, _temporary: temporary };
        project.git(&["init", "--quiet"]);
        project.commit("as it was");
        project
    }

    fn git(&self, args: &[&str]) -> String {
        git_in(&self.folder, args)
    }

    fn commit(&self, message: &str) {
        self.git(&["add", "--all"]);
        self.git(&["-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "--quiet", "-m", message]);
    }

    /// What git calls changed or new.
    fn changed(&self) -> Vec<String> {
        let status = self.git(&["status", "--porcelain", "--untracked-files=all"]);
        status.lines().map(|line| line[3..].to_owned()).collect()
    }

    fn otel_rs(&self, args: &[&str]) -> (String, String) {
        succeed(otel_rs(&self.folder).args(args))
    }

    /// Plain cargo, with a target directory that the projects of one kind share.
    fn cargo(&self, args: &[&str]) -> (String, String) {
        succeed(self.command().args(args))
    }

    fn command(&self) -> Command {
        let mut command = cargo(&self.folder);
        command.env("CARGO_TARGET_DIR", target());
        command
    }
}

fn git_in(folder: &Path, args: &[&str]) -> String {
    let mut git = clean("git");
    git.current_dir(folder).args(args).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
    succeed(&mut git).0
}

/// Where projects are built; each test holds `lock("project")` while it does.
fn target() -> PathBuf {
    kept("project-target")
}

/// Copies a fixture; manifests lose their `.in`.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display())) {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let to = to.join(name.strip_suffix(".in").unwrap_or(&name));
        if path.is_dir() {
            copy(&path, &to);
        } else {
            fs::copy(&path, &to).expect("room on the disk");
        }
    }
}

/// Every file with its content, `.git` and build output left out.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    fn walk(root: &Path, folder: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                if ![".git", "target"].iter().any(|name| path.ends_with(name)) {
                    walk(root, &path, found);
                }
            } else {
                found.insert(path.strip_prefix(root).expect("below").to_owned(), fs::read(&path).expect("a file"));
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(folder, folder, &mut found);
    found
}

/// Which layers a binary carries: `crate version`.
fn layers(program: &Path) -> Vec<String> {
    let (good, stdout, _) = output(clean(OTEL_RS).args(["inspect", "--format", "json"]).arg(program));
    if !good {
        return Vec::new();
    }
    let notes: Vec<serde_json::Value> = serde_json::from_str(&stdout).expect("JSON");
    let text = |note: &serde_json::Value, key: &str| note[key].as_str().expect("text").to_owned();
    let mut layers: Vec<_> =
        notes.iter().map(|note| format!("{} {}", text(note, "crate"), text(note, "version"))).collect();
    layers.sort();
    layers
}
