//! Generated pages agree with the code. `UPDATE_DOCS=1 cargo test --test docs` writes them anew.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

use serde_json::Value;

/// Runs `otel-rs` as a user would; its stdout.
fn otel_rs(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_otel-rs")).args(args).output().expect("otel-rs starts");
    assert!(output.status.success(), "otel-rs {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// Compares the page with what it should be, or writes it.
fn page(path: &str, expected: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::create_dir_all(file.parent().expect("a folder")).expect("the folder can be made");
        fs::write(&file, expected).expect("the page can be written");
    }
    let found = fs::read_to_string(&file).unwrap_or_default();
    assert!(found == expected, "{path} is out of date: run `UPDATE_DOCS=1 cargo test --test docs`\n{expected}");
}

fn list(value: &Value, separator: &str) -> String {
    let texts = value.as_array().into_iter().flatten().filter_map(Value::as_str);
    texts.collect::<Vec<_>>().join(separator)
}

/// What `otel-rs list` shows of each instrumentation.
fn instrumentations() -> Vec<Value> {
    serde_json::from_str(&otel_rs(&["list", "--format", "json"])).expect("JSON")
}

/// The groups of the launcher's catalogue of metrics.
fn groups() -> Vec<Value> {
    serde_json::from_str(&otel_rs(&["__metrics"])).expect("JSON")
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn values<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value[key].as_array().into_iter().flatten()
}

/// Fails if a page stands in the folder that is not one of those; removes it where pages are written anew.
fn no_other_page(folder: &str, is_made: impl Fn(&str) -> bool, pages: &[String]) {
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).expect("a folder").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_stale = is_made(&name) && !pages.contains(&name);
        if is_stale && env::var_os("UPDATE_DOCS").is_some() {
            fs::remove_file(entry.path()).expect("the page can be removed");
            continue;
        }
        assert!(!is_stale, "nothing stands behind {folder}/{name}: run `UPDATE_DOCS=1 cargo test --test docs`");
    }
}

/// Metrics as a table, and the buckets of their histograms.
fn table(metrics: &[&Value]) -> String {
    let mut page =
        String::from("| metric | kind | unit | attributes | stability | description | which question it answers |\n");
    page.push_str("| --- | --- | --- | --- | --- | --- | --- |\n");
    for metric in metrics {
        let of = |key| text(metric, key);
        let attributes = values(metric, "attributes").filter_map(Value::as_str).map(|key| format!("`{key}`"));
        let attributes = attributes.collect::<Vec<_>>().join(", ");
        let stability = metric["stability"].as_str().unwrap_or("development");
        let (name, kind, unit) = (of("name"), kind(metric), of("unit"));
        let (description, question) = (of("description"), of("question"));
        page.push_str(&format!(
            "| `{name}` | {kind} | `{unit}` | {attributes} | {stability} | {description} | {question} |\n"
        ));
    }
    let histograms: Vec<_> = metrics.iter().filter(|metric| values(metric, "boundaries").next().is_some()).collect();
    if !histograms.is_empty() {
        let setting = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION";
        page.push_str(&format!("\nBuckets, unless a view or `{setting}` sets others:\n\n"));
    }
    for metric in histograms {
        let boundaries = values(metric, "boundaries").filter_map(Value::as_f64).map(|bound| bound.to_string());
        page.push_str(&format!("- `{}`: {}\n", text(metric, "name"), boundaries.collect::<Vec<_>>().join(", ")));
    }
    page
}

/// A metric's kind as it is exported: whether a callback observes it makes no difference.
fn kind(metric: &Value) -> &str {
    match text(metric, "kind").trim_start_matches("observable-") {
        "up-down-counter" => "up-down counter",
        kind => kind,
    }
}

/// The first part of a metric's name.
fn space(metric: &Value) -> &str {
    text(metric, "name").split('.').next().unwrap_or_default()
}

