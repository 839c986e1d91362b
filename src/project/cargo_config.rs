//! Cargo's configuration of a project, edited line by line so that every edit can be undone.
//!
//! Each line of ours ends with a marker, and each line that ours replace stays as a comment: removing means deleting the
//! former and restoring the latter, whatever the user wrote elsewhere in the meantime.

use std::ops::Range;
use std::path::{Path, PathBuf};

use toml_edit::{Document, Item, Table};

use crate::ui::Explain;

/// Ends each line of ours.
const ADDED: &str = "# added by otel-rs";
/// Ends a first line of ours before which the file had no line end.
const ADDED_WITH_LINE_END: &str = "# added by otel-rs, with the line end before it";
/// Begins each line that ours replace.
const KEPT: &str = "# kept by otel-rs: ";

/// The settings of ours in `[build]`.
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
    /// A marker was removed, so that we no longer know which lines are ours.
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
            ConfigError::Unreadable(_) => return None,
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

/// Adds our settings to `text`. What is there of ours already is first removed, so that doing it twice changes nothing.
pub(crate) fn add(path: &Path, text: &str) -> Result<Edited, ConfigError> {
    let text = remove(path, text)?;
    let document = parse(path, &text)?;
    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    let line_end = if lines.first().is_some_and(|line| line.ends_with("\r\n")) { "\r\n" } else { "\n" };
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
        if build.insert_at == lines.len() && lines.last().is_some_and(|line| !line.ends_with('\n')) {
            if let Some(last) = lines.last_mut() {
                last.push_str(line_end);
            }
            at_header[0] = at_header[0].replace(ADDED, ADDED_WITH_LINE_END);
        }
        places.push((build.insert_at, at_header));
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

/// The compiler wrapper that the configuration at `path` names, if it can be read and does.
pub(crate) fn wrapper_in(path: &Path) -> Option<String> {
    let text = fs_err::read_to_string(path).ok()?;
    let document = parse(path, &text).ok()?;
    document.get("build")?.get("rustc-wrapper")?.as_str().map(str::to_owned)
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

/// The edit must say to cargo what it says to us.
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

    #[test]
    fn former_settings_are_told_and_kept_as_comments() {
        let edited = added("[build]\nrustc-wrapper = \"sccache\"\n");
        assert_eq!(edited.wrapper.as_deref(), Some("sccache"));
        assert!(edited.text.contains("# kept by otel-rs: rustc-wrapper = \"sccache\"\n"), "{}", edited.text);
    }

    #[test]
    fn what_the_user_adds_later_survives() {
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
    fn setting_without_its_marker_is_told() {
        let text = "[build]\nrustc-wrapper = \".otel-rs/rustc\"\n";
        assert!(matches!(remove(Path::new("c"), text), Err(ConfigError::Unmarked { key: "rustc-wrapper", .. })));
    }

    #[test]
    fn malformed_file_is_told() {
        assert!(matches!(add(Path::new("c"), "[build\n"), Err(ConfigError::Malformed { .. })));
    }
}
