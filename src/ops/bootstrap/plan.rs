//! What bootstrap is going to write: worked out before anything is.

use std::path::PathBuf;

use semver::Version;

use super::{Action, Options, usage};
use crate::layers::{Choice, Knowledge, Layer, LayerError, Original};
use crate::ops::Failure;
use crate::project::cargo_config::{self, Edited};
use crate::project::manifest::{Created, Manifest};
use crate::project::{Home, Package, Source, Usage, Use, locked, packages};
use crate::rules::Catalog;
use crate::ui::Explain;

/// Everything there is to write and tell.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) home: Home,
    pub(super) rows: Vec<Row>,
    pub(super) knowledge: Knowledge,
    pub(super) config_path: PathBuf,
    pub(super) config: Edited,
    /// The machine's compiler wrapper, which the project's would hide.
    pub(super) machine_wrapper: Option<String>,
    pub(super) programs: Vec<String>,
}

/// One known crate.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) version: Version,
    pub(super) emits: Vec<String>,
    pub(super) state: State,
    /// Its layer's folder and what makes it current.
    pub(super) layer: Option<(PathBuf, String)>,
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

        let config_path = cargo_config::path(home.root());
        let before = cargo_config::read(&config_path)?;
        let config = cargo_config::add(&config_path, before.as_deref().unwrap_or_default())?;
        manifest.chain.clone_from(&config.wrapper);
        manifest.chain_rustdoc.clone_from(&config.rustdoc);
        if before.is_none() {
            let folder = config_path.parent().is_some_and(std::path::Path::is_dir);
            manifest.created = if folder { Created::ConfigFile } else { Created::ConfigFolder };
        }

        let mut known: Vec<_> = lock.iter().filter(|locked| catalog.get(&locked.name).is_some()).collect();
        known.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
        let packages = if known.is_empty() { Vec::new() } else { packages(home.root())? };
        let knowledge = Knowledge::new(home, catalog, manifest);
        let install = options.action == Action::Install;
        if install {
            super::write::check_writable(home, &config_path)?;
        }
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
            machine_wrapper: if config.wrapper.is_none() { machine_wrapper(home) } else { None },
            programs: packages.iter().filter(|p| p.source == Source::Path).flat_map(|p| p.programs.clone()).collect(),
            home: home.clone(),
            rows,
            knowledge,
            config_path,
            config,
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
        emits: known.emits.clone(),
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
            let original = Original { name, version, source: package.source, folder: &package.folder };
            let layer = if install {
                Layer::ensure(home, knowledge, known, original)
            } else {
                Layer::weave(original, known, &knowledge.hooks)
                    .and_then(|_| Layer::folder(home, original).map_err(LayerError::from))
            };
            match layer {
                Ok(folder) => {
                    let digest = knowledge.layer_digest(known, version);
                    row.state = if Layer::has_failed(home, name, version, &digest) {
                        State::Plain("its layer did not compile in the last build".to_owned())
                    } else {
                        State::Woven
                    };
                    row.layer = Some((folder, digest));
                }
                Err(error) => row.state = State::Plain(error.to_string()),
            }
        }
    }
    Some(row)
}

/// The compiler wrapper of a configuration above the project or of cargo's home, which ours would hide.
fn machine_wrapper(home: &Home) -> Option<String> {
    let cargo_home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let above = home.root().ancestors().skip(1).map(cargo_config::path);
    let last = cargo_home.into_iter().flat_map(|home| [home.join("config"), home.join("config.toml")]);
    above
        .chain(last)
        .find_map(|path| cargo_config::wrapper_in(&path))
        .filter(|wrapper| !wrapper.ends_with(".otel-rs/rustc"))
}
