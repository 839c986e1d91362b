//! `otel-rs __rustc`: what cargo runs in place of the compiler, through the project's shim.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::layers::{Knowledge, KnowledgeError};
use crate::ops::Outcome;
use crate::project::Home;
use crate::rules::CatalogError;
use crate::rustc::{Call, Compilation, become_plain, compile, tell_version};
use crate::ui::{self, Explain};

/// The variable by which a shim says where it stands.
pub(crate) const PROJECT_VARIABLE: &str = "OTEL_RS_PROJECT";
/// A compiler wrapper to run inside ours, for places where `RUSTC_WRAPPER` must be set to ours.
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
    let home = std::env::var_os(PROJECT_VARIABLE).map(|path| Home::at(PathBuf::from(path)));
    let done = match home {
        Some(home) => run_at(&home, &call),
        None => Err(become_plain(&call, &[])),
    };
    done.map_err(|source| {
        let program = call.compiler().to_string_lossy().into_owned();
        RustcError::NotRun { program, source }.into()
    })
}

fn run_at(home: &Home, call: &Call) -> std::io::Result<i32> {
    if call.asks_version() {
        return tell_version(home, call);
    }
    if !call.compiles() {
        return Err(become_plain(call, &[]));
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
    let chain = chain(home, knowledge.as_ref().ok());
    match &knowledge {
        Ok(knowledge) => compile(&Compilation { home, knowledge, call, chain }),
        Err(_) => Err(become_plain(call, &chain)),
    }
}

/// The wrapper to run inside ours: the environment's, else the project's former one, else the machine's.
fn chain(home: &Home, knowledge: Option<&Knowledge>) -> Vec<OsString> {
    if let Some(chain) = std::env::var_os(CHAIN_VARIABLE) {
        return if chain.is_empty() { Vec::new() } else { vec![chain] };
    }
    let manifest = knowledge.and_then(|knowledge| knowledge.manifest.chain.clone());
    let local = || fs_err::read_to_string(home.local().join("chain")).ok().map(|text| text.trim_end().to_owned());
    manifest.or_else(local).filter(|chain| !chain.is_empty()).map(OsString::from).into_iter().collect()
}
