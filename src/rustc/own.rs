//! Compiles a crate of the user's own with the spans and threads that bootstrap was asked for (`--span`, `--threads`).
//!
//! **Invariant:** what the user reads about the crate is what the compiler prints about the user's own files, once. The
//! woven text is compiled with its messages held. Where it has any, a second compilation, of the user's files and without
//! output, shows those of the user's. A function that does not compile woven, while the user's own does, is left out.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use semver::Version;

use super::compile::{Compilation, Compiled, finish_dep_info, first_lines, is_own, join};
use super::dep_info::Mapping;
use super::held::{self, Held, Wanted};
use super::hooks_rlib::HooksRlib;
use super::warning::{CompileWarning, NotWoven};
use super::{Call, command, status_code};
use crate::layers::{Exceptions, OwnCrate, OwnLayer};
use crate::project::{ProjectDirs, is_from_cargo};
use crate::weave::spans::SpanPattern;

/// A crate of the user's own that may have spans.
#[derive(Debug)]
pub(super) struct Own {
    pub(super) name: String,
    package: String,
    version: Version,
    root: PathBuf,
    base: PathBuf,
    shown: String,
}

/// The crate of this call, if it is the user's own and becomes a part of a program.
pub(super) fn own(dirs: &ProjectDirs, call: &Call) -> Option<Own> {
    if !call.is_for_programs() {
        return None;
    }
    let package = std::env::var("CARGO_PKG_NAME").ok()?;
    let version = Version::parse(&std::env::var("CARGO_PKG_VERSION").ok()?).ok()?;
    let folder = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR")?);
    let (name, input) = (call.crate_name()?.to_owned(), call.input()?);
    let is_foreign = call.is_foreign() && is_from_cargo(&folder);
    if is_foreign || name.starts_with("build_script_") || !is_own(dirs, &package, &version, &folder) {
        return None;
    }
    // Cargo names the files of a workspace from its root on, all others by their whole path.
    let (base, shown) = if input.is_absolute() {
        let shown = folder.to_str()?.to_owned();
        (folder, shown)
    } else {
        (std::env::current_dir().ok()?, String::new())
    };
    Some(Own { root: base.join(input), name, package, version, base, shown })
}

