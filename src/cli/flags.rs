//! One flag for each variable of the registry, for every command that takes them.

use std::ffi::OsStr;

use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use clap::{Arg, ArgMatches, Command, ValueHint};

use crate::config::{VARIABLES, ValueKind, Variable};

/// The headings of the help, in its order.
const HEADINGS: [&str; 11] = [
    "General",
    "OTLP",
    "Traces",
    "Metrics",
    "Logs",
    "The run as a whole",
    "What is recorded",
    "Limits",
    "OTLP for spans",
    "OTLP for metrics",
    "OTLP for log records",
];

/// What the short help shows.
const COMMON: [&str; 13] = [
    "OTEL_SERVICE_NAME",
    "OTEL_RESOURCE_ATTRIBUTES",
    "OTEL_CONFIG_FILE",
    "OTEL_SDK_DISABLED",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_PROTOCOL",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_TRACES_EXPORTER",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
    "OTEL_METRICS_EXPORTER",
    "OTEL_LOGS_EXPORTER",
    "OTEL_RS_EXCLUDED_URLS",
];

/// Every flag, in the order of the help.
pub(super) fn flags() -> Vec<Arg> {
    let mut variables: Vec<&Variable> = VARIABLES.iter().collect();
    variables.sort_by_key(|variable| HEADINGS.iter().position(|heading| *heading == variable.group));
    variables.into_iter().filter_map(flag).collect()
}

/// What was typed, under the names of the variables.
pub(super) fn given(matches: &ArgMatches) -> Vec<(&'static str, String)> {
    let values = VARIABLES.iter().filter(|variable| variable.flag.is_some());
    values.filter_map(|variable| Some((variable.env, matches.get_one::<String>(variable.env)?.clone()))).collect()
}

/// The flag for a variable. clap gets neither its environment nor its default, since it would take an empty variable
/// for a value: `config` has the rules of precedence.
fn flag(variable: &Variable) -> Option<Arg> {
    let name = variable.flag?;
    let mut help = format!("{} [env: {}]", variable.help, variable.env);
    if !variable.default.is_empty() {
        help.push_str(&format!(" [default: {}]", variable.default));
    }
    if let ValueKind::Choice(values) | ValueKind::List(values) = variable.kind {
        help.push_str(&format!(" [possible values: {}]", values.join(", ")));
    }
    let mut arg = Arg::new(variable.env)
        .long(name)
        .help(variable.help)
        .long_help(help)
        .help_heading(variable.group)
        .hide_short_help(!COMMON.contains(&variable.env));
    if name.contains('-') {
        arg = arg.alias(name.replace('-', "_"));
    }
    Some(match variable.kind {
        // `--sdk-disabled false` would take `false` for the program.
        ValueKind::Bool => {
            let arg = arg.num_args(0..=1).require_equals(true).default_missing_value("true");
            offering(arg.value_name("BOOL"), &["true", "false"])
        }
        ValueKind::Choice(values) => offering(arg.value_name("NAME"), values),
        ValueKind::List(values) => offering(arg.value_name("NAMES"), values),
        ValueKind::Path => arg.value_name("FILE").value_hint(ValueHint::FilePath),
        // Without a hint, shells would offer files.
        kind => arg.value_hint(ValueHint::Other).value_name(match kind {
            ValueKind::Milliseconds | ValueKind::Delay | ValueKind::Timeout => "MS",
            ValueKind::Count | ValueKind::Limit => "NUMBER",
            ValueKind::Size => "SIZE",
            ValueKind::Fraction => "FRACTION",
            ValueKind::Port => "PORT",
            ValueKind::Endpoint => "URL",
            ValueKind::Pairs | ValueKind::SecretPairs => "KEY=VALUE,…",
            ValueKind::Entities => "ENTITIES",
            ValueKind::Words => "NAMES",
            _ => "TEXT",
        }),
    })
}

/// Shells offer these; the help lists them by itself.
fn offering(arg: Arg, values: &'static [&'static str]) -> Arg {
    arg.value_parser(Offered(values)).hide_possible_values(true)
}

/// Takes any text, since `config` checks it, and lists what completions may offer.
#[derive(Clone)]
struct Offered(&'static [&'static str]);

impl TypedValueParser for Offered {
    type Value = String;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<String, clap::Error> {
        StringValueParser::new().parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.0.iter().copied().map(PossibleValue::new)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_group_has_a_heading() {
        for variable in VARIABLES.iter().filter(|variable| variable.flag.is_some()) {
            assert!(HEADINGS.contains(&variable.group), "{}", variable.group);
        }
    }

    #[test]
    fn every_common_variable_exists() {
        for name in COMMON {
            assert!(VARIABLES.iter().any(|variable| variable.env == name && variable.flag.is_some()), "{name}");
        }
    }
}
