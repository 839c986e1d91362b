//! The compiler call: every call that cargo makes of the compiler passes through here.

mod call;
mod compile;
mod dep_info;
mod held;
mod hooks_rlib;
mod own;
mod toolchain;
mod verdict;
mod version;
mod warning;
mod watched;

pub(crate) use call::Call;
pub(crate) use compile::{Compilation, Compiled, compile, compile_plain};
pub(crate) use version::{VersionAnswer, answer_version};

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Command, ExitStatus};

use crate::layers::HooksSource;
use crate::project::ProjectDirs;

/// Becomes the compiler. Only returns when it cannot be started.
pub(crate) fn become_plain(call: &Call, chain: &[OsString]) -> io::Error {
    command(call, chain, &call.arguments).exec()
}

/// The folder to search for the hooks that `compiler` builds for `target`.
pub(crate) fn hooks_folder(dirs: &ProjectDirs, compiler: &OsStr, target: Option<&str>) -> io::Result<PathBuf> {
    let toolchain = toolchain::Toolchain::of(dirs, compiler)?;
    let rlib = hooks_rlib::HooksRlib::of(dirs, &HooksSource::embedded(), &toolchain, target);
    Ok(rlib.folder().to_owned())
}

/// A wrapper that the project had before runs the compiler, as cargo would have had it.
fn command(call: &Call, chain: &[OsString], arguments: &[OsString]) -> Command {
    let mut words = chain.iter().chain(&call.programs);
    let mut command = Command::new(words.next().map_or(OsStr::new("rustc"), OsString::as_os_str));
    command.args(words).args(arguments);
    command
}

/// The status to end with, as a shell shows it: 128 and the number of a signal.
fn status_code(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1)
}
