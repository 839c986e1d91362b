//! The user's cache: what otel-rs keeps outside of projects, so that nothing in a project can be mistaken for it.
//!
//! Layers and hooks are named after what they are made of, and shared by all projects. `projects/<digest of the root>`
//! holds what belongs to one project on this machine. Compilers read these files, so only their owner may write them.

use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, Uid, access};

use super::{ProjectDirs, files};
use crate::ui::Explain;

/// Names the cache's folder.
pub(crate) const VARIABLE: &str = "OTEL_RS_CACHE_DIR";

/// What is shared by all projects, and what is not.
pub(crate) const FOLDERS: [&str; 3] = ["layers", "hooks", "projects"];

/// Files that make git and backup tools leave the folder out.
const MARKS: [(&str, &str); 2] = [
    (".gitignore", "*\n"),
    (
        "CACHEDIR.TAG",
        "Signature: 8a477f597d28d172789f06886806bc55\n# The cache of otel-rs: `otel-rs cache clear` empties it.\n",
    ),
];

/// Why the cache cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CacheError {
    /// No variable names a place for it.
    #[error("cannot find a place for the cache: `{VARIABLE}`, `XDG_CACHE_HOME` and `HOME` are not set")]
    NoPlace,
    /// A relative path would be another place for each command.
    #[error("cannot use `{VARIABLE}`: expected an absolute path, found `{}`", .0.display())]
    Relative(PathBuf),
    /// Cargo's configuration has to name it.
    #[error("cannot use the cache in `{}`: its path is not UTF-8", .0.display())]
    NotText(PathBuf),
    /// A part of its path is a link, which another user could redirect, or a file.
    #[error("cannot use the cache: expected a folder, found {found} at `{}`", path.display())]
    NotAFolder {
        /// Which part of it.
        path: PathBuf,
        /// What is there.
        found: &'static str,
    },
    /// Its owner could change what is compiled.
    #[error("cannot use the cache: `{}` belongs to user {owner}, expected {user}", path.display())]
    Foreign {
        /// Which part of it.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who runs this.
        user: u32,
    },
    /// Others could change what is compiled.
    #[error("cannot use the cache: `{}` can be written by others (mode {mode:03o})", path.display())]
    Open {
        /// Which part of it.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It cannot be written.
    #[error("cannot write into the cache")]
    Unwritable(#[source] io::Error),
    /// What is written there cannot be run.
    #[error("cannot run programs in `{}`: its file system is mounted with `noexec`, or its files lost that permission", .0.display())]
    NoExec(PathBuf),
}

impl Explain for CacheError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            CacheError::Open { path, .. } => {
                format!("run `chmod go-w '{}'`, or set `{VARIABLE}` to a folder of your own", path.display())
            }
            CacheError::NoExec(_) => {
                format!("set `{VARIABLE}` to a folder on another file system, then run `otel-rs bootstrap` again")
            }
            _ => format!("set `{VARIABLE}` to a folder of your own that can be written"),
        })
    }
}

/// Where the cache is, or is to be.
pub(crate) fn place() -> Result<PathBuf, CacheError> {
    let set = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| !path.as_os_str().is_empty());
    if let Some(path) = set(VARIABLE) {
        // Behind a slash at its end a link would not look like one.
        return if path.is_absolute() { Ok(path.components().collect()) } else { Err(CacheError::Relative(path)) };
    }
    // The specification of these folders has relative paths ignored.
    let absolute = |name| set(name).filter(|path| path.is_absolute());
    let folder = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")));
    folder.map(|folder| folder.join("otel-rs")).ok_or(CacheError::NoPlace)
}

