//! `otel-rs __variables`: the registry as JSON, from which the reference page is made, and what is read elsewhere.

use serde::Serialize;

use super::{Outcome, rustc};
use crate::config::{self, VARIABLES, ValueKind, Variable};
use crate::project::cache;
use crate::{catalog, ui};

#[derive(Serialize)]
struct Entry {
    name: &'static str,
    flag: Option<&'static str>,
    group: &'static str,
    help: &'static str,
    takes: String,
    default: &'static str,
    /// Why the default is not the specification's.
    differs: &'static str,
    /// Below the specification's address.
    spec: &'static str,
}

/// Variables that do not configure a run: name, form of the value, and purpose.
const OTHERS: [(&str, &str, &str); 4] = [
    (
        cache::VARIABLE,
        "the absolute path of a folder",
        "Where layers, hooks and the settings of projects are kept, in place of `$XDG_CACHE_HOME/otel-rs` or \
         `~/.cache/otel-rs`; other users must not be able to write there",
    ),
    (
        catalog::EXTRA_VARIABLE,
        "the path of a folder",
        "Instrumentations that replace the built-in ones of the same crates: for authors of instrumentations",
    ),
    (
        rustc::CHAIN_VARIABLE,
        "the path of a program",
        "A compiler wrapper, such as sccache, that builds run inside otel-rs's own",
    ),
    (config::OLD_CONFIG_FILE, "the path of a file", "The former name of OTEL_CONFIG_FILE; still read, with a warning"),
];

/// Writes all of them.
pub(crate) fn run() -> Outcome {
    let entries: Vec<Entry> = VARIABLES.iter().map(entry).chain(OTHERS.map(other)).collect();
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
        differs: variable.differs,
        spec: variable.spec,
    }
}

fn other((name, takes, help): (&'static str, &str, &'static str)) -> Entry {
    let (group, takes) = ("Besides runs", takes.to_owned());
    Entry { name, flag: None, group, help, takes, default: "", differs: "", spec: "" }
}

fn takes(kind: ValueKind) -> String {
    let names = |values: &[&str]| values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", ");
    match kind {
        ValueKind::Text => "any text".into(),
        ValueKind::Bool => "`true` or `false`".into(),
        ValueKind::Milliseconds => "milliseconds, above 0".into(),
        ValueKind::Delay => "milliseconds".into(),
        ValueKind::Timeout => "milliseconds; 0 for no limit".into(),
        ValueKind::Count => "a whole number above 0".into(),
        ValueKind::Limit => "a whole number".into(),
        ValueKind::Size => "a size such as `64MB`, `64MiB` or a number of bytes, `1MB` or more".into(),
        ValueKind::Fraction => "a number between 0 and 1".into(),
        ValueKind::Port => "the number of a port".into(),
        ValueKind::Choice(values) => format!("one of {}", names(values)),
        ValueKind::List(values) => format!("some of {}, separated by commas", names(values)),
        ValueKind::Words => "words separated by commas".into(),
        ValueKind::Pairs => "`key=value` pairs separated by commas, percent-encoded".into(),
        ValueKind::SecretPairs => {
            "`key=value` pairs separated by commas, percent-encoded; the values are never shown".into()
        }
        ValueKind::Entities => {
            "entities separated by semicolons: `type{key=value,…}`, then `[key=value,…]` and `@` with a schema's URL, if \
             there are any; percent-encoded"
                .into()
        }
        ValueKind::Endpoint => "a URL, whose scheme may be missing".into(),
        ValueKind::Path => "the path of a file".into(),
        ValueKind::Unsupported(instead) => format!("nothing: {instead}"),
    }
}
