//! Projects that are built together: members of one cargo workspace, so that what they share is compiled once.
//!
//! Cargo compiles a crate once for each set of features that it is used with, and each project uses its own. In a
//! workspace there is one set for all. The lock file of the workspace is the union of the members' lock files; two projects
//! whose lock files do not agree are members of different workspaces.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use semver::Version;
use serde::Deserialize;

use super::fixture::{
    Fixture, PROFILE, built_once, cargo, example_lock, example_name, instrumentations, lock, older_carriers, otel_rs,
    put, put_text, tested, write_member, write_set,
};
use super::{kept, output, source};

/// Crates for a system library that is linked once, as their name shows: a workspace has one version of each. These two
/// link none.
const LINK_NOTHING: [&str; 2] = ["linux-raw-sys", "windows-sys"];

/// Projects of `tests/fixtures` and their sets of versions that are built with the examples: those that are not about
/// features of their dependencies.
const FIXTURES: [(&str, Option<&str>); 4] =
    [("shop", Some("newest")), ("batch", None), ("edge", Some("newest")), ("orders", None)];

/// An example: a crate and its version.
pub(crate) type Example = (String, String);

/// One of the projects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Member {
    /// The example of an instrumentation.
    Example(Example),
    /// A project of `tests/fixtures` with a set of versions, if it has several.
    Fixture(String, Option<String>),
}

/// How many packages an older version may add to a workspace to be run by default.
const MORE: usize = 5;

impl Member {
    pub(crate) fn fixture(project: &str, set: Option<&str>) -> Self {
        Member::Fixture(project.to_owned(), set.map(str::to_owned))
    }

    /// The package, the program and the folder.
    fn name(&self) -> String {
        match self {
            Member::Example((of, version)) => example_name(of, version),
            Member::Fixture(project, Some(set)) => format!("{project}-{set}"),
            Member::Fixture(project, None) => project.clone(),
        }
    }

    fn lock(&self) -> PathBuf {
        let folder = source("tests/fixtures");
        match self {
            Member::Example((of, version)) => example_lock(of, version),
            Member::Fixture(project, set) => {
                folder.join(project).join(set.as_deref().unwrap_or_default()).join("Cargo.lock")
            }
        }
    }

    /// Writes the project without a profile and a workspace of its own. Its lock file is for those that look up what was
    /// locked; cargo reads that of the workspace.
    fn write(&self, folder: &Path) {
        match self {
            Member::Example((of, version)) => {
                write_member(of, version, "", folder);
                put(&self.lock(), &folder.join("Cargo.lock"));
            }
            Member::Fixture(project, set) => write_set(project, set.as_deref(), "", folder),
        }
    }

    /// Whether its manifest says that it is about the features of its dependencies, which others would change.
    fn is_alone(&self) -> bool {
        self.said("alone").is_some_and(|alone| alone.as_bool() == Some(true))
    }

    /// Whether its manifest says that it is run with every version of every crate alone: it takes long to build.
    fn is_of_full_matrix(&self) -> bool {
        self.said("matrix").is_some_and(|matrix| matrix.as_str() == Some("full"))
    }

    /// A library of the machine that it is linked with, by its manifest, and that is not there.
    pub(crate) fn missing_library(&self) -> Option<String> {
        let libraries = self.said("libraries")?;
        let mut names = libraries.as_array().into_iter().flatten().filter_map(toml::Value::as_str);
        names.find(|name| !is_installed(name)).map(str::to_owned)
    }

    /// What its manifest says to the tests.
    fn said(&self, key: &str) -> Option<toml::Value> {
        let Member::Example((of, _)) = self else { return None };
        let path = source("instrumentations").join(of).join("example/Cargo.toml.in");
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let manifest: toml::Value = toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        ["metadata", "otel-rs", key].into_iter().try_fold(&manifest["package"], |table, key| table.get(key)).cloned()
    }

    /// The project built alone.
    fn alone(&self) -> Arc<Fixture> {
        match self {
            Member::Example((of, version)) => Fixture::example(of, version),
            Member::Fixture(project, set) => Fixture::alone(project, set.as_deref()),
        }
    }
}

