//! Cargo's configuration of a project, edited line by line so that every edit can be undone.
//!
//! The local form adds one setting: an `include` of a file in the user's cache, which cargo ignores where that file is not.
//! The shared form names shims in the project. Each line of ours ends with a marker, and each line that ours replace stays
//! as a comment: removing means deleting the former and restoring the latter, whatever the user wrote elsewhere in the
//! meantime.

use std::ops::Range;
use std::path::{Path, PathBuf};

use toml_edit::{Array, Document, InlineTable, Item, Table, Value};

use crate::ui::Explain;

/// Ends each line of ours.
const ADDED: &str = "# added by otel-rs";
/// Ends a first line of ours before which the file had no line end.
const ADDED_WITH_LINE_END: &str = "# added by otel-rs, with the line end before it";
/// Begins each line that ours replace.
const KEPT: &str = "# kept by otel-rs: ";

/// The settings of the shared form, in `[build]`.
const SETTINGS: [(&str, &str); 2] = [("rustc-wrapper", ".otel-rs/rustc"), ("rustdoc", ".otel-rs/rustdoc")];

/// Why the configuration was not edited.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// It could not be read.
    #[error("cannot read cargo's configuration")]
    Unreadable(#[source] std::io::Error),
    /// It is not TOML.
    #[error("cannot understand `{}`: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Line, expected, found.
        reason: String,
    },
    /// `build` is written so that no line can be added to it.
    #[error("cannot add to `build` in `{}`, line {line}: expected a `[build]` table, found an inline one", path.display())]
    Inline {
        /// The file.
        path: PathBuf,
        /// Its line.
        line: usize,
    },
    /// A setting of the file itself counts more than those of a file that it includes.
    #[error("`{key}` in `{}` counts more than what bootstrap would add", path.display())]
    Outranked {
        /// The file.
        path: PathBuf,
        /// The setting.
        key: &'static str,
    },
    /// A marker was removed, so that our lines can no longer be recognised.
    #[error("cannot restore `{}`: `build.{key}` still names `.otel-rs`, but its line no longer ends with `{ADDED}`", path.display())]
    Unmarked {
        /// The file.
        path: PathBuf,
        /// The setting.
        key: &'static str,
    },
}

impl Explain for ConfigError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            ConfigError::Unreadable(_) | ConfigError::Outranked { .. } => return None,
            ConfigError::Malformed { .. } => "repair the file; cargo cannot read it either".to_owned(),
            ConfigError::Inline { .. } => "write it as a table: `[build]`, then one line for each setting".to_owned(),
            ConfigError::Unmarked { key, .. } => format!("delete the line of `{key}`, then run this again"),
        })
    }
}

/// What an edited configuration looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Edited {
    /// The file's new text.
    pub(crate) text: String,
    /// The compiler wrapper it named before.
    pub(crate) wrapper: Option<String>,
    /// The rustdoc it named before.
    pub(crate) rustdoc: Option<String>,
}

/// The file to edit: cargo reads the old name first where both are there.
pub(crate) fn path(root: &Path) -> PathBuf {
    let old = root.join(".cargo/config");
    if old.is_file() { old } else { root.join(".cargo/config.toml") }
}

/// The file's text; `None` when there is no file.
pub(crate) fn read(path: &Path) -> Result<Option<String>, ConfigError> {
    match fs_err::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ConfigError::Unreadable(error)),
    }
}

/// Whether the configuration of the project at `root` has the settings of the shared form.
pub(crate) fn is_shared(root: &Path) -> bool {
    let text = std::fs::read_to_string(path(root)).unwrap_or_default();
    text.lines()
        .any(|line| line.contains(SETTINGS[0].1) && (line.ends_with(ADDED) || line.ends_with(ADDED_WITH_LINE_END)))
}

