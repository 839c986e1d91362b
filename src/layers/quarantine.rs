//! The quarantine: woven crates that stay plain because a crate that depends on them did not compile.
//!
//! A failure alone does not prove that weaving is the cause: a dependent also fails for reasons of its own, such as a
//! missing feature. So two builds decide. The first failure makes the woven crates that the dependent names
//! *suspected*: the next build compiles them plain. If the dependent compiles then, weaving was the cause and the entry
//! is *confirmed*. If it fails again, weaving is *cleared* and the crates are woven as before. An entry is removed when
//! a layer or the dependent's features change, and a suspicion also at any change of a manifest or the lock file.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use semver::Version;
use serde::{Deserialize, Serialize};

use crate::digest::short_digest;
use crate::project::{ProjectDirs, Source, files, packages};

/// A crate that is compiled against woven ones, and the way in which it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dependent {
    /// Its package.
    pub(crate) name: String,
    /// The package's version.
    pub(crate) version: Version,
    /// A digest over the compiler and the features: with another one, the dependent is judged anew.
    pub(crate) key: String,
}

/// A woven crate, `<name>-<version>`, and the digest of its layer.
pub(crate) type Woven = (String, String);

/// What is known about the woven crates of one dependent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum QuarantineState {
    /// The dependent failed with them; they are plain until it is compiled again.
    Suspected,
    /// The dependent compiles without them only.
    Confirmed,
    /// The dependent fails without them as well.
    Cleared,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct QuarantineEntry {
    state: QuarantineState,
    key: String,
    /// Each woven crate with its layer's digest.
    crates: BTreeMap<String, String>,
    /// Each manifest and lock file, with its content's digest. They are read again at every start of cargo.
    #[serde(default)]
    files: BTreeMap<PathBuf, String>,
}

/// Why a crate is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    /// See [`QuarantineState::Suspected`].
    Suspected,
    /// See [`QuarantineState::Confirmed`].
    Confirmed,
}

/// What the compilation of a dependent has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum QuarantineChange {
    /// It failed: the crates stay plain in the next build, to find out.
    Suspected(Vec<String>),
    /// It compiles without them only.
    Confirmed(Vec<String>),
    /// It fails without them as well, or compiles in another way: they are woven again in the next build.
    Cleared(Vec<String>),
}

/// The entries of one project.
#[derive(Debug, Default)]
pub(crate) struct Quarantine {
    entries: BTreeMap<String, QuarantineEntry>,
}

impl Quarantine {
    /// Reads a project's entries, without those that have ended. An unreadable entry is ignored.
    pub(crate) fn load(dirs: &ProjectDirs) -> Quarantine {
        let mut entries = BTreeMap::new();
        for file in fs_err::read_dir(folder(dirs)).into_iter().flatten().flatten() {
            let path = file.path();
            let Some(name) = path.file_stem().and_then(OsStr::to_str) else { continue };
            let Ok(text) = fs_err::read_to_string(&path) else { continue };
            let Ok(entry) = toml::from_str::<QuarantineEntry>(&text) else { continue };
            let holds = entry.files.iter().all(|(file, digest)| digest_of(file) == *digest);
            if holds {
                entries.insert(name.to_owned(), entry);
            }
        }
        Quarantine { entries }
    }

    /// Whether a crate with this layer stays plain.
    pub(crate) fn holds(&self, woven: &str, layer_digest: &str) -> Option<Held> {
        let mut held = None;
        for entry in self.entries.values() {
            if entry.crates.get(woven).is_some_and(|digest| digest == layer_digest) {
                match entry.state {
                    QuarantineState::Confirmed => return Some(Held::Confirmed),
                    QuarantineState::Suspected => held = Some(Held::Suspected),
                    QuarantineState::Cleared => {}
                }
            }
        }
        held
    }

