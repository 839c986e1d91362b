//! What `cargo metadata` tells: where the workspace's root is, and where each package's source is.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use semver::Version;

use crate::ui::{self, Explain};

/// Where a package's source comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// Unpacked by cargo from a registry.
    Registry,
    /// From git, or from a vendored folder: one version may have several sources.
    Other,
    /// The user's own: a member of the workspace or a path dependency.
    Path,
}

/// One package of the project's graph.
#[derive(Debug, Clone)]
pub(crate) struct Package {
    /// The package's name.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: Version,
    /// Where its source comes from.
    pub(crate) source: Source,
    /// The folder of its manifest.
    pub(crate) folder: PathBuf,
    /// The names of its programs.
    pub(crate) programs: Vec<String>,
}

/// Why a project could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MetadataError {
    /// There is no project.
    #[error("cannot find a cargo project in `{}` or above it", .0.display())]
    NoProject(PathBuf),
    /// Cargo could not be started.
    #[error("cannot run `{program}`")]
    NoCargo {
        /// What was run.
        program: String,
        /// Why.
        source: std::io::Error,
    },
    /// Cargo could not read the project.
    #[error("`cargo {command}` failed in `{}`: {message}", folder.display())]
    Refused {
        /// What was asked.
        command: &'static str,
        /// Where.
        folder: PathBuf,
        /// What cargo said.
        message: String,
    },
    /// Cargo's answer could not be read.
    #[error("cannot understand the answer of `cargo metadata`: {0}")]
    Unreadable(String),
}

impl Explain for MetadataError {
    fn hint(&self) -> Option<String> {
        match self {
            MetadataError::NoProject(_) => {
                Some("name the folder of a cargo project: `otel-rs bootstrap PATH`".to_owned())
            }
            MetadataError::NoCargo { .. } => Some("install Rust: https://rustup.rs".to_owned()),
            MetadataError::Refused { message, .. } if message.contains("--locked") => {
                Some("bring Cargo.lock up to date first: `cargo update --workspace`".to_owned())
            }
            MetadataError::Refused { .. } | MetadataError::Unreadable(_) => None,
        }
    }
}

/// The root of the workspace that `folder` belongs to.
pub(crate) fn workspace_root(folder: &Path) -> Result<PathBuf, MetadataError> {
    let manifest = folder
        .ancestors()
        .map(|folder| folder.join("Cargo.toml"))
        .find(|path| path.is_file())
        .ok_or_else(|| MetadataError::NoProject(folder.to_owned()))?;
    let folder = manifest.parent().unwrap_or(folder);
    let output = cargo(folder, &["locate-project", "--workspace", "--message-format", "plain"])?;
    if !output.status.success() {
        return Err(refused("locate-project", folder, &output));
    }
    let path = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim_end());
    Ok(path.parent().unwrap_or(&path).to_owned())
}

/// The packages of the workspace at `root` that a build for this machine may compile, without touching the network
/// when their sources are there.
pub(crate) fn packages(root: &Path) -> Result<Vec<Package>, MetadataError> {
    let host = host(root)?;
    let ask = |more: &[&str]| {
        let mut args = vec!["metadata", "--locked", "--format-version", "1", "--filter-platform", &host];
        args.extend(more);
        cargo(root, &args)
    };
    let mut output = ask(&["--offline"])?;
    if !output.status.success() && !String::from_utf8_lossy(&output.stderr).contains("because --locked was passed") {
        ui::note("fetching the sources of the dependencies (as `cargo fetch` would)");
        output = ask(&[])?;
    }
    if !output.status.success() {
        return Err(refused("metadata --locked", root, &output));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let metadata = cargo_metadata::MetadataCommand::parse(text.as_ref())
        .map_err(|error| MetadataError::Unreadable(error.to_string()))?;
    // What no feature asks for is in the lock file, and so among the packages, but not in the graph.
    let resolved: Option<std::collections::HashSet<_>> =
        metadata.resolve.as_ref().map(|resolve| resolve.nodes.iter().map(|node| &node.id).collect());
    let packages = metadata
        .packages
        .iter()
        .filter(|package| resolved.as_ref().is_none_or(|resolved| resolved.contains(&package.id)));
    Ok(packages.map(package).collect())
}

fn package(package: &cargo_metadata::Package) -> Package {
    let folder = package.manifest_path.parent().map(|folder| folder.as_std_path().to_owned()).unwrap_or_default();
    let source = match &package.source {
        None => Source::Path,
        Some(_) if in_registry(&folder) => Source::Registry,
        Some(_) => Source::Other,
    };
    Package {
        name: package.name.to_string(),
        version: package.version.clone(),
        source,
        folder,
        programs: package.targets.iter().filter(|target| target.is_bin()).map(|target| target.name.clone()).collect(),
    }
}

/// Whether cargo unpacked `folder` from a registry, so that name and version tell all about it.
pub(crate) fn in_registry(folder: &Path) -> bool {
    let parts: Vec<_> = folder.components().map(|part| part.as_os_str()).collect();
    parts.windows(2).any(|pair| pair[0] == "registry" && pair[1] == "src")
}

/// Whether cargo itself put the package into `folder`: unpacked from a registry, checked out from git, or vendored.
pub(crate) fn is_from_cargo(folder: &Path) -> bool {
    let checkout = |folder: &Path| {
        let parts: Vec<_> = folder.components().map(|part| part.as_os_str()).collect();
        parts.windows(2).any(|pair| pair[0] == "git" && pair[1] == "checkouts")
    };
    in_registry(folder) || checkout(folder) || folder.join(".cargo-checksum.json").is_file()
}

pub(super) fn host(root: &Path) -> Result<String, MetadataError> {
    let program = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(&program)
        .arg("-vV")
        .current_dir(root)
        .stdin(Stdio::null())
        .output()
        .map_err(|source| MetadataError::NoCargo { program: program.to_string_lossy().into_owned(), source })?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| MetadataError::Unreadable("`rustc -vV` names no host".to_owned()))
}

pub(super) fn cargo(folder: &Path, args: &[&str]) -> Result<Output, MetadataError> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    Command::new(&program)
        .args(args)
        .current_dir(folder)
        // Our own shim need not be asked about the compiler here.
        .env("RUSTC_WRAPPER", "")
        .stdin(Stdio::null())
        .output()
        .map_err(|source| MetadataError::NoCargo { program: program.to_string_lossy().into_owned(), source })
}

fn refused(command: &'static str, folder: &Path, output: &Output) -> MetadataError {
    let said = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let message = lines.join("; ").trim_start_matches("error: ").to_owned();
    MetadataError::Refused { command, folder: folder.to_owned(), message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registry_sources_are_told_from_vendored_ones() {
        assert!(in_registry(Path::new("/home/u/.cargo/registry/src/index.crates.io-1/toy-1.0.0")));
        assert!(!in_registry(Path::new("/home/u/project/vendor/toy")));
        assert!(!in_registry(Path::new("/home/u/.cargo/git/checkouts/toy-1/abc")));
    }

    #[test]
    fn folder_without_a_project_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let error = workspace_root(dir.path()).unwrap_err();
        assert!(matches!(&error, MetadataError::NoProject(path) if path == dir.path()), "{error}");
    }
}
