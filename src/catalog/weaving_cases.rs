//! The cases in `tests/weaving`: rules and a source in, the woven source or an error message out.
//!
//! They run as a unit test of this room: a case starts from the text of an `instrumentation.toml` and ends with a woven
//! source, and otel-rs needs no command that exists only for tests. `weave` itself is pure and may not read folders.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::CatalogError;
use crate::rules;
use crate::ui::Explain;
use crate::weave::weave;

/// Set to write each case's result in place of comparing it.
const UPDATE_VARIABLE: &str = "UPDATE_CASES";

#[test]
fn weaving_cases_give_what_their_folders_hold() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/weaving");
    let update = std::env::var_os(UPDATE_VARIABLE).is_some();
    let mut cases: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.retain(|path| path.is_dir());
    cases.sort();
    assert!(cases.len() > 20, "only {} cases found", cases.len());
    let failures: Vec<String> = cases
        .iter()
        .filter_map(|case| Some(format!("{}: {}", case.file_name()?.display(), check(case, update).err()?)))
        .collect();
    assert!(failures.is_empty(), "{} of {} cases fail:\n{}", failures.len(), cases.len(), failures.join("\n"));
}

#[test]
fn a_case_with_another_result_or_one_that_does_not_compile_fails() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    let fails = |with: &str| {
        let failure = check(folder.path(), false).unwrap_err();
        assert!(failure.contains(with), "{failure}");
    };
    write(
        "rules.toml",
        "crate = \"toy\"\nversions = \"1\"\ntested = []\nsummary = \"\"\nsignals = []\n[[rule]]\nid = \"a\"\n\
         where = { file = \"src/lib.rs\", in = [\"fn run\"], match = \"one()\" }\n\
         do = { replace = \"crate::otel_rs::seen()\" }\n",
    );
    write("input.rs", "pub fn run() { one() }\nfn one() {}\n");
    fails("expected `woven.rs`");
    write("woven.rs", "pub fn run() { one() }\nfn one() {}\n");
    fails("+pub fn run() { crate::otel_rs::seen() }");
    write("woven.rs", "pub fn run() { crate::otel_rs::seen() }\nfn one() {}\n");
    fails("`woven.rs` does not compile");
    write("advice.rs", "pub(crate) fn seen() {}\n");
    check(folder.path(), false).unwrap();
    write("error.txt", "an error\n");
    fails("expected no `error.txt`");
    fs::remove_file(folder.path().join("error.txt")).unwrap();
    write("input.rs", "pub fn run() {}\nfn one() {}\n");
    fails("expected no `woven.rs`");
    fs::remove_file(folder.path().join("woven.rs")).unwrap();
    fails("expected `error.txt`");
}

/// Compares the result of a case with the one that its folder holds, or writes it there.
fn check(case: &Path, update: bool) -> Result<(), String> {
    let read = |name: &str| fs::read_to_string(case.join(name)).ok();
    let rules = read("rules.toml").ok_or("`rules.toml` is missing")?;
    let (input, advice) = (read("input.rs"), read("advice.rs").unwrap_or_default());
    let (name, other, result) = match woven(&rules, input.as_deref()) {
        Ok(text) => ("woven.rs", "error.txt", text),
        Err(text) => ("error.txt", "woven.rs", text),
    };
    if update {
        fs::write(case.join(name), &result).unwrap();
        let _ = fs::remove_file(case.join(other));
    }
    if read(other).is_some() {
        return Err(format!("expected no `{other}`, since the result is:\n{result}"));
    }
    let expected = read(name).ok_or_else(|| format!("expected `{name}` with:\n{result}"))?;
    if expected != result {
        let diff = similar::TextDiff::from_lines(&expected, &result);
        return Err(format!("`{name}` differs\n{}", diff.unified_diff().header("expected", "found")));
    }
    if name == "woven.rs" {
        let input = input.unwrap_or_default();
        compile("input.rs", &input, "")?;
        compile("woven.rs", &result, &advice)?;
        // Panic messages and debuggers count lines.
        if input.lines().count() != result.lines().count() {
            return Err("`woven.rs` has not as many lines as `input.rs`".to_owned());
        }
    }
    Ok(())
}

/// The woven source; otherwise the message as a user reads it.
fn woven(rules: &str, input: Option<&str>) -> Result<String, String> {
    let known = rules::parse(rules, "", String::new())
        .map_err(|reason| message(&CatalogError::Malformed { path: "rules.toml".into(), reason }))?;
    let rules: Vec<_> = known.rules.iter().collect();
    weave(input.unwrap_or_default(), &rules).map(|(text, _)| text).map_err(|error| message(&error))
}

fn message(error: &dyn Explain) -> String {
    let hint = error.hint().map(|hint| format!("hint: {hint}\n")).unwrap_or_default();
    format!("{error}\n{hint}")
}

/// Compiles a source as the root of a library, as layers do: with its advice in the module `otel_rs`.
fn compile(name: &str, source: &str, advice: &str) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("lib.rs"), format!("{source}\nmod otel_rs;\n")).unwrap();
    fs::write(folder.path().join("otel_rs.rs"), advice).unwrap();
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .args(["--crate-name", "toy", "--edition", "2021", "--crate-type", "lib", "--emit", "metadata"])
        .args(["--cap-lints", "allow", "--out-dir", ".", "lib.rs"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("`{name}` does not compile\n{errors}")) }
}
