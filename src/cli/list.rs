//! `otel-rs list` on the command line.

use crate::ops::Format;
use crate::ops::list::Options;

/// Arguments of `otel-rs list`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How to show the list
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

impl Args {
    pub(super) fn into_options(self) -> Options {
        Options { format: self.format }
    }
}
