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
