//! `otel-rs __rustc`: what cargo runs in place of the compiler, through the project's shim.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::layers::{Knowledge, KnowledgeError};
use crate::ops::Outcome;
use crate::project::manifest::Manifest;
use crate::project::{CacheError, Home, files, former};
use crate::rules::CatalogError;
use crate::rustc::{Call, Compilation, Compiled, VersionAnswer, answer_version, become_plain, compile, compile_plain};
use crate::ui::{self, Explain};

/// The variable by which a shim says where it stands.
pub(crate) const PROJECT_VARIABLE: &str = "OTEL_RS_PROJECT";
/// A compiler wrapper to run inside ours, in place of the one that cargo's configuration names.
pub(crate) const CHAIN_VARIABLE: &str = "OTEL_RS_RUSTC_WRAPPER";

/// What cargo asked for.
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

/// Compiles as cargo asked. A build never fails because of us: whatever is wrong here, the compiler runs.
pub(crate) fn run(options: Options) -> Outcome {
    ui::set_prefix("otel-rs: ");
    let call = Call::parse(&options.words);
    let folder = std::env::var_os(PROJECT_VARIABLE).map(PathBuf::from);
    let done = match folder.map(|folder| (Home::at(&folder), folder.join("rustc"))) {
        Some((Ok(home), shim)) => run_at(&home, &shim, &call),
        Some((Err(error), shim)) => {
            if call.compiles() {
                warn_once(&error, nix::unistd::getppid());
            } else if call.asks_version() {
                // The answer is another one as soon as there is a cache: cargo must not remember this one.
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

fn run_at(home: &Home, shim: &Path, call: &Call) -> std::io::Result<i32> {
    let chain = chain(home);
    if call.asks_version() {
        let VersionAnswer { text, status } = answer_version(home, call, &chain, shim)?;
        ui::out_raw(text);
        return Ok(status);
    }
    if !call.compiles() {
        return Err(become_plain(call, &chain));
    }
    let name = std::env::var("CARGO_PKG_NAME").unwrap_or_default();
    let knowledge = Knowledge::load_one(home, &name).or_else(|error| {
        // What is wrong with one instrumentation is told with its crate, what is wrong with all of them once.
        let one = matches!(&error, KnowledgeError::Catalog(CatalogError::Malformed { .. })) && call.is_library();
        if one || std::env::var_os("CARGO_PRIMARY_PACKAGE").is_some() {
            ui::warning_of(&error);
        }
        Knowledge::load_one(home, "")
    });
    let Ok(knowledge) = &knowledge else { return Err(become_plain(call, &chain)) };
    let compilation = Compilation { home, knowledge, call, chain, shim };
    let Compiled { status, warnings } = match home.ready() {
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
fn chain(home: &Home) -> Vec<OsString> {
    if let Some(chain) = std::env::var_os(CHAIN_VARIABLE) {
        return if chain.is_empty() { Vec::new() } else { vec![former::resolved(home.root(), &chain).into()] };
    }
    let replaced = if home.is_shared() { Manifest::read(home).ok().flatten() } else { None };
    let replaced = replaced.and_then(|manifest| manifest.chain).filter(|chain| !chain.is_empty());
    let replaced = replaced.map(|chain| former::resolved(home.root(), chain.as_ref()));
    replaced.or_else(|| former::program(home.root(), "rustc-wrapper")).map(OsString::from).into_iter().collect()
}

/// Warns that a build is plain, once for each run of `cargo`. The note that it was warned lies where other users' may lie
/// as well, since the cache is what cannot be used; a folder is made by one process only, and follows no link.
pub(super) fn warn_once(error: &CacheError, cargo: nix::unistd::Pid) {
    let notes = std::env::temp_dir();
    let prefix = format!("otel-rs-warned-{}-", nix::unistd::Uid::effective());
    let is_cargo = cargo == nix::unistd::getpid();
    let cargo = cargo.to_string();
    match std::fs::create_dir(notes.join(format!("{prefix}{cargo}"))) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return,
        // Without a note, what the user builds is warned of, and not each dependency.
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
