//! Programs that are instrumented already.

use serde_json::Value;

use crate::support::Fixture;
use crate::support::fixture::otel_rs;
use crate::support::output;

#[test]
fn bootstrap_names_what_instruments_a_program_already() {
    let fixture = Fixture::newest_example("tracing-opentelemetry");
    let requirements = |format: &str| {
        let mut bootstrap = otel_rs(&fixture.folder);
        let (good, stdout, why) = output(bootstrap.args(["bootstrap", "--action", "requirements", "--format", format]));
        assert!(good, "{why}");
        stdout
    };
    let table = requirements("table");
    let (_, named) = table.split_once("the program is instrumented already:\n").unwrap_or_else(|| panic!("{table}"));
    // The example may be built in a workspace with others, of which some have overlaps as well, or another version of this.
    // The same note is shown once.
    let is_its_own = |text: &str| text.trim_start().starts_with("tracing-opentelemetry 0.3");
    let lines: Vec<_> = named.lines().take_while(|line| !line.is_empty()).filter(|line| is_its_own(line)).collect();
    let [line] = lines[..] else { panic!("{table}") };
    assert!(line.contains(".0: exports the spans of `tracing`"), "{line}");
    let json: Value = serde_json::from_str(&requirements("json")).unwrap();
    let overlaps = json["overlaps"].as_array().into_iter().flatten();
    assert_eq!(overlaps.filter(|overlap| overlap["crate"] == "tracing-opentelemetry").count(), 1, "{json}");
}

#[test]
fn a_program_with_nothing_of_its_own_is_not_noted() {
    let fixture = Fixture::with("spans", "newest");
    let mut bootstrap = otel_rs(&fixture.folder);
    let (_, stdout, _) = output(bootstrap.args(["bootstrap", "--action", "requirements"]));
    assert!(!stdout.contains("instrumented already"), "{stdout}");
}
