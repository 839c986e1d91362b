//! The rooms of `src/` and the arrows between them: which room may use which.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::{ROOT, code, files};

/// Each room with the rooms that it may use, lowest first: a room may only name rooms that stand before it.
const ROOMS: [(&str, &[&str]); 25] = [
    ("digest", &[]),
    ("wire", &[]),
    ("marker", &["wire"]),
    ("ui", &[]),
    ("redact", &[]),
    ("bounds", &[]),
    ("attributes", &["redact"]),
    ("config", &["redact", "ui", "wire"]),
    ("launch", &["config", "ui"]),
    ("channel", &["ui", "wire"]),
    ("project", &["ui"]),
    ("weave", &["ui"]),
    ("rules", &["ui", "weave"]),
    ("layers", &["project", "rules", "ui", "weave"]),
    ("rustc", &["layers", "project", "rules", "ui"]),
    ("resource", &["attributes", "channel", "config", "launch", "layers", "redact", "ui"]),
    ("records", &["bounds", "channel", "resource", "wire"]),
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
            "launch",
            "records",
            "redact",
            "resource",
            "ui",
            "wire",
        ],
    ),
    ("export", &["bounds", "config", "conventions", "redact", "resource", "signals", "ui"]),
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
            "channel",
            "config",
            "export",
            "launch",
            "layers",
            "project",
            "redact",
            "resource",
            "rules",
            "rustc",
            "telemetry",
            "ui",
            "wire",
        ],
    ),
    ("cli", &["config", "ops", "ui"]),
    ("main", &["cli", "launch", "ui"]),
];

/// The rooms that the code of each room of `folder` names by `crate::<room>`; a room is a file or a folder there.
pub(crate) fn arrows(folder: &str) -> BTreeMap<String, BTreeSet<String>> {
    let root = Path::new(ROOT).join(folder);
    let room = |path: &Path| {
        let first = path.strip_prefix(&root).expect("a file of the folder").components().next();
        let name = first.map(|part| part.as_os_str().to_string_lossy().into_owned()).unwrap_or_default();
        name.trim_end_matches(".rs").to_owned()
    };
    let files = files(folder, ".rs");
    let rooms: BTreeSet<String> = files.iter().map(|path| room(path)).collect();
    let mut arrows: BTreeMap<String, BTreeSet<String>> =
        rooms.iter().map(|room| (room.clone(), BTreeSet::new())).collect();
    for path in files.iter().filter(|path| !is_test(path)) {
        let from = room(path);
        // The file that declares the rooms names them without `crate::`.
        let declares = from == "main" || from == "lib";
        for (_, line) in code(path) {
            let named = rooms
                .iter()
                .filter(|to| names(&line, &format!("crate::{to}")) || (declares && line.contains(&format!("{to}::"))));
            arrows.entry(from.clone()).or_default().extend(named.filter(|to| **to != from).cloned());
        }
    }
    arrows
}

/// Whether the file holds tests alone.
fn is_test(path: &Path) -> bool {
    path.components().any(|part| ["tests.rs", "tests", "testing.rs"].iter().any(|name| part.as_os_str() == *name))
        && path.strip_prefix(ROOT).is_ok_and(|path| !path.starts_with("tests"))
}

/// Whether `line` has `path` and no longer name in its place.
fn names(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let after = line[at + path.len()..].chars().next();
        !after.is_some_and(|c| c.is_alphanumeric() || c == '_')
    })
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

#[test]
fn rooms_use_only_rooms_below_them() {
    let arrows = arrows("src");
    let known: BTreeSet<&str> = ROOMS.iter().map(|(room, _)| *room).collect();
    let found: BTreeSet<&str> = arrows.keys().map(String::as_str).collect();
    assert_eq!(found, known, "each room of src/ stands in the list, and nothing else");
    let mut below = BTreeSet::new();
    let mut offences = Vec::new();
    for (room, may) in ROOMS {
        let upward = may.iter().filter(|to| !below.contains(*to));
        offences.extend(upward.map(|to| format!("{room} → {to}: listed, but {to} does not stand below {room}")));
        below.insert(room);
        let Some(uses) = arrows.get(room) else { continue };
        let beyond = uses.iter().filter(|to| !may.contains(&to.as_str()));
        offences.extend(beyond.map(|to| format!("{room} → {to}: used, but not listed")));
        let unused = may.iter().filter(|to| !uses.contains(**to));
        offences.extend(unused.map(|to| format!("{room} → {to}: listed, but no longer used")));
    }
    assert!(offences.is_empty(), "arrows between the rooms of src/:\n{}", offences.join("\n"));
    assert_eq!(circle(&arrows), None);
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
