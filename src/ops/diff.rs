//! `otel-rs diff`: what weaving changes in the crates of a project.

use std::path::PathBuf;

use similar::TextDiff;

use crate::layers::{Choice, Layer, Original, WeavingContext};
use crate::ops::{Failure, Outcome, note_fetching};
use crate::project::{Package, ProjectDirs, Source, packages, workspace_root};
use crate::ui::{self, Explain};

/// The options of `otel-rs diff`.
#[derive(Debug)]
pub(crate) struct Options {
    /// The only crate to show.
    pub(crate) name: Option<String>,
    /// A folder in the project.
    pub(crate) project: PathBuf,
}

#[derive(Debug, thiserror::Error)]
enum DiffError {
    #[error("`{0}` is not in this project, or has no instrumentation")]
    NotFound(String),
    #[error("cannot weave `{name}` {version}")]
    NotWoven { name: String, version: String, source: crate::layers::LayerError },
}

impl Explain for DiffError {
    fn hint(&self) -> Option<String> {
        match self {
            DiffError::NotFound(_) => Some("run `otel-rs bootstrap -a requirements` to see what is in it".to_owned()),
            DiffError::NotWoven { .. } => None,
        }
    }
}

/// Shows a unified diff of each layer against its package. Weaves anew: what is written on disk does not matter.
pub(crate) fn run(options: Options) -> Outcome {
    let path = std::path::absolute(&options.project).unwrap_or_else(|_| options.project.clone());
    let root = workspace_root(&path).map_err(|error| Failure { status: 2, ..Failure::from(error) })?;
    let context = WeavingContext::load(&ProjectDirs::of(&root)?)?;
    let mut packages = packages(&root, note_fetching)?;
    packages.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    let mut shown = 0;
    for package in &packages {
        let is_chosen = options.name.as_ref().is_none_or(|name| *name == package.name);
        if is_chosen && package.source != Source::Path && show(&context, package)? {
            shown += 1;
        }
    }
    match options.name {
        Some(name) if shown == 0 => Err(Failure { status: 2, ..Failure::from(DiffError::NotFound(name)) }),
        _ => Ok(0),
    }
}

fn show(context: &WeavingContext, package: &Package) -> Result<bool, Failure> {
    let Package { name, version, folder, .. } = package;
    let Some(Choice::Weave(known)) = context.choose(name, version) else { return Ok(false) };
    let original = Original { name, version, folder };
    let layer = Layer::weave(original, known, &context.hooks).map_err(|source| DiffError::NotWoven {
        name: name.clone(),
        version: version.to_string(),
        source,
    })?;
    for (file, woven) in &layer.files {
        let before = fs_err::read_to_string(folder.join(file)).ok();
        let (from, to) = (format!("a/{name}-{version}/{file}"), format!("b/{name}-{version}/{file}"));
        let from = if before.is_some() { from } else { "/dev/null".to_owned() };
        let before = before.unwrap_or_default();
        let diff = TextDiff::from_lines(before.as_str(), woven.as_str());
        ui::out_raw(diff.unified_diff().context_radius(3).header(&from, &to));
    }
    Ok(true)
}
