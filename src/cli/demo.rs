//! `otel-rs demo`

use std::path::PathBuf;

use crate::ops;

/// Build and run a small program with no telemetry code, and show the trace and metrics it yields
#[derive(clap::Args, Debug)]
pub(crate) struct DemoArgs {
    /// Where to write the demo [default: a folder of the temporary directory]
    path: Option<PathBuf>,
}

impl DemoArgs {
    pub(crate) fn into_options(self) -> ops::demo::Options {
        ops::demo::Options { path: self.path }
    }
}
