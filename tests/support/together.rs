//! Examples that are built together: members of one cargo workspace, so that what they share is compiled once.
//!
//! Cargo compiles a crate once for each set of features that it is used with, and each example uses its own. In a
//! workspace there is one set for all. The lock file of the workspace is the union of the members' lock files; two examples
//! whose lock files do not agree are members of different workspaces.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use semver::Version;
use serde::Deserialize;

use super::fixture::{
    Fixture, cargo, example_lock, example_name, instrumentations, left_out, lock, older_carriers, otel_rs, put,
    put_text, tested, write_member,
};
use super::{kept, output};

/// Crates for a system library that is linked once, as their name shows: a workspace has one version of each. These two
/// link none.
const LINK_NOTHING: [&str; 2] = ["linux-raw-sys", "windows-sys"];

/// An example: a crate and its version.
pub(crate) type Example = (String, String);

/// Examples that are built together.
#[derive(Debug, Default)]
pub(crate) struct Together {
    pub(crate) members: Vec<Example>,
    packages: Packages,
    built: OnceLock<Option<String>>,
}

/// The examples that are run by default, each built with those that it fits with.
pub(crate) fn by_default() -> &'static [Arc<Together>] {
    static ALL: OnceLock<Vec<Arc<Together>>> = OnceLock::new();
    ALL.get_or_init(|| Together::all(examples(false).1))
}

/// All examples: those that are left out, and those that are run. The newest versions come first, since most of them fit
/// together.
pub(crate) fn examples(is_full: bool) -> (Vec<Example>, Vec<Example>) {
    let of_all = || instrumentations().into_iter().map(|of| (tested(&of), of));
    let newest = of_all().filter_map(|(mut tested, of)| Some((of, tested.pop()?)));
    let older = of_all().flat_map(|(mut tested, of)| {
        tested.pop();
        tested.into_iter().map(move |version| (of.clone(), version))
    });
    let is_left_out = |(of, version): &Example| {
        !is_full && [left_out(of), older_carriers(of)].iter().any(|versions| versions.contains(version))
    };
    newest.chain(older).partition(is_left_out)
}

/// What the newest examples that fit together have locked.
pub(crate) fn newest_packages() -> Packages {
    let is_locked = |(of, version): &Example| example_lock(of, version).exists();
    let newest = instrumentations().into_iter().filter_map(|of| Some((of.clone(), tested(&of).pop()?)));
    let mut packages = Packages::default();
    for example in newest.filter(is_locked) {
        let others = Packages::of(&example);
        if packages.agree_with(&others) {
            packages.add(others);
        }
    }
    packages
}

impl Together {
    /// Puts each example into the first workspace that it fits into.
    pub(crate) fn all(examples: impl IntoIterator<Item = Example>) -> Vec<Arc<Together>> {
        let mut all: Vec<Together> = Vec::new();
        for example in examples {
            let packages = Packages::of(&example);
            let at = all.iter().position(|together| together.packages.agree_with(&packages)).unwrap_or(all.len());
            if at == all.len() {
                all.push(Together::default());
            }
            all[at].packages.add(packages);
            all[at].members.push(example);
        }
        all.into_iter().map(Arc::new).collect()
    }

    /// Weaves and builds all members, unless that is done.
    pub(crate) fn prepare(&self) {
        self.stderr();
    }

    /// One of the members. It is built alone where the workspace could not be.
    pub(crate) fn example(&self, of: &str, version: &str) -> Arc<Fixture> {
        let Some(stderr) = self.stderr() else { return Fixture::example(of, version) };
        let name = example_name(of, version);
        let (folder, program) = (self.folder().join(&name), kept("target").join("debug").join(&name));
        Arc::new(Fixture { folder, program, stderr: stderr.clone() })
    }

    /// What bootstrap and the build printed; `None` where they failed: one member that cannot be built is no reason for
    /// the others to fail.
    fn stderr(&self) -> Option<&String> {
        let built = self.built.get_or_init(|| {
            let _lock = lock("build");
            self.write();
            self.run().map_err(|why| eprintln!("{}: built one by one:\n{why}", self.folder().display())).ok()
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
        steps[2].args(["build", "--locked"]).env("CARGO_TARGET_DIR", kept("target"));
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
        let (of, version) = self.members.first().expect("a member");
        kept(&format!("together-{}", example_name(of, version)))
    }

    fn write(&self) {
        let folder = self.folder();
        let names: Vec<_> = self.members.iter().map(|(of, version)| example_name(of, version)).collect();
        let manifest = format!("[workspace]\nresolver = \"2\"\nmembers = {names:?}\n\n[profile.dev]\ndebug = false\n");
        put_text(&manifest, &folder.join("Cargo.toml"));
        for ((of, version), name) in self.members.iter().zip(&names) {
            write_member(of, version, "", &folder.join(name));
            // For those that look up what was locked; cargo reads that of the workspace.
            put(&example_lock(of, version), &folder.join(name).join("Cargo.lock"));
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
    /// The packages of an example.
    pub(crate) fn of((of, version): &Example) -> Packages {
        let path = example_lock(of, version);
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
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
        let of_line = |packages: &Packages| -> BTreeMap<(String, Option<(u64, u64, u64)>), Version> {
            let from_elsewhere = packages.0.iter().filter(|(_, package)| package.source.is_some());
            from_elsewhere.map(|((name, version), _)| ((name.clone(), line(name, version)), version.clone())).collect()
        };
        let ours = of_line(self);
        of_line(others).iter().all(|(line, version)| ours.get(line).is_none_or(|ours| ours == version))
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

/// The versions between which cargo chooses one; `None` for all.
fn line(name: &str, version: &Version) -> Option<(u64, u64, u64)> {
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
