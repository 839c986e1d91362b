//! The hooks, compiled once for each compiler and target.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::toolchain::Toolchain;
use crate::digest::{Digest, short_digest};
use crate::layers::HooksSource;
use crate::project::{ProjectDirs, files};

/// Raised when the hooks are compiled with other flags than before.
const BUILD_FORMAT: &str = "1";
const LIBRARY: &str = "libotel_rs_hooks.rlib";
/// A digest over the library, by which it is verified before it becomes a part of a program.
const DIGEST_FILE: &str = "digest";
/// What the compiler believes the source's folder to be. The crate's hash depends on paths: were it the project's own,
/// hooks rebuilt elsewhere would not fit what a restored target folder holds.
const VIRTUAL_FOLDER: &str = "/otel-rs-hooks";

/// The hooks for one compiler and target.
#[derive(Debug)]
pub(super) struct HooksRlib {
    folder: PathBuf,
    key: String,
    target: Option<String>,
}

impl HooksRlib {
    /// The hooks for `target`, which is the host's when there is none, compiled or not.
    pub(super) fn of(
        dirs: &ProjectDirs,
        hooks: &HooksSource,
        toolchain: &Toolchain,
        target: Option<&str>,
    ) -> HooksRlib {
        // `--target` with the host's own name makes the same code.
        let target = target.filter(|target| *target != toolchain.host).map(str::to_owned);
        let name = target.as_deref().unwrap_or_default();
        let key = short_digest([
            BUILD_FORMAT.as_bytes(),
            toolchain.version.as_bytes(),
            name.as_bytes(),
            hooks.digest.as_bytes(),
        ]);
        HooksRlib { folder: dirs.hooks().join(&hooks.digest).join(&key), key, target }
    }

    /// The folder to search for dependencies.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The compiled library, which is compiled first where it is not there, or not what it was.
    pub(super) fn ensure(&self, dirs: &ProjectDirs, hooks: &HooksSource, compiler: &OsStr) -> io::Result<PathBuf> {
        if !self.is_whole() {
            // Several compilers may need it at once, and it takes a while.
            let _lock = files::lock(&dirs.hooks().join("lock"))?;
            if !self.is_whole() {
                self.build(hooks, compiler)?;
            }
        }
        Ok(self.folder.join(LIBRARY))
    }

    fn is_whole(&self) -> bool {
        let found = fs_err::read_to_string(self.folder.join(DIGEST_FILE));
        found.is_ok_and(|found| digest(&self.folder.join(LIBRARY)).is_ok_and(|digest| digest == found))
    }

    /// From the source that this otel-rs carries, in a folder of its own, which is then moved into its place.
    fn build(&self, hooks: &HooksSource, compiler: &OsStr) -> io::Result<()> {
        let parent = self.folder.parent().unwrap_or(&self.folder);
        fs_err::create_dir_all(parent)?;
        let source = tempfile::Builder::new().prefix(".source-").tempdir_in(parent)?;
        let scratch = tempfile::Builder::new().prefix(".new-").tempdir_in(parent)?;
        let source = source.path();
        for (path, text) in hooks.files() {
            files::create_old(&source.join("src").join(path), text)?;
        }
        let mut command = Command::new(compiler);
        command
            .current_dir(source)
            .args(["--crate-name", "otel_rs_hooks", "--edition", "2021", "--crate-type", "rlib", "src/lib.rs"])
            .args(["--emit", "link", "-C", "opt-level=3", "-C", "codegen-units=1", "-C", "embed-bitcode=yes"])
            .args(["--cap-lints", "allow", "-C"])
            .arg(format!("metadata={}", self.key))
            .arg(format!("--remap-path-prefix={}={VIRTUAL_FOLDER}", source.display()))
            .arg("--out-dir")
            .arg(scratch.path())
            .stdin(Stdio::null())
            // The jobserver is cargo's; this is one short call.
            .env_remove("CARGO_MAKEFLAGS")
            .env_remove("MAKEFLAGS");
        if let Some(target) = &self.target {
            command.args(["--target", target]);
        }
        let output = command.output()?;
        if !output.status.success() {
            let messages = String::from_utf8_lossy(&output.stderr);
            let first =
                messages.lines().find(|line| line.starts_with("error")).unwrap_or("the compiler gave no reason");
            return Err(io::Error::other(format!("cannot compile the hooks: {first}")));
        }
        fs_err::write(scratch.path().join(DIGEST_FILE), digest(&scratch.path().join(LIBRARY))?)?;
        files::place(scratch, &self.folder, || self.is_whole())
    }

    /// Puts the library beside cargo's own artifacts as well: rustdoc looks there, and a target folder that outlives
    /// the cache stays whole.
    pub(super) fn copy_into(&self, library: &Path, out_dir: &Path) -> io::Result<()> {
        let copy = out_dir.join(format!("libotel_rs_hooks-{}.rlib", self.key));
        if copy.is_file() {
            return Ok(());
        }
        files::write_if_changed(&copy, &fs_err::read(library)?).map(drop)
    }
}

fn digest(library: &Path) -> io::Result<String> {
    let mut digest = Digest::default();
    digest.add(&fs_err::read(library)?);
    Ok(digest.whole())
}
