//! The house rules that a reader can check by eye, checked by `cargo test`.

#[path = "tidy/rooms.rs"]
mod rooms;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The rooms that use the types of OpenTelemetry's API.
const API: [&str; 7] =
    ["src/attributes", "src/conventions", "src/export", "src/records", "src/resource", "src/signals", "src/telemetry"];

/// The rooms that use the SDK, and what it is made of.
const SDK: [&str; 3] = ["src/export", "src/signals", "src/telemetry"];

/// All files below `folder` whose name ends in `ending`, build output left out.
fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    fn walk(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
        let Ok(entries) = fs::read_dir(folder) else { return };
        for path in entries.flatten().map(|entry| entry.path()) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() {
                if !["target", ".git", "node_modules"].contains(&name.as_str()) {
                    walk(&path, ending, found);
                }
            } else if name.ends_with(ending) {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&Path::new(ROOT).join(folder), ending, &mut found);
    assert!(!found.is_empty(), "no {ending} file in {folder}: this check looks at nothing");
    found.sort();
    found
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Lines of code: comments and doc comments left out, and everything from `mod tests` on.
fn code(path: &Path) -> Vec<(usize, String)> {
    let text = text(path);
    let lines = text.lines().enumerate().take_while(|(_, line)| !line.starts_with("mod tests"));
    let lines = lines.filter(|(_, line)| !line.trim_start().starts_with("//"));
    lines.map(|(number, line)| (number + 1, line.to_owned())).collect()
}

/// Fails with every line of the files that `offends`, other than in rooms that may.
fn forbid(why: &str, paths: &[PathBuf], rooms: &[&str], offends: impl Fn(&str) -> bool) {
    let mut offences = Vec::new();
    for path in paths {
        let shown = path.strip_prefix(ROOT).unwrap_or(path).display().to_string();
        if rooms.iter().any(|room| shown.starts_with(room)) {
            continue;
        }
        let found = code(path).into_iter().filter(|(_, line)| offends(line));
        offences.extend(found.map(|(number, line)| format!("{shown}:{number}: {}", line.trim())));
    }
    assert!(offences.is_empty(), "{why}:\n{}", offences.join("\n"));
}

/// Whether `line` has `word` as a whole identifier.
fn has_word(line: &str, word: &str) -> bool {
    line.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|found| found == word)
}

#[test]
fn only_the_rooms_of_telemetry_name_opentelemetry_and_only_the_upper_ones_the_sdk() {
    let sources = files("src", ".rs");
    forbid("OpenTelemetry belongs to telemetry", &sources, &API, |line| has_word(line, "opentelemetry"));
    let conventions = [&API[..], &["src/host"]].concat();
    forbid("names of conventions belong to telemetry", &sources, &conventions, |line| {
        has_word(line, "opentelemetry_semantic_conventions")
    });
    let names_sdk = |line: &str| {
        ["opentelemetry_sdk", "opentelemetry_proto", "opentelemetry_otlp", "prost"]
            .iter()
            .any(|name| has_word(line, name))
    };
    forbid("the SDK belongs to the upper rooms of telemetry", &sources, &SDK, names_sdk);
}

#[test]
fn only_the_command_line_names_clap() {
    forbid("clap belongs to src/cli", &files("src", ".rs"), &["src/cli"], |line| has_word(line, "clap"));
}

#[test]
fn only_the_configuration_names_the_parser_of_yaml() {
    let names = |line: &str| has_word(line, "saphyr_parser");
    forbid("YAML belongs to src/config/sources/file", &files("src", ".rs"), &["src/config/sources/file"], names);
}

