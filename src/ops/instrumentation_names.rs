//! Names of instrumentations in `OTEL_RS_ENABLED_INSTRUMENTATIONS` and `OTEL_RS_DISABLED_INSTRUMENTATIONS`: an unknown one
//! enables or disables nothing.

use std::collections::BTreeSet;

use crate::catalog::Catalog;
use crate::config::{Instrumentations, OTEL_RS_DISABLED_INSTRUMENTATIONS, OTEL_RS_ENABLED_INSTRUMENTATIONS};
use crate::layers::LayerNote;
use crate::ui::{self, Explain};

/// What the hooks record by themselves, of no crate.
const OF_THE_HOOKS: [&str; 1] = ["panic"];

/// A name of no instrumentation.
#[derive(Debug, thiserror::Error)]
#[error("unknown instrumentation `{name}` in `{variable}`")]
pub(super) struct UnknownInstrumentation {
    name: String,
    variable: &'static str,
    /// The one that was meant.
    meant: Option<String>,
}

impl Explain for UnknownInstrumentation {
    fn hint(&self) -> Option<String> {
        Some(match &self.meant {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "`otel-rs list` shows the names".into(),
        })
    }
}

/// All such names. A program may have layers by a user's own rules, which are not known here.
pub(super) fn unknown(chosen: &Instrumentations, layers: &[LayerNote]) -> Vec<UnknownInstrumentation> {
    let lists = [
        (OTEL_RS_ENABLED_INSTRUMENTATIONS.env, &chosen.enabled),
        (OTEL_RS_DISABLED_INSTRUMENTATIONS.env, &chosen.disabled),
    ];
    let given = || lists.iter().flat_map(|(variable, names)| names.iter().map(move |name| (*variable, name)));
    if given().all(|(_, name)| name == "*") {
        return Vec::new();
    }
    // Rules that cannot be read are an error of bootstrap.
    let Ok(catalog) = Catalog::load_one("") else { return Vec::new() };
    let of_layers = layers.iter().map(|layer| layer.name.as_str());
    let known: BTreeSet<&str> = catalog.all_names().chain(of_layers).chain(OF_THE_HOOKS).collect();
    given()
        .filter(|(_, name)| *name != "*" && !known.contains(name.as_str()))
        .map(|(variable, name)| UnknownInstrumentation { name: name.clone(), variable, meant: meant(name, &known) })
        .collect()
}

fn meant(name: &str, known: &BTreeSet<&str>) -> Option<String> {
    ui::nearest(&name.to_lowercase(), known.iter().copied()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_a_long_name_may_be_misspelt() {
        let known = BTreeSet::from(["metrics-exporter-prometheus"]);
        assert_eq!(meant("Metrics-Prometheus", &known), None);
        assert_eq!(meant("metrics_exporters_prometeus", &known).as_deref(), Some("metrics-exporter-prometheus"));
    }

    #[test]
    fn an_unknown_name_is_reported_with_the_nearest_known_one() {
        let catalog = Catalog::load_one("").unwrap();
        let real = catalog.all_names().max_by_key(|name| name.len()).unwrap().to_owned();
        let misspelt = format!("{real}x");
        let chosen = Instrumentations {
            enabled: vec!["*".into()],
            disabled: vec![real.clone(), "panic".into(), misspelt.clone(), "zzzzzzzzz".into()],
        };
        let unknown = unknown(&chosen, &[]);
        let found: Vec<_> = unknown.iter().map(|unknown| (unknown.to_string(), unknown.hint().unwrap())).collect();
        let variable = "OTEL_RS_DISABLED_INSTRUMENTATIONS";
        assert_eq!(
            found,
            [
                (format!("unknown instrumentation `{misspelt}` in `{variable}`"), format!("did you mean `{real}`?")),
                (
                    format!("unknown instrumentation `zzzzzzzzz` in `{variable}`"),
                    "`otel-rs list` shows the names".into()
                ),
            ]
        );
    }
}
