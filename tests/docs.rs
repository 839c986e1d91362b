//! Pages that are made from the code stay true to it. `UPDATE_DOCS=1 cargo test --test docs` writes them anew.

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

#[test]
fn the_page_of_instrumentations_is_what_the_binary_knows() {
    let known: Value = serde_json::from_str(&otel_rs(&["list", "--format", "json"])).expect("JSON");
    let mut text = String::from(
        "# Instrumentations\n\nWhat `otel-rs bootstrap` weaves when it finds it in a `Cargo.lock`, made from `instrumentations/*/instrumentation.toml`. *Tested* versions are built and run by the version matrix; others in the range are woven if every rule matches, and left plain with a warning if not.\n",
    );
    for entry in known.as_array().expect("a list") {
        let name = entry["crate"].as_str().expect("a name");
        let summary = entry["summary"].as_str().expect("a summary");
        text.push_str(&format!("\n## {name}\n\n{}{}.\n\n", summary[..1].to_uppercase(), &summary[1..]));
        text.push_str(&format!("- versions: `{}`\n", entry["versions"].as_str().unwrap_or_default()));
        text.push_str(&format!("- tested: {}\n", list(&entry["tested"], ", ")));
        text.push_str(&format!("- signals: {}\n", list(&entry["signals"], ", ")));
        text.push_str(&format!("- rules and advice: [instrumentations/{name}](../../instrumentations/{name})\n"));
        if !list(&entry["emits"], "").is_empty() {
            text.push_str(&format!("\nEmits:\n\n- {}\n", list(&entry["emits"], "\n- ")));
        }
    }
    page("docs/instrumentations/README.md", &text);
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
         counts. Flags may be spelled with underscores, too. [How to configure](../guide/configuration.md) tells what to \
         do with them.\n",
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
fn help_and_manual_tell_of_every_variable_and_its_flag() {
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
fn completions_know_every_flag_in_its_own_spelling() {
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
    let told = help.split("\n\n").find(|entry| entry.contains("--traces-sampler <")).expect("an entry");
    assert_eq!(told.matches("possible values").count(), 1, "{told}");
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