/// Adds an `include` of the file `included` to `text`, in the place of what is there of ours already.
pub(crate) fn include(path: &Path, text: &str, included: &str) -> Result<String, ConfigError> {
    let text = remove(path, text)?;
    let document = parse(path, &text)?;
    for (key, name) in [("rustc-wrapper", "build.rustc-wrapper"), ("rustdoc", "build.rustdoc")] {
        if document.get("build").and_then(|build| build.get(key)).is_some() {
            return Err(ConfigError::Outranked { path: path.to_owned(), key: name });
        }
    }
    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    let line_end = line_end(&lines);
    if let Some((key, Item::Value(Value::Array(former)))) = document.get_key_value("include") {
        let mut array: Array = former.iter().map(|item| item.clone().decorated("", "")).collect();
        array.push(Value::InlineTable(optional(included)));
        let start = key.span().map_or(0, |span| span.start);
        let range = line_of(&text, start)..line_of(&text, former.span().map_or(start, |span| span.end) - 1) + 1;
        for line in &mut lines[range.clone()] {
            line.insert_str(0, KEPT);
        }
        lines.insert(range.start, format!("include = {array} {ADDED}{line_end}"));
    } else {
        // A table of its own may stand at the end, whatever comes before it.
        let mut added = vec![format!("[[include]] {ADDED}{line_end}")];
        added.extend(optional(included).iter().map(|(key, value)| {
            let value = value.clone().decorated("", "");
            format!("{key} = {value} {ADDED}{line_end}")
        }));
        append(&mut lines, added, line_end);
    }
    let text = lines.concat();
    let document = parse(path, &text)?;
    let is_ours = |path: Option<&str>| path == Some(included);
    let found = match document.get("include") {
        Some(Item::ArrayOfTables(tables)) => {
            tables.iter().any(|table| is_ours(table.get("path").and_then(Item::as_str)))
        }
        Some(Item::Value(Value::Array(array))) => array
            .iter()
            .any(|item| is_ours(item.as_inline_table().and_then(|table| table.get("path")).and_then(Value::as_str))),
        _ => false,
    };
    if found {
        Ok(text)
    } else {
        Err(ConfigError::Malformed { path: path.to_owned(), reason: "no place found for `include`".to_owned() })
    }
}

fn optional(included: &str) -> InlineTable {
    let mut table = InlineTable::new();
    table.insert("path", included.into());
    table.insert("optional", true.into());
    table
}

fn line_end(lines: &[String]) -> &'static str {
    if lines.first().is_some_and(|line| line.ends_with("\r\n")) { "\r\n" } else { "\n" }
}

/// Appends lines of ours, after the line end that the last one may lack.
fn append(lines: &mut Vec<String>, mut added: Vec<String>, line_end: &str) {
    if let Some(last) = lines.last_mut().filter(|line| !line.ends_with('\n')) {
        last.push_str(line_end);
        added[0] = added[0].replace(ADDED, ADDED_WITH_LINE_END);
    }
    lines.extend(added);
}

/// Adds the settings of the shared form to `text`. What is there of ours already is first removed, so that doing it twice changes nothing.
pub(crate) fn add(path: &Path, text: &str) -> Result<Edited, ConfigError> {
    let text = remove(path, text)?;
    let document = parse(path, &text)?;
    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    let line_end = line_end(&lines);
    let build = Build::find(path, &text, &document)?;
    let mut former = [None, None];
    let mut places: Vec<(usize, Vec<String>)> = Vec::new();
    let mut at_header = Vec::new();
    for (index, (key, value)) in SETTINGS.iter().enumerate() {
        let ours = format!("{}{key} = \"{value}\" {ADDED}{line_end}", build.prefix);
        match build.table.and_then(|table| table.get_key_value(key)) {
            Some((name, item)) => {
                former[index] = item.as_str().map(str::to_owned);
                let start = name.span().map_or(0, |span| span.start);
                let end = item.span().map_or(start, |span| span.end);
                let range = line_of(&text, start)..line_of(&text, end.max(start + 1) - 1) + 1;
                for line in &mut lines[range.clone()] {
                    line.insert_str(0, KEPT);
                }
                places.push((range.start, vec![ours]));
            }
            None => at_header.push(ours),
        }
    }
    if !at_header.is_empty() {
        if build.header_missing {
            at_header.insert(0, format!("[build] {ADDED}{line_end}"));
        }
        if build.insert_at == lines.len() {
            append(&mut lines, at_header, line_end);
        } else {
            places.push((build.insert_at, at_header));
        }
    }
    // From the end, so that the earlier places stay where they are.
    places.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    for (at, added) in places {
        lines.splice(at..at, added);
    }
    let text = lines.concat();
    verify(path, &text)?;
    let [wrapper, rustdoc] = former;
    Ok(Edited { text, wrapper, rustdoc })
}

