//! The plan of `otel-rs bootstrap`: which crates are woven, and what cargo's configuration will hold.
//!
//! Planning reads the project and weaves in memory; `write` carries the plan out. What is to be written to is checked first,
//! since cargo may have to download sources, and weaving takes its time.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::path::{Path, PathBuf};

use semver::{Version, VersionReq};

use super::spans::{self, SpanRow};
use super::{Action, Options, usage, write};
use crate::catalog::Catalog;
use crate::layers::{Choice, Layer, LayerError, LayerLocation, Original, PlainReason, WeavingContext};
use crate::ops::coverage::CoverageSummary;
use crate::ops::{Failure, note_fetching};
use crate::project::cargo_config::{self, ConfigError};
use crate::project::git::{self, Tracked};
use crate::project::manifest::{Created, Manifest};
use crate::project::{CacheError, Locked, Package, ProjectDirs, Source, Usage, Use, cargo_version, locked, packages};
use crate::rules::{Coverage, Instrumentation};
use crate::ui::Explain;
use crate::weave::spans::SpanPattern;

/// What bootstrap will write and show.
#[derive(Debug)]
pub(super) struct BootstrapPlan {
    pub(super) dirs: ProjectDirs,
    /// The packages of the lock file.
    pub(super) locked: Vec<Locked>,
    pub(super) rows: Vec<CrateRow>,
    pub(super) spans: Vec<SpanRow>,
    /// Patterns that choose nothing any more: what is wrong with each.
    pub(super) lost_spans: Vec<Failure>,
    /// How many calls start threads that carry contexts, if that is chosen.
    pub(super) threads: Option<usize>,
    /// Whether something of the user's own was woven before.
    pub(super) had_own: bool,
    /// Packages by which the program records already what woven crates record.
    pub(super) overlaps: Vec<OverlapRow>,
    /// Which parts of the program's telemetry are covered, and which are not.
    pub(super) coverage: CoverageSummary,
    pub(super) context: WeavingContext,
    pub(super) form: Form,
    pub(super) programs: Vec<String>,
}

/// How cargo is led to our shims.
#[derive(Debug)]
pub(super) enum Form {
    /// Its configuration includes a file in the user's cache, which only this machine has.
    Local(ConfigEdit),
    /// Not at all: the project is left alone, and `otel-rs cargo` builds it woven.
    Apart(ApartReason),
    /// Its configuration names shims in the project, to be committed.
    Shared(ConfigEdit),
}

/// A file of cargo's configuration, and what is to be in it.
#[derive(Debug)]
pub(super) struct ConfigEdit {
    pub(super) path: PathBuf,
    pub(super) text: String,
}

/// Why a project is left alone.
#[derive(Debug)]
pub(super) enum ApartReason {
    /// An edit would be a change to be committed.
    Tracked(&'static str),
    /// Git failed to list the file.
    Unknown(&'static str),
    /// A setting of the project's own would count more.
    Outranked(ConfigError),
    /// Older cargos cannot read an `include` that may be missing.
    OldCargo(Version),
    /// Cargo could not read the project with the edit just now; its message.
    Refused(String),
    /// Cargo could not read the project with the edit at the last attempt.
    RefusedBefore,
}

/// The first cargo that reads an `include` of a file that may be missing.
const INCLUDES: (u64, u64) = (1, 94);

impl Display for ApartReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor) = INCLUDES;
        let refused = "cargo could not read the project with what bootstrap adds, so it was taken back";
        match self {
            ApartReason::Tracked(file) => write!(f, "git tracks `{file}`, which is left as it is"),
            ApartReason::Unknown(file) => {
                write!(f, "git failed to list `{file}`, which is left as it is")
            }
            ApartReason::Outranked(error) => error.fmt(f),
            ApartReason::OldCargo(version) => {
                write!(f, "cargo {version} includes no file that may be missing (expected {major}.{minor} or newer)")
            }
            ApartReason::Refused(message) => write!(f, "{refused} ({message})"),
            ApartReason::RefusedBefore => write!(f, "{refused} (when it was last tried)"),
        }
    }
}

