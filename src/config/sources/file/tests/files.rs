//! Files as users have them: unreadable, misspelt, published.

use super::*;

#[test]
fn an_unreadable_file_is_reported_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let read = |path: &Path| load(path, &|_| None).unwrap_err();
    assert!(matches!(read(&folder.path().join("none.yaml")), FileError::Unreadable { .. }));
    assert!(matches!(read(folder.path()), FileError::Unreadable { .. }));
    let long = folder.path().join("long.yaml");
    std::fs::write(&long, " ".repeat(LONGEST as usize + 1)).unwrap();
    assert!(matches!(read(&long), FileError::Unreadable { .. }));
}

#[test]
fn a_misspelt_key_is_named_beside_the_one_that_is_missing() {
    let text = "file_fromat: '1.0'\ntracer_provider: {processors: [{batch: {exportr: {console: }}}]}\n";
    let problems = understand(text, &|_| None).unwrap_err();
    let found: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(found.len(), 4, "{found:?}");
    assert!(found.iter().any(|found| found.contains("unknown key") && found.contains("did you mean `file_format`?")));
    assert!(found.iter().any(|found| found.contains("unknown key") && found.contains("did you mean `exporter`?")));
}

#[test]
fn a_file_s_exporters_are_corrected_in_the_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let text = "file_format: '1.0'\ntracer_provider: {processors: [{simple: {exporter: {otlp_http: }}}]}\n";
    std::fs::write(file.path(), text).unwrap();
    let config = load(file.path(), &|_| None).unwrap().config;
    let Exporter::Otlp(otlp) = &config.traces.processors[0].exporter else { panic!() };
    assert_eq!(otlp.origin, SettingOrigin::File(file.path().to_owned()));
}

#[test]
fn a_long_list_is_cut() {
    let notice = |line| Notice { line, column: 1, path: String::new(), text: "x".into() };
    let notices: Vec<_> = (1..=SHOWN + 3).map(notice).collect();
    let text = not_used(Path::new("o.yaml"), &notices).unwrap();
    assert!(text.ends_with(&format!("\n  o.yaml:{SHOWN}:1: x\n  and 3 more")), "{text}");
    assert_eq!(not_used(Path::new("o.yaml"), &[]), None);
}

/// The schema's own examples, wherever a clone of its repository is.
#[test]
#[ignore = "needs OTEL_RS_SCHEMA_EXAMPLES, the folder of the schema's examples"]
fn published_examples_have_no_key_that_we_do_not_know() {
    let folder = std::env::var("OTEL_RS_SCHEMA_EXAMPLES").expect("OTEL_RS_SCHEMA_EXAMPLES");
    let files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!files.is_empty());
    for file in files {
        let found = match load(&file, &|_| None) {
            Ok(loaded) => loaded.notices,
            // A format that is too old is refused as a whole, and nothing else is.
            Err(FileError::Wrong { problems, .. }) if problems.iter().any(|problem| problem.path == "file_format") => {
                continue;
            }
            Err(error) => panic!("{error}"),
        };
        let fine = |notice: &Notice| notice.text.starts_with("not supported: ");
        let unknown: Vec<_> = found.iter().filter(|notice| !fine(notice)).collect();
        assert!(unknown.is_empty(), "{}: {unknown:#?}", file.display());
    }
}