#[test]
fn the_pages_of_metrics_are_the_catalogue() {
    let (known, groups) = (instrumentations(), groups());
    for group in &groups {
        let metrics: Vec<&Value> = values(group, "metrics").collect();
        let about = text(group, "about").trim_end();
        let mut page = format!("# {}\n\n{about}\n\n{}", text(group, "title"), table(&metrics));
        let mut others = String::new();
        for entry in &known {
            let is_related = |own: &&Value| metrics.iter().any(|metric| space(metric) == space(own));
            let own: Vec<String> = values(entry, "metrics")
                .filter(is_related)
                .map(|metric| format!("`{}`", text(metric, "name")))
                .collect();
            if !own.is_empty() {
                let name = text(entry, "crate");
                others.push_str(&format!("- [{name}](../instrumentations/{name}.md): {}\n", own.join(", ")));
            }
        }
        if !others.is_empty() {
            page.push_str(&format!("\nRecorded by one instrumentation alone, on whose page they stand:\n\n{others}"));
        }
        self::page(&format!("docs/reference/metrics-{}.md", text(group, "name")), &page);
    }
    let pages: Vec<String> = groups.iter().map(|group| format!("metrics-{}.md", text(group, "name"))).collect();
    no_other_page("docs/reference", |name| name.starts_with("metrics-"), &pages);
}

#[test]
fn the_pages_of_instrumentations_are_the_folders() {
    let (known, groups) = (instrumentations(), groups());
    let mut coverage = format!(
        "# Instrumentations\n\nThe {} crates that `otel-rs bootstrap` weaves where they stand in a `Cargo.lock`, made from `instrumentations/*/instrumentation.toml`. *Tested* versions are built and run by `cargo test --test examples -- <crate>`, which compares what arrives at a receiver of OTLP with the crate's `example/expected.toml`; others in the range are woven if every rule matches, and left plain with a warning if not.\n",
        known.len()
    );
    let mut parts: Vec<(String, Vec<&Value>)> = Vec::new();
    for entry in &known {
        let part = values(entry, "covers").next().and_then(Value::as_str).unwrap_or("contexts and runtimes");
        match parts.iter_mut().find(|(title, _)| title == part) {
            Some((_, entries)) => entries.push(entry),
            None => parts.push((part.to_owned(), vec![entry])),
        }
    }
    parts.sort_by_key(|(_, entries)| std::cmp::Reverse(entries.len()));
    for (title, entries) in parts {
        coverage.push_str(&format!(
            "\n## {}{}\n\n| crate | versions | tested | signals | what is recorded | conventions |\n| --- | --- | --- | --- | --- | --- |\n",
            title[..1].to_uppercase(),
            &title[1..]
        ));
        for entry in entries {
            let (name, versions, summary) = (text(entry, "crate"), text(entry, "versions"), text(entry, "summary"));
            let (tested, signals) = (list(&entry["tested"], ", "), list(&entry["signals"], ", "));
            let conventions = list(&entry["conventions"], ", ");
            coverage.push_str(&format!(
                "| [{name}]({name}.md) | `{versions}` | {tested} | {signals} | {summary} | {conventions} |\n"
            ));
        }
    }
    for entry in &known {
        let name = text(entry, "crate");
        page(&format!("docs/instrumentations/{name}.md"), &page_of(entry, &groups));
    }
    page("docs/instrumentations/README.md", &coverage);
    let names = known.iter().map(|entry| format!("{}.md", text(entry, "crate")));
    let pages: Vec<String> = names.chain(["README.md".to_owned()]).collect();
    no_other_page("docs/instrumentations", |_| true, &pages);
}