/// One crate of the lock file that has an instrumentation.
#[derive(Debug)]
pub(super) struct CrateRow {
    pub(super) name: String,
    pub(super) version: Version,
    pub(super) emits: Vec<String>,
    pub(super) state: CrateState,
    pub(super) layer: Option<PlannedLayer>,
}

impl CrateRow {
    /// Whether the crate is compiled from its layer.
    pub(super) fn is_woven(&self) -> bool {
        matches!(self.state, CrateState::Woven)
    }
}

/// A package by which the program records already what a woven crate records.
#[derive(Debug)]
pub(super) struct OverlapRow {
    pub(super) name: String,
    pub(super) version: Version,
    /// What happens, and what its user can choose.
    pub(super) note: String,
}

/// The layer of a crate, and what is still to be written of it.
#[derive(Debug)]
pub(super) struct PlannedLayer {
    /// The folder of the package that it is woven from.
    pub(super) package: PathBuf,
    pub(super) location: LayerLocation,
    /// The woven files; `None` where the cache holds the layer already.
    pub(super) woven: Option<Layer>,
}

/// What becomes of a crate.
#[derive(Debug)]
pub(super) enum CrateState {
    /// It is compiled from its layer.
    Woven,
    /// It would be, but no program contains it.
    Unused(Reason),
    /// It is compiled as it is.
    Plain(Reason),
}

/// Why a crate is not woven.
#[derive(Debug)]
pub(super) enum Reason {
    /// The user's choice, or an earlier build that failed.
    Choice(PlainReason),
    /// There are rules for these versions only.
    Version(VersionReq),
    /// Cargo resolves it for another platform or feature.
    OutsideDefaultBuild,
    /// It is a member of the workspace, or a path dependency.
    PathDependency,
    /// A rule missed, or the layer could not be written.
    NotWoven(LayerError),
    /// The last build could not compile its layer.
    LayerFailed,
    /// Only tests, examples and benchmarks use it.
    TestsOnly,
    /// Only build scripts and procedural macros use it.
    BuildOnly,
    /// Nothing uses it with the enabled features.
    NoTarget,
}

impl Display for CrateState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CrateState::Woven => f.write_str("woven"),
            CrateState::Plain(reason) => write!(f, "plain: {reason}"),
            CrateState::Unused(reason) => write!(f, "not in the program: {reason}"),
        }
    }
}

impl Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::Choice(reason) => return reason.fmt(f),
            Reason::Version(supported) => return write!(f, "supported are {supported}"),
            Reason::NotWoven(error) => return error.fmt(f),
            Reason::OutsideDefaultBuild => "not part of the default build",
            Reason::PathDependency => "a path dependency is the user's own code",
            Reason::LayerFailed => "its layer did not compile in the last build",
            Reason::TestsOnly => "only tests, examples and benchmarks use it",
            Reason::BuildOnly => "only build scripts and macros use it",
            Reason::NoTarget => "no target compiles it",
        })
    }
}

#[derive(Debug, thiserror::Error)]
#[error("cannot instrument `{name}`: no such instrumentation")]
struct Unknown {
    name: String,
}

impl Explain for Unknown {
    fn hint(&self) -> Option<String> {
        Some("run `otel-rs list` to see all instrumentations".to_owned())
    }
}

