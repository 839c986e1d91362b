//! `otel-rs inspect` on the command line.

use std::path::PathBuf;

use crate::ops::Format;
use crate::ops::inspect::Options;

/// Arguments of `otel-rs inspect`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A program that was built after `otel-rs bootstrap`
    binary: PathBuf,
    /// How to show the result
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

impl Args {
    pub(super) fn into_options(self) -> Options {
        Options { binary: self.binary, format: self.format }
    }
}
