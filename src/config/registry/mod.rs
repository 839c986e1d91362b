//! The registry of variables: one row feeds parsing, defaults, flags, help and the reference page.
//!
//! Each row is a constant with the variable's own name, by which the code that reads it refers to it.

mod alternatives;
#[allow(rustdoc::bare_urls, reason = "a row's documentation is its help, which is shown on terminals")]
mod rows;

pub(super) use alternatives::*;
pub(crate) use rows::*;

/// What a variable's value looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ValueKind {
    /// Any text.
    Text,
    /// `true` or `false`.
    Bool,
    /// A whole number of milliseconds above zero.
    Milliseconds,
    /// A whole number of milliseconds.
    Delay,
    /// A whole number of milliseconds; 0 for no limit.
    Timeout,
    /// A whole number above zero.
    Count,
    /// A whole number; unset for no limit where there is no default.
    Limit,
    /// A size in bytes, such as `64MB`.
    Size,
    /// A number between 0 and 1.
    Fraction,
    /// The number of a TCP port; 0 for any that is free.
    Port,
    /// One of these.
    Choice(&'static [&'static str]),
    /// Some of these, separated by commas; `none` stands alone.
    List(&'static [&'static str]),
    /// Any words, separated by commas.
    Words,
    /// `key=value` pairs separated by commas, percent-encoded.
    Pairs,
    /// The same, but the values are secrets.
    SecretPairs,
    /// Entities, `type{key=value,…}[key=value,…]@schema`, separated by semicolons, percent-encoded.
    Entities,
    /// A URL, whose scheme may be missing.
    Endpoint,
    /// The path of a file.
    Path,
    /// Specified, but what it sets does not exist here; and what to do in its place.
    Unsupported(&'static str),
}

/// A variable, and the flag that overrides it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Variable {
    /// Its name in the environment.
    pub(crate) env: &'static str,
    /// The long flag, without dashes; none where a flag would be of no use.
    pub(crate) flag: Option<&'static str>,
    /// What a value looks like.
    pub(crate) kind: ValueKind,
    /// The value of a variable that is not set; empty where it is computed, as `help` then describes.
    pub(crate) default: &'static str,
    /// Why the default is not the specification's; empty where it is, or where the specification has none.
    pub(crate) differs: &'static str,
    /// One sentence for the help text.
    pub(crate) help: &'static str,
    /// The heading under which the help shows it.
    pub(crate) group: &'static str,
    /// The page of the OpenTelemetry specification that defines it, below `https://opentelemetry.io/docs/specs/`;
    /// empty for those of otel-rs.
    pub(crate) spec: &'static str,
}

impl Variable {
    /// The default's value.
    pub(super) fn default_as<T>(&self, parse: impl Fn(&str) -> Result<T, String>) -> T {
        parse(self.default).unwrap_or_else(|_| unreachable!("defaults are tested"))
    }

    /// The meaning of the default, which is one of several words.
    pub(super) fn default_word<T: Copy>(&self, words: &[(&str, T)]) -> T {
        let found = words.iter().find(|(word, _)| *word == self.default);
        found.map_or_else(|| unreachable!("defaults are tested"), |(_, meaning)| *meaning)
    }

    /// The values that may be given, where they are words of a list.
    pub(super) fn words(&self) -> &'static [&'static str] {
        match self.kind {
            ValueKind::Choice(words) | ValueKind::List(words) => words,
            _ => &[],
        }
    }

    /// The flag's name or, where there is none, the variable's.
    pub(super) fn flag_or_name(&self) -> &'static str {
        self.flag.unwrap_or(self.env)
    }
}

/// The variables of one exporter of OTLP.
#[derive(Debug)]
pub(super) struct OtlpVariables {
    pub(super) endpoint: Variable,
    pub(super) protocol: Variable,
    pub(super) headers: Variable,
    pub(super) compression: Variable,
    pub(super) timeout: Variable,
    pub(super) certificate: Variable,
    pub(super) client_key: Variable,
    pub(super) client_certificate: Variable,
    pub(super) insecure: Variable,
}

/// The variables of one batch processor.
#[derive(Debug)]
pub(crate) struct BatchVariables {
    pub(super) delay: Variable,
    pub(super) timeout: Variable,
    /// How many records may wait.
    pub(crate) queue: Variable,
    /// How many records are in one export at most.
    pub(crate) size: Variable,
}

/// The variable of a name, if it is registered.
pub(crate) fn variable(name: &str) -> Option<&'static Variable> {
    VARIABLES.iter().find(|variable| variable.env == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_is_its_variable_in_small_letters() {
        for variable in VARIABLES.iter().filter(|variable| !matches!(variable.kind, ValueKind::Unsupported(_))) {
            let name = variable.env.strip_prefix("OTEL_RS_").or(variable.env.strip_prefix("OTEL_")).unwrap();
            let expected = name.to_lowercase().replace('_', "-");
            assert_eq!(variable.flag, Some(expected.as_str()), "{}", variable.env);
        }
    }

    #[test]
    fn names_and_flags_are_unique() {
        let mut names: Vec<_> = VARIABLES.iter().map(|variable| variable.env).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), VARIABLES.len());
        let mut flags: Vec<_> = VARIABLES.iter().filter_map(|variable| variable.flag).collect();
        flags.sort_unstable();
        let all = flags.len();
        flags.dedup();
        assert_eq!(flags.len(), all);
    }
}