impl BootstrapPlan {
    /// Reads the project and weaves in memory what can be woven. Nothing is written but the folders of the cache, and these
    /// only to install.
    pub(super) fn make(dirs: &ProjectDirs, options: &Options) -> Result<BootstrapPlan, Failure> {
        let locked = locked(dirs.root())?;
        let catalog = Catalog::load()?;
        let had_own = Manifest::read(dirs)?.is_some_and(|manifest| manifest.weaves_own());
        let manifest = manifest(dirs, &catalog, options)?;
        let dirs = dirs.clone().with_shared(dirs.is_shared() || options.shared);
        let mut known: Vec<_> = locked.iter().filter(|locked| catalog.get(&locked.name).is_some()).collect();
        let is_empty = known.is_empty() && !manifest.weaves_own();
        if options.action == Action::Install && (!is_empty || had_own) {
            write::prepare(&dirs)?;
        }
        let (form, manifest) = form(&dirs, manifest, options.action)?;

        known.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
        let known_crates = Catalog::known()?;
        let packages = if is_empty { Vec::new() } else { packages(dirs.root(), note_fetching)? };
        let (spans, lost_spans) = spans(&manifest, &packages, options.spans.is_some())?;
        let threads = manifest.threads.then(|| spans::threads(&packages));
        let context = WeavingContext::new(&dirs, catalog, manifest);
        let mut rows = Vec::new();
        for locked in known {
            let mut found = packages.iter().filter(|p| p.name == locked.name && p.version == locked.version).peekable();
            if found.peek().is_none() {
                rows.extend(row(&dirs, &context, &locked.name, &locked.version, None));
            }
            rows.extend(found.filter_map(|p| row(&dirs, &context, &p.name, &p.version, Some(p))));
        }
        let not_woven = not_woven(&locked, &rows, &context.catalog, &known_crates);
        let missing = mark_unused(&dirs, &mut rows, not_woven);
        let woven = rows.iter().filter(|row| row.is_woven()).map(|row| row.name.as_str());
        let mut coverage = CoverageSummary::of(&context.catalog, woven);
        for Missing { part, name, version } in missing {
            coverage.miss(part, format!("{name} {version}"));
        }
        let programs = programs(&packages, &options.path);
        let overlaps = overlaps(&locked, &rows, &context.catalog);
        Ok(BootstrapPlan {
            dirs,
            locked,
            rows,
            spans,
            lost_spans,
            threads,
            had_own,
            overlaps,
            coverage,
            context,
            form,
            programs,
        })
    }

    /// Whether there is nothing to do in this project.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty() && !self.context.manifest.weaves_own() && !self.had_own
    }
}

/// The project's manifest with the choice of these options.
fn manifest(dirs: &ProjectDirs, catalog: &Catalog, options: &Options) -> Result<Manifest, Failure> {
    let mut manifest = Manifest::read(dirs)?.unwrap_or_default();
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
    if let Some(spans) = &options.spans {
        manifest.spans.clone_from(spans);
    }
    if let Some(threads) = options.threads {
        manifest.threads = threads;
    }
    manifest.version = env!("CARGO_PKG_VERSION").to_owned();
    Ok(manifest)
}

/// What the patterns of the manifest choose. One that the user has just given must choose something; an earlier one may have
/// lost its functions since.
fn spans(manifest: &Manifest, packages: &[Package], are_given: bool) -> Result<(Vec<SpanRow>, Vec<Failure>), Failure> {
    let (mut rows, mut lost) = (Vec::new(), Vec::new());
    for text in &manifest.spans {
        let row = match SpanPattern::parse(text) {
            Ok(pattern) => spans::row(&pattern, packages).map_err(usage),
            Err(error) => Err(usage(error)),
        };
        match row {
            Ok(row) => rows.push(row),
            Err(failure) if are_given => return Err(failure),
            Err(failure) => lost.push(failure),
        }
    }
    Ok((rows, lost))
}

