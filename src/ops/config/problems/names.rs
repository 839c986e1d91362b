//! Variables that are set and not read as they were meant.

use super::{Evidence, Problem, Remedy, problem};
use crate::config::{self, OLD_CONFIG_FILE, OTEL_CONFIG_FILE, VARIABLES};
use crate::{ui, wire};

/// Names that look like misspelt ones and are not.
const OF_OTHERS: [&str; 2] = [wire::CHANNEL_VARIABLE, OLD_CONFIG_FILE];

/// Variables that are set and not read as they were meant.
pub(super) fn problems(evidence: &Evidence<'_>, found: &mut Vec<Problem>) {
    let resolved = evidence.resolved;
    let remedy = Remedy(resolved);
    let file = remedy.file();
    let is_known = |name: &str| config::variable(name).is_some();
    let set: Vec<(String, bool)> = evidence
        .environment
        .iter()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().trim().is_empty()))
        .filter(|(name, _)| name.starts_with("OTEL_"))
        .collect();
    for (name, is_empty) in &set {
        if is_known(name) && *is_empty && file.is_none() {
            found.push(problem(format!("`{name}` is empty, which counts as not set"), "set it or unset it"));
        } else if !is_known(name)
            && !OF_OTHERS.contains(&name.as_str())
            && let Some(meant) = ui::nearest_variable(name, VARIABLES.iter().map(|variable| variable.env))
        {
            found.push(problem(
                format!("`{name}` is not a variable that otel-rs reads"),
                &format!("did you mean `{meant}`?"),
            ));
        }
    }
    // A file that cannot be used may refer to more than was read of it.
    if let Some(file) = file
        && resolved.unusable_file.is_none()
    {
        let has_effect = |name: &String| name == OTEL_CONFIG_FILE.env || resolved.read.contains(name);
        let others = set.iter().filter(|(name, is_empty)| is_known(name) && !is_empty && !has_effect(name));
        let names: Vec<_> = others.map(|(name, _)| format!("`{name}`")).collect();
        if !names.is_empty() {
            found.push(problem(
                format!(
                    "variables are ignored because the configuration file `{file}` is used and does not refer to them: {}",
                    names.join(", ")
                ),
                "refer to a variable in the file as `${NAME}`",
            ));
        }
    }
}