/// The page of one instrumentation.
fn page_of(entry: &Value, groups: &[Value]) -> String {
    let (name, summary) = (text(entry, "crate"), text(entry, "summary"));
    let mut page = format!("# {name}\n\n{}{}.\n\n", summary[..1].to_uppercase(), &summary[1..]);
    page.push_str(&format!("- versions: `{}`\n", text(entry, "versions")));
    page.push_str(&format!("- tested: {}\n", list(&entry["tested"], ", ")));
    page.push_str(&format!("- signals: {}\n", list(&entry["signals"], ", ")));
    page.push_str(&format!("- rules, advice, example: [instrumentations/{name}](../../instrumentations/{name})\n"));
    let own: Vec<&Value> = values(entry, "metrics").collect();
    let shared: Vec<&str> = values(entry, "convention_metrics").filter_map(Value::as_str).collect();
    let is_metric = |emitted: &str| emitted.strip_prefix("metric ").is_some_and(|name| is_one_of(name, &own, &shared));
    let emitted: Vec<&str> =
        values(entry, "emits").filter_map(Value::as_str).filter(|emitted| !is_metric(emitted)).collect();
    if !emitted.is_empty() {
        page.push_str(&format!("\n## Emits\n\n- {}\n", emitted.join("\n- ")));
    }
    let notes = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("instrumentations/{name}/notes.md"));
    let notes = fs::read_to_string(notes).unwrap_or_default().replace("](../../docs/", "](../");
    if !(own.is_empty() && shared.is_empty()) {
        page.push_str("\n## Metrics\n");
    }
    if !own.is_empty() {
        page.push_str(&format!("\n{}", table(&own)));
    }
    if !shared.is_empty() {
        page.push_str("\nOf the launcher's catalogue:\n\n");
        page.push_str("| metric | kind | unit | which question it answers |\n| --- | --- | --- | --- |\n");
    }
    for shared in shared {
        let metrics = groups.iter().flat_map(|group| values(group, "metrics").map(move |metric| (group, metric)));
        let (group, metric) = { metrics }
            .find(|(_, metric)| metric["name"] == shared)
            .unwrap_or_else(|| panic!("{name}: `{shared}` of `convention-metrics` is not in src/conventions/catalog"));
        let (reference, kind) = (format!("../reference/metrics-{}.md", text(group, "name")), kind(metric));
        let (unit, question) = (text(metric, "unit"), text(metric, "question"));
        page.push_str(&format!("| [`{shared}`]({reference}) | {kind} | `{unit}` | {question} |\n"));
    }
    if !notes.is_empty() {
        page.push_str(&format!("\n## Notes\n\n{}\n", notes.trim()));
    }
    let mut files: Vec<(&str, Vec<String>)> = Vec::new();
    for rule in values(entry, "rules") {
        let id = text(rule, "id").trim_start_matches(&format!("{name}."));
        let versions = rule["versions"].as_str().map(|versions| format!(" (`{versions}`)")).unwrap_or_default();
        let (file, rule) = (text(rule, "file"), format!("`{id}`{versions}"));
        match files.iter_mut().find(|(other, _)| *other == file) {
            Some((_, rules)) => rules.push(rule),
            None => files.push((file, vec![rule])),
        }
    }
    page.push_str("\n## Rules\n\n");
    for (file, rules) in files {
        page.push_str(&format!("- `{file}`: {}\n", rules.join(", ")));
    }
    page
}

fn is_one_of(name: &str, own: &[&Value], shared: &[&str]) -> bool {
    shared.contains(&name) || own.iter().any(|metric| metric["name"] == name)
}

#[test]
fn a_metric_is_defined_in_one_place() {
    let groups = groups();
    let mut known: Vec<(&str, &Value)> = Vec::new();
    let all = instrumentations();
    for entry in &all {
        for metric in values(entry, "metrics") {
            let (owner, name) = (text(entry, "crate"), text(metric, "name"));
            let shared = groups.iter().flat_map(|group| values(group, "metrics"));
            assert!({ shared }.all(|other| other["name"] != name), "{owner}: the launcher's catalogue has `{name}`");
            // Several may record the same metric, such as pools of different drivers.
            for (other, same) in known.iter().filter(|(_, other)| other["name"] == name) {
                assert!(*same == metric, "`{name}` is not the same in {owner} and {other}: {metric} and {same}");
            }
            known.push((owner, metric));
        }
    }
    assert!(known.len() > 30, "{known:?}");
}