/// How cargo will be led to our shims, and the manifest that records it.
fn form(dirs: &ProjectDirs, mut manifest: Manifest, action: Action) -> Result<(Form, Manifest), Failure> {
    let config_path = cargo_config::path(dirs.root());
    let before = cargo_config::read(&config_path)?;
    let form = if dirs.is_shared() {
        let config = cargo_config::add(&config_path, before.as_deref().unwrap_or_default())?;
        manifest.chain = config.wrapper;
        manifest.chain_rustdoc = config.rustdoc;
        Form::Shared(ConfigEdit { path: config_path.clone(), text: config.text })
    } else {
        (manifest.chain, manifest.chain_rustdoc) = (None, None);
        // Installing tries again.
        manifest.refused &= action != Action::Install;
        match local(dirs, &config_path, before.as_deref())? {
            Form::Local(_) if manifest.refused => Form::Apart(ApartReason::RefusedBefore),
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
    Ok((form, manifest))
}

/// The locked packages that record what woven crates record, each as often as it has something to note.
fn overlaps(locked: &[Locked], rows: &[CrateRow], catalog: &Catalog) -> Vec<OverlapRow> {
    let woven = rows.iter().filter(|row| row.is_woven()).filter_map(|row| catalog.get(&row.name));
    let mut found: Vec<OverlapRow> = Vec::new();
    for overlap in woven.flat_map(|known| &known.overlaps) {
        for package in locked.iter().filter(|package| overlap.is_about(&package.name, &package.version)) {
            if !found.iter().any(|known| known.name == package.name && known.note == overlap.note) {
                let (name, version, note) = (package.name.clone(), package.version.clone(), overlap.note.clone());
                found.push(OverlapRow { name, version, note });
            }
        }
    }
    found
}

/// A package that would provide a part of the program's telemetry, and is not covered.
struct Missing<'a> {
    part: Coverage,
    name: &'a str,
    version: &'a Version,
}

/// The locked packages that are not woven though they stand for a part of the telemetry. What the user chose to leave plain is
/// not missing.
fn not_woven<'a>(
    locked: &'a [Locked],
    rows: &[CrateRow],
    catalog: &Catalog,
    known: &BTreeMap<String, Coverage>,
) -> Vec<Missing<'a>> {
    let mut all = Vec::new();
    for Locked { name, version, .. } in locked {
        let row = rows.iter().find(|row| row.name == *name && row.version == *version);
        let is_missing = match row.map(|row| &row.state) {
            None => catalog.get(name).is_none(),
            Some(CrateState::Woven | CrateState::Unused(_)) => false,
            Some(CrateState::Plain(Reason::Choice(_) | Reason::OutsideDefaultBuild | Reason::PathDependency)) => false,
            Some(CrateState::Plain(_)) => true,
        };
        let parts = match catalog.get(name) {
            Some(instrumentation) => instrumentation.covers.clone(),
            None => known.get(name).copied().into_iter().collect(),
        };
        all.extend(parts.into_iter().filter(|_| is_missing).map(|part| Missing { part, name, version }));
    }
    all
}

/// Marks the crates that no program contains: a lock file holds more than programs do. Of those that are not covered, it
/// returns the ones that a program contains. Where cargo cannot list what programs contain, nothing is marked.
fn mark_unused<'a>(dirs: &ProjectDirs, rows: &mut [CrateRow], missing: Vec<Missing<'a>>) -> Vec<Missing<'a>> {
    let woven = rows.iter().filter(|row| row.is_woven()).map(|row| (row.name.as_str(), &row.version));
    let packages: Vec<_> = woven.chain(missing.iter().map(|missing| (missing.name, missing.version))).collect();
    let Some(usage) = (!packages.is_empty()).then(|| Usage::of(dirs.root(), &packages)).flatten() else {
        return missing;
    };
    for row in rows.iter_mut().filter(|row| row.is_woven()) {
        let reason = match usage.find(&row.name, &row.version) {
            Use::Program => continue,
            Use::Tests => Reason::TestsOnly,
            Use::Build => Reason::BuildOnly,
            Use::None => Reason::NoTarget,
        };
        row.state = CrateState::Unused(reason);
    }
    let is_contained = |missing: &Missing<'_>| matches!(usage.find(missing.name, missing.version), Use::Program);
    missing.into_iter().filter(is_contained).collect()
}

