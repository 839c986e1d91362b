//! The version and host of a compiler, cached so that it is not run at every call.

use std::ffi::OsStr;
use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::SystemTime;

use crate::digest::short_digest;
use crate::project::{ProjectDirs, files};

/// The answer to `rustc -vV`.
#[derive(Debug, Clone)]
pub(super) struct Toolchain {
    /// All of it.
    pub(super) version: String,
    /// The target of programs that run here.
    pub(super) host: String,
}

impl Toolchain {
    /// The toolchain of `compiler`, from the memory of an earlier call if there is one.
    pub(super) fn of(dirs: &ProjectDirs, compiler: &OsStr) -> io::Result<Toolchain> {
        let memory = memory(dirs, compiler);
        if let Some(known) = fs_err::read_to_string(&memory).ok().and_then(Toolchain::from_version) {
            return Ok(known);
        }
        let output = Command::new(compiler).arg("-vV").stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
        let version = String::from_utf8_lossy(&output.stdout).into_owned();
        let toolchain = Toolchain::from_version(version)
            .ok_or_else(|| io::Error::other(format!("`{} -vV` names no host", compiler.to_string_lossy())))?;
        toolchain.remember(dirs, compiler);
        Ok(toolchain)
    }

    /// Parses the answer to `rustc -vV`.
    pub(super) fn from_version(version: String) -> Option<Toolchain> {
        let host = version.lines().find_map(|line| line.strip_prefix("host: "))?.to_owned();
        Some(Toolchain { version, host })
    }

    /// Caches the answer. A failure only costs time at the next call.
    pub(super) fn remember(&self, dirs: &ProjectDirs, compiler: &OsStr) {
        let _ = files::write_if_changed(&memory(dirs, compiler), self.version.as_bytes());
    }
}

/// One file per compiler: its program, the toolchain that rustup chose, and the state of the file on disk.
fn memory(dirs: &ProjectDirs, compiler: &OsStr) -> PathBuf {
    let path = which::which(compiler).unwrap_or_else(|_| compiler.into());
    let state = fs_err::metadata(&path).map(|found| {
        let modified = found.modified().ok().and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
        format!("{} {modified:?}", found.len())
    });
    let toolchain = std::env::var_os("RUSTUP_TOOLCHAIN").unwrap_or_default();
    let name = short_digest([
        path.as_os_str().as_encoded_bytes(),
        state.unwrap_or_default().as_bytes(),
        toolchain.as_encoded_bytes(),
    ]);
    dirs.folder().join("compilers").join(name)
}
