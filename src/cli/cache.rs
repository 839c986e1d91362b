//! `otel-rs cache` on the command line.

use crate::ops::cache::{Action, Options};

/// Show what otel-rs keeps outside of projects, or empty it
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What to do with the cache
    #[arg(value_enum, default_value_t = ActionArg::Show)]
    action: ActionArg,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum ActionArg {
    /// Show where it is, and what is in it
    Show,
    /// Remove what can be made again, and what is about projects that are gone
    Clear,
}

impl Args {
    pub(super) fn into_options(self) -> Options {
        let action = match self.action {
            ActionArg::Show => Action::Show,
            ActionArg::Clear => Action::Clear,
        };
        Options { action }
    }
}
