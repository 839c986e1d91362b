//! Answering `rustc -vV`, by which cargo tells compilers apart.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::Stdio;

use super::toolchain::Toolchain;
use super::{Call, command, status_code};
use crate::digest::short_digest;
use crate::layers::{HooksSource, Knowledge, LAYER_FORMAT, refresh_stamps};
use crate::project::manifest::Manifest;
use crate::project::{Home, files, locked};
use crate::rules::Catalog;
use crate::ui;

/// Passes the compiler's answer on, with one line of ours: woven and plain builds then have separate artifacts in one
/// target folder. The line names what this binary carries and what the project chose, so that projects which share a
/// target folder share only what is the same for both. All else that decides about a crate is told by its stamp, which
/// is brought up to date here because cargo looks at it next.
///
/// Cargo remembers the answer until the shim is younger. So the shim is touched: cargo asks again the next time, and notices
/// otel-rs come or go. Where the cache cannot be used, builds are plain, and so is the answer, if it will not be remembered;
/// otherwise see `compile_plain`.
pub(crate) fn tell_version(home: &Home, call: &Call, chain: &[OsString], shim: &Path) -> io::Result<i32> {
    let output = command(call, chain, &call.arguments).stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    let answer = String::from_utf8_lossy(&output.stdout).into_owned();
    ui::out_raw(&answer);
    if !output.status.success() {
        return Ok(status_code(output.status));
    }
    let (touched, ready) = (files::touch(shim).is_ok(), home.ready().is_ok());
    if (ready || !touched)
        && let Some(line) = identity(home)
    {
        ui::out(format_args!("otel-rs: layers {LAYER_FORMAT} {line}"));
    }
    if ready && let Ok(knowledge) = Knowledge::load(home) {
        // Cargo shows nothing of what is said here; a stamp that cannot be written costs a rebuild not made.
        let locked = locked(home.root()).unwrap_or_default();
        let _ = refresh_stamps(home, &knowledge, &locked);
    }
    if call.programs.len() == 1
        && let Some(toolchain) = Toolchain::from_version(answer)
    {
        toolchain.remember(home, call.compiler());
    }
    Ok(0)
}

/// Needs no instrumentation to be well formed: a malformed one must not let woven and plain crates meet.
fn identity(home: &Home) -> Option<String> {
    let catalog = Catalog::load_one("").ok()?.identity();
    let manifest = Manifest::read(home).ok().flatten().unwrap_or_default();
    let (only, exclude) = (manifest.only.join(","), manifest.exclude.join(","));
    let parts = [&catalog, &HooksSource::embedded().digest, &only, &exclude];
    Some(short_digest(parts.map(|part| part.as_bytes())))
}