    /// Notes that a dependent has compiled.
    pub(crate) fn compiled(&self, dirs: &ProjectDirs, dependent: &Dependent) -> io::Result<Option<QuarantineChange>> {
        let Some(entry) = self.entries.get(&dependent.id()) else {
            return remove(dirs, dependent).map(|()| None);
        };
        match entry.state {
            QuarantineState::Suspected if entry.key == dependent.key => {
                let confirmed =
                    QuarantineEntry { state: QuarantineState::Confirmed, files: BTreeMap::new(), ..entry.clone() };
                write(dirs, dependent, &confirmed)?;
                Ok(Some(QuarantineChange::Confirmed(entry.names())))
            }
            QuarantineState::Suspected => {
                remove(dirs, dependent)?;
                Ok(Some(QuarantineChange::Cleared(entry.names())))
            }
            // It failed for a reason that is gone.
            QuarantineState::Cleared if entry.key == dependent.key => remove(dirs, dependent).map(|()| None),
            QuarantineState::Confirmed | QuarantineState::Cleared => Ok(None),
        }
    }

    /// Notes that a dependent has not compiled, against these woven crates.
    pub(crate) fn failed(
        &self,
        dirs: &ProjectDirs,
        dependent: &Dependent,
        woven: Vec<Woven>,
    ) -> io::Result<Option<QuarantineChange>> {
        let crates: BTreeMap<String, String> = woven.into_iter().collect();
        match self.entries.get(&dependent.id()) {
            Some(entry) if entry.key == dependent.key && entry.state == QuarantineState::Suspected => {
                let cleared =
                    QuarantineEntry { state: QuarantineState::Cleared, files: BTreeMap::new(), ..entry.clone() };
                write(dirs, dependent, &cleared)?;
                return Ok(Some(QuarantineChange::Cleared(entry.names())));
            }
            Some(entry)
                if entry.key == dependent.key && entry.state == QuarantineState::Cleared && entry.covers(&crates) =>
            {
                return Ok(None);
            }
            _ if crates.is_empty() => return Ok(None),
            _ => {}
        }
        let entry = QuarantineEntry {
            state: QuarantineState::Suspected,
            key: dependent.key.clone(),
            crates,
            files: manifests(dirs),
        };
        write(dirs, dependent, &entry)?;
        Ok(Some(QuarantineChange::Suspected(entry.names())))
    }
}

impl Dependent {
    /// The name of its entry.
    fn id(&self) -> String {
        format!("{}-{}", self.name, self.version)
    }
}

impl QuarantineEntry {
    fn names(&self) -> Vec<String> {
        self.crates.keys().cloned().collect()
    }

    fn covers(&self, crates: &BTreeMap<String, String>) -> bool {
        crates.iter().all(|(name, digest)| self.crates.get(name) == Some(digest))
    }
}

fn folder(dirs: &ProjectDirs) -> PathBuf {
    dirs.folder().join("quarantine")
}

fn path(dirs: &ProjectDirs, dependent: &Dependent) -> PathBuf {
    folder(dirs).join(format!("{}.toml", dependent.id()))
}

fn write(dirs: &ProjectDirs, dependent: &Dependent, entry: &QuarantineEntry) -> io::Result<()> {
    let text = toml::to_string(entry).map_err(io::Error::other)?;
    files::write_if_changed(&path(dirs, dependent), text.as_bytes()).map(drop)
}

fn remove(dirs: &ProjectDirs, dependent: &Dependent) -> io::Result<()> {
    files::remove(&path(dirs, dependent))
}

/// The lock file and the manifests that are the user's own: where a mistake in a dependency's features is mended.
fn manifests(dirs: &ProjectDirs) -> BTreeMap<PathBuf, String> {
    let own =
        packages(dirs.root(), || ()).unwrap_or_default().into_iter().filter(|package| package.source == Source::Path);
    let manifests = own.map(|package| package.folder.join("Cargo.toml"));
    let root = ["Cargo.toml", "Cargo.lock"].map(|name| dirs.root().join(name));
    root.into_iter().chain(manifests).map(|path| (path.clone(), digest_of(&path))).collect()
}