/// Takes our settings out of `text` and restores what they replaced.
pub(crate) fn remove(path: &Path, text: &str) -> Result<String, ConfigError> {
    let mut restored = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let content = line.trim_end_matches(['\n', '\r']);
        if content.ends_with(ADDED_WITH_LINE_END) {
            let without = restored.trim_end_matches('\n').trim_end_matches('\r').len();
            restored.truncate(without);
        } else if content.ends_with(ADDED) {
        } else if let Some(kept) = line.strip_prefix(KEPT) {
            restored.push_str(kept);
        } else {
            // What the user wrote after ours needs its line end back.
            if !restored.is_empty() && !restored.ends_with('\n') {
                restored.push('\n');
            }
            restored.push_str(line);
        }
    }
    if let Ok(document) = parse(path, &restored) {
        for (key, value) in SETTINGS {
            if document.get("build").and_then(|build| build.get(key)).and_then(Item::as_str) == Some(value) {
                return Err(ConfigError::Unmarked { path: path.to_owned(), key });
            }
        }
    }
    Ok(restored)
}

/// Where in a file our settings go.
struct Build<'a> {
    table: Option<&'a Table>,
    /// `build.` where the file writes dotted keys.
    prefix: &'static str,
    header_missing: bool,
    insert_at: usize,
}

