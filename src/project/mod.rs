//! The user's project: its root, its lock file, its packages, and the few files otel-rs keeps for it.

pub(crate) mod cache;
pub(crate) mod cargo_config;
pub(crate) mod files;
pub(crate) mod former;
pub(crate) mod git;
mod lock;
pub(crate) mod manifest;
mod metadata;
mod usage;

pub(crate) use cache::CacheError;
pub(crate) use lock::{Locked, locked};
pub(crate) use metadata::{
    OwnTarget, Package, Source, answers, cargo_version, is_from_cargo, packages, workspace_of, workspace_root,
};
pub(crate) use usage::{Usage, Use};

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use crate::digest::short_digest;

/// The folders in which otel-rs keeps files of a project: in the user's cache, and in its shared form in the project as well.
#[derive(Debug, Clone)]
pub(crate) struct ProjectDirs {
    root: PathBuf,
    cache: PathBuf,
    folder: PathBuf,
    shared: bool,
}

impl ProjectDirs {
    /// The folder of the shared form, at a workspace's root.
    pub(crate) const SHARED: &str = ".otel-rs";
    /// The file that names the root of the project that a folder of the cache is about.
    const ROOT: &str = "root";

    /// The folders of the workspace at `root`.
    pub(crate) fn of(root: &Path) -> Result<ProjectDirs, CacheError> {
        let cache = cache::place()?;
        let canonical = std::fs::canonicalize(root).unwrap_or_else(|_| root.to_owned());
        let folder = cache.join("projects").join(short_digest([canonical.as_os_str().as_bytes()]));
        Ok(ProjectDirs { shared: cargo_config::is_shared(root), root: root.to_owned(), cache, folder })
    }

    /// The folders of the project whose shim is in `folder`.
    pub(crate) fn at(folder: &Path) -> Result<ProjectDirs, CacheError> {
        if folder.file_name().is_some_and(|name| name == ProjectDirs::SHARED) {
            return ProjectDirs::of(folder.parent().unwrap_or(folder));
        }
        let root = std::fs::read(folder.join(ProjectDirs::ROOT)).map_err(CacheError::Unwritable)?;
        let root = PathBuf::from(OsString::from_vec(root));
        let cache = folder.ancestors().nth(2).unwrap_or(folder).to_owned();
        Ok(ProjectDirs { shared: cargo_config::is_shared(&root), root, cache, folder: folder.to_owned() })
    }

    /// The same folders, with the manifest of the shared form or without.
    pub(crate) fn with_shared(self, shared: bool) -> ProjectDirs {
        ProjectDirs { shared, ..self }
    }

    /// Makes sure that the folders in the cache exist, belong to this user alone, and are writable.
    pub(crate) fn ready(&self) -> Result<(), CacheError> {
        cache::ready(self)
    }

    /// The workspace's root.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The user's cache.
    pub(crate) fn cache(&self) -> &Path {
        &self.cache
    }

    /// This project's folder in the cache.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of the shared form.
    pub(crate) fn shared_folder(&self) -> PathBuf {
        self.root.join(ProjectDirs::SHARED)
    }

    /// Whether cargo's configuration in the project names the shared form.
    pub(crate) fn is_shared(&self) -> bool {
        self.shared
    }

    /// The file that names the root, and what is in it.
    pub(crate) fn root_file(&self) -> (PathBuf, Vec<u8>) {
        (self.folder.join(ProjectDirs::ROOT), self.root.as_os_str().as_bytes().to_vec())
    }

    /// What cargo runs in place of the compiler, unless the project has the shared form.
    pub(crate) fn rustc(&self) -> PathBuf {
        self.folder.join("rustc")
    }

    /// What cargo runs in place of rustdoc.
    pub(crate) fn rustdoc(&self) -> PathBuf {
        self.folder.join("rustdoc")
    }

    /// What cargo's configuration of the project includes.
    pub(crate) fn included(&self) -> PathBuf {
        self.folder.join("cargo.toml")
    }

    /// Where layers are.
    pub(crate) fn layers(&self) -> PathBuf {
        self.cache.join("layers")
    }

    /// Where the hooks' rlibs are.
    pub(crate) fn hooks(&self) -> PathBuf {
        self.cache.join("hooks")
    }

    /// Where the stamps are.
    pub(crate) fn stamps(&self) -> PathBuf {
        self.folder.join("stamps")
    }
}

#[cfg(test)]
impl ProjectDirs {
    /// The folders of a project whose cache is `cache`.
    pub(crate) fn in_cache(cache: &Path, root: &Path) -> ProjectDirs {
        ProjectDirs { root: root.to_owned(), cache: cache.to_owned(), folder: cache.join("projects/1"), shared: false }
    }
}
