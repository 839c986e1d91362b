//! `os.*`: the distribution.

use opentelemetry::KeyValue;
use opentelemetry_semantic_conventions::attribute as name;

use super::surroundings::Surroundings;

/// The type, and the fields of `/etc/os-release`.
pub(super) fn detect(around: &Surroundings<'_>) -> Vec<KeyValue> {
    let mut found = vec![KeyValue::new(name::OS_TYPE, std::env::consts::OS)];
    let Some(release) = around.text("/etc/os-release").or_else(|| around.text("/usr/lib/os-release")) else {
        return found;
    };
    let fields = [
        (name::OS_NAME, "NAME"),
        (name::OS_VERSION, "VERSION_ID"),
        (name::OS_BUILD_ID, "BUILD_ID"),
        (name::OS_DESCRIPTION, "PRETTY_NAME"),
    ];
    for (key, field) in fields {
        if let Some(value) = value_of(&release, field) {
            found.push(KeyValue::new(key, value));
        }
    }
    found
}

/// A field of a file that shells can read.
fn value_of(release: &str, field: &str) -> Option<String> {
    let value = release.lines().find_map(|line| line.trim().strip_prefix(field)?.strip_prefix('='))?.trim();
    let quoted = |quote: char| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    let value = match quoted('"') {
        Some(text) => text.replace("\\\"", "\"").replace("\\$", "$").replace("\\`", "`").replace("\\\\", "\\"),
        None => quoted('\'').unwrap_or(value).to_owned(),
    };
    (!value.is_empty()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::super::surroundings::testing::Machine;
    use super::*;

    #[test]
    fn a_distribution_has_a_name_and_a_version() {
        let release =
            "PRETTY_NAME=\"Say \\\"Linux\\\" 12\"\nNAME='Say Linux'\nVERSION_ID=12\nVERSION=\"12 (no)\"\nBUILD_ID=\n";
        let expected = ["os.type=linux", "os.name=Say Linux", "os.version=12", "os.description=Say \"Linux\" 12"];
        assert_eq!(Machine::new().file("usr/lib/os-release", release).detected(detect), expected);
        assert_eq!(Machine::new().detected(detect), ["os.type=linux"]);
    }
}
