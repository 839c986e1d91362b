//! What bootstrap is going to write: worked out before anything is.

use std::path::{Path, PathBuf};

use semver::Version;

use super::{Action, Options, usage, write};
use crate::layers::{Choice, Knowledge, Layer, LayerError, Original, Place};
use crate::ops::Failure;
use crate::project::cargo_config::{self, ConfigError};
use crate::project::git::{self, Tracked};
use crate::project::manifest::{Created, Manifest};
use crate::project::{CacheError, Home, Package, Source, Usage, Use, cargo_version, locked, packages};
use crate::rules::Catalog;
use crate::ui::Explain;

/// Everything there is to write and tell.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) home: Home,
    pub(super) rows: Vec<Row>,
    pub(super) knowledge: Knowledge,
    pub(super) form: Form,
    pub(super) programs: Vec<String>,
}

/// How cargo is led to our shims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Form {
    /// Its configuration includes a file in the user's cache, which only this machine has.
    Local(Edit),
    /// Not at all: the project is left alone, and `otel-rs cargo` builds it woven.
    Apart(Apart),
    /// Its configuration names shims in the project, to be committed.
    Shared(Edit),
}

/// A file of cargo's configuration, and what is to be in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edit {
    pub(super) path: PathBuf,
    pub(super) text: String,
}

/// Why a project is left alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Apart {
    /// An edit would be a change to be committed.
    Tracked(&'static str),
    /// Git could not be asked.
    Unknown(&'static str),
    /// A setting of the project's own would count more.
    Outranked(String),
    /// Older cargos cannot read an `include` that may be missing.
    OldCargo(Version),
    /// Cargo could not read the project with it.
    Refused(String),
}

/// The first cargo that reads an `include` of a file that may be missing.
const INCLUDES: (u64, u64) = (1, 94);

impl std::fmt::Display for Apart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (major, minor) = INCLUDES;
        match self {
            Apart::Tracked(file) => write!(f, "git tracks `{file}`, which is left as it is"),
            Apart::Unknown(file) => {
                write!(f, "git does not tell whether it tracks `{file}`, which is left as it is")
            }
            Apart::Outranked(error) => f.write_str(error),
            Apart::OldCargo(version) => {
                write!(f, "cargo {version} includes no file that may be missing (expected {major}.{minor} or newer)")
            }
            Apart::Refused(message) => {
                write!(f, "cargo could not read the project with what bootstrap adds, so it was taken back ({message})")
            }
        }
    }
}

/// One known crate.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) version: Version,
    pub(super) emits: Vec<String>,
    pub(super) state: State,
    /// Its layer.
    pub(super) layer: Option<Place>,
}

/// What becomes of a crate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// It is compiled from its layer.
    Woven,
    /// It would be, but no program contains it, and why.
    Unused(&'static str),
    /// It stays as it is, and why.
    Plain(String),
}

#[derive(Debug, thiserror::Error)]
#[error("cannot instrument `{name}`: no such instrumentation")]
struct Unknown {
    name: String,
}

impl Explain for Unknown {
    fn hint(&self) -> Option<String> {
        Some("run `otel-rs list` to see what there is".to_owned())
    }
}

impl Plan {
    /// Looks at the project and weaves what can be woven. Layers are written only when the action is to install.
    pub(super) fn make(home: &Home, options: &Options) -> Result<Plan, Failure> {
        let lock = locked(home.root())?;
        let catalog = Catalog::load()?;
        let mut manifest = Manifest::read(home)?.unwrap_or_default();
        for name in options.only.iter().chain(&options.exclude).flatten() {
            if catalog.get(name).is_none() {
                return Err(usage(Unknown { name: name.clone() }));
            }
        }
        if let Some(only) = &options.only {
            manifest.only.clone_from(only);
        }
        if let Some(exclude) = &options.exclude {
            manifest.exclude.clone_from(exclude);
        }
        manifest.version = env!("CARGO_PKG_VERSION").to_owned();

        let home = &home.clone().with_shared(home.is_shared() || options.shared);
        let install = options.action == Action::Install;
        if install {
            write::check_writable(home)?;
            home.ready()?;
        }
        let config_path = cargo_config::path(home.root());
        let before = cargo_config::read(&config_path)?;
        let form = if home.is_shared() {
            let config = cargo_config::add(&config_path, before.as_deref().unwrap_or_default())?;
            manifest.chain = config.wrapper;
            manifest.chain_rustdoc = config.rustdoc;
            Form::Shared(Edit { path: config_path.clone(), text: config.text })
        } else {
            (manifest.chain, manifest.chain_rustdoc) = (None, None);
            // Installing tries again.
            manifest.refused &= !install;
            match local(home, &config_path, before.as_deref())? {
                Form::Local(_) if manifest.refused => Form::Apart(Apart::Refused("when it was last tried".to_owned())),
                other => other,
            }
        };
        if before.is_none() {
            let folder = config_path.parent().is_some_and(Path::is_dir);
            manifest.created = match form {
                Form::Apart(_) => Created::None,
                _ if folder => Created::ConfigFile,
                _ => Created::ConfigFolder,
            };
        }

        let mut known: Vec<_> = lock.iter().filter(|locked| catalog.get(&locked.name).is_some()).collect();
        known.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
        let packages = if known.is_empty() { Vec::new() } else { packages(home.root())? };
        let knowledge = Knowledge::new(home, catalog, manifest);
        let mut rows = Vec::new();
        for locked in known {
            let mut found = packages.iter().filter(|p| p.name == locked.name && p.version == locked.version).peekable();
            if found.peek().is_none() {
                rows.extend(row(home, &knowledge, &locked.name, &locked.version, None, install));
            }
            rows.extend(found.filter_map(|p| row(home, &knowledge, &p.name, &p.version, Some(p), install)));
        }
        mark_unused(home, &mut rows);
        Ok(Plan {
            programs: packages.iter().filter(|p| p.source == Source::Path).flat_map(|p| p.programs.clone()).collect(),
            home: home.clone(),
            rows,
            knowledge,
            form,
        })
    }
}

