//! The environment as the user wrote it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

/// The environment with which otel-rs was started. The child gets it whole.
#[derive(Debug, Clone)]
pub(crate) struct Environment {
    variables: BTreeMap<OsString, OsString>,
}

impl FromIterator<(OsString, OsString)> for Environment {
    fn from_iter<T: IntoIterator<Item = (OsString, OsString)>>(variables: T) -> Environment {
        Environment { variables: variables.into_iter().collect() }
    }
}

impl Environment {
    /// Copies the environment and takes every `OTEL_*` variable out of our own: libraries that we use read some of
    /// them behind our back, after our own rules of precedence have already been applied.
    ///
    /// Must be called while this is the only thread of the process.
    pub(crate) fn take() -> Environment {
        let variables: BTreeMap<_, _> = std::env::vars_os().collect();
        for name in variables.keys() {
            if name.to_string_lossy().starts_with("OTEL_") {
                #[expect(unsafe_code, reason = "there is no safe way to change the environment")]
                // SAFETY: called at the start of `instrument`, when no other thread exists.
                unsafe {
                    std::env::remove_var(name)
                };
            }
        }
        Environment { variables }
    }

    /// A variable as text, if it is set; U+FFFD stands for what is not UTF-8.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        self.get_os(name).map(|value| value.to_string_lossy().into_owned())
    }

    /// A variable as it is.
    pub(crate) fn get_os(&self, name: &str) -> Option<&OsStr> {
        self.variables.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    /// All variables.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.variables.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }
}
