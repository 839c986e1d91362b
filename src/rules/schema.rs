//! The keys of `instrumentation.toml`. An unknown one is an error that shows its line.

use semver::{Version, VersionReq};
use serde::Deserialize;
use toml::Spanned;

use super::metric::{self, FileMetric};
use super::{Coverage, Instrumentation, Overlap, Rule};
use crate::weave::{edit, pattern, scope};

const SIGNALS: [&str; 4] = ["traces", "metrics", "logs", "context"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    #[serde(rename = "crate")]
    name: String,
    versions: Spanned<VersionReq>,
    tested: Vec<Spanned<Version>>,
    summary: String,
    signals: Vec<Spanned<String>>,
    #[serde(default)]
    covers: Vec<Coverage>,
    #[serde(default)]
    emits: Vec<String>,
    #[serde(default)]
    convention_metrics: Vec<Spanned<String>>,
    #[serde(default, rename = "metric")]
    metrics: Vec<FileMetric>,
    #[serde(default, rename = "overlap")]
    overlaps: Vec<Overlap>,
    #[serde(default, rename = "rule")]
    rules: Vec<FileRule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct FileRule {
    id: Spanned<String>,
    versions: Option<VersionReq>,
    #[serde(rename = "where")]
    place: Where,
    #[serde(rename = "do")]
    action: Spanned<Do>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Where {
    file: Spanned<String>,
    #[serde(default, rename = "in")]
    scopes: Vec<Spanned<String>>,
    #[serde(rename = "match")]
    pattern: Option<Spanned<String>>,
    expect: Option<Spanned<usize>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Do {
    replace: Option<Spanned<String>>,
    before: Option<Spanned<String>>,
    after: Option<Spanned<String>>,
    prelude: Option<Spanned<String>>,
    postlude: Option<Spanned<String>>,
}

/// A mistake at a place in the text.
pub(super) struct Mistake {
    at: usize,
    what: String,
}

pub(super) fn mistake<T>(at: &Spanned<T>, what: impl Into<String>) -> Mistake {
    Mistake { at: at.span().start, what: what.into() }
}

/// Reads the text of an `instrumentation.toml`. The error names line, expected and found, but not the file.
pub(crate) fn parse(text: &str, advice: &str, digest: String) -> Result<Instrumentation, String> {
    let file: File = toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
    check(file, advice, digest).map_err(|Mistake { at, what }| {
        let line = text[..at].matches('\n').count();
        let shown = text.lines().nth(line).unwrap_or_default().trim_end();
        format!("line {}: {what}\n  | {shown}", line + 1)
    })
}

fn check(file: File, advice: &str, digest: String) -> Result<Instrumentation, Mistake> {
    for signal in &file.signals {
        if !SIGNALS.contains(&signal.get_ref().as_str()) {
            let (expected, found) = (SIGNALS.join("`, `"), signal.get_ref());
            return Err(mistake(signal, format!("expected one of `{expected}`, found `{found}`")));
        }
    }
    for version in &file.tested {
        if !file.versions.get_ref().matches(version.get_ref()) {
            let (version_text, range) = (version.get_ref(), file.versions.get_ref());
            return Err(mistake(version, format!("tested version `{version_text}` is not in `versions`: {range}")));
        }
    }
    let metrics = metric::declared(file.metrics)?;
    for (index, name) in file.convention_metrics.iter().enumerate() {
        metric::is_name(name, usize::MAX)?;
        let is_listed = file.convention_metrics[..index].iter().any(|other| other.get_ref() == name.get_ref());
        if is_listed || metrics.iter().any(|metric| metric.name == *name.get_ref()) {
            return Err(mistake(name, format!("metric `{}` is there twice", name.get_ref())));
        }
    }
    let mut rules: Vec<Rule> = Vec::with_capacity(file.rules.len());
    for rule in file.rules {
        let (id, rule) = (rule.id.clone(), rule_of(&file.name, rule)?);
        // The same id twice is fine for versions that exclude each other; a range cannot be compared here, so that it
        // must at least be stated.
        if rules.iter().any(|other| other.name == rule.name && (other.versions.is_none() || rule.versions.is_none())) {
            let name = &rule.name;
            return Err(mistake(&id, format!("rule `{name}` is there twice; give each its own id or `versions`")));
        }
        rules.push(rule);
    }
    Ok(Instrumentation {
        name: file.name,
        versions: file.versions.into_inner(),
        tested: file.tested.into_iter().map(Spanned::into_inner).collect(),
        summary: file.summary,
        signals: file.signals.into_iter().map(Spanned::into_inner).collect(),
        covers: file.covers,
        emits: file.emits,
        convention_metrics: file.convention_metrics.into_iter().map(Spanned::into_inner).collect(),
        metrics,
        overlaps: file.overlaps,
        rules,
        advice: advice.to_owned(),
        digest,
    })
}

fn rule_of(crate_name: &str, rule: FileRule) -> Result<Rule, Mistake> {
    let Where { file, scopes: scope_texts, pattern: pattern_text, expect } = rule.place;
    if file.get_ref().starts_with('/') || file.get_ref().split('/').any(|part| part == "..") {
        return Err(mistake(&file, "expected a path inside the package, such as `src/lib.rs`"));
    }
    let mut scopes = Vec::with_capacity(scope_texts.len());
    for text in &scope_texts {
        let scope = scope::parse(text.get_ref())
            .map_err(|reason| mistake(text, format!("cannot read scope `{}`: {reason}", text.get_ref())))?;
        scopes.push(scope);
    }
    let pattern = match &pattern_text {
        Some(text) => Some(pattern::parse(text.get_ref()).map_err(|why| mistake(text, format!("`match` {why}")))?),
        None => None,
    };
    let names = pattern.as_ref().map(pattern::Pattern::names).unwrap_or_default();
    let action_at = rule.action.span().start;
    let action = rule.action.into_inner();
    let given: Vec<(edit::Placement, &str, Spanned<String>)> = [
        (edit::Placement::Replace, "replace", action.replace),
        (edit::Placement::Before, "before", action.before),
        (edit::Placement::After, "after", action.after),
        (edit::Placement::Prelude, "prelude", action.prelude),
        (edit::Placement::Postlude, "postlude", action.postlude),
    ]
    .into_iter()
    .filter_map(|(place, word, text)| Some((place, word, text?)))
    .collect();
    let [(place, word, text)] = given.as_slice() else {
        let found = if given.is_empty() { "none".to_owned() } else { format!("{} of them", given.len()) };
        let what =
            format!("expected exactly one of `replace`, `before`, `after`, `prelude`, `postlude`, found {found}");
        return Err(Mistake { at: action_at, what });
    };
    match &pattern_text {
        None if place.needs_match() => return Err(mistake(text, format!("`{word}` needs a `match` in `where`"))),
        Some(found) if !place.needs_match() => {
            return Err(mistake(found, format!("`{word}` goes into the innermost scope; expected no `match`")));
        }
        None if scopes.is_empty() => return Err(mistake(text, format!("`{word}` needs a scope: `in` in `where`"))),
        _ => {}
    }
    if let Some(expect) = expect.as_ref().filter(|expect| *expect.get_ref() == 0) {
        return Err(mistake(expect, "expected at least 1 match"));
    }
    let modifier =
        edit::parse(*place, text.get_ref(), &names).map_err(|why| mistake(text, format!("`{word}` {why}")))?;
    Ok(Rule {
        name: format!("{crate_name}.{}", rule.id.get_ref()),
        versions: rule.versions,
        file: file.into_inner(),
        scopes,
        pattern,
        expect: expect.map_or(1, Spanned::into_inner),
        modifier,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str =
        "crate = \"toy\"\nversions = \">=1, <2\"\ntested = [\"1.0.0\"]\nsummary = \"toys\"\nsignals = [\"traces\"]\n";

    fn error(rest: &str) -> String {
        parse(&format!("{HEAD}{rest}"), "", String::new()).unwrap_err()
    }

    #[test]
    fn whole_rule_is_read() {
        let text = format!(
            "{HEAD}emits = [\"span\"]\n[[rule]]\nid = \"a\"\nversions = \"<1.5\"\n\
             where = {{ file = \"src/lib.rs\", in = [\"fn f\"], match = \"g($x)\", expect = 2 }}\ndo = {{ replace = \"h($x)\" }}"
        );
        let known = parse(&text, "advice", "digest".into()).unwrap();
        assert_eq!(known.rules[0].name, "toy.a");
        assert_eq!(known.rules[0].expect, 2);
        assert_eq!(known.rules_for(&Version::new(1, 4, 0)).len(), 1);
        assert_eq!(known.rules_for(&Version::new(1, 5, 0)).len(), 0);
    }

    #[test]
    fn unknown_key_is_reported_with_its_line() {
        let message = error("sumary = \"x\"\n");
        assert!(message.contains("line 6") && message.contains("sumary"), "{message}");
        let message =
            error("[[rule]]\nid = \"a\"\nwhere = { file = \"src/lib.rs\", inn = [] }\ndo = { before = \"x\" }");
        assert!(message.contains("line 8") && message.contains("`inn`"), "{message}");
    }

    #[test]
    fn a_convention_metric_is_listed_once() {
        let message = error("convention-metrics = [\n\"a.b\",\n\"a.b\"]");
        assert!(message.starts_with("line 8: metric `a.b` is there twice"), "{message}");
        let message = error("convention-metrics = [\"A\"]");
        assert!(message.starts_with("line 6: expected a name such as"), "{message}");
    }

    #[test]
    fn an_overlap_is_about_its_versions() {
        let text = format!("{HEAD}[[overlap]]\ncrate = \"doll\"\nversions = \"<2\"\nnote = \"both\"\n");
        let known = parse(&text, "", String::new()).unwrap();
        let about = |name: &str, major| known.overlaps[0].is_about(name, &Version::new(major, 0, 0));
        assert!(about("doll", 1) && !about("doll", 2) && !about("toy", 1));
        assert!(error("[[overlap]]\ncrate = \"doll\"\nnotes = \"both\"\n").contains("`notes`"));
    }

    #[test]
    fn two_modifiers_are_one_too_many() {
        let message = error(
            "[[rule]]\nid = \"a\"\nwhere = { file = \"a.rs\", match = \"x\" }\ndo = { before = \"a\", after = \"b\" }",
        );
        assert!(message.starts_with("line 9: expected exactly one of") && message.contains("2 of them"), "{message}");
    }

    #[test]
    fn unknown_capture_is_reported() {
        let message =
            error("[[rule]]\nid = \"a\"\nwhere = { file = \"a.rs\", match = \"f($x)\" }\ndo = { before = \"g($y)\" }");
        assert!(message.contains("uses `$y`, but `match` captures `x`"), "{message}");
    }

    #[test]
    fn broken_pattern_is_reported_with_its_line() {
        let message =
            error("[[rule]]\nid = \"a\"\nwhere = { file = \"a.rs\", match = \"f(\" }\ndo = { before = \"g()\" }");
        assert!(message.starts_with("line 8: `match`"), "{message}");
    }

    #[test]
    fn prelude_takes_a_scope_and_no_match() {
        let message =
            error("[[rule]]\nid = \"a\"\nwhere = { file = \"a.rs\", match = \"f\" }\ndo = { prelude = \"g()\" }");
        assert!(message.contains("expected no `match`"), "{message}");
        let message = error("[[rule]]\nid = \"a\"\nwhere = { file = \"a.rs\" }\ndo = { prelude = \"g()\" }");
        assert!(message.contains("needs a scope"), "{message}");
    }

    #[test]
    fn tested_version_outside_the_range_is_refused() {
        let text = HEAD.replace("\"1.0.0\"", "\"2.0.0\"");
        let message = parse(&text, "", String::new()).unwrap_err();
        assert!(message.contains("line 3") && message.contains("2.0.0"), "{message}");
    }

    #[test]
    fn unknown_signal_is_refused() {
        let text = HEAD.replace("\"traces\"", "\"spans\"");
        assert!(parse(&text, "", String::new()).unwrap_err().contains("found `spans`"));
    }
}
