//! Compiles one crate: woven if it has an instrumentation, plain otherwise.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use semver::Version;

use super::dep_info::{self, Mapping};
use super::hooks_rlib::HooksRlib;
use super::toolchain::Toolchain;
use super::warning::{CompileWarning, NotWoven};
use super::watched::{self, Watched};
use super::{Call, become_plain, command, own, status_code, verdict};
use crate::layers::{
    Choice, Layer, Original, ProgramNote, WeavingContext, ensure_own_stamp, ensure_stamp, library_root,
};
use crate::project::{ProjectDirs, files, is_from_cargo, locked};
use crate::rules::Instrumentation;

/// Everything a call is compiled with.
#[derive(Debug)]
pub(crate) struct Compilation<'a> {
    /// The project's folder.
    pub(crate) dirs: &'a ProjectDirs,
    /// What decides about crates.
    pub(crate) context: &'a WeavingContext,
    /// The call.
    pub(crate) call: &'a Call,
    /// The wrappers to run inside ours.
    pub(crate) chain: Vec<OsString>,
    /// What cargo runs in place of the compiler.
    pub(crate) shim: &'a Path,
}

/// The package that cargo compiles.
#[derive(Debug)]
struct Subject {
    name: String,
    version: Version,
    folder: PathBuf,
    /// The library's root in the package.
    root: String,
    /// The package's folder in the compiler's arguments; empty for the current folder.
    compiler_folder: String,
}

impl Subject {
    fn original(&self) -> Original<'_> {
        Original { name: &self.name, version: &self.version, folder: &self.folder }
    }
}

/// How a compilation ended.
#[derive(Debug)]
pub(crate) struct Compiled {
    /// The status to end with.
    pub(crate) status: i32,
    /// What the user is warned of.
    pub(crate) warnings: Vec<CompileWarning>,
}

impl Compiled {
    fn without_warning(status: ExitStatus) -> Compiled {
        Compiled { status: status_code(status), warnings: Vec::new() }
    }
}

/// Compiles a crate: woven where it has an instrumentation and its layer compiles, as it is otherwise.
pub(crate) fn compile(compilation: &Compilation<'_>) -> io::Result<Compiled> {
    let Compilation { dirs, context, call, chain, shim } = compilation;
    let Ok(toolchain) = Toolchain::of(dirs, call.compiler()) else { return Err(become_plain(call, chain)) };
    let hooks = HooksRlib::of(dirs, &context.hooks, &toolchain, call.target());
    let search: [OsString; 2] = ["-L".into(), join("dependency=", hooks.folder())];
    let Some(subject) = subject(dirs, call, context) else {
        return match own::own(dirs, call) {
            Some(own) => compile_own(compilation, &own, &toolchain, &hooks, &search),
            None => compile_unknown(compilation, &toolchain, &search, None),
        };
    };
    // Weaving needs a writable cache.
    let Ok(stamp) = ensure_stamp(dirs, context, &subject.name, &subject.version) else {
        return compile_as_it_is(call, chain, &search, shim).map(Compiled::without_warning);
    };
    let mut not_woven = None;
    if let Some(Choice::Weave(known)) = context.choose(&subject.name, &subject.version)
        && !bare_metal(call.target())
    {
        match compile_woven(compilation, &subject, known, &hooks, &search, &stamp) {
            Ok(status) => {
                let warnings = verdict::compiled(dirs, context, call, &toolchain).into_iter().collect();
                return Ok(Compiled { status, warnings });
            }
            Err(error) => not_woven = Some(error),
        }
    }
    let status = compile_as_it_is(call, chain, &search, &stamp)?;
    let verdict = if status.success() {
        verdict::compiled(dirs, context, call, &toolchain)
    } else if status.code().is_some() {
        verdict::failed(dirs, context, call, &toolchain)
    } else {
        None
    };
    let mut warnings: Vec<_> = verdict.into_iter().collect();
    // A crate that fails plain as well fails for its own reason, which the compiler has just shown.
    if let Some(error) = not_woven
        && (status.success() || !matches!(error, NotWoven::Compiler { .. }))
    {
        warnings.push(not_woven_warning(dirs, &subject, error));
    }
    Ok(Compiled { status: status_code(status), warnings })
}

/// Compiles a crate where the cache cannot be used. Where the shim cannot be touched either, cargo may believe that this
/// build weaves; so the dep-info of what would have been woven names the shim, and it is compiled anew once that is touched.
pub(crate) fn compile_plain(compilation: &Compilation<'_>) -> io::Result<Compiled> {
    let Compilation { dirs, context, call, chain, shim } = compilation;
    match subject(dirs, call, context).filter(|_| files::touch(shim).is_err()) {
        Some(_) => compile_as_it_is(call, chain, &[], shim).map(Compiled::without_warning),
        None => Err(become_plain(call, chain)),
    }
}

