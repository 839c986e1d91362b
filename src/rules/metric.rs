//! Metrics that an instrumentation declares: `[[metric]]` of `instrumentation.toml`.
//!
//! The layer's instruments, `otel-rs list` and the pages of the docs are made from this one declaration.

use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::schema::{Mistake, mistake};

/// Room for the text of one time series in the memory that the program and the launcher share, without its scope.
const MAX_TEXT: usize = 300;
/// Longest name of an instrument, by OpenTelemetry's specification of metrics.
const MAX_NAME: usize = 255;
/// Longest unit, by the same.
const MAX_UNIT: usize = 63;

/// What an instrument does with its measurements. See "Instrument" in OpenTelemetry's metrics API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum DeclaredKind {
    Counter,
    UpDownCounter,
    Histogram,
    Gauge,
    ObservableCounter,
    ObservableUpDownCounter,
    ObservableGauge,
}

/// The type of an instrument's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum DeclaredNumber {
    Integer,
    Double,
}

/// A metric that an instrumentation's advice records.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct DeclaredMetric {
    pub(crate) name: String,
    pub(crate) kind: DeclaredKind,
    pub(crate) number: DeclaredNumber,
    /// In UCUM.
    pub(crate) unit: String,
    pub(crate) description: String,
    /// Upper bounds of a histogram's buckets; empty for OpenTelemetry's default ones, and for any other kind.
    pub(crate) boundaries: Vec<f64>,
    /// The only attributes that its points may have.
    pub(crate) attributes: Vec<String>,
    /// The question that it answers.
    pub(crate) question: String,
}

impl DeclaredMetric {
    /// The name of its constant in the layer: that of the metric, in capitals.
    pub(crate) fn constant(&self) -> String {
        self.name.to_uppercase().replace('.', "_")
    }