#[test]
fn declared_metrics_are_recorded_by_their_constants() {
    let hooks = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/hooks/src");
    let pool = fs::read_to_string(hooks.join("kit/pool.rs")).expect("a file");
    for entry in instrumentations() {
        let name = text(&entry, "crate");
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("instrumentations").join(name);
        let read = |file: &str| fs::read_to_string(folder.join(file)).expect("a file");
        let (advice, rules) = (read("advice.rs"), read("instrumentation.toml"));
        // All metrics of a pool, which the hooks record.
        let pool = if advice.contains("otel_rs_hooks::pool_metrics!(metric);") { &pool[..] } else { "" };
        for metric in values(&entry, "metrics") {
            let metric = text(metric, "name");
            let constant = format!("metric::{}", metric.to_uppercase().replace('.', "_"));
            let is_used = |text: &str| {
                let mut after = text.match_indices(&constant).map(|(at, _)| &text[at + constant.len()..]);
                after.any(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
            };
            assert!([&advice, &rules, pool].into_iter().any(is_used), "{name}: `{constant}` is declared and not used");
            assert!(!advice.contains(&format!("\"{metric}\"")), "{name}: advice.rs defines `{metric}` anew");
        }
    }
}

/// The registry of variables.
fn variables() -> Vec<Value> {
    serde_json::from_str(&otel_rs(&["__variables"])).expect("JSON")
}

#[test]
fn the_page_of_variables_is_the_registry() {
    let mut text = String::from(
        "# Variables\n\nEvery `OTEL_*` variable that people set for otel-rs: its default, why that is not the specification's where it is not, and the flag of `otel-rs instrument` and `otel-rs config` that \
         counts more. An empty variable counts as not set; a value that cannot be used is warned of, and the default \
         counts. Flags may be spelled with underscores, too. [How to configure](../guide/configuration.md) explains \
         their use.\n",
    );
    let mut group = String::new();
    for variable in variables() {
        let of = |key: &str| variable[key].as_str().unwrap_or_default().to_owned();
        if of("group") != group {
            group = of("group");
            text.push_str(&format!("\n## {group}\n"));
        }
        let stop = if of("help").ends_with('…') { "" } else { "." };
        text.push_str(&format!("\n### {}\n\n{}{stop}\n\n", of("name"), of("help")));
        if !of("flag").is_empty() {
            text.push_str(&format!("- flag: `--{}`\n", of("flag")));
        }
        text.push_str(&format!("- takes {}\n", of("takes")));
        if !of("default").is_empty() {
            text.push_str(&format!("- default: `{}`\n", of("default")));
        }
        if !of("differs").is_empty() {
            text.push_str(&format!("- differs from the specification: {}\n", of("differs")));
        }
        if !of("spec").is_empty() {
            text.push_str(&format!("- [specification](https://opentelemetry.io/docs/specs/{})\n", of("spec")));
        }
    }
    page("docs/reference/variables.md", &text);
}

#[test]
fn help_and_manual_list_every_variable_and_its_flag() {
    let help = otel_rs(&["instrument", "--help"]);
    let config = otel_rs(&["config", "--help"]);
    let manual = otel_rs(&["man", "instrument"]).replace('\\', "");
    for variable in variables() {
        // What is not supported is only warned of.
        let Some(flag) = variable["flag"].as_str() else { continue };
        for text in [&help, &config, &manual] {
            let words = text.split(|c: char| c.is_whitespace() || "[]=,;:*".contains(c));
            let words: Vec<&str> = words.map(|word| word.trim_start_matches("fB").trim_end_matches("fR")).collect();
            assert!(words.contains(&format!("--{flag}").as_str()), "--{flag}\n{text}");
            assert!(words.contains(&variable["name"].as_str().expect("a name")), "{}\n{text}", variable["name"]);
        }
    }
    assert!(manual.contains("otel-rs-instrument"), "{manual}");
    assert!(help.contains("\nExamples:\n") && !otel_rs(&["instrument", "-h"]).contains("--bsp-"), "{help}");
}

#[test]
fn completions_offer_every_flag_in_its_own_spelling() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = otel_rs(&["completions", shell]);
        for variable in variables() {
            let Some(flag) = variable["flag"].as_str() else { continue };
            // Fish has no dashes before a long flag.
            let found = if shell == "fish" { format!("-l {flag} ") } else { format!("--{flag}") };
            assert!(script.contains(&found), "{shell}: {found}");
        }
        assert!(!script.contains("--service_name"), "{shell}: underscores are understood, not offered");
        assert!(!script.contains("__rustc"), "{shell}: what is hidden is not offered");
    }
}