/// Compiles a known crate plain; it is compiled anew when `stamp` is younger.
fn compile_as_it_is(call: &Call, chain: &[OsString], search: &[OsString], stamp: &Path) -> io::Result<ExitStatus> {
    let mut arguments = call.arguments.clone();
    arguments.extend(search.iter().cloned());
    let status = command(call, chain, &arguments).status()?;
    if status.success() {
        finish_dep_info(call, None, stamp);
    }
    Ok(status)
}

fn compile_woven(
    compilation: &Compilation<'_>,
    subject: &Subject,
    known: &Instrumentation,
    hooks: &HooksRlib,
    search: &[OsString],
    stamp: &Path,
) -> Result<i32, NotWoven> {
    let Compilation { dirs, context, call, chain, .. } = compilation;
    let layer = Layer::ensure(dirs, context, known, subject.original())?.folder;
    let digest = context.layer_digest(known, &subject.version);
    let library = hooks.ensure(dirs, &context.hooks, call.compiler())?;
    let mut arguments = call.arguments_with_input(&layer.join(&subject.root));
    arguments.extend(search.iter().cloned());
    arguments.extend(["--extern".into(), join("otel_rs_hooks=", &library)]);
    if chain.is_empty() {
        // Panics and diagnostics name the package's own files. Under sccache the option would turn its cache off.
        let compiler_folder = if subject.compiler_folder.is_empty() { "." } else { &subject.compiler_folder };
        arguments.push(format!("--remap-path-prefix={}={compiler_folder}", layer.display()).into());
    }
    let note = call.unit().map(|unit| running_note(dirs, &unit));
    if let Some(note) = &note {
        files::write_if_changed(note, format!("{}-{}", subject.name, subject.version).as_bytes())?;
    }
    let watched = watched::run(command(call, chain, &arguments), call.reports_artifacts());
    let remove_note = || note.as_deref().map(files::remove);
    match watched? {
        Watched::Failed(errors) => {
            remove_note();
            // The messages name the package's paths (`--remap-path-prefix`); the woven text is in the layer.
            let messages = errors.join("\n");
            let messages = match subject.compiler_folder.as_str() {
                "" => messages,
                compiler_folder => messages.replace(&format!("{compiler_folder}/"), &format!("{}/", layer.display())),
            };
            let first = first_lines(&messages).unwrap_or_else(|| "the compiler gave no reason".to_owned());
            Err(NotWoven::Compiler { first, messages, layer: digest })
        }
        Watched::Done(status) => {
            if status.success() {
                Layer::note_success(dirs, &subject.name, &subject.version);
                let layer = layer.to_string_lossy();
                let module = Layer::module_file(&subject.root);
                finish_dep_info(
                    call,
                    Some(Mapping { layer: &layer, original: &subject.compiler_folder, module: Some(&module) }),
                    stamp,
                );
                if let Some(out_dir) = call.out_dir() {
                    let _ = hooks.copy_into(&library, out_dir);
                }
            }
            remove_note();
            Ok(status_code(status))
        }
    }
}

/// Compiles a crate of the user's own: with the spans that bootstrap was asked for, or as it is. It is compiled anew when
/// other functions are to be spans.
fn compile_own(
    compilation: &Compilation<'_>,
    own: &own::Own,
    toolchain: &Toolchain,
    hooks: &HooksRlib,
    search: &[OsString],
) -> io::Result<Compiled> {
    let Compilation { dirs, context, call, .. } = compilation;
    // Without a stamp, what is woven now would stay so.
    let Ok(stamp) = ensure_own_stamp(dirs, context, &own.name) else {
        return compile_unknown(compilation, toolchain, search, None);
    };
    let mut patterns = context.spans();
    patterns.retain(|pattern| pattern.crate_name() == own.name);
    let with_threads = context.manifest.threads;
    let woven = if patterns.is_empty() && !with_threads || bare_metal(call.target()) {
        Ok(None)
    } else {
        own::compile(compilation, own, (&patterns, with_threads), hooks, search, &stamp)
    };
    match woven {
        Ok(Some(compiled)) => {
            if let Some((path, note)) = program(call).filter(|_| compiled.status == 0) {
                // Without it the program's telemetry lacks a version.
                let _ = note.append(&path);
            }
            Ok(compiled)
        }
        Ok(None) => compile_unknown(compilation, toolchain, search, Some(&stamp)),
        Err(error) => {
            let mut compiled = compile_unknown(compilation, toolchain, search, Some(&stamp))?;
            let warning = CompileWarning::OwnCrateLeftOut { name: own.name.clone(), reason: error.to_string() };
            compiled.warnings.push(warning);
            Ok(compiled)
        }
    }
}

