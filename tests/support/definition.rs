//! What the docs promise of each metric, held against what was received. The pages (`docs/reference/metrics-<group>.md` and
//! `docs/instrumentations/<crate>.md`) are made from the definitions that the instruments are made from, so what agrees with
//! its page agrees with its definition.
//!
//! `Definition::of("process").check(&metrics, &[("process.uptime", "why it cannot be there")])`

use std::collections::{BTreeMap, BTreeSet};

use super::metrics::{Metrics, Point, Series};
use super::source;

/// The metrics of one page or several, by name.
pub(crate) struct Definition(BTreeMap<String, Defined>);

/// A metric as its line of the page has it.
struct Defined {
    kind: String,
    unit: String,
    description: String,
    attributes: BTreeSet<String>,
    /// The boundaries of its buckets, if the page lists them.
    bounds: Option<Vec<f64>>,
}

impl Definition {
    /// Reads the page of a group (`http`, `process`, …) or of an instrumentation (`tower`).
    #[track_caller]
    pub(crate) fn of(page: &str) -> Self {
        let pages = [format!("docs/reference/metrics-{page}.md"), format!("docs/instrumentations/{page}.md")];
        let path = pages.iter().map(|page| source(page)).find(|path| path.is_file());
        let path = path.unwrap_or_else(|| panic!("none of {pages:?} is there"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let definition = Self::read(&text);
        assert!(!definition.0.is_empty(), "{} defines nothing", path.display());
        definition
    }

    /// With the metrics of another page.
    #[track_caller]
    pub(crate) fn and(mut self, page: &str) -> Self {
        self.0.extend(Self::of(page).0);
        self
    }

    /// The names of all.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    fn read(page: &str) -> Self {
        let quoted = |text: &str| text.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
        let mut defined = BTreeMap::new();
        for line in page.lines().filter(|line| line.starts_with("| `")) {
            let [_, name, kind, unit, attributes, _, description, ..] =
                line.split('|').map(str::trim).collect::<Vec<_>>()[..]
            else {
                panic!("{line}");
            };
            let one = |text: &str| quoted(text).pop().unwrap_or_else(|| panic!("{line}"));
            let attributes = quoted(attributes).into_iter().collect();
            let (kind, description) = (kind.to_owned(), description.to_owned());
            let metric = Defined { kind, unit: one(unit), description, attributes, bounds: None };
            defined.insert(one(name), metric);
        }
        for line in page.lines().filter_map(|line| line.strip_prefix("- `")) {
            let Some((name, bounds)) = line.split_once("`: ") else { continue };
            let Some(metric) = defined.get_mut(name) else { continue };
            let bounds = bounds.split(", ").map(|bound| bound.parse().unwrap_or_else(|_| panic!("{line}")));
            metric.bounds = Some(bounds.collect());
        }
        Self(defined)
    }

    /// Fails unless every metric of the page was received, each of its series with the unit, the kind, the description and
    /// the buckets of the page and with none but its attributes. `missing` names what cannot be received here (`a.b.*` for
    /// all that begins so), and why; what is received all the same is to be taken off that list. A name of the group that is
    /// not on its page is refused, too.
    #[track_caller]
    pub(crate) fn check(&self, metrics: &Metrics, missing: &[(&str, &str)]) {
        let problems = self.problems(metrics, missing);
        assert!(problems.is_empty(), "{}\nreceived:\n{metrics}", problems.join("\n"));
    }

    /// Fails unless each attribute of the page was on some series of each metric that has it there. `missing` names
    /// metrics, in the same way, and an attribute that cannot be there.
    #[track_caller]
    pub(crate) fn check_attributes(&self, metrics: &Metrics, missing: &[(&str, &str)]) {
        let mut absent = Vec::new();
        for (name, defined) in &self.0 {
            let all = metrics.all(name, &[]);
            for attribute in defined.attributes.iter().filter(|_| !all.is_empty()) {
                let is_there = all.iter().any(|series| series.attributes.contains_key(attribute));
                let is_missed = missing.iter().any(|(of, key)| fits(of, name) && key == attribute);
                if is_there == is_missed {
                    absent.push(format!("`{attribute}` of `{name}` is there: {is_there}"));
                }
            }
        }
        assert!(absent.is_empty(), "{}\nreceived:\n{metrics}", absent.join("\n"));
    }

    fn problems(&self, metrics: &Metrics, missing: &[(&str, &str)]) -> Vec<String> {
        let space = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
        let spaces: BTreeSet<String> = self.0.keys().map(|name| space(name)).collect();
        let mut problems = Vec::new();
        for series in metrics.series() {
            match self.0.get(&series.name) {
                Some(defined) => problems.extend(defined.problems(series)),
                None if spaces.contains(&space(&series.name)) => problems.push(format!("{series}: not on the page")),
                None => {}
            }
        }
        for name in self.0.keys() {
            let excuse = missing.iter().find(|(missing, _)| fits(missing, name));
            match (metrics.all(name, &[]).is_empty(), excuse) {
                (true, None) => problems.push(format!("`{name}` is on the page and was not received")),
                (false, Some((_, why))) => problems.push(format!("`{name}` was received in spite of: {why}")),
                _ => {}
            }
        }
        let unknown = missing.iter().filter(|(missing, _)| !self.0.keys().any(|name| fits(missing, name)));
        problems.extend(unknown.map(|(name, _)| format!("`{name}` is missed and not on the page")));
        problems
    }
}

fn fits(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |start| name.starts_with(start))
}

