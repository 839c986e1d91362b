//! The answers of `cargo metadata`: where the workspace's root is, and where each package's source is.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use semver::Version;

use crate::ui::Explain;

/// Where a package's source comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// A foreign package: from a registry, from git, or vendored.
    Foreign,
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
    /// Its libraries and programs.
    pub(crate) targets: Vec<OwnTarget>,
}

/// A crate of a package.
#[derive(Debug, Clone)]
pub(crate) struct OwnTarget {
    /// The crate's name, as in paths.
    pub(crate) name: String,
    /// The file of its root.
    pub(crate) root: PathBuf,
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
        /// The subcommand.
        command: &'static str,
        /// Where.
        folder: PathBuf,
        /// Its messages.
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

/// The root of the workspace that cargo works on when it is called with `toolchain` and `manifest`; `None` when there is
/// none, or cargo fails.
pub(crate) fn workspace_of(program: &OsStr, toolchain: Option<&OsStr>, manifest: Option<&OsStr>) -> Option<PathBuf> {
    let mut command = Command::new(program);
    command.args(toolchain).args(["locate-project", "--workspace", "--message-format", "plain"]);
    if let Some(manifest) = manifest {
        command.arg("--manifest-path").arg(manifest);
    }
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok().filter(|_| output.status.success())?;
    Path::new(text.trim_end()).parent().map(Path::to_owned)
}

/// The version of the cargo that builds the project at `root`.
pub(crate) fn cargo_version(root: &Path) -> Option<Version> {
    let output = cargo(root, &["--version"]).ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    Version::parse(text.split(' ').nth(1)?.trim_end()).ok()
}

/// Whether cargo can read each workspace that `root` or a folder above it is a part of, as whoever builds it calls it;
/// the messages of cargo where it cannot. In order, and the same each time that the same manifests are there.
pub(crate) fn answers(root: &Path) -> Vec<Result<(), String>> {
    let manifests = root.ancestors().map(|folder| folder.join("Cargo.toml")).filter(|path| path.is_file());
    let answer = |manifest: PathBuf| {
        let folder = manifest.parent().unwrap_or(root);
        let mut command = cargo_command(folder, &["metadata", "--no-deps", "--offline", "--format-version", "1"]);
        command.env_remove("RUSTC_WRAPPER").stdout(Stdio::null());
        match command.output() {
            Ok(output) if output.status.success() => Ok(()),
            Ok(output) => Err(lines_of(&output)),
            Err(error) => Err(error.to_string()),
        }
    };
    manifests.map(answer).collect()
}

/// The packages of the workspace at `root` that a build for this machine may compile. Where their sources are missing, cargo
/// fetches them, after a call of `before_fetch`.
pub(crate) fn packages(root: &Path, before_fetch: impl FnOnce()) -> Result<Vec<Package>, MetadataError> {
    let host = host(root)?;
    let metadata = |more: &[&str]| {
        let mut args = vec!["metadata", "--locked", "--format-version", "1", "--filter-platform", &host];
        args.extend(more);
        cargo(root, &args)
    };
    let mut output = metadata(&["--offline"])?;
    if !output.status.success() && !String::from_utf8_lossy(&output.stderr).contains("because --locked was passed") {
        before_fetch();
        output = metadata(&[])?;
    }
    if !output.status.success() {
        return Err(refused("metadata --locked", root, &output));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let metadata = cargo_metadata::MetadataCommand::parse(text.as_ref())
        .map_err(|error| MetadataError::Unreadable(error.to_string()))?;
    // A package that no feature enables is in the lock file, and so among the packages, but not in the graph.
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
    let source = if package.source.is_some() { Source::Foreign } else { Source::Path };
    let is_woven = |target: &&cargo_metadata::Target| {
        target.is_bin() || target.is_lib() || target.is_rlib() || target.is_cdylib() || target.is_staticlib()
    };
    let own_target = |target: &cargo_metadata::Target| OwnTarget {
        name: target.name.replace('-', "_"),
        root: target.src_path.as_std_path().to_owned(),
    };
    Package {
        name: package.name.to_string(),
        version: package.version.clone(),
        source,
        folder,
        programs: package.targets.iter().filter(|target| target.is_bin()).map(|target| target.name.clone()).collect(),
        targets: package.targets.iter().filter(is_woven).map(own_target).collect(),
    }
}

/// Whether cargo itself put the package into `folder`: unpacked from a registry, checked out from git, or vendored.
pub(crate) fn is_from_cargo(folder: &Path) -> bool {
    let parts: Vec<_> = folder.components().map(|part| part.as_os_str()).collect();
    let unpacked = parts.windows(2).any(|pair| pair == ["registry", "src"] || pair == ["git", "checkouts"]);
    unpacked || folder.join(".cargo-checksum.json").is_file()
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
    let mut command = cargo_command(folder, args);
    // Our own shim is not needed here: nothing is compiled.
    command.env("RUSTC_WRAPPER", "").output().map_err(|source| MetadataError::NoCargo {
        program: command.get_program().to_string_lossy().into_owned(),
        source,
    })
}

fn cargo_command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args).current_dir(folder).stdin(Stdio::null());
    command
}

fn refused(command: &'static str, folder: &Path, output: &Output) -> MetadataError {
    MetadataError::Refused { command, folder: folder.to_owned(), message: lines_of(output) }
}

/// What cargo wrote to stderr, in one line.
fn lines_of(output: &Output) -> String {
    let messages = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = messages.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join("; ").trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_without_a_project_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let error = workspace_root(dir.path()).unwrap_err();
        assert!(matches!(&error, MetadataError::NoProject(path) if path == dir.path()), "{error}");
    }
}
