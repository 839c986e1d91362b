//! The configuration that counts: that of variables and flags, or that of a configuration file.
//!
//! When OTEL_CONFIG_FILE is set, the file alone counts: other variables are used where it refers to them or not at all, as
//! in the specification, and so are flags. A file that cannot be used disables telemetry and not the program, unless it
//! was named by a flag.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;

use super::effective::{EffectiveSetting, ValueSource};
use super::model::Config;
use super::registry::{OTEL_CONFIG_FILE, VARIABLES};
use super::sources::file::{self, FileError};
use super::sources::{Proxies, Settings, VariableTexts, texts, variables};
use super::text;
use super::warnings::{BadFlag, Warning, Warnings};
use crate::ui::Explain;

/// What OTEL_CONFIG_FILE was called before it was stable.
pub(crate) const OLD_CONFIG_FILE: &str = "OTEL_EXPERIMENTAL_CONFIG_FILE";

/// A configuration, and how it came about.
#[derive(Debug)]
pub(crate) struct Resolved {
    pub(crate) config: Config,
    /// What could not be used, or has no effect.
    pub(crate) warnings: Vec<Warning>,
    /// Why the configuration file cannot be used. The configuration is disabled then.
    pub(crate) unusable_file: Option<FileError>,
    /// Every variable with the value that counts, in the order of the registry; of a configuration file, its name only.
    pub(crate) settings: Vec<EffectiveSetting>,
    /// The variables that were read. Of a configuration file, those that it refers to.
    pub(crate) read: BTreeSet<String>,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// A flag's value.
    #[error(transparent)]
    Flag(#[from] BadFlag),
    /// The configuration file that a flag names.
    #[error(transparent)]
    File(FileError),
}

impl Explain for ConfigError {
    fn hint(&self) -> Option<String> {
        match self {
            ConfigError::Flag(error) => error.hint(),
            ConfigError::File(error) => error.hint(),
        }
    }
}

/// Resolves the configuration. `flags` are pairs of a variable's name (or its flag's) and the value given on the command
/// line.
pub(crate) fn resolve(
    flags: &[(&'static str, String)],
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Resolved, ConfigError> {
    let read = RefCell::new(BTreeSet::new());
    let env = |name: &str| {
        read.borrow_mut().insert(name.to_owned());
        env(name)
    };
    let flags = VariableTexts::of_flags(flags);
    let mut warnings = Warnings::default();
    let (mut config, unusable_file, settings) = match named_file(&flags, &env, &mut warnings) {
        Some(file) => {
            let (config, unusable) = of_file(&file, &flags, &env, &mut warnings)?;
            (config, unusable, vec![file])
        }
        None => {
            let mut settings = Settings::new(flags, VariableTexts::of_environment(&env));
            let config = variables::read(&mut settings)?;
            let effective = VARIABLES.iter().map(|variable| EffectiveSetting::of(variable, &settings)).collect();
            warnings = settings.warnings;
            (config, None, effective)
        }
    };
    Proxies { env: &env, warnings: &mut warnings }.set_in(&mut config);
    Ok(Resolved { config, warnings: warnings.into_list(), unusable_file, settings, read: read.into_inner() })
}

/// The configuration file that is named, if one is.
fn named_file(
    flags: &VariableTexts,
    env: &dyn Fn(&str) -> Option<String>,
    warnings: &mut Warnings,
) -> Option<EffectiveSetting> {
    let setting = |file: &str, source| EffectiveSetting { env: OTEL_CONFIG_FILE.env, shown: file.to_owned(), source };
    if let Some(file) = flags.get(&OTEL_CONFIG_FILE) {
        return Some(setting(file, ValueSource::Flag));
    }
    if let Some(file) = texts::set_in(env, OTEL_CONFIG_FILE.env) {
        return Some(setting(&file, ValueSource::Environment));
    }
    let file = texts::set_in(env, OLD_CONFIG_FILE)?;
    let name = OTEL_CONFIG_FILE.env;
    warnings.warn(name, format!("`{OLD_CONFIG_FILE}` is now called `{name}`"), Some(format!("set `{name}`")));
    Some(setting(&file, ValueSource::Environment))
}

/// The file's configuration; or one that is disabled, and why the file cannot be used.
fn of_file(
    named: &EffectiveSetting,
    flags: &VariableTexts,
    env: &dyn Fn(&str) -> Option<String>,
    warnings: &mut Warnings,
) -> Result<(Config, Option<FileError>), ConfigError> {
    let path = Path::new(&named.shown);
    match file::load(path, env) {
        Ok(loaded) => {
            warn_of_flags(&named.shown, flags, warnings);
            if let Some(message) = file::not_used(path, &loaded.notices) {
                warnings.warn(named.env, message, None);
            }
            Ok((loaded.config, None))
        }
        Err(error) if named.source == ValueSource::Flag => Err(ConfigError::File(error)),
        Err(error) => {
            let defaults = variables::read(&mut Settings::default())?;
            // Which propagators the file enables is unknown.
            Ok((Config { disabled: true, propagators: Vec::new(), ..defaults }, Some(error)))
        }
    }
}

fn warn_of_flags(file: &str, flags: &VariableTexts, warnings: &mut Warnings) {
    let others = flags.variables().filter(|variable| variable.env != OTEL_CONFIG_FILE.env);
    let others: Vec<String> = others.filter_map(|variable| variable.flag).map(|flag| format!("--{flag}")).collect();
    if !others.is_empty() {
        let others: Vec<&str> = others.iter().map(String::as_str).collect();
        let others = text::names(&others);
        let message = format!("flags are ignored because the configuration file `{file}` is used: {others}");
        let hint = "set it in the file, which may refer to variables by `${NAME}`";
        warnings.warn(OTEL_CONFIG_FILE.env, message, Some(hint.into()));
    }
}

#[cfg(test)]
mod tests;
