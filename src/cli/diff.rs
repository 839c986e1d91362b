//! `otel-rs diff` on the command line.

use std::path::PathBuf;

use crate::ops::diff::Options;

/// Arguments of `otel-rs diff`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Show this crate only
    #[arg(value_name = "CRATE")]
    name: Option<String>,
    /// A folder of the project
    #[arg(long, value_name = "PATH", default_value = ".")]
    project: PathBuf,
}

impl Args {
    pub(super) fn into_options(self) -> Options {
        Options { name: self.name, project: self.project }
    }
}
