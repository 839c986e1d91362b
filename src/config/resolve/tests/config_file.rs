//! A configuration file in place of variables.

use super::super::*;
use crate::config::{AttributeValue, ValueSource};

fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

fn resolved(flags: &[(&'static str, &str)], env: &[(&str, &str)]) -> Result<Resolved, ConfigError> {
    let flags: Vec<_> = flags.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    resolve(&flags, &|name| env.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
}

fn warnings(resolved: &Resolved) -> Vec<String> {
    resolved.warnings.iter().map(ToString::to_string).collect()
}

#[test]
fn a_file_replaces_variables_and_uses_those_it_refers_to() {
    let file = file("file_format: '1.0'\nresource: {attributes_list: '${ATTRIBUTES}'}\n");
    let path = file.path().to_str().unwrap();
    let env = [
        ("OTEL_CONFIG_FILE", path),
        ("OTEL_SERVICE_NAME", "ignored"),
        ("OTEL_LOG_LEVEL", "wrong"),
        ("ATTRIBUTES", "a=b"),
    ];
    let found = resolved(&[], &env).unwrap();
    assert_eq!(warnings(&found), [""; 0]);
    assert_eq!(found.config.resource.attributes, [("a".into(), AttributeValue::Text("b".into()))]);
    assert!(found.config.traces.processors.is_empty());
    assert_eq!(
        found.settings,
        [EffectiveSetting { env: "OTEL_CONFIG_FILE", shown: path.into(), source: ValueSource::Environment }]
    );
}

#[test]
fn flags_beside_a_file_and_the_old_name_are_warned_of() {
    let file = file("file_format: '1.0'\nsampler: 1\n");
    let path = file.path().to_str().unwrap();
    let flags = [("OTEL_SERVICE_NAME", "shop"), ("OTEL_TRACES_EXPORTER", "none")];
    let found = resolved(&flags, &[("OTEL_EXPERIMENTAL_CONFIG_FILE", path)]).unwrap();
    let [old, flags, unknown] = &warnings(&found)[..] else { panic!("{:?}", found.warnings) };
    assert_eq!(old, "`OTEL_EXPERIMENTAL_CONFIG_FILE` is now called `OTEL_CONFIG_FILE`");
    let expected = format!("flags are ignored because the configuration file `{path}` is used: ");
    assert_eq!(flags, &format!("{expected}`--service-name`, `--traces-exporter`"));
    assert!(unknown.contains(&format!("\n  {path}:2:1: sampler: unknown key")), "{unknown}");
}

#[test]
fn an_unusable_file_disables_telemetry_and_is_an_error_as_a_flag() {
    let file = file("file_format: '1.0'\ndisabled: 5\n");
    let path = file.path().to_str().unwrap();
    let found = resolved(&[], &[("OTEL_CONFIG_FILE", path)]).unwrap();
    assert!(found.config.disabled);
    assert!(found.unusable_file.unwrap().to_string().contains(":2:11: disabled: expected `true` or `false`"));
    assert!(matches!(resolved(&[("OTEL_CONFIG_FILE", path)], &[]), Err(ConfigError::File(_))));
    let none = resolved(&[], &[("OTEL_CONFIG_FILE", "/none/such.yaml")]).unwrap();
    assert!(matches!(none.unusable_file, Some(FileError::Unreadable { .. })));
}