fn digest_of(path: &Path) -> String {
    short_digest([fs_err::read(path).unwrap_or_default().as_slice()])
}

#[cfg(test)]
mod tests {
    use super::*;

    const GEAR: &str = "gear-1.2.0";

    fn engine(key: &str) -> Dependent {
        Dependent { name: "engine".into(), version: Version::new(1, 0, 0), key: key.into() }
    }

    fn project() -> (tempfile::TempDir, ProjectDirs) {
        let folder = tempfile::tempdir().unwrap();
        let dirs = ProjectDirs::in_cache(&folder.path().join("cache"), folder.path());
        (folder, dirs)
    }

    fn fails(dirs: &ProjectDirs, key: &str, woven: &[&str]) -> Option<QuarantineChange> {
        let woven = woven.iter().map(|name| ((*name).to_owned(), "layer".to_owned())).collect();
        Quarantine::load(dirs).failed(dirs, &engine(key), woven).unwrap()
    }

    fn compiles(dirs: &ProjectDirs, key: &str) -> Option<QuarantineChange> {
        Quarantine::load(dirs).compiled(dirs, &engine(key)).unwrap()
    }

    fn held(dirs: &ProjectDirs) -> Option<Held> {
        Quarantine::load(dirs).holds(GEAR, "layer")
    }

    #[test]
    fn weaving_is_blamed_only_when_the_plain_build_succeeds() {
        let (_folder, dirs) = project();
        assert_eq!(fails(&dirs, "a", &[GEAR]), Some(QuarantineChange::Suspected(vec![GEAR.into()])));
        assert_eq!(held(&dirs), Some(Held::Suspected));
        assert_eq!(compiles(&dirs, "a"), Some(QuarantineChange::Confirmed(vec![GEAR.into()])));
        assert_eq!(held(&dirs), Some(Held::Confirmed));
        assert_eq!(compiles(&dirs, "a"), None);
        assert_eq!(Quarantine::load(&dirs).holds(GEAR, "another layer"), None, "a new layer is tried again");
    }

    #[test]
    fn a_dependent_that_fails_plain_as_well_clears_its_dependencies_for_good() {
        let (_folder, dirs) = project();
        fails(&dirs, "a", &[GEAR]);
        assert_eq!(fails(&dirs, "a", &[]), Some(QuarantineChange::Cleared(vec![GEAR.into()])));
        assert_eq!(held(&dirs), None);
        assert_eq!(fails(&dirs, "a", &[GEAR]), None, "not suspected a second time");
        assert_eq!(held(&dirs), None);
        assert!(fails(&dirs, "other features", &[GEAR]).is_some());
    }

    #[test]
    fn a_suspicion_ends_with_any_change_of_a_manifest() {
        let (folder, dirs) = project();
        fails(&dirs, "a", &[GEAR]);
        assert_eq!(held(&dirs), Some(Held::Suspected));
        std::fs::write(folder.path().join("Cargo.toml"), "[workspace]").unwrap();
        assert_eq!(held(&dirs), None);
        assert_eq!(compiles(&dirs, "b"), None);
        assert_eq!(std::fs::read_dir(super::folder(&dirs)).unwrap().count(), 0, "the entry is gone");
    }

    #[test]
    fn success_with_other_features_is_no_proof() {
        let (_folder, dirs) = project();
        fails(&dirs, "a", &[GEAR]);
        assert_eq!(compiles(&dirs, "b"), Some(QuarantineChange::Cleared(vec![GEAR.into()])));
        assert_eq!(held(&dirs), None);
    }

    #[test]
    fn an_unreadable_entry_holds_nothing() {
        let (_folder, dirs) = project();
        fails(&dirs, "a", &[GEAR]);
        std::fs::write(path(&dirs, &engine("a")), "gear-1.2.0\n").unwrap();
        assert_eq!(held(&dirs), None);
    }
}
