//! `Cargo.lock`: which packages, in which versions.

use std::path::{Path, PathBuf};

use semver::Version;
use serde::Deserialize;

use crate::ui::Explain;

/// One package of a lock file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Locked {
    /// The package's name.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: Version,
    /// Whether it is the user's own: a member of the workspace or a path dependency. Both have no source in a lock file.
    pub(crate) own: bool,
}

/// Why a lock file could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LockError {
    /// There is none.
    #[error("cannot find `{}`", .0.display())]
    Missing(PathBuf),
    /// It could not be read.
    #[error("cannot read `{}`", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not what cargo writes.
    #[error("cannot understand `{}`: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Line, expected, found.
        reason: String,
    },
    /// A cargo newer than this otel-rs wrote it.
    #[error("cannot understand `{}`: expected lock version 3 or 4, found {found}", path.display())]
    TooNew {
        /// The file.
        path: PathBuf,
        /// The version it states.
        found: u64,
    },
}

impl Explain for LockError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            LockError::Missing(_) => "run `cargo generate-lockfile`, or name the folder of a cargo project".to_owned(),
            LockError::Unreadable { .. } => return None,
            LockError::Malformed { .. } => {
                "restore the file, or let `cargo generate-lockfile` write a new one".to_owned()
            }
            LockError::TooNew { .. } => "install a newer otel-rs".to_owned(),
        })
    }
}

#[derive(Deserialize)]
struct LockFile {
    version: Option<u64>,
    #[serde(default)]
    package: Vec<LockEntry>,
}

#[derive(Deserialize)]
struct LockEntry {
    name: String,
    version: toml::Spanned<String>,
    source: Option<String>,
}

/// The packages of the lock file of the workspace at `root`.
pub(crate) fn locked(root: &Path) -> Result<Vec<Locked>, LockError> {
    let path = root.join("Cargo.lock");
    match fs_err::read_to_string(&path) {
        Ok(text) => parse(path, &text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(LockError::Missing(path)),
        Err(source) => Err(LockError::Unreadable { path, source }),
    }
}

fn parse(path: PathBuf, text: &str) -> Result<Vec<Locked>, LockError> {
    let file: LockFile = match toml::from_str(text) {
        Ok(file) => file,
        Err(error) => return Err(LockError::Malformed { path, reason: error.to_string().trim_end().to_owned() }),
    };
    // Cargo wrote no version before 3; the fields read here were the same then.
    if let Some(found) = file.version.filter(|version| *version > 4) {
        return Err(LockError::TooNew { path, found });
    }
    let mut packages = Vec::with_capacity(file.package.len());
    for LockEntry { name, version, source } in file.package {
        match version.get_ref().parse() {
            Ok(version) => packages.push(Locked { name, version, own: source.is_none() }),
            Err(_) => {
                let line = text[..version.span().start].matches('\n').count() + 1;
                let found = version.get_ref();
                let reason = format!("line {line}: expected a version such as `1.2.3` for `{name}`, found `{found}`");
                return Err(LockError::Malformed { path, reason });
            }
        }
    }
    Ok(packages)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKAGE: &str =
        "[[package]]\nname = \"toy\"\nversion = \"1.2.3\"\nsource = \"registry+x\"\nchecksum = \"0\"\n";

    fn read(text: &str) -> Result<Vec<Locked>, LockError> {
        parse("Cargo.lock".into(), text)
    }

    #[test]
    fn versions_3_and_4_are_read() {
        for version in [3, 4] {
            let packages = read(&format!("version = {version}\n\n{PACKAGE}")).unwrap();
            assert_eq!(packages, [Locked { name: "toy".into(), version: Version::new(1, 2, 3), own: false }]);
        }
    }

    #[test]
    fn a_package_without_a_source_is_the_users_own() {
        let packages = read("version = 4\n[[package]]\nname = \"toy\"\nversion = \"1.2.3\"\n").unwrap();
        assert!(packages[0].own);
    }

    #[test]
    fn newer_version_is_refused() {
        let message = read("version = 5\n").unwrap_err().to_string();
        assert_eq!(message, "cannot understand `Cargo.lock`: expected lock version 3 or 4, found 5");
    }

    #[test]
    fn malformed_file_is_an_error_that_names_its_line() {
        let message = read("version = 4\n\n[[package]\nname = 1\n").unwrap_err().to_string();
        assert!(message.contains("line 3"), "{message}");
        let message = read(&format!("version = 4\n{}", PACKAGE.replace("1.2.3", "one"))).unwrap_err().to_string();
        assert!(message.ends_with("line 4: expected a version such as `1.2.3` for `toy`, found `one`"), "{message}");
    }

    #[test]
    fn missing_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(locked(dir.path()), Err(LockError::Missing(path)) if path == dir.path().join("Cargo.lock")));
    }
}
