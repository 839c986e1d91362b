//! `otel-rs instrument` on the command line.

use std::ffi::OsString;

use clap::{Arg, ArgMatches, Command, value_parser};

use super::flags;
use crate::ops::instrument::Options;

/// What was typed after `otel-rs instrument`.
#[derive(Debug, Clone)]
pub(super) struct Args(Options);

impl Args {
    pub(super) fn into_options(self) -> Options {
        self.0
    }
}

impl clap::FromArgMatches for Args {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Args, clap::Error> {
        let mut command = matches.get_many::<OsString>("program").unwrap_or_default().cloned();
        Ok(Args(Options {
            flags: flags::given(matches),
            program: command.next().unwrap_or_default(),
            args: command.collect(),
        }))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Args::from_arg_matches(matches)?;
        Ok(())
    }
}

impl clap::Args for Args {
    fn augment_args(command: Command) -> Command {
        // The program's own arguments are everything after its name. Were hyphens allowed in the first word, a
        // misspelt flag of ours would be taken for the program.
        let program = Arg::new("program")
            .value_names(["PROGRAM", "ARGS"])
            .help("The program to run, found as a shell would, and its arguments")
            .value_parser(value_parser!(OsString))
            .num_args(1..)
            .trailing_var_arg(true)
            .required(true);
        command
            .args_override_self(true)
            .args(flags::flags())
            .after_help("`--help` shows every flag, its variable and its default, and examples.")
            .after_long_help(EXAMPLES)
            .arg(program)
            .override_usage("otel-rs instrument [OPTIONS] [--] <PROGRAM> [ARGS]...")
    }

    fn augment_args_for_update(command: Command) -> Command {
        Args::augment_args(command)
    }
}

/// Examples at the end of the long help.
const EXAMPLES: &str = "\
Examples:
  otel-rs instrument -- ./app --port 8080
      to a collector on this machine, by OTLP over HTTP on port 4318
  otel-rs instrument --exporter-otlp-endpoint http://collector:4317 ./app
      to another machine; port 4317 means gRPC
  otel-rs instrument --traces-exporter console,otlp --metrics-exporter none ./app
      spans on stderr as well, and no metrics
  OTEL_SERVICE_NAME=shop OTEL_TRACES_SAMPLER_ARG=0.1 \\
  OTEL_TRACES_SAMPLER=parentbased_traceidratio otel-rs instrument ./app
      every flag can be given as a variable: a flag counts more

`otel-rs config -- ./app` shows what would happen, and why nothing arrives.";

#[cfg(test)]
mod tests {
    use clap::{Args as _, FromArgMatches};

    use super::*;
    use crate::config::VARIABLES;

    fn parse(words: &[&str]) -> Result<Options, clap::Error> {
        let command = Args::augment_args(Command::new("instrument"));
        command
            .try_get_matches_from(["instrument"].iter().chain(words))
            .and_then(|m| Args::from_arg_matches(&m))
            .map(|a| a.0)
    }

    #[test]
    fn every_variable_has_its_flag_in_both_spellings() {
        Args::augment_args(Command::new("instrument")).debug_assert();
        for variable in VARIABLES {
            for flag in variable.flag.iter().flat_map(|flag| [flag.to_string(), flag.replace('-', "_")]) {
                let options = parse(&[&format!("--{flag}=true"), "app"]).unwrap();
                assert_eq!(options.flags, [(variable.env, "true".to_owned())], "{flag}");
            }
        }
    }

    #[test]
    fn a_boolean_flag_does_not_eat_the_program() {
        let options = parse(&["--sdk-disabled", "app"]).unwrap();
        assert_eq!(options.flags, [("OTEL_SDK_DISABLED", "true".to_owned())]);
        assert_eq!(options.program, "app");
    }

    #[test]
    fn flags_after_the_program_are_the_programs() {
        let options = parse(&["--service-name", "a", "app", "--service-name", "b", "--", "-x"]).unwrap();
        assert_eq!(options.flags, [("OTEL_SERVICE_NAME", "a".to_owned())]);
        assert_eq!(options.args, ["--service-name", "b", "--", "-x"]);
        assert_eq!(parse(&["--", "-app", "--"]).unwrap().program, "-app");
    }

    #[test]
    fn a_misspelt_flag_is_not_a_program() {
        let error = parse(&["--exporter-otlp-protcol", "grpc", "app"]).unwrap_err();
        assert!(error.to_string().contains("--exporter-otlp-protocol"), "{error}");
        assert!(parse(&[]).is_err());
    }
}
