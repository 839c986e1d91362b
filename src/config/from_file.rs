//! A configuration file in place of variables.
//!
//! When OTEL_CONFIG_FILE is set, the file alone counts: other variables are used by it or not at all, as the specification
//! says, and so are flags. A file that cannot be used costs the telemetry and not the program, unless its name was just
//! typed.

use std::path::Path;

use super::file::{self, FileError};
use super::resolve::{ConfigError, Sources, variable};
use super::setting::{Origin, Setting};
use super::{Config, value};

const NAME: &str = "OTEL_CONFIG_FILE";
/// What it was called before it was stable.
pub(crate) const OLD_NAME: &str = "OTEL_EXPERIMENTAL_CONFIG_FILE";

impl Sources<'_> {
    /// The file that was named, if one was.
    pub(super) fn config_file(&mut self) -> Option<Setting> {
        let setting = |file: &String, origin| Setting { env: NAME, shown: file.clone(), origin };
        if let Some(file) = self.flag(NAME) {
            return Some(setting(file, Origin::Flag));
        }
        if let Some(file) = self.in_environment(NAME) {
            return Some(setting(&file, Origin::Environment));
        }
        let file = self.in_environment(OLD_NAME)?;
        self.warn(NAME, format!("`{OLD_NAME}` is now called `{NAME}`"), Some(format!("set `{NAME}`")));
        Some(setting(&file, Origin::Environment))
    }

    /// The file's configuration; or one that is disabled, and why the file cannot be used.
    pub(super) fn file_config(&mut self, named: &Setting) -> Result<(Config, Option<FileError>), ConfigError> {
        let path = Path::new(&named.shown);
        match file::load(path, self.env) {
            Ok(loaded) => {
                self.tell_of_flags();
                if let Some(message) = file::not_used(path, &loaded.notices) {
                    self.warn(NAME, message, None);
                }
                Ok((loaded.config, None))
            }
            Err(error) if named.origin == Origin::Flag => Err(ConfigError::File(error)),
            Err(error) => {
                let mut nothing = Sources { flags: &[], env: &|_| None, warnings: Vec::new() };
                // Nor is it known what would be passed on.
                Ok((Config { disabled: true, propagators: Vec::new(), ..nothing.config()? }, Some(error)))
            }
        }
    }

    fn tell_of_flags(&mut self) {
        let others: Vec<String> = self
            .flags
            .iter()
            .filter_map(|(name, _)| variable(name).flag)
            .filter(|flag| *flag != "config-file")
            .map(|flag| format!("--{flag}"))
            .collect();
        if !others.is_empty() {
            let others: Vec<&str> = others.iter().map(String::as_str).collect();
            let message = format!("ignoring {}: a configuration file counts alone", value::names(&others));
            self.warn(NAME, message, Some("set it in the file, which may refer to variables by `${NAME}`".into()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Resolved, resolve};

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
    fn a_file_counts_alone_and_uses_what_it_refers_to() {
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
        assert_eq!(found.config.resource.attributes, [("a".into(), crate::config::Value::Text("b".into()))]);
        assert!(found.config.traces.processors.is_empty());
        assert_eq!(
            found.settings,
            [Setting { env: "OTEL_CONFIG_FILE", shown: path.into(), origin: Origin::Environment }]
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
        assert_eq!(flags, "ignoring `--service-name`, `--traces-exporter`: a configuration file counts alone");
        assert!(unknown.contains(&format!("\n  {path}:2:1: sampler: unknown key")), "{unknown}");
    }

    #[test]
    fn an_unusable_file_costs_the_telemetry_or_was_just_typed() {
        let file = file("file_format: '1.0'\ndisabled: 5\n");
        let path = file.path().to_str().unwrap();
        let found = resolved(&[], &[("OTEL_CONFIG_FILE", path)]).unwrap();
        assert!(found.config.disabled);
        assert!(found.unusable_file.unwrap().to_string().contains(":2:11: disabled: expected `true` or `false`"));
        assert!(matches!(resolved(&[("OTEL_CONFIG_FILE", path)], &[]), Err(ConfigError::File(_))));
        let none = resolved(&[], &[("OTEL_CONFIG_FILE", "/none/such.yaml")]).unwrap();
        assert!(matches!(none.unusable_file, Some(FileError::Unreadable { .. })));
    }
}