/// Projects that are built together.
#[derive(Debug)]
pub(crate) struct Together {
    pub(crate) members: Vec<Member>,
    packages: Packages,
    built: OnceLock<Option<String>>,
}

/// Which examples are run, and what is built for them.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// The workspaces. Each example that is run is a member of one.
    pub(crate) workspaces: Vec<Arc<Together>>,
    /// The examples that are left out.
    pub(crate) left_out: Vec<Example>,
}

impl Plan {
    /// What is run by default: of each crate that does not take too long the newest version, and the lowest one that fits
    /// into a workspace which is built anyway and brings few packages into it. A crate that only carries contexts is
    /// run with the newest version alone.
    pub(crate) fn by_default() -> &'static Plan {
        static PLAN: OnceLock<Plan> = OnceLock::new();
        PLAN.get_or_init(|| Plan::new(false))
    }

    /// Every version of every crate.
    pub(crate) fn full() -> Plan {
        Plan::new(true)
    }

    /// Puts each project into the first workspace that it fits into. The fixtures have the most packages and come first;
    /// then the newest examples, since most of them fit together.
    fn new(is_full: bool) -> Plan {
        let mut all: Vec<Together> = Vec::new();
        let mut left_out = Vec::new();
        let newest = instrumentations().into_iter().map(|of| (of.clone(), tested(&of).pop().expect("a version")));
        let fixtures = FIXTURES.into_iter().map(|(project, set)| Member::fixture(project, set));
        for member in fixtures.chain(newest.map(Member::Example)) {
            if let (Member::Example(example), true) = (&member, !is_full && member.is_of_full_matrix()) {
                left_out.push(example.clone());
                continue;
            }
            let packages = Packages::of(&member.lock());
            match fitting(&mut all, &member, &packages) {
                Some(together) => together.add(member, packages),
                None => all.push(Together::of(member, packages)),
            }
        }
        let mut with_older = BTreeSet::new();
        for example in instrumentations().into_iter().flat_map(|of| older(&of)) {
            let (of, version) = &example;
            let packages = Packages::of(&example_lock(of, version));
            let fits = fitting(&mut all, &Member::Example(example.clone()), &packages);
            let is_enough = with_older.contains(of) || older_carriers(of).contains(version);
            let is_enough = is_enough || Member::Example(example.clone()).is_of_full_matrix();
            let is_cheap = fits.as_ref().is_some_and(|together| packages.beyond(&together.packages) <= MORE);
            if !is_full && (is_enough || !is_cheap) {
                left_out.push(example);
                continue;
            }
            with_older.insert(of.clone());
            match fits {
                Some(together) => together.add(Member::Example(example), packages),
                None => all.push(Together::of(Member::Example(example), packages)),
            }
        }
        Plan { workspaces: all.into_iter().map(Arc::new).collect(), left_out }
    }
}

/// The first workspace that a project fits into.
fn fitting<'a>(all: &'a mut [Together], member: &Member, packages: &Packages) -> Option<&'a mut Together> {
    if member.is_alone() || member.missing_library().is_some() {
        return None;
    }
    all.iter_mut().find(|together| !together.is_alone() && together.packages.agree_with(packages))
}

/// Whether pkg-config, which the crates for such libraries use, finds one.
fn is_installed(library: &str) -> bool {
    let found = std::process::Command::new("pkg-config").args(["--exists", library]).status();
    found.is_ok_and(|status| status.success())
}

/// The examples of a crate without the newest.
fn older(of: &str) -> Vec<Example> {
    let mut tested = tested(of);
    tested.pop();
    tested.into_iter().map(|version| (of.to_owned(), version)).collect()
}

/// The workspace that has a project, if this process runs all tests: a filter names few of them, which are built alone.
pub(crate) fn with(member: &Member) -> Option<&'static Together> {
    let together = Plan::by_default().workspaces.iter().find(|together| together.members.contains(member));
    together.filter(|_| is_everything_run()).map(AsRef::as_ref)
}

