//! `otel-rs cargo` on the command line.

use std::ffi::OsString;

use crate::ops::cargo::Options;

/// Run cargo so that it builds with telemetry, and write nothing into the project
///
/// All that follows is cargo's: `otel-rs cargo build --release`, `otel-rs cargo +nightly test`. For one-off builds,
/// containers and CI; no `otel-rs bootstrap` is needed before it.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true, disable_version_flag = true)]
pub(super) struct Args {
    /// What cargo is called with
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<OsString>,
}

impl Args {
    pub(super) fn into_options(self) -> Options {
        Options { words: self.words }
    }
}
