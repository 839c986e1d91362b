//! The value of each variable: the flag's, the environment's or the default.

use std::fmt::Write as _;

use super::VariableTexts;
use crate::config::registry::{Variable, alternative};
use crate::config::text;
use crate::config::warnings::{BadFlag, Warnings};

/// What stands in a value for bytes that are not UTF-8.
const NOT_TEXT: char = char::REPLACEMENT_CHARACTER;

/// Flags and environment, read one variable at a time.
#[derive(Debug, Default)]
pub(in crate::config) struct Settings {
    flags: VariableTexts,
    environment: VariableTexts,
    pub(in crate::config) warnings: Warnings,
}

impl Settings {
    /// The settings of these sources.
    pub(in crate::config) fn new(flags: VariableTexts, environment: VariableTexts) -> Settings {
        Settings { flags, environment, warnings: Warnings::default() }
    }

    /// The flag's value.
    pub(in crate::config) fn flag(&self, variable: &Variable) -> Option<&str> {
        self.flags.get(variable)
    }

    /// The environment's value.
    pub(in crate::config) fn in_environment(&self, variable: &Variable) -> Option<&str> {
        self.environment.get(variable)
    }

    /// The text that counts, if there is one.
    pub(super) fn given(&self, variable: &Variable) -> Option<&str> {
        self.flag(variable).or_else(|| self.in_environment(variable))
    }

    /// The name under which a variable is set, or would be: its flag's or its own.
    pub(super) fn name_of(&self, variable: &Variable) -> String {
        let flag = variable.flag.filter(|_| self.flag(variable).is_some());
        flag.map_or_else(|| variable.env.to_owned(), |flag| format!("--{flag}"))
    }

    /// The value of a variable that is set: a bad flag is an error, a bad value in the environment a warning.
    pub(super) fn get<T>(
        &mut self,
        variable: &Variable,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, BadFlag> {
        let parse = |text: &str| if text.contains(NOT_TEXT) { Err("text in UTF-8".into()) } else { parse(text) };
        if let Some(text) = self.flags.get(variable) {
            let bad = |expected: String| BadFlag::new(variable, text, &expected, alternative(variable, text));
            return parse(text).map(Some).map_err(bad);
        }
        let Some(text) = self.environment.get(variable) else { return Ok(None) };
        match parse(text) {
            Ok(value) => Ok(Some(value)),
            Err(expected) => {
                let correct = || format!("correct `{}` or unset it", variable.env);
                let mut hint = alternative(variable, text).map_or_else(correct, str::to_owned);
                if !variable.default.is_empty() {
                    let _ = write!(hint, "; until then `{}` is used", variable.default);
                }
                self.warnings.ignored(variable, text, &expected, true, hint);
                Ok(None)
            }
        }
    }

    /// Replaces a default by the value of a variable that is set.
    pub(super) fn read<T>(
        &mut self,
        into: &mut T,
        variable: &Variable,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<(), BadFlag> {
        if let Some(value) = self.get(variable, parse)? {
            *into = value;
        }
        Ok(())
    }

    /// The value of a variable, or its default.
    pub(super) fn or_default<T>(
        &mut self,
        variable: &Variable,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, BadFlag> {
        Ok(self.get(variable, &parse)?.unwrap_or_else(|| variable.default_as(&parse)))
    }

    /// One of the variable's words.
    pub(super) fn choice(&mut self, variable: &Variable) -> Result<Option<&'static str>, BadFlag> {
        self.get(variable, |text| text::choice(text, variable.words()))
    }

    /// The meaning of one of the variable's words, or of its default.
    pub(super) fn word<T: Copy>(&mut self, variable: &Variable, words: &[(&str, T)]) -> Result<T, BadFlag> {
        let chosen = self.choice(variable)?;
        let meaning = chosen.and_then(|chosen| words.iter().find(|(word, _)| *word == chosen));
        Ok(meaning.map_or_else(|| variable.default_word(words), |(_, meaning)| *meaning))
    }

    /// Some of the variable's words, by default those of its default.
    pub(super) fn list(&mut self, variable: &Variable) -> Result<Vec<&'static str>, BadFlag> {
        self.or_default(variable, |text| text::list(text, variable.words()))
    }

    /// Refuses a part of a variable's value: an error of a flag, a warning of the environment.
    pub(super) fn refuse_part(&mut self, variable: &Variable, part: &str, expected: &str) -> Result<(), BadFlag> {
        if self.flag(variable).is_some() {
            return Err(BadFlag::new(variable, part, expected, None));
        }
        let is_all = self.in_environment(variable).is_none_or(|text| text.trim() == part);
        let rest = if is_all { " or unset it" } else { "; the rest of it counts" };
        let hint = format!("correct `{}`{rest}", variable.env);
        self.warnings.ignored(variable, part, expected, is_all, hint);
        Ok(())
    }
}
