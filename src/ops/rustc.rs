//! `otel-rs __rustc`: what cargo runs in place of the compiler, through the project's shim.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::catalog::CatalogError;
use crate::layers::{WeavingContext, WeavingContextError};
use crate::ops::Outcome;
use crate::project::manifest::Manifest;
use crate::project::{CacheError, ProjectDirs, files, former};
use crate::rustc::{Call, Compilation, Compiled, VersionAnswer, answer_version, become_plain, compile, compile_plain};
use crate::ui::{self, Explain};

/// The variable in which a shim passes its own folder.
pub(crate) const PROJECT_VARIABLE: &str = "OTEL_RS_PROJECT";
/// A compiler wrapper to run inside ours, in place of the one that cargo's configuration names.
pub(crate) const CHAIN_VARIABLE: &str = "OTEL_RS_RUSTC_WRAPPER";

/// Cargo's call of the compiler.
#[derive(Debug)]
pub(crate) struct Options {
    /// The compiler, and its arguments.
    pub(crate) words: Vec<OsString>,
}

#[derive(Debug, thiserror::Error)]
enum RustcError {
    #[error("cannot run `{program}`")]
    NotRun { program: String, source: std::io::Error },
}

impl Explain for RustcError {}

/// Compiles as cargo requires. A build never fails because of us: whatever is wrong here, the compiler runs.
pub(crate) fn run(options: Options) -> Outcome {
    ui::set_prefix("otel-rs: ");
    let call = Call::parse(&options.words);
    let folder = std::env::var_os(PROJECT_VARIABLE).map(PathBuf::from);
    let done = match folder.map(|folder| (ProjectDirs::at(&folder), folder.join("rustc"))) {
        Some((Ok(dirs), shim)) => run_at(&dirs, &shim, &call),
        Some((Err(error), shim)) => {
            if call.compiles() {
                warn_once(&error, nix::unistd::getppid());
            } else if call.queries_version() {
                // The answer changes as soon as there is a cache: cargo must not remember this one.
                let _ = files::touch(&shim);
            }
            Err(become_plain(&call, &[]))
        }
        None => Err(become_plain(&call, &[])),
    };
    done.map_err(|source| {
        let program = call.compiler().to_string_lossy().into_owned();
        RustcError::NotRun { program, source }.into()
    })
}

fn run_at(dirs: &ProjectDirs, shim: &Path, call: &Call) -> std::io::Result<i32> {
    let chain = chain(dirs);
    if call.queries_version() {
        let VersionAnswer { text, status } = answer_version(dirs, call, &chain, shim)?;
        ui::out_raw(text);
        return Ok(status);
    }
    if !call.compiles() {
        return Err(become_plain(call, &chain));
    }
    let name = std::env::var("CARGO_PKG_NAME").unwrap_or_default();
    let context = WeavingContext::load_one(dirs, &name).or_else(|error| {
        // A mistake in one instrumentation is shown with its crate, a mistake that concerns all of them once.
        let one = matches!(&error, WeavingContextError::Catalog(CatalogError::Malformed { .. })) && call.is_library();
        if one || std::env::var_os("CARGO_PRIMARY_PACKAGE").is_some() {
            ui::warning_of(&error);
        }
        WeavingContext::load_one(dirs, "")
    });
    let Ok(context) = &context else { return Err(become_plain(call, &chain)) };
    let compilation = Compilation { dirs, context, call, chain, shim };
    let Compiled { status, warnings } = match dirs.ready() {
        Ok(()) => compile(&compilation)?,
        Err(error) => {
            warn_once(&error, nix::unistd::getppid());
            compile_plain(&compilation)?
        }
    };
    warnings.iter().for_each(|warning| ui::warning_of(warning));
    Ok(status)
}

/// The wrapper to run inside ours: the environment's, else the one that the shared form has replaced, else the one that
/// cargo's configuration names besides ours.
fn chain(dirs: &ProjectDirs) -> Vec<OsString> {
    if let Some(chain) = std::env::var_os(CHAIN_VARIABLE) {
        return if chain.is_empty() { Vec::new() } else { vec![former::resolved(dirs.root(), &chain).into()] };
    }
    let replaced = if dirs.is_shared() { Manifest::read(dirs).ok().flatten() } else { None };
    let replaced = replaced.and_then(|manifest| manifest.chain).filter(|chain| !chain.is_empty());
    let replaced = replaced.map(|chain| former::resolved(dirs.root(), chain.as_ref()));
    replaced.or_else(|| former::program(dirs.root(), "rustc-wrapper")).map(OsString::from).into_iter().collect()
}

/// Warns that a build is plain, once for each run of `cargo`. The note of the warning lies where other users' may lie
/// as well, since the cache is what cannot be used; a folder is made by one process only, and follows no link.
pub(super) fn warn_once(error: &CacheError, cargo: nix::unistd::Pid) {
    let notes = std::env::temp_dir();
    let prefix = format!("otel-rs-warned-{}-", nix::unistd::Uid::effective());
    let is_cargo = cargo == nix::unistd::getpid();
    let cargo = cargo.to_string();
    match std::fs::create_dir(notes.join(format!("{prefix}{cargo}"))) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return,
        // If no note can be left, only the user's own crates cause the warning, and not each dependency.
        Err(_) if !is_cargo && std::env::var_os("CARGO_PRIMARY_PACKAGE").is_none() => return,
        _ => {}
    }
    // Notes of runs that are over.
    for entry in std::fs::read_dir(&notes).into_iter().flatten().flatten() {
        let over = entry
            .file_name()
            .to_str()
            .and_then(|name| name.strip_prefix(&prefix))
            .is_some_and(|pid| pid != cargo && !Path::new("/proc").join(pid).exists());
        if over {
            let _ = std::fs::remove_dir(entry.path());
        }
    }
    let causes = std::error::Error::source(error).map(ToString::to_string);
    ui::warning(format_args!("compiling without telemetry: {error}"), causes.as_slice(), error.hint().as_deref());
}