#[test]
fn only_ui_prints_and_only_main_and_launch_exit() {
    let prints = |line: &str| ["println!", "eprintln!", "print!(", "eprint!("].iter().any(|name| line.contains(name));
    forbid("printing belongs to src/ui", &files("src", ".rs"), &["src/ui"], prints);
    forbid("exiting belongs to src/main.rs", &files("src", ".rs"), &["src/main.rs"], |line| {
        line.contains("process::exit")
    });
    // A forked process may not run what the launcher has registered for its own end.
    forbid("ending a forked process belongs to src/launch", &files("src", ".rs"), &["src/launch"], |line| {
        has_word(line, "_exit")
    });
}

#[test]
fn unsafe_stands_where_memory_is_shared() {
    // The word as text is none.
    let uses = |line: &str| has_word(&line.replace("\"unsafe\"", ""), "unsafe") && !line.contains("unsafe_code");
    forbid(
        "unsafe belongs to src/channel, src/launch, src/ui/stream.rs and the hooks",
        &files("src", ".rs"),
        &["src/channel", "src/launch", "src/ui/stream.rs", "src/weave/spans/find/tests.rs"],
        uses,
    );
    forbid("advice is safe code", &files("instrumentations", "advice.rs"), &[], uses);
}

#[test]
fn the_pure_rooms_do_no_input_or_output() {
    let touches = |line: &str| {
        ["std::fs", "fs_err", "std::env", "std::process", "std::net"].iter().any(|name| line.contains(name))
    };
    forbid("weave is pure", &files("src/weave", ".rs"), &[], touches);
    forbid("rules are pure", &files("src/rules", ".rs"), &[], touches);
    forbid("records are pure", &files("src/records", ".rs"), &[], touches);
}

#[test]
fn no_instrumented_crate_is_named_in_the_source() {
    let crates: BTreeSet<String> = files("instrumentations", "instrumentation.toml")
        .iter()
        .filter_map(|path| Some(path.parent()?.file_name()?.to_string_lossy().replace('-', "_")))
        .collect();
    // The launcher's exporters run on some of the very crates that it instruments in others; the demo names what it is
    // made of.
    let own_tools = [&SDK[..], &["src/channel/feed.rs", "src/config/sources/proxies.rs", "src/ops/demo.rs"]].concat();
    let names = |crates: &BTreeSet<String>, line: &str| {
        crates.iter().any(|name| match name.as_str() {
            // A word of English and a signal of OpenTelemetry: a crate only where it is written as one.
            "log" => {
                has_word(line, "log") && ["log::", "\"log\"", "`log`"].iter().any(|written| line.contains(written))
            }
            // A signal's name, and what this house calls its rooms for it.
            "metrics" => line.contains("`metrics`"),
            // The name of an exporter, its options and their modules as well: a crate only where a path begins with it
            // that is not one of ours, or where it is written as one.
            "prometheus" => {
                let paths = line.split("prometheus::").collect::<Vec<_>>();
                let begins = |before: &&str| !before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
                paths.split_last().is_some_and(|(_, before)| before.iter().any(begins)) || line.contains("`prometheus`")
            }
            // Databases' names, in the arguments and URLs that are redacted: a crate only where it is written as one.
            "mongodb" | "mysql" | "redis" => {
                [format!("{name}::"), format!("\"{name}\""), format!("`{name}`")].iter().any(|one| line.contains(one))
            }
            name => has_word(line, name),
        })
    };
    let mut sources = files("src", ".rs");
    sources.retain(|path| {
        !path.components().any(|part| ["tests", "tests.rs"].iter().any(|name| part.as_os_str() == *name))
    });
    // The API of OpenTelemetry is an instrumented crate as well: some rooms use it.
    let without_api: BTreeSet<String> = crates.iter().filter(|name| *name != "opentelemetry").cloned().collect();
    let (with_api, others): (Vec<_>, Vec<_>) = sources.into_iter().partition(|path| {
        let path = path.strip_prefix(ROOT).unwrap_or(path);
        API.iter().any(|room| path.starts_with(room))
    });
    let why = "instrumentations are folders, not code";
    forbid(why, &with_api, &own_tools, |line| names(&without_api, line));
    forbid(why, &others, &own_tools, |line| names(&crates, line));
    let why = "what concerns one instrumentation stands in its notes.md";
    forbid(why, &files("src", ".md"), &[], |line| names(&crates, line));
}

