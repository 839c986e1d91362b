//! Every metric that otel-rs knows: one definition for the instruments and for the pages of the docs.
//!
//! A file holds one group, its `.md` what stands at the top of the group's page. What the app's hooks count needs no unit
//! and no description of its own when its name stands here.

use opentelemetry::metrics::Meter;

macro_rules! metrics {
    ($list:ident $($metric:ident $stability:ident $kind:ident $(($boundaries:ident))? $unit:literal [$($key:ident)*]
        $description:literal $question:literal;)*) => {
        $(pub(crate) static $metric: $crate::conventions::catalog::Metric =
            $crate::conventions::catalog::Metric {
                name: name::$metric,
                stability: $crate::conventions::catalog::Stability::$stability,
                kind: $crate::conventions::catalog::Kind::$kind $(($boundaries))?,
                unit: $unit,
                description: $description,
                attributes: &[$(key::$key),*],
                question: $question,
            };)*
        pub(crate) static $list: &[&$crate::conventions::catalog::Metric] = &[$(&$metric),*];
    };
}

mod database;
mod faas;
mod http;
mod messaging;
mod middleware;
mod process;
mod rpc;
mod run;
mod runtime;
mod system;

pub(crate) use database::*;
pub(crate) use faas::*;
pub(crate) use http::*;
pub(crate) use messaging::*;
pub(crate) use process::*;
pub(crate) use rpc::*;
pub(crate) use run::*;
pub(crate) use system::*;

/// A metric; of the semantic conventions where they have one.
#[derive(Debug, PartialEq)]
pub(crate) struct Metric {
    pub(crate) name: &'static str,
    stability: Stability,
    pub(crate) kind: Kind,
    /// In UCUM.
    pub(crate) unit: &'static str,
    pub(crate) description: &'static str,
    /// The only attributes that its points may have.
    pub(crate) attributes: &'static [&'static str],
    /// Which question it answers.
    question: &'static str,
}

/// What the semantic conventions promise of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stability {
    Stable,
    Development,
}

/// What kind of instrument tells it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    Counter,
    UpDownCounter,
    Gauge,
    /// With the boundaries of its buckets.
    Histogram(&'static [f64]),
}

impl Metric {
    /// Whether its values have fractions: seconds and shares have, bytes and counts have not.
    pub(crate) fn is_fractional(&self) -> bool {
        matches!(self.unit, "s" | "1")
    }

    /// The boundaries of a histogram's buckets; none for anything else.
    pub(crate) fn boundaries(&self) -> &'static [f64] {
        match self.kind {
            Kind::Histogram(boundaries) => boundaries,
            Kind::Counter | Kind::UpDownCounter | Kind::Gauge => &[],
        }
    }

    /// Its histogram, under the name of one of its streams.
    pub(crate) fn histogram(&self, meter: &Meter, stream: String) -> opentelemetry::metrics::Histogram<f64> {
        let builder = meter.f64_histogram(stream).with_unit(self.unit).with_description(self.description);
        builder.with_boundaries(self.boundaries().to_vec()).build()
    }
}

