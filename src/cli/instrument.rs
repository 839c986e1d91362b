//! `otel-rs instrument`: one flag for each variable of the registry.

use std::ffi::OsString;

use clap::{Arg, ArgMatches, Command, value_parser};

use crate::config::{Kind, VARIABLES, Variable};
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
        let flags = VARIABLES
            .iter()
            .filter_map(|variable| matches.get_one::<String>(variable.env).map(|value| (variable.env, value.clone())));
        let mut command = matches.get_many::<OsString>("program").unwrap_or_default().cloned();
        Ok(Args(Options {
            flags: flags.collect(),
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
        let flags = VARIABLES.iter().filter_map(flag);
        command
            .args_override_self(true)
            .args(flags)
            .arg(program)
            .override_usage("otel-rs instrument [OPTIONS] [--] <PROGRAM> [ARGS]...")
    }

    fn augment_args_for_update(command: Command) -> Command {
        Args::augment_args(command)
    }
}

/// The flag for a variable. Neither its environment nor its default is told to clap, which would take an empty variable
/// for a value: `config` knows the rules of precedence.
fn flag(variable: &Variable) -> Option<Arg> {
    let name = variable.flag?;
    let mut help = format!("{} [env: {}]", variable.help, variable.env);
    if !variable.default.is_empty() {
        help.push_str(&format!(" [default: {}]", variable.default));
    }
    if let Kind::Choice(values) | Kind::List(values) = variable.kind {
        help.push_str(&format!(" [possible values: {}]", values.join(", ")));
    }
    let mut arg = Arg::new(variable.env).long(name).help(help).help_heading(variable.group);
    if name.contains('-') {
        arg = arg.alias(name.replace('-', "_"));
    }
    Some(match variable.kind {
        // `--sdk-disabled false` would take `false` for the program.
        Kind::Bool => arg.num_args(0..=1).require_equals(true).default_missing_value("true").value_name("BOOL"),
        Kind::Milliseconds => arg.value_name("MS"),
        Kind::Count => arg.value_name("NUMBER"),
        Kind::Fraction => arg.value_name("FRACTION"),
        Kind::Endpoint => arg.value_name("URL"),
        Kind::Pairs | Kind::SecretPairs => arg.value_name("KEY=VALUE,…"),
        Kind::Choice(_) => arg.value_name("NAME"),
        Kind::List(_) => arg.value_name("NAMES"),
        Kind::Text => arg.value_name("TEXT"),
    })
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, FromArgMatches};

    use super::*;

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
