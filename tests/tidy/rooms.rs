//! The rooms of `src/` and the modules of the hooks, and the arrows between them: which may use which.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::{ROOT, code, files};

/// Each room with the rooms that it may use, lowest first: a room may only name rooms that stand before it.
const ROOMS: [(&str, &[&str]); 26] = [
    ("digest", &[]),
    ("wire", &[]),
    ("marker", &["wire"]),
    ("ui", &[]),
    ("redact", &[]),
    ("bounds", &[]),
    ("attributes", &["redact"]),
    ("config", &["redact", "ui", "wire"]),
    ("launch", &["config", "ui"]),
    ("project", &["digest", "ui"]),
    ("weave", &["ui"]),
    ("rules", &["weave"]),
    ("catalog", &["digest", "rules", "ui", "weave"]),
    ("layers", &["catalog", "digest", "marker", "project", "rules", "ui", "weave"]),
    ("rustc", &["catalog", "digest", "layers", "project", "rules", "ui", "weave"]),
    ("channel", &["ui", "wire"]),
    ("resource", &["attributes", "channel", "config", "launch", "layers", "redact", "ui"]),
    ("records", &["attributes", "bounds", "marker", "resource", "wire"]),
    ("conventions", &["attributes", "config", "records", "redact", "wire"]),
    ("host", &["config", "conventions", "launch"]),
    (
        "signals",
        &[
            "attributes",
            "bounds",
            "channel",
            "config",
            "conventions",
            "host",
            "records",
            "redact",
            "resource",
            "ui",
            "wire",
        ],
    ),
    ("export", &["bounds", "config", "redact", "signals", "ui"]),
    (
        "telemetry",
        &[
            "attributes",
            "bounds",
            "channel",
            "config",
            "conventions",
            "export",
            "host",
            "launch",
            "records",
            "redact",
            "resource",
            "signals",
            "ui",
            "wire",
        ],
    ),
    (
        "ops",
        &[
            "catalog",
            "channel",
            "config",
            "conventions",
            "export",
            "launch",
            "layers",
            "project",
            "resource",
            "rules",
            "rustc",
            "signals",
            "telemetry",
            "ui",
            "weave",
            "wire",
        ],
    ),
    ("cli", &["config", "ops", "ui"]),
    ("main", &["cli", "launch", "ui"]),
];

/// The same for the modules of the hooks.
const HOOKS: [(&str, &[&str]); 27] = [
    ("wire", &[]),
    ("decisions", &[]),
    ("headers", &[]),
    ("sys", &[]),
    ("clock", &["sys"]),
    ("writer", &[]),
    ("seed", &["sys"]),
    ("settings", &["wire"]),
    ("attribute", &["wire", "writer"]),
    ("region", &["attribute", "settings", "sys", "wire", "writer"]),
    ("attach", &["attribute", "region", "seed", "settings", "sys", "wire"]),
    ("places", &["attach", "attribute"]),
    ("net", &["attach", "sys"]),
    ("scope", &["attach", "settings"]),
    ("ids", &["attach", "clock", "seed"]),
    ("cells", &["attach", "attribute", "scope", "wire"]),
    ("context", &["attach", "clock", "headers", "scope", "settings"]),
    ("metrics", &["attach", "attribute", "clock", "region", "scope", "seed", "settings", "sys", "wire"]),
    ("ring", &["attach", "attribute", "metrics", "region", "scope", "wire", "writer"]),
    ("span", &["attribute", "clock", "context", "ids", "ring", "scope", "settings", "wire"]),
    ("logs", &["attach", "attribute", "clock", "context", "places", "ring", "scope", "settings", "wire", "writer"]),
    ("panics", &["attribute", "clock", "context", "logs", "ring", "scope", "settings", "span", "wire"]),
    ("directives", &["attach", "logs", "settings"]),
    ("shared", &["attach", "attribute", "clock", "context", "logs", "places", "ring", "scope", "span", "wire"]),
    ("http", &["attach", "attribute", "cells", "clock", "context", "headers", "ring", "scope", "settings", "wire"]),
    ("kit", &["attribute", "cells", "clock", "context", "headers", "http", "metrics", "scope", "span", "wire"]),
    (
        "lib",
        &[
            "attach",
            "attribute",
            "cells",
            "context",
            "decisions",
            "headers",
            "http",
            "logs",
            "panics",
            "places",
            "scope",
            "shared",
            "span",
            "sys",
        ],
    ),
];

/// The rooms that the code of each room of `folder` names by their path; a room is a file or a folder there. `module` is
/// the path of the folder's own module: `crate`, or `crate::name`. The folder's `mod.rs` is no room.
pub(crate) fn arrows(folder: &str, module: &str) -> BTreeMap<String, BTreeSet<String>> {
    let root = Path::new(ROOT).join(folder);
    let parts = |path: &Path| {
        let inner = path.strip_prefix(&root).expect("a file of the folder").components();
        inner.map(|part| part.as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned()).collect::<Vec<_>>()
    };
    let files: Vec<(PathBuf, Vec<String>)> = files(folder, ".rs")
        .into_iter()
        .map(|path| (path.clone(), parts(&path)))
        .filter(|(_, at)| at[0] != "mod")
        .collect();
    let mut arrows: BTreeMap<String, BTreeSet<String>> =
        files.iter().map(|(_, at)| (at[0].clone(), BTreeSet::new())).collect();
    let rooms: BTreeSet<String> = arrows.keys().cloned().collect();
    for (path, at) in files.iter().filter(|(path, _)| !is_test(path)) {
        let from = &at[0];
        let depth = at.iter().filter(|part| *part != "mod").count();
        let text = code(path).into_iter().map(|(_, line)| line).collect::<Vec<_>>().join("\n");
        let mut named = named(&text, &format!("{module}::"));
        named.extend(self::named(&text, &"super::".repeat(depth)));
        // The file that declares the rooms names them without a path.
        if from == "main" || from == "lib" {
            named.extend(rooms.iter().filter(|to| text.contains(&format!("{to}::"))).cloned());
        }
        let others = named.into_iter().filter(|to| to != from && rooms.contains(to));
        arrows.entry(from.clone()).or_default().extend(others);
    }
    arrows
}