/// The programs of the project's own packages, those of the package that `path` lies in first.
fn programs(packages: &[Package], path: &Path) -> Vec<String> {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut own: Vec<&Package> = packages.iter().filter(|package| package.source == Source::Path).collect();
    let depth = |package: &Package| match path.starts_with(&package.folder) {
        true => package.folder.components().count(),
        false => 0,
    };
    own.sort_by_key(|package| std::cmp::Reverse(depth(package)));
    own.iter().flat_map(|package| package.programs.clone()).collect()
}

fn row(
    dirs: &ProjectDirs,
    context: &WeavingContext,
    name: &str,
    version: &Version,
    package: Option<&Package>,
) -> Option<CrateRow> {
    let choice = context.choose(name, version)?;
    let (Choice::Weave(known) | Choice::Plain(known, _)) = choice;
    let plain = |reason| (CrateState::Plain(reason), None);
    let (state, layer) = match (choice, package) {
        (Choice::Plain(known, PlainReason::Version), _) => plain(Reason::Version(known.versions.clone())),
        (Choice::Plain(_, reason), _) => plain(Reason::Choice(reason)),
        (_, None) => plain(Reason::OutsideDefaultBuild),
        (_, Some(package)) if package.source == Source::Path => plain(Reason::PathDependency),
        (Choice::Weave(known), Some(package)) => {
            match planned(dirs, context, known, Original { name, version, folder: &package.folder }) {
                Ok(layer) if Layer::has_failed(dirs, name, version, &context.layer_digest(known, version)) => {
                    (CrateState::Plain(Reason::LayerFailed), Some(layer))
                }
                Ok(layer) => (CrateState::Woven, Some(layer)),
                Err(error) => plain(Reason::NotWoven(error)),
            }
        }
    };
    Some(CrateRow { name: name.to_owned(), version: version.clone(), emits: known.emits_with_metrics(), state, layer })
}

/// The layer of a package, woven where the cache does not hold it.
fn planned(
    dirs: &ProjectDirs,
    context: &WeavingContext,
    known: &Instrumentation,
    original: Original<'_>,
) -> Result<PlannedLayer, LayerError> {
    let location = Layer::location(dirs, context, known, original)?;
    let woven = if location.is_whole() { None } else { Some(Layer::weave(original, known, &context.hooks)?) };
    Ok(PlannedLayer { package: original.folder.to_owned(), location, woven })
}

/// What the local form makes of cargo's configuration, if it can be added to.
fn local(dirs: &ProjectDirs, path: &Path, before: Option<&str>) -> Result<Form, Failure> {
    let included = dirs.included();
    let included = included.to_str().ok_or_else(|| CacheError::NotText(included.clone()))?;
    let text = match cargo_config::include(path, before.unwrap_or_default(), included) {
        Err(error @ ConfigError::Outranked { .. }) => return Ok(Form::Apart(ApartReason::Outranked(error))),
        other => other?,
    };
    let edit = Form::Local(ConfigEdit { path: path.to_owned(), text });
    if matches!(&edit, Form::Local(edit) if Some(edit.text.as_str()) == before) {
        return Ok(edit);
    }
    let name = if path.extension().is_some() { ".cargo/config.toml" } else { ".cargo/config" };
    match git::tracks(dirs.root(), path) {
        Tracked::Yes => return Ok(Form::Apart(ApartReason::Tracked(name))),
        // A file that does not exist is not tracked, or its deletion is not committed yet.
        Tracked::Unknown if before.is_some() => return Ok(Form::Apart(ApartReason::Unknown(name))),
        _ => {}
    }
    match cargo_version(dirs.root()) {
        Some(version) if (version.major, version.minor) < INCLUDES => Ok(Form::Apart(ApartReason::OldCargo(version))),
        _ => Ok(edit),
    }
}