impl Defined {
    fn problems(&self, series: &Series) -> Vec<String> {
        let mut problems = Vec::new();
        let mut demand = |so: bool, what: String| {
            if !so {
                problems.push(format!("{series}: {what}"));
            }
        };
        let kind = match &series.point {
            Point::Histogram { .. } | Point::Exponential { .. } => "histogram",
            Point::Sum { monotonic: true, .. } => "counter",
            Point::Sum { monotonic: false, .. } => "up-down counter",
            Point::Gauge(_) => "gauge",
        };
        demand(kind == self.kind, format!("a {kind} instead of a {}", self.kind));
        demand(series.unit == self.unit, format!("not in `{}`", self.unit));
        let (found, expected) = (&series.description, &self.description);
        demand(found == expected, format!("described as {found:?} instead of {expected:?}"));
        for attribute in series.attributes.keys() {
            demand(self.attributes.contains(attribute), format!("`{attribute}` is not on the page"));
        }
        if let (Point::Histogram { bounds, .. }, Some(expected)) = (&series.point, &self.bounds) {
            demand(bounds == expected, format!("buckets of {bounds:?} instead of {expected:?}"));
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
    use opentelemetry_proto::tonic::common::v1::KeyValue;
    use opentelemetry_proto::tonic::metrics::v1::{
        Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, metric, number_data_point,
    };

    use super::*;

    const PAGE: &str = "| metric | kind | unit | attributes | stability | description | question |\n| --- | --- |\n\
        | `job.runs` | counter | `{run}` | `job.name`, `job.end` | stable | Runs. | How many? |\n\
        | `job.time` | histogram | `s` |  | stable | Times. | How long? |\n\nBuckets:\n\n- `job.time`: 0.5, 1\n";

    fn received(name: &str, unit: &str, is_monotonic: bool, attribute: &str) -> Metrics {
        let attributes = vec![KeyValue { key: attribute.into(), ..KeyValue::default() }];
        let value = Some(number_data_point::Value::AsInt(1));
        let data_points = vec![NumberDataPoint { attributes, value, ..NumberDataPoint::default() }];
        let data = Some(metric::Data::Sum(Sum { data_points, is_monotonic, ..Sum::default() }));
        let (name, unit, description) = (name.into(), unit.into(), "Runs.".into());
        let metrics = vec![Metric { name, unit, description, data, ..Metric::default() }];
        let scope_metrics = vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }];
        let resource_metrics = vec![ResourceMetrics { scope_metrics, ..ResourceMetrics::default() }];
        Metrics::of(&ExportMetricsServiceRequest { resource_metrics })
    }

    #[test]
    fn differences_from_the_page_are_found() {
        let definition = Definition::read(PAGE);
        assert_eq!(definition.0["job.time"].bounds, Some(vec![0.5, 1.0]));
        let problems = |metrics: &Metrics| definition.problems(metrics, &[("job.time", "none was timed")]).len();
        assert_eq!(problems(&received("job.runs", "{run}", true, "job.name")), 0);
        assert_eq!(problems(&received("job.runs", "1", true, "job.name")), 1);
        assert_eq!(problems(&received("job.runs", "{run}", false, "job.name")), 1);
        assert_eq!(problems(&received("job.runs", "{run}", true, "job.color")), 1);
        assert_eq!(problems(&received("shop.sales", "1", true, "")), 1, "one was not received");
        assert_eq!(problems(&received("job.walks", "1", true, "")), 2, "and another is not on the page");
        let right = received("job.runs", "{run}", true, "job.name");
        assert_eq!(definition.problems(&right, &[]).len(), 1);
        assert_eq!(definition.problems(&right, &[("job.time", ""), ("job.runs", "")]).len(), 1);
        assert_eq!(definition.problems(&right, &[("job.time", ""), ("job.tome", "")]).len(), 1);
        assert_eq!(definition.problems(&right, &[("job.t*", "")]).len(), 0);
        definition.check_attributes(&right, &[("job.runs", "job.end")]);
        let described = Definition::read(&PAGE.replace("Runs.", "Walks."));
        assert_eq!(described.problems(&right, &[("job.time", "")]).len(), 1);
    }

    #[test]
    #[should_panic(expected = "`job.end` of `job.runs` is there: false")]
    fn an_attribute_that_is_never_there_is_found() {
        Definition::read(PAGE).check_attributes(&received("job.runs", "{run}", true, "job.name"), &[]);
    }

    #[test]
    fn every_page_of_metrics_is_understood() {
        let names = |folder: &str| {
            let pages = std::fs::read_dir(source(folder)).unwrap();
            pages.map(|page| page.unwrap().file_name().into_string().unwrap()).collect::<Vec<_>>()
        };
        let groups = names("docs/reference").into_iter();
        let groups = groups.filter_map(|name| Some(name.strip_prefix("metrics-")?.strip_suffix(".md")?.to_owned()));
        let groups: Vec<String> = groups.collect();
        let crates = names("docs/instrumentations").into_iter().filter_map(|name| {
            let text = std::fs::read_to_string(source(&format!("docs/instrumentations/{name}"))).unwrap();
            Some(name.strip_suffix(".md")?.to_owned())
                .filter(|_| text.contains("\n| metric | kind | unit | attributes |"))
        });
        let crates: Vec<String> = crates.collect();
        assert!(groups.len() >= 6 && crates.len() >= 4, "{groups:?} {crates:?}");
        for page in groups.iter().chain(&crates) {
            for (name, defined) in Definition::of(page).0 {
                let known = ["counter", "up-down counter", "gauge", "histogram"].contains(&defined.kind.as_str());
                assert!(known && !defined.unit.is_empty() && !defined.description.is_empty(), "{name}");
                assert!(defined.bounds.is_none() || defined.kind == "histogram", "{name}");
            }
        }
    }
}
