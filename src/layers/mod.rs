//! Layers: the woven source of one locked crate, and what it is made from.

mod choice;
mod functions;
mod hooks;
mod layer;
mod metrics;
mod mirror;
mod note;
mod own;
mod own_stamp;
mod program;
mod quarantine;
mod stamp;

pub(crate) use choice::{Choice, LAYER_FORMAT, PlainReason, WeavingContext, WeavingContextError};
pub(crate) use functions::functions_of;
pub(crate) use hooks::HooksSource;
pub(crate) use layer::{Layer, LayerError, LayerLocation, Original, library_root};
pub(crate) use note::{LayerNote, layers_in};
pub(crate) use own::{Exceptions, OwnCrate, OwnLayer};
pub(crate) use own_stamp::ensure_own_stamp;
pub(crate) use program::ProgramNote;
pub(crate) use quarantine::{Dependent, QuarantineChange, Woven};
pub(crate) use stamp::{ensure_stamp, name_and_version, refresh_stamps};
