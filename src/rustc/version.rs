//! Answering `rustc -vV`, by which cargo distinguishes compilers.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::Stdio;

use super::toolchain::Toolchain;
use super::{Call, command, status_code};
use crate::catalog::Catalog;
use crate::digest::short_digest;
use crate::layers::{HooksSource, LAYER_FORMAT, WeavingContext, refresh_stamps};
use crate::project::manifest::Manifest;
use crate::project::{ProjectDirs, files, locked};

/// The answer to `rustc -vV`.
#[derive(Debug)]
pub(crate) struct VersionAnswer {
    /// What goes to stdout.
    pub(crate) text: String,
    /// The status to end with.
    pub(crate) status: i32,
}

/// The compiler's answer, with one line of ours: woven and plain builds then have separate artifacts in one
/// target folder. The line names what this binary carries and what the project chose, so that projects which share a
/// target folder share only what is the same for both. All else that decides about a crate is in its stamp, which is
/// brought up to date here because cargo reads it next.
///
/// Cargo keeps the answer until the shim is younger. So the shim is touched: the next cargo runs `-vV` again, and notices
/// whether otel-rs was installed or removed. Where the cache cannot be used, builds are plain, and so is the answer, if cargo will not keep it;
/// otherwise see `compile_plain`.
pub(crate) fn answer_version(
    dirs: &ProjectDirs,
    call: &Call,
    chain: &[OsString],
    shim: &Path,
) -> io::Result<VersionAnswer> {
    let output = command(call, chain, &call.arguments).stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    let compiler = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        return Ok(VersionAnswer { text: compiler, status: status_code(output.status) });
    }
    let mut text = compiler.clone();
    let (touched, ready) = (files::touch(shim).is_ok(), dirs.ready().is_ok());
    if (ready || !touched)
        && let Some(line) = identity(dirs)
    {
        text.push_str(&format!("otel-rs: layers {LAYER_FORMAT} {line}\n"));
    }
    if ready && let Ok(context) = WeavingContext::load(dirs) {
        // Cargo shows no warning from here. A stamp that cannot be written leaves a crate as it was compiled before.
        let locked = locked(dirs.root()).unwrap_or_default();
        let _ = refresh_stamps(dirs, &context, &locked);
    }
    if call.programs.len() == 1
        && let Some(toolchain) = Toolchain::from_version(compiler)
    {
        toolchain.remember(dirs, call.compiler());
    }
    Ok(VersionAnswer { text, status: 0 })
}

/// The line that separates woven artifacts from plain ones. A malformed instrumentation does not change it: woven and plain
/// crates must not meet then either.
fn identity(dirs: &ProjectDirs) -> Option<String> {
    let catalog = Catalog::load_one("").ok()?.identity();
    let manifest = Manifest::read(dirs).ok().flatten().unwrap_or_default();
    let (only, exclude) = (manifest.only.join(","), manifest.exclude.join(","));
    let parts = [&catalog, &HooksSource::embedded().digest, &only, &exclude];
    Some(short_digest(parts.map(|part| part.as_bytes())))
}
