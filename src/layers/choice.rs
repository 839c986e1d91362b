//! Choosing: which crates of a project are woven, and why the others stay plain.

use std::fmt::{self, Display};

use semver::Version;

use super::HooksSource;
use super::quarantine::{Held, Quarantine};
use crate::catalog::{Catalog, CatalogError};
use crate::digest::short_digest;
use crate::project::{ProjectDirs, manifest::Manifest, manifest::ManifestError};
use crate::rules::Instrumentation;
use crate::ui::Explain;
use crate::weave::spans::SpanPattern;

/// Raised when layers are written in another way than before, so that all are written anew.
pub(crate) const LAYER_FORMAT: &str = "7";

/// All that decides how the crates of a project are compiled.
#[derive(Debug)]
pub(crate) struct WeavingContext {
    /// What can be instrumented.
    pub(crate) catalog: Catalog,
    /// What the project decided.
    pub(crate) manifest: Manifest,
    /// The hooks that layers will call.
    pub(crate) hooks: HooksSource,
    /// Which crates stay plain for the sake of a dependent.
    pub(crate) quarantine: Quarantine,
}

/// Why the context could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WeavingContextError {
    /// The catalog is wrong.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The project's manifest is wrong.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
}

impl Explain for WeavingContextError {
    fn hint(&self) -> Option<String> {
        match self {
            WeavingContextError::Catalog(error) => error.hint(),
            WeavingContextError::Manifest(error) => error.hint(),
        }
    }
}

/// What is decided about a known crate.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Choice<'a> {
    /// It is woven.
    Weave(&'a Instrumentation),
    /// It stays as it is.
    Plain(&'a Instrumentation, PlainReason),
}

/// Why a known crate stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PlainReason {
    /// The user left it out.
    Excluded,
    /// No rules for its version.
    Version,
    /// Woven, it broke a crate that depends on it.
    Quarantined,
    /// A crate that depends on it did not compile; it is plain until that crate is compiled again.
    Suspected,
}

impl Display for PlainReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PlainReason::Excluded => "left out by --only or --exclude",
            PlainReason::Version => "version not supported",
            PlainReason::Quarantined => "woven, it broke a dependent",
            PlainReason::Suspected => "a dependent did not compile; the next build compiles it with this crate plain",
        })
    }
}

impl WeavingContext {
    /// Reads the catalog, and what the project at `dirs` decided.
    pub(crate) fn load(dirs: &ProjectDirs) -> Result<WeavingContext, WeavingContextError> {
        Ok(WeavingContext::new(dirs, Catalog::load()?, Manifest::read(dirs)?.unwrap_or_default()))
    }

    /// The same, of the catalog only what is about one crate.
    pub(crate) fn load_one(dirs: &ProjectDirs, name: &str) -> Result<WeavingContext, WeavingContextError> {
        Ok(WeavingContext::new(dirs, Catalog::load_one(name)?, Manifest::read(dirs)?.unwrap_or_default()))
    }

    /// A context with a manifest that is not written yet.
    pub(crate) fn new(dirs: &ProjectDirs, catalog: Catalog, manifest: Manifest) -> WeavingContext {
        WeavingContext { catalog, manifest, hooks: HooksSource::embedded(), quarantine: Quarantine::load(dirs) }
    }

    /// What is decided about a crate; `None` when nothing is known about it.
    pub(crate) fn choose(&self, name: &str, version: &Version) -> Option<Choice<'_>> {
        let known = self.catalog.get(name)?;
        let reason = if !self.manifest.chooses(name) {
            PlainReason::Excluded
        } else if !known.versions.matches(version) {
            PlainReason::Version
        } else {
            match self.quarantine.holds(&format!("{name}-{version}"), &self.layer_digest(known, version)) {
                Some(Held::Confirmed) => PlainReason::Quarantined,
                Some(Held::Suspected) => PlainReason::Suspected,
                None => return Some(Choice::Weave(known)),
            }
        };
        Some(Choice::Plain(known, reason))
    }

    /// The patterns of the user's own functions that become spans. One that a hand has spoiled chooses nothing.
    pub(crate) fn spans(&self) -> Vec<SpanPattern> {
        self.manifest.spans.iter().filter_map(|text| SpanPattern::parse(text).ok()).collect()
    }

    /// Changes whenever the layer of a crate would be another.
    pub(crate) fn layer_digest(&self, known: &Instrumentation, version: &Version) -> String {
        let marker = self.hooks.marker(&known.name, version);
        short_digest([LAYER_FORMAT.as_bytes(), known.digest.as_bytes(), marker.as_bytes()])
    }

    /// Changes whenever a crate must be compiled anew.
    pub(crate) fn stamp(&self, name: &str, version: &Version) -> String {
        match self.choose(name, version) {
            Some(Choice::Weave(known)) => {
                format!("woven {} {}\n", self.layer_digest(known, version), self.hooks.digest)
            }
            Some(Choice::Plain(..)) | None => "plain\n".to_owned(),
        }
    }
}
