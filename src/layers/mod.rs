//! Layers: the woven source of one locked crate, and what it is made from.

mod choice;
mod hooks;
mod layer;
mod metrics;
mod note;
mod program;
mod quarantine;
mod stamp;

pub(crate) use choice::{Choice, Knowledge, KnowledgeError, LAYER_FORMAT, Why};
pub(crate) use hooks::HooksSource;
pub(crate) use layer::{Layer, LayerError, Original, Place, library_root};
pub(crate) use note::{LayerNote, layers_in};
pub(crate) use program::ProgramNote;
pub(crate) use quarantine::{Dependent, Finding, Woven};
pub(crate) use stamp::{ensure_stamp, name_and_version, refresh_stamps};
