//! `otel-rs config` on the command line: the flags of `instrument`, and a program that is looked at but not run.

use std::ffi::OsString;

use clap::{Arg, ArgMatches, Command, builder::EnumValueParser, value_parser};

use super::flags;
use crate::ops::Format;
use crate::ops::config::Options;

/// What was typed after `otel-rs config`.
#[derive(Debug)]
pub(super) struct Args(Options);

impl Args {
    pub(super) fn into_options(self) -> Options {
        self.0
    }
}

impl clap::FromArgMatches for Args {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Args, clap::Error> {
        let mut words = matches.get_many::<OsString>("program").unwrap_or_default().cloned();
        let format = matches.get_one::<Format>("format").copied().unwrap_or(Format::Table);
        let (program, args) = (words.next(), words.collect());
        Ok(Args(Options { flags: flags::given(matches), program, args, format }))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Args::from_arg_matches(matches)?;
        Ok(())
    }
}

impl clap::Args for Args {
    fn augment_args(command: Command) -> Command {
        let program = Arg::new("program")
            .value_names(["PROGRAM", "ARGS"])
            .help("The program to look at, as it would be given to `instrument`; it is not run")
            .value_parser(value_parser!(OsString))
            .num_args(1..)
            .trailing_var_arg(true);
        let format = Arg::new("format")
            .long("format")
            .value_name("FORMAT")
            .help("How to show it")
            .value_parser(EnumValueParser::<Format>::new());
        command
            .args_override_self(true)
            .arg(format)
            .args(flags::flags())
            .arg(program)
            .override_usage("otel-rs config [OPTIONS] [[--] <PROGRAM> [ARGS]...]")
            .after_help("Ends with 0 if there are no problems, with 1 otherwise.")
    }

    fn augment_args_for_update(command: Command) -> Command {
        Args::augment_args(command)
    }
}
