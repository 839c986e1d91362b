//! References to the environment in a configuration file: `${NAME}`, `${env:NAME}`, `${NAME:-default}`.
//!
//! The rules are the specification's: `$$` is a `$` that starts nothing, text is read from left to right and only once, so
//! neither a variable's value nor a default is searched for further references. Any other `${…}` spoils the whole file:
//! its meaning cannot be guessed.

/// A malformed reference.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadReference(pub(super) String);

/// Replaces the references in a scalar's text.
pub(super) fn substitute(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<String, BadReference> {
    let mut result = String::new();
    for (index, part) in text.split("$$").enumerate() {
        if index > 0 {
            result.push('$');
        }
        replace_into(&mut result, part, env)?;
    }
    Ok(result)
}

/// Appends `part`, which has no `$$`, with its references replaced.
fn replace_into(result: &mut String, mut part: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<(), BadReference> {
    while let Some((before, rest)) = part.split_once("${") {
        result.push_str(before);
        match rest.split_once('}') {
            Some((inside, after)) if !inside.contains('\n') => {
                let (name, default) = reference(inside).ok_or_else(|| bad(inside))?;
                match env(name).filter(|value| !value.is_empty()) {
                    Some(value) => result.push_str(&value),
                    None => result.push_str(default),
                }
                part = after;
            }
            _ => {
                result.push_str("${");
                part = rest;
            }
        }
    }
    result.push_str(part);
    Ok(())
}

/// The name and the default, which is empty when there is none.
fn reference(inside: &str) -> Option<(&str, &str)> {
    let inside = inside.strip_prefix("env:").unwrap_or(inside);
    let (name, default) = inside.split_once(":-").unwrap_or((inside, ""));
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let goes_on_well = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    (starts_well && goes_on_well).then_some((name, default))
}

/// The reference for messages: only its name is shown, since the rest may be a password.
fn bad(inside: &str) -> BadReference {
    BadReference(match inside.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')) {
        Some(end) => format!("${{{}…}}", &inside[..end + inside[end..].chars().next().map_or(0, char::len_utf8)]),
        None => format!("${{{inside}}}"),
    })
}
