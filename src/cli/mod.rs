//! The command line: clap definitions, one file per subcommand, turned into calls of `ops`.

mod bootstrap;
mod cache;
mod cargo;
mod config;
mod demo;
mod diff;
mod flags;
mod format;
mod inspect;
mod instrument;
mod list;
mod manual;

use std::ffi::OsString;

use clap::{CommandFactory as _, Parser};

use crate::{ops, ui};

/// OpenTelemetry for Rust programs, with no code change.
#[derive(Debug, Parser)]
#[command(name = "otel-rs", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Prepare a project, so that plain cargo builds it with telemetry
    Bootstrap(bootstrap::Args),
    Cargo(cargo::Args),
    Cache(cache::Args),
    Demo(demo::DemoArgs),
    /// Run a program and export its telemetry
    Instrument(instrument::Args),
    /// Show what `instrument` would do with a program, and why nothing arrives
    Config(config::Args),
    /// List what can be instrumented
    List(list::Args),
    /// Show what weaving changes in a project's dependencies
    Diff(diff::Args),
    /// Show which layers a program carries
    Inspect(inspect::Args),
    /// Write completions for a shell to stdout
    Completions(manual::CompletionsArgs),
    /// Write a manual page to stdout, for `man -l -`
    Man(manual::ManArgs),
    /// The registry of variables, from which their page is made
    #[command(name = "__variables", hide = true)]
    Variables,
    /// The launcher's catalogue of metrics, from which their pages are made
    #[command(name = "__metrics", hide = true)]
    Metrics,
    /// What cargo runs in place of the compiler
    #[command(name = "__rustc", hide = true, disable_help_flag = true, disable_version_flag = true)]
    Rustc {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<OsString>,
    },
    /// What cargo runs in place of rustdoc
    #[command(name = "__rustdoc", hide = true, disable_help_flag = true, disable_version_flag = true)]
    Rustdoc {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

/// Parses the command line, runs the command, reports its failure, and returns the process's exit status.
pub(crate) fn run(args: impl IntoIterator<Item = OsString>) -> i32 {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => {
            ui::err_raw(error.render().ansi());
            return error.exit_code();
        }
        Err(help) => {
            ui::out_raw(help.render().ansi());
            return 0;
        }
    };
    let outcome = match cli.command {
        Command::Bootstrap(args) => ops::bootstrap::run(args.into_options()),
        Command::Cargo(args) => ops::cargo::run(args.into_options()),
        Command::Cache(args) => ops::cache::run(args.into_options()),
        Command::Demo(args) => ops::demo::run(args.into_options()),
        Command::Instrument(args) => ops::instrument::run(args.into_options()),
        Command::Config(args) => ops::config::run(args.into_options()),
        Command::Completions(args) => Ok(manual::completions(&args, Cli::command())),
        Command::Man(args) => Ok(manual::page(&args, Cli::command())),
        Command::List(args) => ops::list::run(args.into_options()),
        Command::Diff(args) => ops::diff::run(args.into_options()),
        Command::Inspect(args) => ops::inspect::run(args.into_options()),
        Command::Variables => ops::variables::run(),
        Command::Metrics => ops::metrics::run(),
        Command::Rustc { words } => ops::rustc::run(ops::rustc::Options { words }),
        Command::Rustdoc { arguments } => ops::rustdoc::run(ops::rustdoc::Options { arguments }),
    };
    outcome.unwrap_or_else(|failure| {
        ui::error(failure.error.as_ref());
        failure.status
    })
}
