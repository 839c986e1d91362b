//! How long `otel-rs bootstrap` takes for a project of about 300 packages whose sources are cached:
//! `cargo bench --bench bootstrap`.
//!
//! Prints the median of several runs, in milliseconds: on a fresh project, and once more when nothing is to be done;
//! beside them `cargo metadata` alone, which is part of both.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/bootstrap");
const RUNS: usize = 7;

fn milliseconds(command: &mut Command) -> f64 {
    let start = Instant::now();
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("the command starts");
    assert!(status.success(), "{command:?} ended with {status}");
    start.elapsed().as_secs_f64() * 1e3
}

fn median(mut runs: Vec<f64>) -> f64 {
    runs.sort_by(f64::total_cmp);
    runs[runs.len() / 2]
}

/// A fresh copy of the project. None is removed while others are measured: on a file system that discards what is
/// freed, the next files would pay for it.
fn project() -> tempfile::TempDir {
    let project = tempfile::tempdir().expect("a temporary folder");
    let at = project.path();
    for (name, from) in [("Cargo.toml", "Cargo.toml.in"), ("Cargo.lock", "Cargo.lock")] {
        fs::copy(Path::new(FOLDER).join(from), at.join(name)).expect("the fixture is there");
    }
    fs::create_dir(at.join("src")).expect("a folder");
    fs::write(at.join("src/main.rs"), "fn main() {}\n").expect("a file");
    project
}

fn main() {
    let projects: Vec<_> = (0..RUNS).map(|_| project()).collect();
    let cargo = |at: &Path, args: &[&str]| {
        let mut command = Command::new(env!("CARGO"));
        command.args(args).current_dir(at).env_remove("RUSTC_WRAPPER");
        milliseconds(&mut command)
    };
    let bootstrap = |at: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_otel-rs"));
        milliseconds(command.arg("bootstrap").current_dir(at).env("OTEL_RS_CACHE_DIR", at.join("cache")))
    };
    cargo(projects[0].path(), &["fetch", "--locked"]);

    let lock = fs::read_to_string(projects[0].path().join("Cargo.lock")).expect("a lock file");
    let packages = lock.matches("[[package]]").count();
    let (mut metadata, mut fresh, mut again) = (vec![], vec![], vec![]);
    for at in projects.iter().map(tempfile::TempDir::path) {
        metadata.push(cargo(at, &["metadata", "--locked", "--offline", "--format-version", "1"]));
        fresh.push(bootstrap(at));
        again.push(bootstrap(at));
    }
    println!("packages in Cargo.lock      {packages:>6}");
    println!("cargo metadata              {:>6.0} ms", median(metadata));
    println!("otel-rs bootstrap, fresh    {:>6.0} ms", median(fresh));
    println!("otel-rs bootstrap, again    {:>6.0} ms", median(again));
}
