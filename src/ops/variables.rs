//! `otel-rs __variables`: the registry as JSON, from which the reference page is made.

use serde::Serialize;

use super::Outcome;
use crate::config::{Kind, VARIABLES, Variable};
use crate::ui;

#[derive(Serialize)]
struct Entry {
    name: &'static str,
    flag: Option<&'static str>,
    group: &'static str,
    help: &'static str,
    takes: String,
    default: &'static str,
    /// Below the specification's address.
    spec: &'static str,
}

/// Writes all of them.
pub(crate) fn run() -> Outcome {
    let entries: Vec<Entry> = VARIABLES.iter().map(entry).collect();
    ui::out(serde_json::json!(entries));
    Ok(0)
}

fn entry(variable: &Variable) -> Entry {
    Entry {
        name: variable.env,
        flag: variable.flag,
        group: variable.group,
        help: variable.help,
        takes: takes(variable.kind),
        default: variable.default,
        spec: variable.spec,
    }
}

fn takes(kind: Kind) -> String {
    let names = |values: &[&str]| values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", ");
    match kind {
        Kind::Text => "any text".into(),
        Kind::Bool => "`true` or `false`".into(),
        Kind::Milliseconds => "milliseconds, above 0".into(),
        Kind::Delay => "milliseconds".into(),
        Kind::Timeout => "milliseconds; 0 for no limit".into(),
        Kind::Count => "a whole number above 0".into(),
        Kind::Limit => "a whole number".into(),
        Kind::Fraction => "a number between 0 and 1".into(),
        Kind::Port => "the number of a port".into(),
        Kind::Choice(values) => format!("one of {}", names(values)),
        Kind::List(values) => format!("some of {}, separated by commas", names(values)),
        Kind::Words => "words separated by commas".into(),
        Kind::Pairs => "`key=value` pairs separated by commas, percent-encoded".into(),
        Kind::SecretPairs => {
            "`key=value` pairs separated by commas, percent-encoded; the values are never shown".into()
        }
        Kind::Endpoint => "a URL, whose scheme may be missing".into(),
        Kind::Path => "the path of a file".into(),
        Kind::Unsupported(instead) => format!("nothing: {instead}"),
    }
}
