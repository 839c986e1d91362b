//! The user's project: its root, its lock file, its packages, and the few files otel-rs keeps in it.

pub(crate) mod cargo_config;
pub(crate) mod files;
mod lock;
pub(crate) mod manifest;
mod metadata;
mod usage;

pub(crate) use lock::locked;
pub(crate) use metadata::{Package, Source, in_registry, is_from_cargo, packages, workspace_root};
pub(crate) use usage::{Usage, Use};

use std::path::{Path, PathBuf};

/// The folder that otel-rs keeps at a workspace's root.
#[derive(Debug, Clone)]
pub(crate) struct Home(PathBuf);

impl Home {
    /// The folder's name.
    pub(crate) const NAME: &str = ".otel-rs";

    /// The folder of the workspace at `root`.
    pub(crate) fn of(root: &Path) -> Home {
        Home(root.join(Home::NAME))
    }

    /// The folder itself, as a shim passes it.
    pub(crate) fn at(path: PathBuf) -> Home {
        Home(path)
    }

    /// The folder's path.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The workspace's root.
    pub(crate) fn root(&self) -> &Path {
        self.0.parent().unwrap_or(&self.0)
    }

    /// Where layers are.
    pub(crate) fn layers(&self) -> PathBuf {
        self.0.join("layers")
    }

    /// Where the hooks' source and rlibs are.
    pub(crate) fn hooks(&self) -> PathBuf {
        self.0.join("hooks")
    }

    /// Where the stamps are.
    pub(crate) fn stamps(&self) -> PathBuf {
        self.0.join("stamps")
    }

    /// What is true of this machine only.
    pub(crate) fn local(&self) -> PathBuf {
        self.0.join("local")
    }
}
