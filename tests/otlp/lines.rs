//! Lines of OTLP/JSON, on stdout and in files.

use serde_json::Value;

use super::{measures, run, serve};
use crate::launcher::launch;
use crate::support::succeed;

fn number_of_spans(lines: &[Value]) -> usize {
    let resources = lines.iter().flat_map(|line| line["resourceSpans"].as_array().cloned().unwrap_or_default());
    let scopes = resources.flat_map(|resource| resource["scopeSpans"].as_array().cloned().unwrap_or_default());
    scopes.map(|scope| scope["spans"].as_array().map_or(0, Vec::len)).sum()
}

fn parsed<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<Value> {
    lines.map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

#[test]
fn stdout_gets_whole_lines() {
    let end = run("/a\n/b\n", &[("TRACES_EXPORTER", "otlp/stdout"), ("METRICS_EXPORTER", "otlp/stdout")]);
    assert_eq!(end.status, Some(0), "{}", end.stderr);
    end.prints(0, "warning: cannot");
    let lines = parsed(end.stdout.lines().filter(|line| line.starts_with('{')));
    assert_eq!(end.stdout.lines().filter(|line| !line.starts_with('{')).count(), 3, "the app's own: {}", end.stdout);
    assert_eq!(number_of_spans(&lines), 6);
    assert_eq!(lines.iter().filter(|line| line["resourceMetrics"].is_array()).count(), 1);
}

#[test]
fn numbers_that_json_lacks_are_texts() {
    let mut command = launch("writes_load");
    command.args(["0", "0", "200", "1", "1", "end"]);
    command.env("OTEL_TRACES_EXPORTER", "none").env("OTEL_METRICS_EXPORTER", "none");
    command.env("OTEL_LOGS_EXPORTER", "otlp/stdout");
    let (stdout, _) = succeed(&mut command);
    let whole: Vec<&str> = stdout.lines().filter(|line| line.starts_with('{')).collect();
    assert!(
        whole.iter().any(|line| line.contains(r#""key":"share","value":{"doubleValue":"-Infinity"}"#)),
        "{whole:?}"
    );
    assert!(whole.iter().any(|line| line.contains(r#""key":"number","value":{"intValue":"0"}"#)), "{whole:?}");
    assert!(whole.iter().all(|line| !line.contains(r#""doubleValue":null"#)), "{whole:?}");
}

/// A configuration that writes spans to `file`.
fn to_file(folder: &tempfile::TempDir, file: &str) -> std::process::Command {
    let config = folder.path().join("otel.yaml");
    let text = format!(
        "file_format: \"1.0\"\ntracer_provider:\n  processors:\n    - batch:\n        exporter:\n          \
         otlp_file/development:\n            output_stream: file://{file}\n"
    );
    std::fs::write(&config, text).unwrap();
    let mut command = measures(&[]);
    command.env("OTEL_CONFIG_FILE", config);
    command
}

#[test]
fn a_file_is_appended_to() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("spans.jsonl");
    for spans in [3, 6] {
        let end = serve(to_file(&folder, file.to_str().unwrap()), "/a\n");
        end.is_complete();
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.ends_with('\n'));
        assert_eq!(number_of_spans(&parsed(text.lines())), spans);
    }
}

#[test]
fn a_full_disk_is_one_warning_and_lost_spans_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let end = serve(to_file(&folder, "/dev/full"), "/a\n");
    end.is_good();
    end.prints(1, "cannot export");
    end.prints(1, "No space left on device");
    end.prints(1, "3 spans were lost");
}

#[test]
fn a_file_in_a_missing_folder_is_one_warning_and_the_program_runs() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("none/spans.jsonl");
    let end = serve(to_file(&folder, file.to_str().unwrap()), "/a\n");
    end.is_good();
    end.prints(1, "cannot export spans to `");
    end.prints(1, "none/spans.jsonl`, the program keeps running without this exporter");
    end.prints(1, "No such file or directory");
}