    /// Whether it is a single sum of whole numbers without attributes, for which the hooks have a `Cell`.
    pub(crate) fn is_cell(&self) -> bool {
        matches!(self.kind, DeclaredKind::Counter | DeclaredKind::UpDownCounter)
            && self.number == DeclaredNumber::Integer
            && self.attributes.is_empty()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct FileMetric {
    name: Spanned<String>,
    kind: DeclaredKind,
    number: Option<DeclaredNumber>,
    unit: Spanned<String>,
    description: Spanned<String>,
    boundaries: Option<Spanned<Vec<f64>>>,
    attributes: Vec<Spanned<String>>,
    question: Spanned<String>,
}

/// Checks what the types do not: names, limits, and that nothing is there twice.
pub(super) fn declared(file: Vec<FileMetric>) -> Result<Vec<DeclaredMetric>, Mistake> {
    let mut all: Vec<DeclaredMetric> = Vec::with_capacity(file.len());
    for metric in file {
        let (name, metric) = (metric.name.clone(), checked(metric)?);
        if let Some(other) = all.iter().find(|other| other.constant() == metric.constant()) {
            let found = if other.name == metric.name { "is there twice" } else { "has the constant of another" };
            return Err(mistake(&name, format!("metric `{}` {found}", metric.name)));
        }
        all.push(metric);
    }
    Ok(all)
}

fn checked(metric: FileMetric) -> Result<DeclaredMetric, Mistake> {
    let FileMetric { name, kind, number, unit, description, boundaries, attributes, question } = metric;
    is_name(&name, MAX_NAME)?;
    if unit.get_ref().is_empty() || unit.get_ref().len() > MAX_UNIT || !unit.get_ref().is_ascii() {
        return Err(mistake(&unit, "expected a unit in UCUM, such as `s`, `By`, `1` or `{request}`"));
    }
    for text in [&description, &question] {
        if text.get_ref().trim().is_empty() || text.get_ref().contains(|c: char| c.is_control() || c == '|') {
            return Err(mistake(text, "expected one line of text without `|`"));
        }
    }
    if name.get_ref().len() + unit.get_ref().len() + description.get_ref().len() > MAX_TEXT {
        let what =
            format!("expected a description with which name, unit and description have {MAX_TEXT} bytes at most");
        return Err(mistake(&description, what));
    }
    if let Some(found) = boundaries.as_ref().filter(|_| kind != DeclaredKind::Histogram) {
        return Err(mistake(found, "expected no `boundaries`: only a histogram has buckets"));
    }
    if let Some(found) = &boundaries {
        let is_rising = found.get_ref().windows(2).all(|pair| pair[0] < pair[1]);
        if found.get_ref().is_empty() || !is_rising || found.get_ref().iter().any(|bound| !bound.is_finite()) {
            return Err(mistake(found, "expected finite numbers, each above the one before"));
        }
    }
    for (index, attribute) in attributes.iter().enumerate() {
        is_name(attribute, MAX_NAME)?;
        if attributes[..index].iter().any(|other| other.get_ref() == attribute.get_ref()) {
            return Err(mistake(attribute, format!("attribute `{}` is there twice", attribute.get_ref())));
        }
    }
    let own = if kind == DeclaredKind::Histogram { DeclaredNumber::Double } else { DeclaredNumber::Integer };
    Ok(DeclaredMetric {
        name: name.into_inner(),
        kind,
        number: number.unwrap_or(own),
        unit: unit.into_inner(),
        description: description.into_inner(),
        boundaries: boundaries.map(Spanned::into_inner).unwrap_or_default(),
        attributes: attributes.into_iter().map(Spanned::into_inner).collect(),
        question: question.into_inner(),
    })
}

/// Fails unless the text is a name such as `pool.wait_time`, of which a constant can be made.
pub(super) fn is_name(text: &Spanned<String>, longest: usize) -> Result<(), Mistake> {
    let name = text.get_ref();
    let is_part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_lowercase())
            && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    if name.len() <= longest && name.split('.').all(is_part) {
        return Ok(());
    }
    Err(mistake(text, format!("expected a name such as `pool.wait_time`, found `{name}`")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::schema::parse;

    const HEAD: &str =
        "crate = \"toy\"\nversions = \"1\"\ntested = [\"1.0.0\"]\nsummary = \"toys\"\nsignals = [\"metrics\"]\n";
    const METRIC: &str = "[[metric]]\nname = \"toy.turns\"\nkind = \"counter\"\nunit = \"{turn}\"\ndescription = \"Turns.\"\n\
                          attributes = [\"toy.color\"]\nquestion = \"How many?\"\n";

    fn read(metrics: &str) -> Result<Vec<DeclaredMetric>, String> {
        Ok(parse(&format!("{HEAD}{metrics}"), "", String::new())?.metrics)
    }

    /// What is wrong with the metric once a line of it is replaced.
    fn error(line: &str, becomes: &str) -> String {
        assert!(METRIC.contains(line), "{line}");
        read(&METRIC.replace(line, becomes)).unwrap_err()
    }

    #[test]
    fn a_whole_metric_is_read() {
        let plain = read(METRIC).unwrap().remove(0);
        assert_eq!(
            (plain.kind, plain.number, plain.is_cell()),
            (DeclaredKind::Counter, DeclaredNumber::Integer, false)
        );
        assert_eq!((plain.constant().as_str(), plain.attributes.as_slice()), ("TOY_TURNS", &["toy.color".into()][..]));
        let text = METRIC.replace("\"counter\"", "\"histogram\"\nboundaries = [0.5, 1]");
        let histogram = read(&text).unwrap().remove(0);
        assert_eq!((histogram.number, histogram.boundaries), (DeclaredNumber::Double, vec![0.5, 1.0]));
    }

    #[test]
    fn one_sum_without_attributes_is_a_cell() {
        let bare = METRIC.replace("\"toy.color\"", "");
        assert!(read(&bare).unwrap()[0].is_cell());
        assert!(!read(&bare.replace("unit", "number = \"double\"\nunit")).unwrap()[0].is_cell());
        assert!(!read(&bare.replace("counter", "gauge")).unwrap()[0].is_cell());
        assert!(!read(&bare.replace("counter", "observable-counter")).unwrap()[0].is_cell());
    }

    #[test]
    fn errors_show_the_line() {
        let cases = [
            ("unit = \"{turn}\"\n", "", 6, "missing field `unit`"),
            ("unit = \"{turn}\"", "unit = \"\"", 9, "expected a unit"),
            ("unit = ", "unot = ", 9, "unknown field `unot`"),
            ("\"counter\"", "\"sum\"", 8, "unknown variant `sum`"),
            ("\"counter\"", "\"gauge\"\nnumber = \"real\"", 9, "unknown variant `real`"),
            ("\"counter\"", "\"counter\"\nboundaries = [1]", 9, "only a histogram has buckets"),
            ("\"counter\"", "\"histogram\"\nboundaries = [2, 1]", 9, "each above the one before"),
            ("\"counter\"", "\"histogram\"\nboundaries = [1, inf]", 9, "expected finite numbers"),
            ("\"counter\"", "\"histogram\"\nboundaries = []", 9, "expected finite numbers"),
            ("toy.turns", "toy..turns", 7, "found `toy..turns`"),
            ("toy.turns", "Toy.turns", 7, "expected a name such as"),
            ("\"toy.color\"", "\"toy.color\", \"toy.color\"", 11, "attribute `toy.color` is there twice"),
            ("\"toy.color\"", "\"toy color\"", 11, "found `toy color`"),
            ("\"How many?\"", "\"\"", 12, "expected one line of text"),
            ("\"Turns.\"", "\"a | b\"", 10, "expected one line of text"),
        ];
        for (line, becomes, at, what) in cases {
            let message = error(line, becomes);
            assert!(message.contains(&format!("line {at}")) && message.contains(what), "{becomes}: {message}");
        }
        let message = error("\"Turns.\"", &format!("\"{}\"", "long ".repeat(60)));
        assert!(message.starts_with("line 10: expected a description"), "{message}");
    }

    #[test]
    fn a_metric_is_there_once() {
        let message = read(&format!("{METRIC}{METRIC}")).unwrap_err();
        assert!(message.starts_with("line 14: metric `toy.turns` is there twice\n  | name = "), "{message}");
        let message = read(&format!("{METRIC}{}", METRIC.replace("toy.turns", "toy_turns"))).unwrap_err();
        assert!(message.contains("`toy_turns` has the constant of another"), "{message}");
    }
}