/// The names that follow `prefix` wherever it stands in `text`: one, or those of a group in braces.
fn named(text: &str, prefix: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let first = |text: &str| text.trim_start().split(|c: char| !is_part(c)).next().unwrap_or("").to_owned();
    let mut names = BTreeSet::new();
    for (at, _) in text.match_indices(prefix) {
        if text[..at].ends_with(|c: char| is_part(c) || c == ':') {
            continue;
        }
        let rest = &text[at + prefix.len()..];
        let Some(group) = rest.strip_prefix('{') else {
            names.insert(first(rest));
            continue;
        };
        let mut depth = 0;
        names.insert(first(group));
        for (at, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => drop(names.insert(first(&group[at + 1..]))),
                _ => {}
            }
        }
    }
    names
}

/// Whether the file holds tests alone.
fn is_test(path: &Path) -> bool {
    path.components().any(|part| ["tests.rs", "tests", "testing.rs"].iter().any(|name| part.as_os_str() == *name))
        && path.strip_prefix(ROOT).is_ok_and(|path| !path.starts_with("tests"))
}

/// A path of arrows that comes back to where it began, if there is one.
pub(crate) fn circle(arrows: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    fn walk<'a>(
        room: &'a str,
        arrows: &'a BTreeMap<String, BTreeSet<String>>,
        path: &mut Vec<&'a str>,
        done: &mut BTreeSet<&'a str>,
    ) -> Option<Vec<String>> {
        if let Some(start) = path.iter().position(|passed| *passed == room) {
            return Some(path[start..].iter().chain([&room]).map(ToString::to_string).collect());
        }
        if done.contains(room) {
            return None;
        }
        path.push(room);
        let found = arrows.get(room).into_iter().flatten().find_map(|to| walk(to, arrows, path, done));
        path.pop();
        done.insert(room);
        found
    }
    let mut done = BTreeSet::new();
    arrows.keys().find_map(|room| walk(room, arrows, &mut Vec::new(), &mut done))
}

/// Fails unless the rooms of `folder` use what `rooms` lists, all of it, and nothing else.
fn check(folder: &str, rooms: &[(&str, &[&str])]) {
    let arrows = arrows(folder, "crate");
    let known: BTreeSet<&str> = rooms.iter().map(|(room, _)| *room).collect();
    let found: BTreeSet<&str> = arrows.keys().map(String::as_str).collect();
    assert_eq!(found, known, "each room of {folder} stands in the list, and nothing else");
    let mut below = BTreeSet::new();
    let mut offences = Vec::new();
    for (room, may) in rooms {
        let upward = may.iter().filter(|to| !below.contains(*to));
        offences.extend(upward.map(|to| format!("{room} → {to}: listed, but {to} does not stand below {room}")));
        below.insert(room);
        let Some(uses) = arrows.get(*room) else { continue };
        let beyond = uses.iter().filter(|to| !may.contains(&to.as_str()));
        offences.extend(beyond.map(|to| format!("{room} → {to}: used, but not listed")));
        let unused = may.iter().filter(|to| !uses.contains(**to));
        offences.extend(unused.map(|to| format!("{room} → {to}: listed, but no longer used")));
    }
    assert!(offences.is_empty(), "arrows between the rooms of {folder}:\n{}", offences.join("\n"));
    assert_eq!(circle(&arrows), None);
}

#[test]
fn rooms_use_only_rooms_below_them() {
    check("src", &ROOMS);
}

#[test]
fn modules_of_the_hooks_use_only_modules_below_them() {
    check("templates/hooks/src", &HOOKS);
}

#[test]
fn modules_of_the_hooks_have_no_circles_inside() {
    for folder in ["context", "context/propagate", "http", "kit", "logs", "metrics", "region", "settings", "span"] {
        let arrows = arrows(&format!("templates/hooks/src/{folder}"), &format!("crate::{}", folder.replace('/', "::")));
        assert_eq!(circle(&arrows), None, "{folder}");
    }
}

#[test]
fn names_are_read_singly_and_from_groups() {
    let text = "use crate::one::Two;\nuse crate::{three, four::{Five, six},\n    seven};\npub(crate) fn f() { crate::eight() }";
    let names: Vec<String> = named(text, "crate::").into_iter().collect();
    assert_eq!(names, ["eight", "four", "one", "seven", "three"]);
    assert_eq!(named("use super::super::a;\nuse super::b;", "super::").into_iter().collect::<Vec<_>>(), ["b", "super"]);
    assert_eq!(named("use super::super::a;\nuse super::b;", "super::super::").into_iter().collect::<Vec<_>>(), ["a"]);
}

#[test]
fn circles_of_arrows_are_found() {
    let map = |pairs: &[(&str, &str)]| {
        let mut map: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (from, to) in pairs {
            map.entry((*from).into()).or_default().insert((*to).into());
        }
        map
    };
    assert_eq!(circle(&map(&[("a", "b"), ("b", "c"), ("a", "c")])), None);
    let found = circle(&map(&[("a", "b"), ("b", "c"), ("c", "d"), ("d", "b")])).expect("a circle");
    assert_eq!(found, ["b", "c", "d", "b"]);
}