/// Makes sure that the folders of `dirs` exist, belong to this user alone, and are writable.
pub(super) fn ready(dirs: &ProjectDirs) -> Result<(), CacheError> {
    let cache = dirs.cache();
    let new = make(cache)?;
    for folder in FOLDERS {
        make(&cache.join(folder))?;
    }
    make(dirs.folder())?;
    for folder in [dirs.folder().to_owned(), dirs.layers(), dirs.hooks()] {
        access(&folder, AccessFlags::W_OK).map_err(|error| unwritable(&folder, error.into()))?;
    }
    if new {
        for (name, text) in MARKS {
            files::write_if_changed(&cache.join(name), text.as_bytes()).map_err(CacheError::Unwritable)?;
        }
    }
    Ok(())
}

/// Makes a folder, or looks at the one that is there; true when it is new.
fn make(folder: &Path) -> Result<bool, CacheError> {
    let made = match std::fs::DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
        }
        other => other,
    };
    let new = made.is_ok();
    match made {
        // On a read-only file system, an existing folder gives another error than `AlreadyExists`.
        Err(error) if std::fs::symlink_metadata(folder).is_err() => return Err(unwritable(folder, error)),
        _ => check(folder)?,
    }
    Ok(new)
}

/// Whether a folder of the cache is ours alone.
pub(crate) fn check(folder: &Path) -> Result<(), CacheError> {
    let path = folder.to_owned();
    let found = std::fs::symlink_metadata(folder).map_err(|error| unwritable(folder, error))?;
    if !found.is_dir() {
        let found = if found.is_symlink() { "a link" } else { "a file" };
        return Err(CacheError::NotAFolder { path, found });
    }
    let user = Uid::effective().as_raw();
    if found.uid() != user {
        return Err(CacheError::Foreign { path, owner: found.uid(), user });
    }
    match found.mode() & 0o777 {
        mode if mode & 0o022 != 0 => Err(CacheError::Open { path, mode }),
        _ => Ok(()),
    }
}

fn unwritable(folder: &Path, error: io::Error) -> CacheError {
    CacheError::Unwritable(io::Error::new(error.kind(), format!("`{}`: {error}", folder.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn dirs(cache: &Path) -> ProjectDirs {
        ProjectDirs::in_cache(cache, Path::new("/p"))
    }

    #[test]
    fn new_cache_is_the_users_alone() {
        let dir = tempfile::tempdir().unwrap();
        let cache = dir.path().join("a/otel-rs");
        ready(&dirs(&cache)).unwrap();
        ready(&dirs(&cache)).unwrap();
        for folder in ["", "layers", "hooks", "projects", "projects/1"] {
            let mode = std::fs::metadata(cache.join(folder)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700, "{folder}");
        }
        assert_eq!(std::fs::read_to_string(cache.join(".gitignore")).unwrap(), "*\n");
    }

    #[test]
    fn links_files_and_open_folders_are_refused() {
        for part in ["", "layers", "hooks", "projects", "projects/1"] {
            let dir = tempfile::tempdir().unwrap();
            let (cache, victim) = (dir.path().join("cache"), dir.path().join("victim"));
            let at = cache.join(part);
            let at = if part.is_empty() { cache.clone() } else { at };
            let fresh = |made: &dyn Fn()| {
                let _ = std::fs::remove_dir_all(&cache);
                let _ = std::fs::remove_file(&cache);
                std::fs::create_dir_all(at.parent().unwrap()).unwrap();
                made();
                ready(&dirs(&cache)).unwrap_err().to_string()
            };
            std::fs::create_dir(&victim).unwrap();
            assert!(fresh(&|| symlink(&victim, &at).unwrap()).contains("found a link"), "{part}");
            assert_eq!(std::fs::read_dir(&victim).unwrap().count(), 0, "{part}: nothing is written through a link");
            std::fs::remove_file(&at).unwrap();
            assert!(fresh(&|| std::fs::write(&at, "").unwrap()).contains("found a file"), "{part}");
            let open = fresh(&|| {
                std::fs::create_dir(&at).unwrap();
                std::fs::set_permissions(&at, PermissionsExt::from_mode(0o770)).unwrap();
            });
            assert!(open.contains("can be written by others (mode 770)"), "{part}: {open}");
        }
    }
}
