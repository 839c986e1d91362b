//! Projects that are bootstrapped and built with plain cargo, once per run, all into one target directory.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, Once, OnceLock, PoisonError};

use nix::fcntl::{Flock, FlockArg};

use super::together::{self, Member};
use super::{OTEL_RS, clean, kept, output, source, succeed};

const MANIFEST: &str = "Cargo.toml.in";
/// How projects are built.
pub(crate) const PROFILE: &str = "\n[profile.dev]\ndebug = false\n";
/// The end of a project's manifest that is a workspace of its own.
const ALONE: &str = "\n[profile.dev]\ndebug = false\n\n[workspace]\n";

/// A project that is woven and built.
#[derive(Debug)]
pub(crate) struct Fixture {
    /// The folder with its `Cargo.toml`.
    pub(crate) folder: PathBuf,
    /// The program.
    pub(crate) program: PathBuf,
    /// The stderr of bootstrap and of the build.
    pub(crate) stderr: String,
}

impl Fixture {
    /// A project of `tests/fixtures` with one set of versions.
    pub(crate) fn of(project: &str) -> Arc<Self> {
        Self::together_or_alone(&Member::fixture(project, None), || Self::alone(project, None))
    }

    /// A project of `tests/fixtures` with one of its [`sets`] of versions.
    pub(crate) fn with(project: &str, set: &str) -> Arc<Self> {
        Self::together_or_alone(&Member::fixture(project, Some(set)), || Self::alone(project, Some(set)))
    }

    /// The same, in no workspace with others.
    pub(crate) fn alone(project: &str, set: Option<&str>) -> Arc<Self> {
        let name = set.map_or_else(|| project.to_owned(), |set| format!("{project}-{set}"));
        Self::built(&name, |folder| write_set(project, set, ALONE, folder))
    }

    fn together_or_alone(member: &Member, alone: impl FnOnce() -> Arc<Self>) -> Arc<Self> {
        build_ahead();
        together::with(member).map_or_else(alone, |together| together.built(member))
    }

    /// The example of an instrumentation with one version of its crate, as its lock file has it.
    pub(crate) fn example(of: &str, version: &str) -> Arc<Self> {
        let name = example_name(of, version);
        Self::built(&name, |folder| {
            write_example(of, version, folder);
            put(&example_lock(of, version), &folder.join("Cargo.lock"));
        })
    }

    /// The example of an instrumentation with the newest version of its crate that is tested.
    pub(crate) fn newest_example(of: &str) -> Arc<Self> {
        let version = tested(of).pop().expect("at least one version");
        let alone = || Self::example(of, &version);
        Self::together_or_alone(&Member::Example((of.to_owned(), version.clone())), alone)
    }

    fn built(name: &str, write: impl FnOnce(&Path)) -> Arc<Self> {
        static BUILT: Mutex<BTreeMap<String, Arc<OnceLock<Arc<Fixture>>>>> = Mutex::new(BTreeMap::new());
        // Whoever needs a project that is built does not wait for one that is being built.
        let cell = BUILT.lock().unwrap_or_else(PoisonError::into_inner).entry(name.to_owned()).or_default().clone();
        cell.get_or_init(|| Arc::new(Self::build(name, write))).clone()
    }

    fn build(name: &str, write: impl FnOnce(&Path)) -> Self {
        // Test processes may run side by side, as nextest does it.
        let _lock = lock("build");
        let folder = kept(name);
        write(&folder);
        let mut stderr = succeed(otel_rs(&folder).arg("bootstrap")).1;
        let target = kept("target");
        stderr += &succeed(built_once(cargo(&folder).args(["build", "--locked"]))).1;
        Self { program: target.join("debug").join(name), folder, stderr }
    }

    /// The versions of a crate in the lock file.
    pub(crate) fn locked(&self, name: &str) -> Vec<String> {
        let text = fs::read_to_string(self.folder.join("Cargo.lock")).expect("a lock file");
        let lock: toml::Table = text.parse().expect("a lock file in TOML");
        let packages = lock["package"].as_array().expect("packages");
        let named = packages.iter().filter(|package| package["name"].as_str() == Some(name));
        named.filter_map(|package| Some(package["version"].as_str()?.to_owned())).collect()
    }

