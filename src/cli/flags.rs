//! One flag for each variable of the registry, for every command that takes them.

use clap::{Arg, ArgMatches};

use crate::config::{Kind, VARIABLES, Variable};

/// The headings in the order in which people look for things.
const HEADINGS: [&str; 11] = [
    "General",
    "OTLP",
    "Traces",
    "Metrics",
    "Logs",
    "The run as a whole",
    "What is told",
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
        Kind::Bool => arg.num_args(0..=1).require_equals(true).default_missing_value("true").value_name("BOOL"),
        Kind::Milliseconds | Kind::Delay | Kind::Timeout => arg.value_name("MS"),
        Kind::Count | Kind::Limit => arg.value_name("NUMBER"),
        Kind::Fraction => arg.value_name("FRACTION"),
        Kind::Port => arg.value_name("PORT"),
        Kind::Endpoint => arg.value_name("URL"),
        Kind::Path => arg.value_name("FILE").value_hint(clap::ValueHint::FilePath),
        Kind::Pairs | Kind::SecretPairs => arg.value_name("KEY=VALUE,…"),
        Kind::Choice(_) => arg.value_name("NAME"),
        Kind::List(_) | Kind::Words => arg.value_name("NAMES"),
        Kind::Text | Kind::Unsupported(_) => arg.value_name("TEXT"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_heading_has_its_place() {
        for variable in VARIABLES.iter().filter(|variable| variable.flag.is_some()) {
            assert!(HEADINGS.contains(&variable.group), "{}", variable.group);
        }
    }

    #[test]
    fn what_is_common_exists() {
        for name in COMMON {
            assert!(VARIABLES.iter().any(|variable| variable.env == name && variable.flag.is_some()), "{name}");
        }
    }
}