impl<'a> Build<'a> {
    fn find(path: &Path, text: &str, document: &'a Document<String>) -> Result<Build<'a>, ConfigError> {
        let end = text.split_inclusive('\n').count();
        let Some((key, item)) = document.get_key_value("build") else {
            return Ok(Build { table: None, prefix: "", header_missing: true, insert_at: end });
        };
        let line = |span: Option<Range<usize>>| span.map_or(0, |span| line_of(text, span.start));
        let Item::Table(table) = item else {
            return Err(ConfigError::Inline { path: path.to_owned(), line: line(key.span()) + 1 });
        };
        if table.is_dotted() {
            let first = table.iter().filter_map(|(name, _)| table.key(name)?.span()).min_by_key(|span| span.start);
            return Ok(Build { table: Some(table), prefix: "build.", header_missing: false, insert_at: line(first) });
        }
        if table.is_implicit() {
            return Ok(Build { table: Some(table), prefix: "", header_missing: true, insert_at: end });
        }
        Ok(Build { table: Some(table), prefix: "", header_missing: false, insert_at: line(table.span()) + 1 })
    }
}

fn parse(path: &Path, text: &str) -> Result<Document<String>, ConfigError> {
    Document::parse(text.to_owned()).map_err(|error| ConfigError::Malformed {
        path: path.to_owned(),
        reason: error.to_string().trim_end().to_owned(),
    })
}

/// Reads the edited text back: each setting must have our value, for cargo as well.
fn verify(path: &Path, text: &str) -> Result<(), ConfigError> {
    let document = parse(path, text)?;
    for (key, value) in SETTINGS {
        if document.get("build").and_then(|build| build.get(key)).and_then(Item::as_str) != Some(value) {
            let reason = format!("no place found for `build.{key}`");
            return Err(ConfigError::Malformed { path: path.to_owned(), reason });
        }
    }
    Ok(())
}

/// The number of the line, from 0, that holds the byte at `offset`.
fn line_of(text: &str, offset: usize) -> usize {
    text[..offset].matches('\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added(text: &str) -> Edited {
        let edited = add(Path::new("config.toml"), text).unwrap();
        let again = add(Path::new("config.toml"), &edited.text).unwrap();
        assert_eq!(again, edited, "twice is as once");
        assert_eq!(remove(Path::new("config.toml"), &edited.text).unwrap(), text, "removed byte for byte");
        edited
    }

    #[test]
    fn settings_are_added_and_removed_byte_for_byte() {
        for text in [
            "",
            "\n",
            "# only a comment",
            "[net]\nretry = 2\n",
            "[net]\nretry = 2",
            "[net]\r\nretry = 2\r\n",
            "[net]\r\nretry = 2",
            "[build]\n",
            "[build]",
            "[build] # mine\njobs = 2\n\n[net]\nretry = 2\n",
            "[net]\nretry = 2\n[build]",
            "build.jobs = 2\n[net]\nretry = 2\n",
            "build.rustc-wrapper = \"sccache\"\nbuild.jobs = 2",
            "[build]\nrustc-wrapper = \"sccache\" # mine\njobs = 2\n",
            "[build]\njobs = 2\nrustc-wrapper = \"sccache\"",
            "[build]\nrustdoc = \"mydoc\"\nrustc-wrapper = \"\"\"\nsccache\"\"\"\n\n\n",
            "[build.extra]\na = 1\n",
            "[target.'cfg(unix)']\nlinker = \"cc\"\n\n[build]\nrustflags = [\n  \"-C\",\n  \"debuginfo=1\",\n]",
        ] {
            added(text);
        }
    }

    const INCLUDED: &str = "/home/u/.cache/otel rs/projects/1/cargo.toml";

    fn included(text: &str) -> String {
        let path = Path::new("config.toml");
        let with = include(path, text, INCLUDED).unwrap();
        assert_eq!(include(path, &with, INCLUDED).unwrap(), with, "twice is as once");
        assert_eq!(
            include(path, &add(path, text).unwrap().text, INCLUDED).unwrap(),
            with,
            "in place of the shared form"
        );
        assert_eq!(remove(path, &with).unwrap(), text, "removed byte for byte");
        with
    }

    #[test]
    fn an_include_is_added_and_removed_byte_for_byte() {
        for text in [
            "",
            "\n",
            "# only a comment",
            "[net]\nretry = 2\n",
            "[net]\nretry = 2",
            "[net]\r\nretry = 2\r\n",
            "[net]\r\nretry = 2",
            "[build]\njobs = 2\n",
            "build.jobs = 2",
            "[[include]]\npath = \"theirs.toml\"\n",
            "[[include]]\npath = \"theirs.toml\"\n\n[net]\nretry = 2",
            "include = [\"a.toml\", { path = \"b.toml\" }] # theirs\n[net]\nretry = 2\n",
            "# first\ninclude = [\n  \"a.toml\", # one\n  \"b.toml\",\n]\n\n[net]\nretry = 2\n",
            "include = []",
        ] {
            included(text);
        }
    }

    #[test]
    fn existing_includes_stay_before_ours() {
        let text = included("include = [\n  \"a.toml\", # one\n]\n");
        let line = text.lines().next().unwrap();
        assert!(line.starts_with("include = [\"a.toml\", { path = \"/home/u"), "{text}");
    }

    #[test]
    fn an_include_that_would_not_count_is_refused() {
        for text in
            ["[build]\nrustc-wrapper = \"sccache\"\n", "build.rustdoc = \"mine\"\n", "build = { rustdoc = \"x\" }\n"]
        {
            let error = include(Path::new("c"), text, INCLUDED).unwrap_err();
            assert!(matches!(error, ConfigError::Outranked { .. }), "{text}: {error}");
        }
        assert!(matches!(include(Path::new("c"), "include = \"a\"\n", INCLUDED), Err(ConfigError::Malformed { .. })));
    }

    #[test]
    fn former_settings_are_returned_and_kept_as_comments() {
        let edited = added("[build]\nrustc-wrapper = \"sccache\"\n");
        assert_eq!(edited.wrapper.as_deref(), Some("sccache"));
        assert!(edited.text.contains("# kept by otel-rs: rustc-wrapper = \"sccache\"\n"), "{}", edited.text);
    }

    #[test]
    fn later_additions_of_the_user_survive() {
        let edited = add(Path::new("c"), "[net]\nretry = 2").unwrap();
        let later = edited.text.replace("[build]", "# note\n[build]") + "jobs = 3\n";
        let restored = remove(Path::new("c"), &later).unwrap();
        assert_eq!(restored, "[net]\nretry = 2\n# note\njobs = 3\n");
    }

    #[test]
    fn inline_table_is_refused_with_its_line() {
        let error = add(Path::new("config.toml"), "# a\nbuild = { jobs = 2 }\n").unwrap_err();
        assert!(matches!(error, ConfigError::Inline { line: 2, .. }), "{error}");
    }

    #[test]
    fn setting_without_its_marker_is_an_error() {
        let text = "[build]\nrustc-wrapper = \".otel-rs/rustc\"\n";
        assert!(matches!(remove(Path::new("c"), text), Err(ConfigError::Unmarked { key: "rustc-wrapper", .. })));
    }

    #[test]
    fn malformed_file_is_an_error() {
        assert!(matches!(add(Path::new("c"), "[build\n"), Err(ConfigError::Malformed { .. })));
    }
}