/// A lock file holds more than programs do. Where cargo cannot list what they contain, nothing is claimed.
fn mark_unused(home: &Home, rows: &mut [Row]) {
    let woven = |row: &&mut Row| row.state == State::Woven;
    let asked: Vec<_> = rows.iter_mut().filter(woven).map(|row| (row.name.as_str(), &row.version)).collect();
    let Some(usage) = (!asked.is_empty()).then(|| Usage::of(home.root(), &asked)).flatten() else { return };
    for row in rows.iter_mut().filter(woven) {
        match usage.find(&row.name, &row.version) {
            Use::Program => {}
            Use::Tests => row.state = State::Unused("only tests, examples and benchmarks use it"),
            Use::Build => row.state = State::Unused("only build scripts and macros use it"),
            Use::None => row.state = State::Unused("no target compiles it"),
        }
    }
}

fn row(
    home: &Home,
    knowledge: &Knowledge,
    name: &str,
    version: &Version,
    package: Option<&Package>,
    install: bool,
) -> Option<Row> {
    let (known, why) = match knowledge.choose(name, version)? {
        Choice::Plain(known, crate::layers::Why::Version) => (known, format!("supported are {}", known.versions)),
        Choice::Plain(known, why) => (known, why.to_string()),
        Choice::Weave(known) => (known, String::new()),
    };
    let mut row = Row {
        name: name.to_owned(),
        version: version.clone(),
        emits: known.emits_with_metrics(),
        state: State::Plain(why),
        layer: None,
    };
    match (&row.state, package) {
        (State::Plain(why), _) if !why.is_empty() => {}
        (_, None) => row.state = State::Plain("not part of the default build".to_owned()),
        (_, Some(package)) if package.source == Source::Path => {
            row.state = State::Plain("a path dependency is the user's own code".to_owned());
        }
        (_, Some(package)) => {
            let original = Original { name, version, folder: &package.folder };
            let layer = if install {
                Layer::ensure(home, knowledge, known, original)
            } else {
                Layer::weave(original, known, &knowledge.hooks)
                    .and_then(|_| Layer::place(home, knowledge, known, original).map_err(LayerError::from))
            };
            match layer {
                Ok(place) => {
                    let digest = knowledge.layer_digest(known, version);
                    row.state = if Layer::has_failed(home, name, version, &digest) {
                        State::Plain("its layer did not compile in the last build".to_owned())
                    } else {
                        State::Woven
                    };
                    row.layer = Some(place);
                }
                Err(error) => row.state = State::Plain(error.to_string()),
            }
        }
    }
    Some(row)
}

/// What the local form makes of cargo's configuration, if it can be added to.
fn local(home: &Home, path: &Path, before: Option<&str>) -> Result<Form, Failure> {
    let included = home.included();
    let included = included.to_str().ok_or_else(|| CacheError::NotText(included.clone()))?;
    let text = match cargo_config::include(path, before.unwrap_or_default(), included) {
        Err(error @ ConfigError::Outranked { .. }) => return Ok(Form::Apart(Apart::Outranked(error.to_string()))),
        other => other?,
    };
    let edit = Form::Local(Edit { path: path.to_owned(), text });
    if matches!(&edit, Form::Local(edit) if Some(edit.text.as_str()) == before) {
        return Ok(edit);
    }
    let name = if path.extension().is_some() { ".cargo/config.toml" } else { ".cargo/config" };
    match git::tracks(home.root(), path) {
        Tracked::Yes => return Ok(Form::Apart(Apart::Tracked(name))),
        // What is not there yet is not tracked, or as good as deleted.
        Tracked::Unknown if before.is_some() => return Ok(Form::Apart(Apart::Unknown(name))),
        _ => {}
    }
    match cargo_version(home.root()) {
        Some(version) if (version.major, version.minor) < INCLUDES => Ok(Form::Apart(Apart::OldCargo(version))),
        _ => Ok(edit),
    }
}