/// Whether no filter was given. It would be an argument that is no flag.
pub(crate) fn is_everything_run() -> bool {
    std::env::args().skip(1).all(|argument| argument.starts_with('-'))
}

/// What the newest examples that fit together have locked.
pub(crate) fn newest_packages() -> Packages {
    let newest = instrumentations().into_iter().filter_map(|of| Some(example_lock(&of, tested(&of).last()?)));
    let mut packages = Packages::default();
    for lock in newest.filter(|lock| lock.exists()) {
        let others = Packages::of(&lock);
        if packages.agree_with(&others) {
            packages.add(others);
        }
    }
    packages
}

impl Together {
    fn of(member: Member, packages: Packages) -> Self {
        Together { members: vec![member], packages, built: OnceLock::new() }
    }

    fn add(&mut self, member: Member, packages: Packages) {
        self.members.push(member);
        self.packages.add(packages);
    }

    /// Whether its one member asks for that, or cannot be built.
    pub(crate) fn is_alone(&self) -> bool {
        self.members.iter().any(|member| member.is_alone() || member.missing_library().is_some())
    }

    /// The examples among the members.
    pub(crate) fn examples(&self) -> impl Iterator<Item = &Example> {
        self.members.iter().filter_map(|member| match member {
            Member::Example(example) => Some(example),
            Member::Fixture(..) => None,
        })
    }

    /// Weaves and builds all members, unless that is done or cannot be.
    pub(crate) fn prepare(&self) {
        if self.members.iter().all(|member| member.missing_library().is_none()) {
            self.stderr();
        }
    }

    /// One of the members. It is built alone where the workspace could not be.
    pub(crate) fn built(&self, member: &Member) -> Arc<Fixture> {
        let Some(stderr) = self.stderr() else { return member.alone() };
        let name = member.name();
        let (folder, program) = (self.folder().join(&name), kept("target").join("debug").join(&name));
        Arc::new(Fixture { folder, program, stderr: stderr.clone() })
    }

    /// What bootstrap and the build printed; `None` where they failed: one member that cannot be built is no reason for
    /// the others to fail.
    fn stderr(&self) -> Option<&String> {
        let built = self.built.get_or_init(|| {
            let _lock = lock("build");
            self.write();
            let report = |why: String| {
                // Not `eprintln!`, whose output libtest captures when a test passes.
                let _ = writeln!(std::io::stderr(), "{}: built one by one:\n{why}", self.folder().display());
            };
            self.run().map_err(report).ok()
        });
        built.as_ref()
    }

    fn run(&self) -> Result<String, String> {
        let folder = self.folder();
        let mut printed = String::new();
        let mut steps = [cargo(&folder), otel_rs(&folder), cargo(&folder)];
        // Cargo leaves out of the lock file what no member needs any more, now that all have the same features.
        steps[0].args(["metadata", "--format-version", "1"]);
        steps[1].arg("bootstrap");
        built_once(steps[2].args(["build", "--locked"]));
        for step in &mut steps {
            let (is_good, _, stderr) = output(step);
            printed += &stderr;
            if !is_good {
                return Err(printed);
            }
        }
        Ok(printed)
    }

    /// The workspace, which is called like its first member.
    fn folder(&self) -> PathBuf {
        kept(&format!("together-{}", self.members.first().expect("a member").name()))
    }

    fn write(&self) {
        let folder = self.folder();
        let names: Vec<_> = self.members.iter().map(Member::name).collect();
        put_text(&format!("[workspace]\nresolver = \"2\"\nmembers = {names:?}\n{PROFILE}"), &folder.join("Cargo.toml"));
        for (member, name) in self.members.iter().zip(&names) {
            member.write(&folder.join(name));
        }
        put_text(&self.packages.to_string(), &folder.join("Cargo.lock"));
    }
}

/// What lock files hold.
#[derive(Debug, Default)]
pub(crate) struct Packages(BTreeMap<(String, Version), Package>);

#[derive(Debug)]
struct Package {
    source: Option<String>,
    checksum: Option<String>,
    /// By name: the versions.
    dependencies: BTreeMap<String, BTreeSet<Version>>,
}

