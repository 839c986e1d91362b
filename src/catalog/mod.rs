//! The catalog: every instrumentation that this otel-rs carries, and those of a folder.

#[cfg(test)]
mod weaving_cases;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use include_dir::{Dir, include_dir};

use crate::digest::short_digest;
use crate::rules::{self, Coverage, Instrumentation};
use crate::ui::Explain;

static EMBEDDED: Dir<'static> = include_dir!("$OUT_DIR/instrumentations");

/// A directory of instrumentations to use besides the embedded ones, each replacing the embedded one for its crate. For
/// people who write instrumentations: no rebuild of otel-rs between two tries.
pub(crate) const EXTRA_VARIABLE: &str = "OTEL_RS_INSTRUMENTATIONS";

const RULES_FILE: &str = "instrumentation.toml";
const ADVICE_FILE: &str = "advice.rs";
const KNOWN_FILE: &str = "known.toml";

/// All instrumentations, by crate.
#[derive(Debug)]
pub(crate) struct Catalog {
    by_name: BTreeMap<String, Instrumentation>,
    /// The names of all, also of those that were not read.
    names: BTreeSet<String>,
}

/// Why the catalog could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CatalogError {
    /// A file does not follow the schema.
    #[error("cannot understand `{}`: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Line, expected, found.
        reason: String,
    },
    /// A file could not be read.
    #[error("cannot read the instrumentations named by `{EXTRA_VARIABLE}`")]
    Unreadable(#[source] std::io::Error),
}

impl Explain for CatalogError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            CatalogError::Malformed { .. } => {
                "see docs/contributing/adding-an-instrumentation.md for the keys of this file".to_owned()
            }
            CatalogError::Unreadable(_) => {
                format!("let `{EXTRA_VARIABLE}` name a folder like `instrumentations/`, or unset it")
            }
        })
    }
}

impl Catalog {
    /// Reads the embedded instrumentations and those of [`EXTRA_VARIABLE`].
    pub(crate) fn load() -> Result<Catalog, CatalogError> {
        Catalog::read(|_| true)
    }

    /// Reads the instrumentation of one crate: a compiler call needs no more, and there are many of them.
    pub(crate) fn load_one(name: &str) -> Result<Catalog, CatalogError> {
        Catalog::read(|folder| folder == name)
    }

    fn read(is_read: impl Fn(&str) -> bool) -> Result<Catalog, CatalogError> {
        let mut catalog = Catalog { by_name: BTreeMap::new(), names: BTreeSet::new() };
        for folder in EMBEDDED.dirs() {
            let text =
                |name: &str| folder.get_file(folder.path().join(name)).and_then(include_dir::File::contents_utf8);
            let Some(rules) = text(RULES_FILE) else { continue };
            if catalog.add_name(folder.path(), &is_read) {
                let path = Path::new("instrumentations").join(folder.path()).join(RULES_FILE);
                let name = |file: &include_dir::File<'_>| Some(file.path().file_name()?.to_str()?.to_owned());
                let files = folder.files().filter_map(|file| Some((name(file)?, file.contents_utf8()?.to_owned())));
                catalog.add(&path, rules, &advice(files))?;
            }
        }
        if let Some(extra) = std::env::var_os(EXTRA_VARIABLE).filter(|value| !value.is_empty()) {
            catalog.add_folders(Path::new(&extra), &is_read)?;
        }
        Ok(catalog)
    }

    /// Adds the name of a folder, which is that of its crate; true when the folder is to be read.
    fn add_name(&mut self, folder: &Path, is_read: impl Fn(&str) -> bool) -> bool {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        self.names.insert(name.to_string());
        is_read(&name)
    }

    fn add_folders(&mut self, extra: &Path, is_read: impl Fn(&str) -> bool) -> Result<(), CatalogError> {
        let mut folders: Vec<PathBuf> = fs_err::read_dir(extra)
            .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
            .map_err(CatalogError::Unreadable)?;
        folders.sort();
        for folder in folders {
            let path = folder.join(RULES_FILE);
            if !path.is_file() || !self.add_name(&folder, &is_read) {
                continue;
            }
            let rules = fs_err::read_to_string(&path).map_err(CatalogError::Unreadable)?;
            let files = advice_files(&folder).map_err(CatalogError::Unreadable)?;
            self.add(&path, &rules, &advice(files.into_iter()))?;
        }
        Ok(())
    }

    fn add(&mut self, path: &Path, rules: &str, advice: &str) -> Result<(), CatalogError> {
        let digest = short_digest([rules.as_bytes(), advice.as_bytes()]);
        let malformed = |reason| CatalogError::Malformed { path: path.to_owned(), reason };
        let instrumentation = rules::parse(rules, advice, digest).map_err(malformed)?;
        let folder = path.parent().and_then(Path::file_name).unwrap_or_default();
        if folder != instrumentation.name.as_str() {
            let (expected, found) = (folder.display(), &instrumentation.name);
            return Err(malformed(format!("expected crate `{expected}`, the folder's name, found `{found}`")));
        }
        self.by_name.insert(instrumentation.name.clone(), instrumentation);
        Ok(())
    }

