//! The use cases, one file each, to be read from top to bottom.

pub(crate) mod bootstrap;
pub(crate) mod cache;
pub(crate) mod cargo;
pub(crate) mod config;
mod coverage;
pub(crate) mod demo;
pub(crate) mod diff;
pub(crate) mod inspect;
pub(crate) mod instrument;
mod instrumentation_names;
pub(crate) mod list;
pub(crate) mod metrics;
pub(crate) mod rustc;
pub(crate) mod rustdoc;
pub(crate) mod variables;

use crate::ui::{self, Explain};

/// The form of what a command writes to stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// Tables for people.
    Table,
    /// JSON for programs.
    Json,
}

/// Why a command ended without doing its work, and with which status.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The message to the user.
    pub(crate) error: Box<dyn Explain>,
    /// The exit status: 2 for a user's mistake, 1 otherwise, 125..=127 from `instrument`.
    pub(crate) status: i32,
}

/// Announces that cargo fetches sources, which may take a while.
fn note_fetching() {
    ui::note("fetching the sources of the dependencies (as `cargo fetch` would)");
}

/// The result of a use case: the exit status, or a failure with its message.
pub(crate) type Outcome = Result<i32, Failure>;

impl<E: Explain + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Failure { error: Box::new(error), status: 1 }
    }
}