/// The metric of that name, if we know it.
pub(crate) fn named(name: &str) -> Option<&'static Metric> {
    let groups = [
        http::HTTP,
        database::DATABASE,
        messaging::MESSAGING,
        rpc::RPC,
        runtime::RUNTIME,
        middleware::MIDDLEWARE,
        faas::FAAS,
        run::RUN,
        process::PROCESS,
        system::SYSTEM,
    ];
    groups.into_iter().flatten().find(|metric| metric.name == name).copied()
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    fn page(title: &str, about: &str, metrics: &[&Metric]) -> String {
        let mut text = format!("# {title}\n\n{}\n\n", about.trim_end());
        text.push_str("| metric | kind | unit | attributes | stability | which question it answers |\n");
        text.push_str("| --- | --- | --- | --- | --- | --- |\n");
        for metric in metrics {
            let kind = match metric.kind {
                Kind::Counter => "counter",
                Kind::UpDownCounter => "up-down counter",
                Kind::Gauge => "gauge",
                Kind::Histogram(_) => "histogram",
            };
            let attributes: Vec<_> = metric.attributes.iter().map(|name| format!("`{name}`")).collect();
            let Metric { name, unit, question, .. } = metric;
            let (attributes, stability) = (attributes.join(", "), format!("{:?}", metric.stability).to_lowercase());
            let _ = writeln!(text, "| `{name}` | {kind} | `{unit}` | {attributes} | {stability} | {question} |");
        }
        let histograms: Vec<_> = metrics.iter().filter(|metric| !metric.boundaries().is_empty()).collect();
        if !histograms.is_empty() {
            text.push_str("\nBuckets, unless a view or `OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION` says otherwise:\n\n");
        }
        for metric in histograms {
            let boundaries: Vec<_> = metric.boundaries().iter().map(f64::to_string).collect();
            let _ = writeln!(text, "- `{}`: {}", metric.name, boundaries.join(", "));
        }
        text
    }

    #[test]
    fn the_pages_of_metrics_are_true() {
        let pages = [
            ("http", "Metrics of HTTP", include_str!("http.md"), http::HTTP),
            ("database", "Metrics of databases", include_str!("database.md"), database::DATABASE),
            ("messaging", "Metrics of messaging", include_str!("messaging.md"), messaging::MESSAGING),
            ("rpc", "Metrics of remote procedure calls", include_str!("rpc.md"), rpc::RPC),
            ("faas", "Metrics of functions", include_str!("faas.md"), faas::FAAS),
            ("run", "Metrics of runs", include_str!("run.md"), run::RUN),
            ("runtime", "Metrics of asynchronous runtimes", include_str!("runtime.md"), runtime::RUNTIME),
            ("middleware", "Metrics of middleware", include_str!("middleware.md"), middleware::MIDDLEWARE),
            ("process", "Metrics of processes", include_str!("process.md"), process::PROCESS),
            ("system", "Metrics of the machine", include_str!("system.md"), system::SYSTEM),
        ];
        for (group, title, about, metrics) in pages {
            let expected = page(title, about, metrics);
            let file = format!("{}/docs/reference/metrics-{group}.md", env!("CARGO_MANIFEST_DIR"));
            if std::env::var_os("UPDATE_DOCS").is_some() {
                std::fs::write(&file, &expected).unwrap();
            }
            let found = std::fs::read_to_string(&file).unwrap_or_default();
            assert!(found == expected, "{file} is out of date: run this test with UPDATE_DOCS=1");
        }
    }

    /// What follows an opening bracket, up to the one that closes it.
    fn arguments(text: &str) -> &str {
        let (mut depth, mut is_quoted) = (0, false);
        let end = text.char_indices().find(|(_, c)| {
            is_quoted ^= *c == '"';
            match c {
                '(' if !is_quoted => depth += 1,
                ')' if !is_quoted => depth -= 1,
                _ => {}
            }
            depth < 0
        });
        &text[..end.expect("a bracket that is closed").0]
    }

    /// What a layer's metrics and cells say of themselves: kind, name, unit and description. Each is made with its name
    /// as a literal, by `new` or by a function of the advice's own that calls it.
    fn of_layer(advice: &str) -> Vec<[String; 4]> {
        let quoted = |text: &str| text.split('"').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
        let said = |kind: &str, quoted: Vec<String>| {
            let mut quoted = quoted.into_iter();
            let mut next = || quoted.next().unwrap_or_default();
            [kind.to_owned(), next(), next(), next()]
        };
        let mut found = Vec::new();
        for (at, new) in ["Metric::new(", "Cell::new("].into_iter().flat_map(|new| advice.match_indices(new)) {
            let made = arguments(&advice[at + new.len()..]);
            // The standard library has a `Cell` as well.
            let Some(kind) = made.split("Kind::").nth(1).and_then(|rest| rest.split(',').next()) else { continue };
            let name = made.split(',').map(str::trim).find(|part| *part == "name" || part.starts_with('"'));
            if name != Some("name") {
                found.push(said(kind, quoted(made)));
                continue;
            }
            let function = advice[..at].rsplit("fn ").next().and_then(|text| text.split('(').next()).expect("a name");
            let call = format!("{function}(");
            let calls = advice.match_indices(&call).filter(|(call, _)| {
                let before = &advice[..*call];
                !before.ends_with(|c: char| c.is_alphanumeric() || ".:_".contains(c)) && !before.ends_with("fn ")
            });
            for (call, _) in calls {
                let given = arguments(&advice[call + function.len() + 1..]);
                assert!(given.trim_start().starts_with('"'), "{function}({given}) has no name that can be read");
                found.push(said(kind, quoted(given)));
            }
        }
        found
    }

    #[test]
    fn what_layers_measure_is_defined() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/instrumentations");
        let advice = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path().join("advice.rs"));
        let texts = advice.filter_map(|file| std::fs::read_to_string(file).ok());
        let metrics: Vec<_> = texts.flat_map(|text| of_layer(&text)).collect();
        for name_of in ["tokio.runtime.worker.polls", "tower.buffer.wait.count", "http.server.active_requests"] {
            assert!(metrics.iter().any(|[_, name, ..]| name == name_of), "{name_of} is not seen: {metrics:?}");
        }
        for [kind, name, unit, description] in metrics {
            let known = named(&name).unwrap_or_else(|| panic!("{name} has no definition"));
            let defined = match known.kind {
                Kind::Counter => "Counter",
                Kind::UpDownCounter => "UpDownCounter",
                Kind::Gauge => "Gauge",
                Kind::Histogram(_) => "Histogram",
            };
            assert_eq!(kind.trim_start_matches("Observable"), defined, "{name}");
            // Of cells the launcher knows the rest.
            if !unit.is_empty() {
                assert_eq!((unit.as_str(), description.as_str()), (known.unit, known.description), "{name}");
            }
        }
    }

    #[test]
    fn what_a_layer_measures_is_read() {
        let advice = r#"const fn sum(name: &str) -> Cell { Cell::new(&SCOPE, CellKind::Counter, name, "", "", &[("a", "b")]) }
            static A: Cell = sum("a.(b"); static B: Place = place("x", sum("b"));
            static C: Metric = Metric::new(&SCOPE, Kind::Gauge, NumberKind::I64, "c", "s", "C, (so).").with(&[1.0]);"#;
        let expected = [["Gauge", "c", "s", "C, (so)."], ["Counter", "a.(b", "", ""], ["Counter", "b", "", ""]];
        assert_eq!(of_layer(advice), expected);
    }

    #[test]
    fn boundaries_rise() {
        for metric in
            [http::HTTP, database::DATABASE, messaging::MESSAGING, rpc::RPC, runtime::RUNTIME, faas::FAAS, run::RUN]
                .into_iter()
                .flatten()
        {
            assert!(metric.boundaries().windows(2).all(|pair| pair[0] < pair[1]), "{}", metric.name);
        }
    }
}
