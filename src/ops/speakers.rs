//! Names of instrumentations in `OTEL_RS_ENABLED_INSTRUMENTATIONS` and `OTEL_RS_DISABLED_INSTRUMENTATIONS`: one that is
//! nobody's silences everything, or nothing.

use std::collections::BTreeSet;

use crate::config::Instrumentations;
use crate::layers::LayerNote;
use crate::rules::Catalog;
use crate::ui::Explain;

/// A name that is no instrumentation's.
#[derive(Debug, thiserror::Error)]
#[error("`{name}` in `{variable}` is no instrumentation")]
pub(super) struct Unknown {
    name: String,
    variable: &'static str,
    /// The one that was meant.
    meant: Option<String>,
}

impl Explain for Unknown {
    fn hint(&self) -> Option<String> {
        Some(match &self.meant {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "`otel-rs list` shows the names".into(),
        })
    }
}

/// All such names. A program may have layers by rules of somebody's own, which are known where it was built.
pub(super) fn unknown(chosen: &Instrumentations, layers: &[LayerNote]) -> Vec<Unknown> {
    let lists = [
        ("OTEL_RS_ENABLED_INSTRUMENTATIONS", &chosen.enabled),
        ("OTEL_RS_DISABLED_INSTRUMENTATIONS", &chosen.disabled),
    ];
    let given = || lists.iter().flat_map(|(variable, names)| names.iter().map(move |name| (*variable, name)));
    if given().all(|(_, name)| name == "*") {
        return Vec::new();
    }
    // Rules that cannot be read are bootstrap's to complain about.
    let Ok(catalog) = Catalog::load_one("") else { return Vec::new() };
    let known: BTreeSet<&str> = catalog.all_names().chain(layers.iter().map(|layer| layer.name.as_str())).collect();
    given()
        .filter(|(_, name)| *name != "*" && !known.contains(name.as_str()))
        .map(|(variable, name)| Unknown { name: name.clone(), variable, meant: meant(name, &known) })
        .collect()
}

fn meant(name: &str, known: &BTreeSet<&str>) -> Option<String> {
    let distance = |known: &str| strsim::damerau_levenshtein(&name.to_lowercase(), known);
    let closest = known.iter().min_by_key(|known| distance(known))?;
    (distance(closest) <= 1 + name.len() / 4).then(|| (*closest).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_nobody_has_are_told_with_the_one_that_was_meant() {
        let catalog = Catalog::load_one("").unwrap();
        let real = catalog.all_names().max_by_key(|name| name.len()).unwrap().to_owned();
        let misspelt = format!("{real}x");
        let chosen = Instrumentations {
            enabled: vec!["*".into()],
            disabled: vec![real.clone(), misspelt.clone(), "zzzzzzzzz".into()],
        };
        let unknown = unknown(&chosen, &[]);
        let told: Vec<_> = unknown.iter().map(|unknown| (unknown.to_string(), unknown.hint().unwrap())).collect();
        let variable = "OTEL_RS_DISABLED_INSTRUMENTATIONS";
        assert_eq!(
            told,
            [
                (format!("`{misspelt}` in `{variable}` is no instrumentation"), format!("did you mean `{real}`?")),
                (format!("`zzzzzzzzz` in `{variable}` is no instrumentation"), "`otel-rs list` shows the names".into()),
            ]
        );
    }
}
