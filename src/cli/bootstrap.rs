//! `otel-rs bootstrap` on the command line.

use std::path::PathBuf;

use crate::ops::Format;
use crate::ops::bootstrap::{Action, Options};

/// Arguments of `otel-rs bootstrap`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A folder of the project
    #[arg(default_value = ".")]
    path: PathBuf,
    /// What to do: prepare the project, show what would be woven, undo it, or compare
    #[arg(short, long, value_enum, default_value_t = ActionArg::Install)]
    action: ActionArg,
    /// Weave these crates only
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    only: Option<Vec<String>>,
    /// Do not weave these crates
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    exclude: Option<Vec<String>>,
    /// Make spans of your own functions: `shop::checkout::*`; may be given several times, empty for none
    #[arg(long, value_name = "PATTERN")]
    span: Option<Vec<String>>,
    /// Carry contexts into threads that your own code starts with `std::thread`; `--threads=false` ends it
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    threads: Option<bool>,
    /// Write what can be committed with the project, for everybody who builds it
    #[arg(long)]
    shared: bool,
    /// How to show the result
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum ActionArg {
    /// Prepare layers and lead cargo to them
    Install,
    /// Show what would be woven, write nothing
    Requirements,
    /// Restore every file
    Remove,
    /// End with 1 when what is written is not what would be written now
    Check,
}

impl Args {
    pub(super) fn into_options(self) -> Options {
        let names = |list: Option<Vec<String>>| {
            list.map(|names| {
                names.into_iter().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
            })
        };
        Options {
            path: self.path,
            action: match self.action {
                ActionArg::Install => Action::Install,
                ActionArg::Requirements => Action::Requirements,
                ActionArg::Remove => Action::Remove,
                ActionArg::Check => Action::Check,
            },
            only: names(self.only),
            exclude: names(self.exclude),
            spans: names(self.span),
            threads: self.threads,
            shared: self.shared,
            format: self.format,
        }
    }
}
