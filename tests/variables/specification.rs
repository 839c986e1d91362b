//! The registry against the specification's own list, which is a file of its own: `tests/fixtures/specification`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::support::{OTEL_RS, clean, source, succeed};

/// A variable of the specification.
#[derive(Debug)]
struct Specified {
    /// Below the specification's address.
    page: String,
    /// Empty if the page has none.
    default: String,
    /// Ours, if it is another.
    ours: Option<String>,
}

fn specified() -> BTreeMap<String, Specified> {
    let text = std::fs::read_to_string(source("tests/fixtures/specification/variables.txt")).expect("the table");
    let mut page = "";
    let mut all = BTreeMap::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("# ") {
            page = name;
        } else if line.starts_with("OTEL_") {
            let mut cells = line.split('|').map(|cell| cell.trim().to_owned());
            let name = cells.next().expect("a name");
            let (default, ours) = (cells.next().unwrap_or_default(), cells.next());
            let known = all.insert(name.clone(), Specified { page: page.to_owned(), default, ours });
            assert!(known.is_none(), "{name} stands twice");
        }
    }
    assert!(all.len() > 75, "{all:?}");
    all
}

/// Every variable as the registry has it, by its name.
fn registered() -> BTreeMap<String, Value> {
    let (json, _) = succeed(clean(OTEL_RS).arg("__variables"));
    let all: Vec<Value> = serde_json::from_str(&json).expect("JSON");
    all.into_iter().map(|variable| (text(&variable, "name").to_owned(), variable)).collect()
}

fn text<'a>(variable: &'a Value, key: &str) -> &'a str {
    variable[key].as_str().unwrap_or_default()
}

/// The default that the reference shows: a value, or what the help names in its place. Where that is another variable, it
/// is that one's.
fn shown<'a>(variable: &'a Value, all: &'a BTreeMap<String, Value>) -> &'a str {
    if text(variable, "group") == "Not supported" {
        return "not supported";
    }
    let in_help = text(variable, "help").split_once("[default: ").and_then(|(_, rest)| rest.strip_suffix(']'));
    let default = if text(variable, "default").is_empty() { in_help.unwrap_or("") } else { text(variable, "default") };
    all.get(default).map_or(default, |other| shown(other, all))
}

fn is_same(ours: &str, specified: &str) -> bool {
    let number = |text: &str| text.parse::<f64>().ok();
    ours == specified || number(ours).is_some_and(|ours| number(specified) == Some(ours))
}

#[test]
fn every_variable_of_the_specification_is_known() {
    let (specified, registered) = (specified(), registered());
    let missing: Vec<_> = specified.keys().filter(|name| !registered.contains_key(*name)).collect();
    assert_eq!(missing, [] as [&String; 0], "have no row");
    for (name, specified) in &specified {
        assert_eq!(text(&registered[name], "spec"), specified.page, "{name} is defined elsewhere");
    }
}

#[test]
fn variables_listed_as_specified_are_in_the_specification() {
    let (specified, registered) = (specified(), registered());
    let own = |name: &str| name.starts_with("OTEL_RS_");
    let on_page: BTreeSet<_> = registered
        .iter()
        .filter(|(name, row)| !own(name) && !text(row, "spec").is_empty())
        .map(|(name, _)| name)
        .collect();
    assert_eq!(on_page.difference(&specified.keys().collect()).collect::<Vec<_>>(), [] as [&&String; 0]);
}

#[test]
fn defaults_are_the_specification_s_or_the_difference_is_explained() {
    let (specified, registered) = (specified(), registered());
    for (name, specified) in &specified {
        let row = &registered[name];
        let (ours, differs) = (shown(row, &registered), text(row, "differs"));
        match &specified.ours {
            _ if specified.default.is_empty() && specified.ours.is_none() => {
                assert!(differs.is_empty(), "{name} differs from nothing: {differs}");
            }
            None => {
                assert!(
                    is_same(ours, &specified.default),
                    "the default of {name} is {ours}, not {}",
                    specified.default
                );
                assert!(differs.is_empty(), "{name} does not differ: {differs}");
            }
            Some(expected) => {
                assert_eq!(ours, expected, "the default of {name}");
                let inherits = text(row, "help").contains("[default: OTEL_");
                let explained = !differs.is_empty() || inherits || ours == "not supported";
                assert!(explained, "no reason is given why the default of {name} is {ours}, not {}", specified.default);
                assert!(!is_same(ours, &specified.default), "{name} does not differ");
            }
        }
    }
    for (name, row) in &registered {
        assert!(specified.contains_key(name) || text(row, "differs").is_empty(), "{name} differs from nothing");
    }
}