#[derive(Deserialize)]
struct LockFile {
    package: Vec<Locked>,
}

#[derive(Deserialize)]
struct Locked {
    name: String,
    version: Version,
    source: Option<String>,
    checksum: Option<String>,
    #[serde(default)]
    dependencies: Vec<String>,
}

impl Packages {
    /// The packages of a lock file.
    pub(crate) fn of(path: &Path) -> Packages {
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let file: LockFile = toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let find = |dependency: &str| {
            let mut words = dependency.split(' ');
            let (name, version) = (words.next().expect("a name"), words.next());
            let is_it = |one: &&Locked| one.name == name && version.is_none_or(|v| one.version.to_string() == v);
            let one = file.package.iter().find(is_it).expect("a locked dependency");
            (one.name.clone(), one.version.clone())
        };
        let mut packages = BTreeMap::new();
        for one in &file.package {
            let mut dependencies = BTreeMap::<_, BTreeSet<_>>::new();
            for dependency in &one.dependencies {
                let (name, version) = find(dependency);
                dependencies.entry(name).or_default().insert(version);
            }
            let package = Package { source: one.source.clone(), checksum: one.checksum.clone(), dependencies };
            packages.insert((one.name.clone(), one.version.clone()), package);
        }
        Packages(packages)
    }

    /// Whether no crate has two versions of which cargo accepts one only.
    fn agree_with(&self, others: &Packages) -> bool {
        fn of_lines(packages: &Packages) -> BTreeMap<(&str, Option<Line>), &Version> {
            let from_elsewhere = packages.0.iter().filter(|(_, package)| package.source.is_some());
            from_elsewhere.map(|((name, version), _)| ((name.as_str(), line(name, version)), version)).collect()
        }
        let ours = of_lines(self);
        of_lines(others).iter().all(|(line, version)| ours.get(line).is_none_or(|ours| ours == version))
    }

    /// How many of them others lack.
    fn beyond(&self, others: &Packages) -> usize {
        self.0.keys().filter(|key| !others.0.contains_key(key)).count()
    }

    /// Adds packages that [agree](Self::agree_with).
    pub(crate) fn add(&mut self, others: Packages) {
        for (key, other) in others.0 {
            match self.0.entry(key) {
                Entry::Vacant(entry) => {
                    entry.insert(other);
                }
                Entry::Occupied(mut entry) => {
                    // Of a crate that accepts several lines of another, the first one that was locked.
                    for (name, versions) in other.dependencies {
                        entry.get_mut().dependencies.entry(name).or_insert(versions);
                    }
                }
            }
        }
    }
}

/// The versions between which cargo chooses one, by what they have in common.
type Line = (u64, u64, u64);

/// The line that a version is of; `None` where there is one for all.
fn line(name: &str, version: &Version) -> Option<Line> {
    if name.ends_with("-sys") && !LINK_NOTHING.contains(&name) {
        return None;
    }
    Some(match (version.major, version.minor) {
        (0, 0) => (0, 0, version.patch),
        (0, minor) => (0, minor, 0),
        (major, _) => (major, 0, 0),
    })
}

/// As cargo writes a lock file.
impl std::fmt::Display for Packages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let is_single = |name: &str| self.0.keys().filter(|(of, _)| of == name).count() == 1;
        f.write_str("# This file is automatically @generated by Cargo.\n# It is not intended for manual editing.\n")?;
        f.write_str("version = 4\n")?;
        for ((name, version), package) in &self.0 {
            write!(f, "\n[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n")?;
            for (key, value) in [("source", &package.source), ("checksum", &package.checksum)] {
                if let Some(value) = value {
                    writeln!(f, "{key} = \"{value}\"")?;
                }
            }
            if package.dependencies.is_empty() {
                continue;
            }
            f.write_str("dependencies = [\n")?;
            for (name, versions) in &package.dependencies {
                for version in versions {
                    let version = if is_single(name) { String::new() } else { format!(" {version}") };
                    writeln!(f, " \"{name}{version}\",")?;
                }
            }
            f.write_str("]\n")?;
        }
        Ok(())
    }
}