    /// The crates and versions whose layers the program was built with. Fails if it has none, or if one was left out.
    pub(crate) fn layers(&self) -> BTreeSet<(String, String)> {
        let (program, stderr) = (self.program.display(), &self.stderr);
        // First, since it states the reason.
        assert!(!stderr.contains("as it is"), "{program} has a layer that was left plain:\n{stderr}");
        let mut inspect = otel_rs(&self.folder);
        let (good, stdout, why) = output(inspect.args(["inspect", "--format", "json"]).arg(&self.program));
        assert!(good, "{program} is not woven:\n{why}\n{stderr}");
        let layers: Vec<serde_json::Value> = serde_json::from_str(&stdout).expect("JSON");
        let text = |layer: &serde_json::Value, key: &str| layer[key].as_str().expect("text").to_owned();
        layers.iter().map(|layer| (text(layer, "crate"), text(layer, "version"))).collect()
    }

    /// What the paths of its sources begin with: its folder in the workspace, if it is a member of one with others.
    pub(crate) fn below(&self) -> String {
        let (workspace, name) = (self.folder.parent().expect("a folder"), self.folder.file_name().expect("a name"));
        if workspace.join("Cargo.toml").exists() { format!("{}/", name.to_string_lossy()) } else { String::new() }
    }

    /// A route's template in the syntax of this fixture's axum version.
    pub(crate) fn route(&self, template: &str) -> String {
        let colon = self.locked("axum").iter().all(|version| version.starts_with("0.7."));
        if colon { template.replace('{', ":").replace('}', "") } else { template.to_owned() }
    }
}

/// Projects that tests copy and build by themselves.
const COPIED: [&str; 2] = ["small", "two-versions"];

/// Builds the projects of `tests/fixtures` one after the other while tests run, if all tests do.
fn build_ahead() {
    static BEGUN: Once = Once::new();
    if !together::is_everything_run() {
        return;
    }
    let build = |project: &str| {
        if source("tests/fixtures").join(project).join(MANIFEST).exists() {
            Fixture::of(project);
        } else {
            sets(project).iter().for_each(|set| drop(Fixture::with(project, set)));
        }
    };
    BEGUN.call_once(|| {
        // One that cannot be built fails in the test that needs it.
        std::thread::spawn(move || projects().iter().for_each(|project| build(project)));
    });
}

/// The projects of `tests/fixtures` that are woven and built.
fn projects() -> Vec<String> {
    let manifests = walkdir::WalkDir::new(source("tests/fixtures")).min_depth(2).max_depth(3).sort_by_file_name();
    let mut names: Vec<_> = manifests
        .into_iter()
        .flatten()
        .filter(|entry| entry.file_name() == MANIFEST)
        .filter_map(|entry| {
            entry.path().strip_prefix(source("tests/fixtures")).ok()?.iter().next()?.to_str().map(str::to_owned)
        })
        .filter(|name| !COPIED.contains(&name.as_str()))
        .collect();
    names.dedup();
    names
}

/// Keeps other test processes out until it is dropped.
pub(crate) fn lock(name: &str) -> Flock<File> {
    fs::create_dir_all(kept("")).expect("a folder below target");
    let file = File::create(kept(&format!("{name}.lock"))).expect("a lock file");
    Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, error)| error).expect("a lock")
}

/// The sets of versions that a project of `tests/fixtures` can be built with: the folders that hold a manifest.
pub(crate) fn sets(project: &str) -> Vec<String> {
    let folder = source("tests/fixtures").join(project);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let folders = entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.join(MANIFEST).exists());
    let mut sets: Vec<_> =
        folders.map(|path| path.file_name().expect("a name").to_string_lossy().into_owned()).collect();
    assert!(!sets.is_empty(), "{} has no sets of versions", folder.display());
    sets.sort();
    sets
}

/// Writes what a project of `tests/fixtures` has: manifest, lock file, sources, cargo's configuration. `end` takes the place
/// of [`ALONE`] at the end of its manifest.
pub(crate) fn write_set(project: &str, set: Option<&str>, end: &str, folder: &Path) {
    let project = source("tests/fixtures").join(project);
    let from = project.join(set.unwrap_or_default());
    let manifest = fs::read_to_string(from.join(MANIFEST)).expect("a manifest");
    put_text(&manifest.replace(ALONE, end), &folder.join("Cargo.toml"));
    put(&from.join("Cargo.lock"), &folder.join("Cargo.lock"));
    put_all(&project.join("src"), &folder.join("src"));
    if from.join("config.toml").exists() {
        put(&from.join("config.toml"), &folder.join(".cargo/config.toml"));
    }
}

/// Writes the example of an instrumentation, without a lock file.
pub(crate) fn write_example(of: &str, version: &str, folder: &Path) {
    write_member(of, version, ALONE, folder);
}

/// Writes the example of an instrumentation with `more` at the end of its manifest, without a lock file.
pub(crate) fn write_member(of: &str, version: &str, more: &str, folder: &Path) {
    let example = source("instrumentations").join(of).join("example");
    let manifest = fs::read_to_string(example.join(MANIFEST)).expect("a manifest");
    let name = format!("{:?}", example_name(of, version));
    let manifest = manifest.replace("{version}", version).replace("\"example\"", &name);
    put_text(&(manifest + more), &folder.join("Cargo.toml"));
    put_all(&example.join("src"), &folder.join("src"));
}

