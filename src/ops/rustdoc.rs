//! `otel-rs __rustdoc`: what cargo runs in place of rustdoc, which has to find the hooks that woven crates name.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use super::rustc::PROJECT_VARIABLE;
use crate::ops::Outcome;
use crate::project::{ProjectDirs, former, manifest::Manifest};
use crate::rustc::hooks_folder;
use crate::ui::{self, Explain};

/// A rustdoc to run inside ours, in place of the one that cargo's configuration names.
pub(crate) const CHAIN_VARIABLE: &str = "OTEL_RS_RUSTDOC";

/// Cargo's call of rustdoc.
#[derive(Debug)]
pub(crate) struct Options {
    /// The arguments.
    pub(crate) arguments: Vec<OsString>,
}

#[derive(Debug, thiserror::Error)]
#[error("cannot run `{program}`")]
struct NotRun {
    program: String,
    source: std::io::Error,
}

impl Explain for NotRun {}

/// Becomes rustdoc, with the folder of the hooks among those it searches.
pub(crate) fn run(options: Options) -> Outcome {
    ui::set_prefix("otel-rs: ");
    let dirs = std::env::var_os(PROJECT_VARIABLE).and_then(|path| ProjectDirs::at(Path::new(&path)).ok());
    let program = dirs.as_ref().and_then(former).unwrap_or_else(rustdoc);
    let mut command = Command::new(&program);
    command.args(&options.arguments);
    let documents = options.arguments.iter().any(|argument| argument == "--crate-name");
    if let Some(dirs) = dirs.filter(|_| documents) {
        let compiler = sibling("rustc").unwrap_or_else(|| "rustc".into());
        if let Ok(folder) = hooks_folder(&dirs, &compiler, target(&options.arguments).as_deref()) {
            let mut search = OsString::from("dependency=");
            search.push(folder);
            command.arg("-L").arg(search);
        }
    }
    Err(NotRun { program: program.to_string_lossy().into_owned(), source: command.exec() }.into())
}

/// The rustdoc to run: the environment's, else the one that the shared form has replaced, else the one that cargo's
/// configuration names besides ours.
fn former(dirs: &ProjectDirs) -> Option<OsString> {
    let resolved = |program: &OsStr| former::resolved(dirs.root(), program);
    let set = std::env::var_os(CHAIN_VARIABLE).filter(|program| !program.is_empty());
    let replaced = || Manifest::read(dirs).ok().flatten().filter(|_| dirs.is_shared())?.chain_rustdoc;
    set.map(|program| resolved(&program))
        .or_else(|| replaced().map(|program| resolved(program.as_ref())))
        .or_else(|| former::program(dirs.root(), "rustdoc"))
        .map(OsString::from)
}

/// The rustdoc beside the running cargo, of the same toolchain; a search in PATH could find otel-rs's own.
fn rustdoc() -> OsString {
    sibling("rustdoc").unwrap_or_else(|| "rustdoc".into())
}

fn sibling(name: &str) -> Option<OsString> {
    let cargo = std::env::var_os("CARGO")?;
    let path = Path::new(&cargo).with_file_name(name);
    path.is_file().then(|| path.into_os_string())
}

fn target(arguments: &[OsString]) -> Option<String> {
    let at = arguments.iter().position(|argument| argument == OsStr::new("--target"))?;
    arguments.get(at + 1).map(|target| target.to_string_lossy().into_owned())
}