/// Compiles a crate without an instrumentation. A foreign one is watched: if it does not compile because of a woven
/// dependency, that dependency stays plain from then on.
fn compile_unknown(
    compilation: &Compilation<'_>,
    toolchain: &Toolchain,
    search: &[OsString],
    stamp: Option<&Path>,
) -> io::Result<Compiled> {
    let Compilation { dirs, context, call, chain, .. } = compilation;
    let mut arguments = call.arguments.clone();
    arguments.extend(search.iter().cloned());
    let mut command = command(call, chain, &arguments);
    let program = program(call);
    let is_watched = call.is_foreign() && !call.externs().is_empty();
    if program.is_none() && !is_watched && stamp.is_none() {
        use std::os::unix::process::CommandExt;
        return Err(command.exec());
    }
    let status = command.status()?;
    if let Some(stamp) = stamp.filter(|_| status.success()) {
        finish_dep_info(call, None, stamp);
    }
    if let Some((path, note)) = program.filter(|_| status.success()) {
        // Without it the program's telemetry lacks a version.
        let _ = note.append(&path);
    }
    let warning = match status.code() {
        Some(0) if is_watched => verdict::compiled(dirs, context, call, toolchain),
        // A compiler that was killed by a signal did not fail because of its input.
        Some(_) if is_watched => verdict::failed(dirs, context, call, toolchain),
        _ => None,
    };
    Ok(Compiled { status: status_code(status), warnings: warning.into_iter().collect() })
}

/// The program that is linked here, and the note for it. A build script has none: cargo names no binary for it.
fn program(call: &Call) -> Option<(PathBuf, ProgramNote)> {
    let variable = |name| std::env::var(name).ok();
    variable("CARGO_BIN_NAME")?;
    let note = ProgramNote { name: variable("CARGO_PKG_NAME")?, version: variable("CARGO_PKG_VERSION")? };
    Some((call.program()?, note))
}

/// The file that notes that a woven crate is being compiled.
pub(super) fn running_note(dirs: &ProjectDirs, unit: &str) -> PathBuf {
    dirs.folder().join("running").join(unit)
}

/// The package in cargo's environment and arguments, if this compiles the library of a known and foreign package.
fn subject(dirs: &ProjectDirs, call: &Call, context: &WeavingContext) -> Option<Subject> {
    if !call.is_foreign() || !call.is_library() {
        return None;
    }
    let name = std::env::var("CARGO_PKG_NAME").ok().filter(|name| context.catalog.names(name))?;
    let version = Version::parse(&std::env::var("CARGO_PKG_VERSION").ok()?).ok()?;
    let folder = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR")?);
    if is_own(dirs, &name, &version, &folder) {
        return None;
    }
    let root = library_root(&folder).ok()?;
    let input = call.input()?;
    let here = std::env::current_dir().ok()?;
    // The path of a vendored package is relative to the workspace.
    if here.join(input) != folder.join(&root) {
        return None;
    }
    let compiler_folder = input.to_str()?.strip_suffix(&root)?.trim_end_matches('/').to_owned();
    Some(Subject { name, version, folder, root, compiler_folder })
}

/// Whether a package is the user's own. `--cap-lints` does not decide it: RUSTFLAGS may set it for all packages.
pub(super) fn is_own(dirs: &ProjectDirs, name: &str, version: &Version, folder: &Path) -> bool {
    let locked = locked(dirs.root()).unwrap_or_default();
    let mut same = locked.iter().filter(|locked| locked.name == name && locked.version == *version).peekable();
    !is_from_cargo(folder) || (same.peek().is_some() && same.all(|locked| locked.own))
}

/// Where there is no operating system there is no standard library, and the hooks need one.
fn bare_metal(target: Option<&str>) -> bool {
    target.is_some_and(|target| target.contains("-none") || target.ends_with(".json"))
}

fn not_woven_warning(dirs: &ProjectDirs, subject: &Subject, error: NotWoven) -> CompileWarning {
    let (name, version) = (subject.name.clone(), subject.version.clone());
    let log = match &error {
        NotWoven::Compiler { messages, layer, .. } => Some(Layer::note_failure(dirs, &name, &version, layer, messages)),
        _ => None,
    };
    CompileWarning::NotWoven { name, version, log, source: error }
}

/// An error as the compiler shows it, up to the place it is at.
pub(super) fn first_lines(rendered: &str) -> Option<String> {
    let plain = anstream::adapter::strip_str(rendered).to_string();
    let lines: Vec<&str> = plain.lines().filter(|line| !line.trim().is_empty()).take(2).map(str::trim).collect();
    (!lines.is_empty()).then(|| lines.join(" "))
}

/// Cargo does not miss a dep-info that could not be rewritten: it compiles the crate once more.
pub(super) fn finish_dep_info(call: &Call, layer: Option<Mapping<'_>>, stamp: &Path) {
    if let Some(path) = call.dep_info() {
        let _ = dep_info::rewrite(&path, layer, stamp);
    }
}

pub(super) fn join(prefix: &str, path: &Path) -> OsString {
    let mut word = OsString::from(prefix);
    word.push(path);
    word
}
