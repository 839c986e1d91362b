//! `otel-rs cargo`: cargo, with our shims named on its command line and nothing written into the project.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::bootstrap::write_in_cache;
use super::{Outcome, rustc, rustdoc};
use crate::project::{ProjectDirs, former, workspace_of};
use crate::ui::{self, Explain};

/// The options of `otel-rs cargo`.
#[derive(Debug)]
pub(crate) struct Options {
    /// What cargo is called with.
    pub(crate) words: Vec<OsString>,
}

#[derive(Debug, thiserror::Error)]
#[error("cannot run `{program}`")]
struct NotRun {
    program: String,
    source: std::io::Error,
}

impl Explain for NotRun {
    fn hint(&self) -> Option<String> {
        Some("install Rust: https://rustup.rs".to_owned())
    }
}

/// Cargo's own commands that build something. They take settings from the command line, so that neither build scripts nor
/// the programs that cargo runs find them in their environment. Other commands are programs that call cargo again.
const OWN: [&str; 18] = [
    "build", "b", "check", "c", "test", "t", "bench", "run", "r", "doc", "d", "rustc", "rustdoc", "install", "fix",
    "package", "publish", "metadata",
];

/// Those that make a project.
const STARTING: [&str; 2] = ["new", "init"];

/// The variables by which a program for `build.<key>` is named, in cargo's order.
const TOOLS: [(&str, [&str; 2], &str); 2] = [
    ("rustc-wrapper", ["RUSTC_WRAPPER", "CARGO_BUILD_RUSTC_WRAPPER"], rustc::CHAIN_VARIABLE),
    ("rustdoc", ["RUSTDOC", "CARGO_BUILD_RUSTDOC"], rustdoc::CHAIN_VARIABLE),
];

/// Becomes cargo. Where weaving is not possible, cargo runs as it would without otel-rs.
pub(crate) fn run(options: Options) -> Outcome {
    ui::set_prefix("otel-rs: ");
    let call = CargoCall::of(&options.words);
    // The cargo in PATH chooses the toolchain that the project names, and understands `+toolchain`.
    let program = match which::which("cargo") {
        Ok(_) => OsString::from("cargo"),
        Err(_) => std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()),
    };
    let mut command = Command::new(&program);
    command.args(call.toolchain);
    if let Some(root) = call.root(&program) {
        match ProjectDirs::of(&root).and_then(|dirs| dirs.ready().and_then(|()| write_in_cache(&dirs)).map(|()| dirs)) {
            Ok(dirs) => weave(&mut command, &dirs, &call),
            // This process becomes cargo.
            Err(error) => rustc::warn_once(&error, nix::unistd::getpid()),
        }
    }
    command.args(call.rest);
    Err(NotRun { program: program.to_string_lossy().into_owned(), source: command.exec() }.into())
}

/// Names our shims to cargo; what the environment names instead of them runs inside.
fn weave(command: &mut Command, dirs: &ProjectDirs, call: &CargoCall<'_>) {
    let own = call.subcommand.is_some_and(|name| OWN.iter().any(|own| name == *own));
    for ((key, variables, chain), shim) in TOOLS.into_iter().zip([dirs.rustc(), dirs.rustdoc()]) {
        if let Some(former) = former::in_environment(variables)
            && std::env::var_os(chain).is_none()
        {
            command.env(chain, former);
        }
        let [tool, setting] = variables;
        command.env_remove(tool);
        let value = toml_edit::Value::from(shim.to_string_lossy().into_owned());
        if own {
            command.arg("--config").arg(format!("build.{key}={value}"));
        } else {
            command.env_remove(setting).env(tool, shim);
        }
    }
}

/// The arguments of cargo, as far as they name a project.
#[derive(Debug, Default, PartialEq, Eq)]
struct CargoCall<'a> {
    toolchain: Option<&'a OsStr>,
    rest: &'a [OsString],
    subcommand: Option<&'a OsStr>,
    manifest: Option<PathBuf>,
    path: Option<PathBuf>,
}

impl<'a> CargoCall<'a> {
    fn of(words: &'a [OsString]) -> CargoCall<'a> {
        let is_toolchain = |word: &&OsString| word.as_encoded_bytes().starts_with(b"+");
        let toolchain = words.first().filter(is_toolchain).map(OsString::as_os_str);
        let rest = &words[usize::from(toolchain.is_some())..];
        let mut found = CargoCall { toolchain, rest, ..CargoCall::default() };
        let mut folder = PathBuf::new();
        let mut words = rest.iter();
        while let Some(word) = words.next() {
            let text = word.to_string_lossy();
            let (name, value) = text.split_once('=').unwrap_or((&text, ""));
            let mut value = || if value.is_empty() { words.next().cloned() } else { Some(OsString::from(value)) };
            match name {
                // What follows is for a program that cargo runs.
                "--" => break,
                "--manifest-path" => found.manifest = value().map(PathBuf::from),
                "--path" => found.path = value().map(PathBuf::from),
                "-C" => folder = value().map(PathBuf::from).unwrap_or_default(),
                "--config" | "--color" | "-Z" => drop(value()),
                _ if !text.starts_with('-') && found.subcommand.is_none() => found.subcommand = Some(word),
                _ => {}
            }
        }
        for path in [&mut found.manifest, &mut found.path] {
            *path = path.take().map(|path| folder.join(path));
        }
        if found.manifest.is_none() && !folder.as_os_str().is_empty() {
            found.manifest = Some(folder.join("Cargo.toml"));
        }
        found
    }

    /// The root of the project that is built. What cargo installs need not be a project of the user's, and what another
    /// program builds may not be there yet: then it is the folder that cargo is called in.
    fn root(&self, program: &OsStr) -> Option<PathBuf> {
        let installs = self.subcommand.is_some_and(|name| name == "install");
        let manifest = self.path.as_ref().filter(|_| installs).map(|path| path.join("Cargo.toml"));
        let manifest = manifest.or_else(|| self.manifest.clone());
        let found = workspace_of(program, self.toolchain, manifest.as_deref().map(Path::as_os_str));
        let may_build = |name: &OsStr| !OWN.iter().chain(&STARTING).any(|own| name == *own);
        let builds = installs || self.subcommand.is_some_and(may_build);
        found.or_else(|| std::env::current_dir().ok().filter(|_| builds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> (Option<String>, Option<String>, Option<PathBuf>, usize) {
        let words: Vec<OsString> = text.split_whitespace().map(OsString::from).collect();
        let found = CargoCall::of(&words);
        let text = |word: Option<&OsStr>| word.map(|word| word.to_str().unwrap().to_owned());
        (text(found.toolchain), text(found.subcommand), found.manifest, found.rest.len())
    }

    #[test]
    fn arguments_of_cargo_name_the_project() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(words("build --release"), (None, some("build"), None, 2));
        assert_eq!(words("+1.95.0 -q test"), (some("+1.95.0"), some("test"), None, 2));
        assert_eq!(words("--config a=1 run --manifest-path p/Cargo.toml").1, some("run"));
        assert_eq!(words("b --manifest-path p/Cargo.toml").2, Some("p/Cargo.toml".into()));
        assert_eq!(words("b --manifest-path=p/Cargo.toml").2, Some("p/Cargo.toml".into()));
        assert_eq!(words("-C q b").2, Some("q/Cargo.toml".into()));
        assert_eq!(words("run -- --manifest-path x").2, None);
        assert_eq!(words(""), (None, None, None, 0));
    }
}