    /// The instrumentation for a package.
    pub(crate) fn get(&self, name: &str) -> Option<&Instrumentation> {
        self.by_name.get(name)
    }

    /// Whether there is one for a package, read or not.
    pub(crate) fn names(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// The names of all, also of those that were not read.
    pub(crate) fn all_names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// Crates that stand for a part of a program's telemetry, whether there are instrumentations for them or not.
    pub(crate) fn known() -> Result<BTreeMap<String, Coverage>, CatalogError> {
        let text = EMBEDDED.get_file(KNOWN_FILE).and_then(include_dir::File::contents_utf8).unwrap_or_default();
        let malformed =
            |reason| CatalogError::Malformed { path: Path::new("instrumentations").join(KNOWN_FILE), reason };
        rules::known(text).map_err(malformed)
    }

    /// All of them, by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Instrumentation> {
        self.by_name.values()
    }

    /// A digest of the embedded folders, and of the names alone of what [`EXTRA_VARIABLE`] adds: authors change those all
    /// the time, and stamps notice it.
    pub(crate) fn identity(&self) -> String {
        let embedded = EMBEDDED.dirs().flat_map(|folder| folder.files()).map(include_dir::File::contents);
        short_digest(embedded.chain(self.names.iter().map(String::as_bytes)))
    }
}

/// The advice of a folder, of its files with their names: [`ADVICE_FILE`], and for each `<module>_advice.rs` a module of
/// that name.
fn advice(files: impl Iterator<Item = (String, String)>) -> String {
    let files: BTreeMap<String, String> = files.collect();
    let mut advice = files.get(ADVICE_FILE).cloned().unwrap_or_default();
    for (name, text) in &files {
        if let Some(module) = name.strip_suffix(ADVICE_FILE).and_then(|name| name.strip_suffix('_')) {
            advice.push_str(&format!("\nmod {module} {{\n{text}\n}}\n"));
        }
    }
    advice
}

/// The files of a folder that hold advice, with their names.
fn advice_files(folder: &Path) -> std::io::Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    for entry in fs_err::read_dir(folder)? {
        let path = entry?.path();
        if let Some(name) = path.file_name().and_then(|name| name.to_str()).filter(|name| name.ends_with(ADVICE_FILE)) {
            files.push((name.to_owned(), fs_err::read_to_string(&path)?));
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn empty() -> Catalog {
        Catalog { by_name: BTreeMap::new(), names: BTreeSet::new() }
    }

    #[test]
    fn embedded_instrumentations_are_well_formed() {
        let catalog = Catalog::load().unwrap();
        assert_eq!(catalog.iter().count(), catalog.names.len());
        assert_ne!(catalog.names.len(), 0);
    }

    #[test]
    fn reading_one_folder_finds_the_names_of_all() {
        let all = Catalog::load().unwrap();
        let one = Catalog::load_one("no-such-crate").unwrap();
        assert_eq!(one.iter().count(), 0);
        assert_eq!(one.identity(), all.identity());
    }

    #[test]
    fn extra_folder_replaces_and_adds() {
        let dir = tempfile::tempdir().unwrap();
        let toy = dir.path().join("toy");
        fs_err::create_dir(&toy).unwrap();
        let text = "crate = \"toy\"\nversions = \"1\"\ntested = []\nsummary = \"\"\nsignals = []\n";
        fs_err::write(toy.join(RULES_FILE), text).unwrap();
        let mut catalog = empty();
        catalog.add_folders(dir.path(), |_| true).unwrap();
        let plain = catalog.by_name["toy"].digest.clone();
        fs_err::write(toy.join(ADVICE_FILE), "// more").unwrap();
        catalog.add_folders(dir.path(), |_| true).unwrap();
        assert_ne!(catalog.by_name["toy"].digest, plain);
        fs_err::write(toy.join("spans_advice.rs"), "//! Spans.\nfn start() {}").unwrap();
        fs_err::write(toy.join("notes.md"), "").unwrap();
        catalog.add_folders(dir.path(), |_| true).unwrap();
        assert_eq!(catalog.by_name["toy"].advice, "// more\nmod spans {\n//! Spans.\nfn start() {}\n}\n");
    }

    #[test]
    fn malformed_file_is_named() {
        let error = empty().add(Path::new("x/instrumentation.toml"), "crate = 1", "").unwrap_err();
        let message = error.to_string();
        assert!(message.contains("x/instrumentation.toml") && message.contains("line 1"), "{message}");
    }

    #[test]
    fn folder_of_another_name_is_refused() {
        let text = "crate = \"toy\"\nversions = \"1\"\ntested = []\nsummary = \"\"\nsignals = []\n";
        let message = empty().add(Path::new("x/instrumentation.toml"), text, "").unwrap_err().to_string();
        assert!(message.contains("expected crate `x`, the folder's name, found `toy`"), "{message}");
    }
}
