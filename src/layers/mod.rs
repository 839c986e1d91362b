//! Layers: the woven source of one locked crate, and what it is made from.

mod choice;
mod hooks;
mod layer;
mod note;
mod program;
mod quarantine;
mod stamp;

pub(crate) use choice::{Choice, Knowledge, KnowledgeError, LAYER_FORMAT, Why};
pub(crate) use hooks::HooksSource;
pub(crate) use layer::{Layer, LayerError, Original, library_root};
pub(crate) use note::{LayerNote, layers_in};
pub(crate) use program::ProgramNote;
pub(crate) use quarantine::{Dependent, Finding, Woven};
pub(crate) use stamp::{ensure_stamp, name_and_version, refresh_stamps};

use sha2::{Digest, Sha256};

/// The first characters of a digest over `texts`, enough to tell apart what one project ever sees.
pub(crate) fn short_digest<'a>(texts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hasher = Sha256::new();
    for text in texts {
        hasher.update((text.len() as u64).to_le_bytes());
        hasher.update(text);
    }
    hasher.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}