/// The package, the program and the folder of an example.
pub(crate) fn example_name(of: &str, version: &str) -> String {
    format!("example-{of}-{}", version.replace('.', "-"))
}

/// The lock file of an example.
pub(crate) fn example_lock(of: &str, version: &str) -> PathBuf {
    source("instrumentations").join(of).join("example/locks").join(format!("{version}.lock"))
}

/// The versions that an instrumentation is tested with, in the order of `tested`: the oldest first.
pub(crate) fn tested(of: &str) -> Vec<String> {
    texts(of, "tested")
}

/// The texts of a list in an `instrumentation.toml`.
fn texts(of: &str, key: &str) -> Vec<String> {
    let path = source("instrumentations").join(of).join("instrumentation.toml");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let table: toml::Table = text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let texts = table[key].as_array().expect("a list");
    texts.iter().map(|text| text.as_str().expect("a text").to_owned()).collect()
}

/// The versions of an instrumentation that records nothing but carries contexts, without the newest: they are left out by
/// default, since there are many such crates, and what carries a context is the same few lines in each.
pub(crate) fn older_carriers(of: &str) -> Vec<String> {
    let mut tested = tested(of);
    tested.pop();
    if texts(of, "signals") == ["context"] { tested } else { Vec::new() }
}

/// The crates that have an instrumentation.
pub(crate) fn instrumentations() -> Vec<String> {
    let entries = fs::read_dir(source("instrumentations")).expect("instrumentations").flatten();
    let folders = entries.filter(|entry| entry.path().join("instrumentation.toml").exists());
    let mut names: Vec<_> = folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    assert!(!names.is_empty(), "there are no instrumentations");
    names.sort();
    names
}

/// The lock file of a project of `tests/fixtures` that has the crate in this version.
pub(crate) fn fixture_with(of: &str, version: &str) -> Option<PathBuf> {
    let folder = walkdir::WalkDir::new(source("tests/fixtures")).sort_by_file_name();
    let mut locks =
        folder.into_iter().flatten().map(walkdir::DirEntry::into_path).filter(|path| path.ends_with("Cargo.lock"));
    locks.find(|path| has(path, of, version))
}

fn has(lock: &Path, name: &str, version: &str) -> bool {
    let text = fs::read_to_string(lock).expect("a lock file");
    text.contains(&format!("name = \"{name}\"\nversion = \"{version}\"\n"))
}

/// Copies the files of a folder.
fn put_all(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display())) {
        let path = entry.expect("an entry").path();
        put(&path, &to.join(path.file_name().expect("a name")));
    }
}

/// Copies a file. One that is the same already keeps its time, so that cargo does not build it again.
pub(crate) fn put(from: &Path, to: &Path) {
    put_text(&fs::read_to_string(from).unwrap_or_else(|error| panic!("{}: {error}", from.display())), to);
}

/// Writes a file. One that is the same already keeps its time.
pub(crate) fn put_text(text: &str, to: &Path) {
    if fs::read_to_string(to).ok().as_deref() != Some(text) {
        fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
        fs::write(to, text).expect("room on the disk");
    }
}

/// `otel-rs` in a project.
pub(crate) fn otel_rs(folder: &Path) -> Command {
    let mut command = clean(OTEL_RS);
    command.current_dir(folder);
    command
}

/// `cargo` in a project of a user with otel-rs in PATH.
pub(crate) fn cargo(folder: &Path) -> Command {
    let mut command = clean(env!("CARGO"));
    let own = Path::new(OTEL_RS).parent().expect("a folder").to_owned();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(own).chain(std::env::split_paths(&path))).expect("a PATH");
    command.current_dir(folder).env("PATH", path);
    command
}

/// A build into the target directory that all projects share, without what would speed up a second one.
pub(crate) fn built_once(build: &mut Command) -> &mut Command {
    build.env("CARGO_TARGET_DIR", kept("target")).env("CARGO_INCREMENTAL", "0")
}

/// `cargo` in a project of a user who never installed otel-rs.
pub(crate) fn cargo_without_otel_rs(folder: &Path) -> Command {
    let mut command = clean(env!("CARGO"));
    command.env("OTEL_RS_CACHE_DIR", kept("no cache"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let others = std::env::split_paths(&path).filter(|folder| !folder.join("otel-rs").exists());
    command.current_dir(folder).env("PATH", std::env::join_paths(others).expect("a PATH"));
    command
}
