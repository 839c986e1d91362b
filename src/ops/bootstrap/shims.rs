//! What otel-rs keeps for a project in the user's cache: the shims that cargo runs, and what it needs to find them.

use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};
use toml_edit::Value;

use crate::project::manifest::Manifest;
use crate::project::{CacheError, ProjectDirs, files, former};

const RUSTC: &str = include_str!("../../../templates/shims/rustc");
const RUSTDOC: &str = include_str!("../../../templates/shims/rustdoc");
const TOOL: &str = include_str!("../../../templates/shims/tool");

/// A file that otel-rs writes.
#[derive(Debug)]
pub(super) struct OutputFile {
    pub(super) path: PathBuf,
    pub(super) content: Vec<u8>,
    pub(super) executable: bool,
}

impl OutputFile {
    pub(super) fn new(path: PathBuf, content: impl Into<Vec<u8>>) -> OutputFile {
        OutputFile { path, content: content.into(), executable: false }
    }

    fn executable(path: PathBuf, content: String) -> OutputFile {
        OutputFile { path, content: content.into(), executable: true }
    }

    pub(super) fn write(&self) -> std::io::Result<()> {
        let write = if self.executable { files::write_executable_if_changed } else { files::write_if_changed };
        write(&self.path, &self.content).map(drop)
    }
}

/// The files in the cache by which cargo builds a project woven, whether its configuration includes them or `otel-rs cargo`
/// names them.
pub(super) fn in_cache(dirs: &ProjectDirs) -> Result<Vec<OutputFile>, CacheError> {
    let text = |path: &Path| path.to_str().map(str::to_owned).ok_or_else(|| CacheError::NotText(path.to_owned()));
    let former = |key| match former::program(dirs.root(), key) {
        Some(program) => format!("former={}", quoted(&program.to_string_lossy())),
        None => "former=".to_owned(),
    };
    let shim = |template, key| shim(template, "", "$here/tool", &former(key));
    let setting = |key, path: &Path| Ok(format!("{key} = {}\n", Value::from(text(path)?)));
    let included = format!(
        "# Written by `otel-rs bootstrap` for {:?}.\n[build]\n{}{}",
        dirs.root(),
        setting("rustc-wrapper", &dirs.rustc())?,
        setting("rustdoc", &dirs.rustdoc())?
    );
    let (root, name) = dirs.root_file();
    Ok(vec![
        OutputFile::new(root, name),
        OutputFile::executable(dirs.rustc(), shim(RUSTC, "rustc-wrapper")),
        OutputFile::executable(dirs.rustdoc(), shim(RUSTDOC, "rustdoc")),
        OutputFile::new(dirs.included(), included),
    ])
}

/// Writes them, and which otel-rs they are to run. The cache's folders are there.
pub(crate) fn write_in_cache(dirs: &ProjectDirs) -> Result<(), CacheError> {
    let tool = std::env::current_exe().map_err(CacheError::Unwritable)?;
    for folder in [dirs.cache(), dirs.folder()] {
        let tool = OutputFile::new(folder.join("tool"), format!("{}\n", tool.display()));
        tool.write().map_err(CacheError::Unwritable)?;
    }
    for file in in_cache(dirs)? {
        file.write().map_err(CacheError::Unwritable)?;
    }
    check_runs(&dirs.rustc())?;
    // A younger shim makes cargo run `rustc -vV` again.
    files::touch(&dirs.rustc()).map_err(CacheError::Unwritable)
}

/// A file system may be mounted so that nothing on it can be run.
pub(super) fn check_runs(shim: &Path) -> Result<(), CacheError> {
    let folder = || shim.parent().unwrap_or(shim).to_owned();
    access(shim, AccessFlags::X_OK).map_err(|_| CacheError::NoExec(folder()))
}

/// The shims of the shared form. They ignore all other files in the project's folder, which a clone may bring along.
pub(super) fn shared(dirs: &ProjectDirs, manifest: &Manifest) -> [OutputFile; 2] {
    const FILE: &str = "${OTEL_RS_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/otel-rs}/tool";
    let former = |program: Option<&String>| match program {
        Some(path) if path.starts_with('/') || !path.contains('/') => format!("former={}", quoted(path)),
        Some(relative) => format!("former=$here/../{}", quoted(relative)),
        None => "former=".to_owned(),
    };
    let path = |name| dirs.shared_folder().join(name);
    let shim = |template, program| shim(template, "; commit it", FILE, &former(program));
    [
        OutputFile::executable(path("rustc"), shim(RUSTC, manifest.chain.as_ref())),
        OutputFile::executable(path("rustdoc"), shim(RUSTDOC, manifest.chain_rustdoc.as_ref())),
    ]
}

fn shim(template: &str, commit: &str, file: &str, former: &str) -> String {
    let tool = TOOL.replace("@FILE@", file);
    template.replace("@COMMIT@", commit).replace("@TOOL@\n", &tool).replace("@FORMER@", former)
}

/// Quotes text as one word for a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