/// What bash offers for the last of some words.
fn offered_by_bash(script: &str, words: &[&str]) -> Vec<String> {
    let [.., before, last] = words else { panic!("a flag and what comes before: {words:?}") };
    // Outside of a completion there are no options to be set.
    let ask = format!(
        "compopt() {{ :; }}; COMP_WORDS=({}); COMP_CWORD={}; _otel__rs otel-rs '{last}' '{before}'
        printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        words.join(" "),
        words.len() - 1
    );
    // What runs CI is there.
    let mut bash = Command::new("bash");
    let output = bash.current_dir(env!("CARGO_MANIFEST_DIR")).args(["-c", &format!("{script}\n{ask}")]).output();
    let offered = String::from_utf8(output.expect("bash starts").stdout).expect("text");
    offered.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn bash_completes_a_flag_of_a_command() {
    let script = otel_rs(&["completions", "bash"]);
    let offered = offered_by_bash(&script, &["otel-rs", "instrument", "--exporter-otlp-tr"]);
    assert_eq!(offered.first().map(String::as_str), Some("--exporter-otlp-traces-endpoint"), "{offered:?}");
    assert!(offered.iter().all(|flag| flag.starts_with("--exporter-otlp-tr")), "{offered:?}");
}

#[test]
fn values_that_are_known_are_offered_and_files_only_for_files() {
    let [bash, zsh, fish] = ["bash", "zsh", "fish"].map(|shell| otel_rs(&["completions", shell]));
    let offered = |flag: &str, value: &str| offered_by_bash(&bash, &["otel-rs", "instrument", flag, value]);
    for variable in variables() {
        let (Some(flag), Some(takes)) = (variable["flag"].as_str(), variable["takes"].as_str()) else { continue };
        let (flag, is_bool) = (format!("--{flag}"), takes == "`true` or `false`");
        let is_of_some = takes.starts_with("one of") || takes.starts_with("some of");
        let known: Vec<_> = takes.split('`').skip(1).step_by(2).collect();
        match takes {
            // Its value stands behind a `=`.
            _ if is_bool => {}
            _ if is_of_some => assert_eq!(offered(&flag, "''"), known, "{flag}"),
            "the path of a file" => assert!(offered(&flag, "Cargo.t").contains(&"Cargo.toml".to_owned()), "{flag}"),
            _ => assert_eq!(offered(&flag, "Cargo.t"), ["Cargo.t"], "{flag}"),
        }
        if is_of_some || is_bool {
            let in_zsh = zsh.lines().find(|line| line.starts_with(&format!("'{flag}="))).expect("the flag");
            assert!(in_zsh.contains(&format!(":({})'", known.join(" "))), "{in_zsh}");
            let in_fish = fish.split("complete -c ").find(|entry| entry.contains(&format!("-l {} ", &flag[2..])));
            let in_fish = in_fish.expect("the flag");
            assert!(known.iter().all(|value| in_fish.contains(&format!("{value}\\t"))), "{in_fish}");
        }
    }
    let help = otel_rs(&["instrument", "--help"]);
    let entry_text = help.split("\n\n").find(|entry| entry.contains("--traces-sampler <")).expect("an entry");
    assert_eq!(entry_text.matches("possible values").count(), 1, "{entry_text}");
}

#[test]
fn the_guide_to_one_s_own_metrics_shows_programs_that_are_tested() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| fs::read_to_string(root.join(path)).expect("a file");
    let guide = read("docs/guide/hybrid.md");
    for (of, test) in [("opentelemetry", "tests/hybrid/mod.rs"), ("metrics", "tests/hybrid/facade.rs")] {
        let program = read(&format!("instrumentations/{of}/example/src/main.rs"));
        assert!(guide.contains(&format!("```rust\n{program}```\n")), "docs/guide/hybrid.md shows the example as it is");
        assert!(read(test).contains(&format!("instrumentations/{of}/example")), "a test runs the example");
    }
}

/// The files below a folder, with their paths relative to it.
fn sources(folder: &Path) -> Vec<String> {
    let files = walkdir::WalkDir::new(folder).into_iter().filter_entry(|entry| entry.file_name() != "target").flatten();
    files
        .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "rs"))
        .map(|entry| fs::read_to_string(entry.path()).expect("a source"))
        .collect()
}

#[test]
fn the_tests_that_the_safety_page_names_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/design/safety.md")).expect("the page");
    let texts: Vec<String> =
        ["tests", "src", "templates"].iter().flat_map(|folder| sources(&root.join(folder))).collect();
    let is_test = |name: &&str| !name.contains(['/', ' ', '.', '=', '(', '-', '*']) && name.matches('_').count() > 3;
    let named: Vec<&str> = page.split('`').skip(1).step_by(2).filter(is_test).collect();
    assert!(named.len() > 40, "{named:?}");
    for name in named {
        let function = format!("fn {}(", name.rsplit("::").next().unwrap_or(name));
        assert!(texts.iter().any(|text| text.contains(&function)), "no test is called `{name}`");
    }
}