#[test]
fn the_hooks_have_no_dependencies_and_cannot_panic() {
    for manifest in ["templates/hooks/Cargo.toml.in", "tests/hooks/Cargo.toml"] {
        let manifest = text(&Path::new(ROOT).join(manifest));
        let dependencies = manifest.split("[dependencies]").nth(1).unwrap_or("");
        let dependencies = dependencies.split("\n[").next().unwrap_or("").trim();
        assert_eq!(dependencies, "", "the hooks depend on nothing");
    }
    let panics = |line: &str| {
        [
            ".unwrap()",
            ".expect(",
            "panic!",
            "unreachable!",
            "todo!",
            "assert!",
            "println!",
            "Mutex",
            "RwLock",
            "thread::spawn",
            "thread::Builder",
        ]
        .iter()
        .any(|name| line.contains(name))
    };
    // The one exception is explained in docs/design/decisions; their tests may do as they like.
    let rooms = ["metrics/callbacks.rs", "metrics/tests.rs", "logs/pending/tests.rs"];
    let rooms = rooms.map(|room| format!("templates/hooks/src/{room}"));
    let rooms = rooms.each_ref().map(String::as_str);
    forbid("the hooks never panic, print, lock or start threads", &files("templates/hooks/src", ".rs"), &rooms, panics);
    forbid("advice never panics or prints", &files("instrumentations", "advice.rs"), &[], panics);
}

#[test]
fn files_stay_small_enough_to_read() {
    let mut long = Vec::new();
    for folder in ["src", "templates", "tests", "instrumentations"] {
        for path in files(folder, ".rs") {
            let lines = text(&path).lines().count();
            if lines > 500 {
                long.push(format!("{}: {lines} lines", path.display()));
            }
        }
    }
    assert!(long.is_empty(), "split these:\n{}", long.join("\n"));
}

#[test]
fn every_instrumentation_is_whole() {
    for manifest in files("instrumentations", "instrumentation.toml") {
        let folder = manifest.parent().unwrap();
        let name = folder.file_name().unwrap().to_string_lossy();
        assert!(
            text(&manifest).contains(&format!("crate = \"{name}\"")),
            "{name}: the folder is named after its crate"
        );
        assert!(folder.join("advice.rs").is_file(), "{name}: advice.rs is missing");
        for file in ["Cargo.toml.in", "src/main.rs", "expected.toml"] {
            assert!(folder.join("example").join(file).is_file(), "{name}: example/{file} is missing");
        }
        let table: toml::Table = text(&manifest).parse().unwrap();
        let tested =
            table["tested"].as_array().unwrap().iter().map(|version| format!("{}.lock", version.as_str().unwrap()));
        let locks = fs::read_dir(folder.join("example/locks")).into_iter().flatten().flatten();
        let locks: BTreeSet<_> = locks.map(|lock| lock.file_name().into_string().unwrap()).collect();
        let hint = format!("run `UPDATE_LOCKS=1 cargo test --test examples {name}`, and remove what is not tested");
        assert_eq!(locks, tested.collect(), "{name}: example/locks does not hold the versions of `tested`: {hint}");
    }
}

#[test]
fn markdown_links_lead_somewhere() {
    let mut broken = Vec::new();
    // Text in `src` becomes part of a page, where its links are checked.
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("./src");
    for path in files(".", ".md").into_iter().filter(|path| !path.starts_with(&source)) {
        let folder = path.parent().unwrap();
        for target in text(&path).split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = target.split('#').next().unwrap_or("");
            if !file.is_empty() && !file.contains("://") && !folder.join(file).exists() {
                broken.push(format!("{}: {target}", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "links to nowhere:\n{}", broken.join("\n"));
}
