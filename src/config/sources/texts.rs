//! The texts of variables that one source sets: flags or the environment.

use crate::config::registry::{VARIABLES, Variable};

/// The variables that a source sets, in its order.
#[derive(Debug, Default)]
pub(in crate::config) struct VariableTexts(Vec<(&'static Variable, String)>);

impl VariableTexts {
    /// Flags, by the names of their variables or their own. The last of a flag counts.
    pub(in crate::config) fn of_flags(given: &[(&'static str, String)]) -> VariableTexts {
        let mut texts = VariableTexts::default();
        for (name, text) in given {
            let named = |variable: &&Variable| variable.env == *name || variable.flag == Some(*name);
            let Some(variable) = VARIABLES.iter().find(named) else { unreachable!("`{name}` is not registered") };
            match texts.0.iter_mut().find(|(known, _)| known.env == variable.env) {
                Some((_, known)) => known.clone_from(text),
                None => texts.0.push((variable, text.clone())),
            }
        }
        texts
    }

    /// The environment's variables. An empty one counts as unset.
    pub(in crate::config) fn of_environment(env: &dyn Fn(&str) -> Option<String>) -> VariableTexts {
        let set = VARIABLES.iter().filter_map(|variable| Some((variable, set_in(env, variable.env)?)));
        VariableTexts(set.collect())
    }

    /// The text of a variable.
    pub(in crate::config) fn get(&self, variable: &Variable) -> Option<&str> {
        self.0.iter().find(|(known, _)| known.env == variable.env).map(|(_, text)| text.as_str())
    }

    /// The variables that are set.
    pub(in crate::config) fn variables(&self) -> impl Iterator<Item = &'static Variable> {
        self.0.iter().map(|(variable, _)| *variable)
    }
}

/// A variable of the environment, unless it is empty.
pub(in crate::config) fn set_in(env: &dyn Fn(&str) -> Option<String>, name: &str) -> Option<String> {
    env(name).filter(|text| !text.trim().is_empty())
}
