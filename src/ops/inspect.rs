//! `otel-rs inspect`: which layers a binary carries.

use std::path::PathBuf;

use crate::catalog::Catalog;
use crate::layers::layers_in;
use crate::ops::coverage::CoverageSummary;
use crate::ops::{Failure, Format, Outcome};
use crate::ui::{self, Explain};

/// The options of `otel-rs inspect`.
#[derive(Debug)]
pub(crate) struct Options {
    /// The program.
    pub(crate) binary: PathBuf,
    /// The form of the output.
    pub(crate) format: Format,
}

#[derive(Debug, thiserror::Error)]
enum InspectError {
    #[error("`{}` carries no layers: it was built without otel-rs, or uses no crate that can be instrumented", .0.display())]
    NoLayers(PathBuf),
    #[error("cannot inspect `{}`", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
}

impl Explain for InspectError {
    fn hint(&self) -> Option<String> {
        match self {
            InspectError::NoLayers(_) => Some(
                "run `otel-rs bootstrap` in its project, build it there with `RUSTC_WRAPPER` unset, and inspect again"
                    .to_owned(),
            ),
            InspectError::Unreadable { .. } => None,
        }
    }
}

/// Reads the notes that layers leave in a binary.
pub(crate) fn run(options: Options) -> Outcome {
    let path = options.binary;
    let notes = match layers_in(&path) {
        Ok(notes) => notes,
        Err(source) => return Err(Failure { status: 2, ..Failure::from(InspectError::Unreadable { path, source }) }),
    };
    if notes.is_empty() {
        return Err(InspectError::NoLayers(path).into());
    }
    match options.format {
        Format::Json => ui::out(serde_json::json!(notes)),
        Format::Table => {
            let summary = CoverageSummary::of(&Catalog::load()?, notes.iter().map(|note| note.name.as_str()));
            let rows: Vec<Vec<String>> = notes
                .into_iter()
                .map(|note| vec![note.name, note.version, note.hooks_version, note.wire_version.to_string()])
                .collect();
            ui::out(ui::table(&["CRATE", "VERSION", "HOOKS", "WIRE"], &rows));
            for line in summary.lines() {
                ui::out(format_args!("\n{line}"));
            }
        }
    }
    Ok(0)
}