/// Compiles the crate with spans; `None`, and nothing is printed, if it has none.
pub(super) fn compile(
    compilation: &Compilation<'_>,
    own: &Own,
    (patterns, with_threads): (&[SpanPattern], bool),
    hooks: &HooksRlib,
    search: &[OsString],
    stamp: &Path,
) -> Result<Option<Compiled>, NotWoven> {
    let Compilation { dirs, context, call, .. } = compilation;
    let Some(unit) = call.unit() else { return Ok(None) };
    let folder = dirs.folder().join("own").join(unit);
    let source = OwnCrate {
        package: &own.package,
        version: &own.version,
        name: &own.name,
        root: &own.root,
        base: &own.base,
        shown: &own.shown,
    };
    let write =
        |exceptions: &Exceptions| OwnLayer::write(source, patterns, with_threads, exceptions, &context.hooks, &folder);
    let mut exceptions = Exceptions::read(&folder);
    let Some(layer) = write(&exceptions)? else { return Ok(None) };
    let library = hooks.ensure(dirs, &context.hooks, call.compiler())?;
    let attempt = Attempt { compilation, search, library: &library, shown: &own.shown };
    let finish = |warnings| {
        let mapping = Mapping { layer: &folder.to_string_lossy(), original: &own.shown, module: None };
        finish_dep_info(call, Some(mapping), stamp);
        if let Some(out_dir) = call.out_dir() {
            let _ = hooks.copy_into(&library, out_dir);
        }
        Ok(Some(Compiled { status: 0, warnings }))
    };

    let first = attempt.woven(&layer)?;
    if first.status.code().is_none() {
        return Ok(Some(Compiled { status: status_code(first.status), warnings: Vec::new() }));
    }
    let is_woven = first.status.success();
    if is_woven && first.diagnostics.is_empty() {
        first.pass(true);
        return finish(Vec::new());
    }
    let shown = attempt.checked(!is_woven)?;
    if !shown.success() {
        return Ok(Some(Compiled { status: status_code(shown), warnings: Vec::new() }));
    }
    let metadata_passed = first.metadata_passed;
    if is_woven {
        first.pass(metadata_passed);
        return finish(Vec::new());
    }
    let errors: Vec<&str> = first.diagnostics.iter().filter_map(|diagnostic| diagnostic.error()).collect();
    let reason = first_lines(&errors.join("\n")).unwrap_or_else(|| "the compiler gave no reason".to_owned());
    let (mut left_out, mut threads_left_out) = (Vec::new(), Vec::new());
    let mut is_known = false;
    for span in &layer.spans {
        let is_about = |(file, line): &(&str, usize)| *file == span.file && span.lines.contains(line);
        if first
            .diagnostics
            .iter()
            .any(|diagnostic| diagnostic.error().is_some() && diagnostic.places().iter().any(is_about))
        {
            is_known = true;
            if exceptions.add(span) {
                let left_out = if span.is_thread { &mut threads_left_out } else { &mut left_out };
                left_out.push(span.path.clone());
            }
        }
    }
    if is_known && let Ok(Some(layer)) = write(&exceptions) {
        let second = attempt.woven(&layer)?;
        if second.status.success() {
            exceptions.write(&folder);
            second.pass(metadata_passed);
            let mut warnings = Vec::new();
            if !left_out.is_empty() {
                warnings.push(CompileWarning::FunctionsLeftOut { functions: left_out, reason: reason.clone() });
            }
            if !threads_left_out.is_empty() {
                warnings.push(CompileWarning::ThreadsLeftOut { places: threads_left_out, reason });
            }
            return finish(warnings);
        }
    }
    let status = attempt.plain(metadata_passed)?;
    if status.success() {
        finish_dep_info(call, None, stamp);
    }
    let warnings = vec![CompileWarning::OwnCrateLeftOut { name: own.name.clone(), reason }];
    Ok(Some(Compiled { status: status_code(status), warnings }))
}

/// The ways to compile the crate of one call.
struct Attempt<'a> {
    compilation: &'a Compilation<'a>,
    search: &'a [OsString],
    library: &'a Path,
    shown: &'a str,
}

impl Attempt<'_> {
    /// Compiles the woven text. No lint makes it fail: the user's own files decide about these.
    fn woven(&self, layer: &OwnLayer) -> io::Result<Held> {
        let Compilation { call, chain, .. } = self.compilation;
        let mut arguments = call.arguments_with_input(&layer.root);
        arguments.extend(self.search.iter().cloned());
        arguments.extend(["--extern".into(), join("otel_rs_hooks=", self.library), "--cap-lints=warn".into()]);
        // Panics, `file!()`, debuggers and diagnostics name the user's own files.
        arguments.push(format!("--remap-path-prefix={}={}", layer.folder.display(), self.shown).into());
        held::run(command(call, chain, &arguments), call.reports_artifacts())
    }

    /// Shows what the compiler prints about the user's files, and makes nothing of them.
    fn checked(&self, with_text: bool) -> io::Result<ExitStatus> {
        let Compilation { call, chain, .. } = self.compilation;
        let scratch = tempfile::tempdir()?;
        let mut arguments = call.checking_arguments(scratch.path());
        arguments.extend(self.search.iter().cloned());
        let wanted = Wanted { diagnostics: true, notices: false, metadata: false, text: with_text };
        held::filter(command(call, chain, &arguments), call.reports_artifacts(), wanted)
    }

    /// Compiles the user's files, about which everything was shown.
    fn plain(&self, metadata_passed: bool) -> io::Result<ExitStatus> {
        let Compilation { call, chain, .. } = self.compilation;
        let mut arguments = call.arguments.clone();
        arguments.extend(self.search.iter().cloned());
        let wanted = Wanted { diagnostics: false, notices: true, metadata: !metadata_passed, text: false };
        held::filter(command(call, chain, &arguments), call.reports_artifacts(), wanted)
    }
}
