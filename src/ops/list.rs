//! `otel-rs list`: what can be instrumented.

use std::collections::BTreeSet;

use crate::catalog::Catalog;
use crate::ops::{Format, Outcome};
use crate::rules::Instrumentation;
use crate::ui;
use crate::weave::Rule;

/// The command's arguments.
#[derive(Debug)]
pub(crate) struct Options {
    /// How to show the list.
    pub(crate) format: Format,
}

/// Lists the catalog.
pub(crate) fn run(options: Options) -> Outcome {
    let catalog = Catalog::load()?;
    match options.format {
        Format::Table => {
            let rows: Vec<Vec<String>> = catalog.iter().map(cells).collect();
            ui::out(ui::table(&["CRATE", "VERSIONS", "SIGNALS", "SUMMARY"], &rows));
        }
        Format::Json => {
            let entries: Vec<serde_json::Value> = catalog.iter().map(json).collect();
            ui::out(serde_json::Value::from(entries));
        }
    }
    Ok(0)
}

fn cells(known: &Instrumentation) -> Vec<String> {
    vec![known.name.clone(), known.versions.to_string(), known.signals.join(", "), known.summary.clone()]
}

fn json(known: &Instrumentation) -> serde_json::Value {
    serde_json::json!({
        "crate": known.name,
        "versions": known.versions,
        "tested": known.tested,
        "signals": known.signals,
        "covers": known.covers.iter().map(|part| part.title()).collect::<Vec<_>>(),
        "conventions": known.covers.iter().map(|part| part.conventions()).collect::<BTreeSet<_>>(),
        "emits": known.emits_with_metrics(),
        "convention_metrics": known.convention_metrics,
        "metrics": known.metrics,
        "rules": known.rules.iter().map(rule).collect::<Vec<_>>(),
        "summary": known.summary,
    })
}

fn rule(rule: &Rule) -> serde_json::Value {
    serde_json::json!({ "id": rule.name, "versions": rule.versions, "file": rule.file })
}
