//! Whether weaving is the cause where a crate does not compile: see the quarantine.

use std::path::PathBuf;

use semver::Version;

use super::compile::running_note;
use super::toolchain::Toolchain;
use super::warning::CompileWarning;
use super::{Call, dep_info};
use crate::digest::short_digest;
use crate::layers::{Dependent, QuarantineChange, WeavingContext, Woven, name_and_version};
use crate::project::ProjectDirs;

/// Notes that the crate of a call has compiled.
pub(super) fn compiled(
    dirs: &ProjectDirs,
    context: &WeavingContext,
    call: &Call,
    toolchain: &Toolchain,
) -> Option<CompileWarning> {
    let dependent = dependent(call, toolchain)?;
    // A note that cannot be written costs one more plain build.
    let change = context.quarantine.compiled(dirs, &dependent).ok()??;
    Some(match change {
        QuarantineChange::Cleared(crates) => CompileWarning::Cleared(crates),
        other => warning(dependent, other)?,
    })
}

/// Notes that the crate of a call has not compiled, and leaves the woven crates that it names plain in the next build.
pub(super) fn failed(
    dirs: &ProjectDirs,
    context: &WeavingContext,
    call: &Call,
    toolchain: &Toolchain,
) -> Option<CompileWarning> {
    let dependent = dependent(call, toolchain)?;
    let change = context.quarantine.failed(dirs, &dependent, woven_externs(dirs, call)).ok()??;
    warning(dependent, change)
}

fn warning(dependent: Dependent, change: QuarantineChange) -> Option<CompileWarning> {
    let Dependent { name, version, .. } = dependent;
    match change {
        QuarantineChange::Suspected(crates) => Some(CompileWarning::Suspected { name, version, crates }),
        QuarantineChange::Confirmed(crates) => Some(CompileWarning::Confirmed { name, version, crates }),
        // The compiler has shown the error, which is not about us.
        QuarantineChange::Cleared(_) => None,
    }
}

fn dependent(call: &Call, toolchain: &Toolchain) -> Option<Dependent> {
    let name = std::env::var("CARGO_PKG_NAME").ok()?;
    let version = Version::parse(&std::env::var("CARGO_PKG_VERSION").ok()?).ok()?;
    let mut parts = vec![toolchain.version.as_bytes(), call.target().unwrap_or_default().as_bytes()];
    parts.extend(call.configuration().iter().map(String::as_bytes));
    Some(Dependent { name, version, key: short_digest(parts) })
}

/// The woven crates among the libraries that a call names. Their dep-info names a stamp; one that is still being
/// compiled, as its dependents may already be, has left a note.
fn woven_externs(dirs: &ProjectDirs, call: &Call) -> Vec<Woven> {
    let stamps = dirs.stamps();
    let mut found = Vec::new();
    for library in call.externs() {
        let Some(stem) = library.file_stem().and_then(|stem| stem.to_str()) else { continue };
        let unit = stem.trim_start_matches("lib");
        let running = fs_err::read_to_string(running_note(dirs, unit)).ok().map(|name| stamps.join(name));
        let stamp = running.or_else(|| {
            let text = fs_err::read_to_string(library.with_file_name(format!("{unit}.d"))).ok()?;
            dep_info::inputs(&text).into_iter().find(|path: &PathBuf| path.starts_with(&stamps))
        });
        found.extend(stamp.and_then(|stamp| {
            let name = stamp.file_name()?.to_str()?;
            name_and_version(name)?;
            let content = fs_err::read_to_string(&stamp).ok()?;
            let layer = content.strip_prefix("woven ")?.split_whitespace().next()?;
            Some((name.to_owned(), layer.to_owned()))
        }));
    }
    found
}
