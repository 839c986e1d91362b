//! Which parts of a program's telemetry its woven crates provide, and which crates it contains that are not covered.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::Catalog;
use crate::rules::Coverage;

/// The verdict on a program.
#[derive(Debug, Default)]
pub(super) struct CoverageSummary {
    covered: BTreeMap<Coverage, BTreeSet<String>>,
    missing: BTreeMap<Coverage, BTreeSet<String>>,
}

impl CoverageSummary {
    /// What the crates of that name provide.
    pub(super) fn of<'a>(catalog: &Catalog, woven: impl Iterator<Item = &'a str>) -> CoverageSummary {
        let mut summary = CoverageSummary::default();
        for instrumentation in woven.filter_map(|name| catalog.get(name)) {
            for part in &instrumentation.covers {
                summary.covered.entry(*part).or_default().insert(instrumentation.name.clone());
            }
        }
        summary
    }

    /// A crate that would provide a part is not covered.
    pub(super) fn miss(&mut self, part: Coverage, package: String) {
        self.missing.entry(part).or_default().insert(package);
    }

    /// A line for what is covered, and one for what is not; none where there is nothing to list.
    pub(super) fn lines(&self) -> Vec<String> {
        let line = |title: &str, parts: &BTreeMap<Coverage, BTreeSet<String>>| {
            let listed = |(part, names): (&Coverage, &BTreeSet<String>)| {
                format!("{} ({})", part.title(), names.iter().map(String::as_str).collect::<Vec<_>>().join(", "))
            };
            let parts: Vec<String> = parts.iter().map(listed).collect();
            (!parts.is_empty()).then(|| format!("{title}: {}", parts.join(", ")))
        };
        [line("covered", &self.covered), line("not covered", &self.missing)].into_iter().flatten().collect()
    }

    /// The parts that are covered, with the crates that provide them.
    pub(super) fn covered(&self) -> &BTreeMap<Coverage, BTreeSet<String>> {
        &self.covered
    }

    /// The parts that are not, with the packages that would provide them.
    pub(super) fn missing(&self) -> &BTreeMap<Coverage, BTreeSet<String>> {
        &self.missing
    }
}
