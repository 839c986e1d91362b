//! Runs a compiler and holds its messages: what it prints about woven text of the user's own crates is not for the user.

use std::io::{self, BufRead, BufReader, Write};
use std::process::{Command, ExitStatus, Stdio};

/// What a compiler has done and printed.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) status: ExitStatus,
    /// Its diagnostics.
    pub(super) diagnostics: Vec<Diagnostic>,
    /// Whether cargo was notified of the crate's metadata already.
    pub(super) metadata_passed: bool,
    /// Lines for cargo that are not diagnostics: notices, and what macros print.
    lines: Vec<(Kind, Vec<u8>)>,
}

/// A diagnostic of the compiler; one that is no JSON has no place.
#[derive(Debug, Default, serde::Deserialize)]
pub(super) struct Diagnostic {
    level: Option<String>,
    message: Option<String>,
    rendered: Option<String>,
    #[serde(default)]
    spans: Vec<Place>,
}

#[derive(Debug, serde::Deserialize)]
struct Place {
    file_name: String,
    line_start: usize,
    expansion: Option<Box<Expansion>>,
}

#[derive(Debug, serde::Deserialize)]
struct Expansion {
    span: Place,
}

#[derive(serde::Deserialize)]
struct Head {
    #[serde(rename = "$message_type")]
    kind: Option<String>,
    emit: Option<String>,
}

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The crate's metadata is written.
    Metadata,
    /// Another message in JSON that is no diagnostic.
    Notice,
    Diagnostic,
    Text,
}

impl Diagnostic {
    /// The text, if it is an error about the source.
    pub(super) fn error(&self) -> Option<&str> {
        let is_error = self.level.as_deref().is_some_and(|level| level.starts_with("error"));
        let text = self.message.as_deref().filter(|text| is_error && !text.starts_with("aborting due to"))?;
        Some(self.rendered.as_deref().unwrap_or(text))
    }

    /// The files and lines that it is about, those of macro calls included.
    pub(super) fn places(&self) -> Vec<(&str, usize)> {
        let mut places = Vec::new();
        for place in &self.spans {
            let mut next = Some(place);
            while let Some(place) = next {
                places.push((place.file_name.as_str(), place.line_start));
                next = place.expansion.as_ref().map(|expansion| &expansion.span);
            }
        }
        places
    }
}

impl Held {
    /// Passes on what was held and is no diagnostic. Cargo must not be notified of metadata twice.
    pub(super) fn pass(self, metadata_passed: bool) {
        for (kind, line) in self.lines {
            if kind != Kind::Metadata || !metadata_passed {
                pass(&line);
            }
        }
    }
}

/// Runs `command` and holds its messages. As long as there is no diagnostic, cargo is notified at once of what dependents
/// wait for.
pub(super) fn run(mut command: Command, is_json: bool) -> io::Result<Held> {
    let mut child = command.stderr(Stdio::piped()).spawn()?;
    let (mut diagnostics, mut lines, mut metadata_passed) = (Vec::new(), Vec::new(), false);
    for_each_line(child.stderr.take(), |line| match kind(&line, is_json) {
        Kind::Diagnostic => diagnostics.push(serde_json::from_slice(&line).unwrap_or_default()),
        Kind::Metadata if diagnostics.is_empty() => {
            metadata_passed = true;
            pass(&line);
        }
        kind => lines.push((kind, line)),
    })?;
    Ok(Held { status: child.wait()?, diagnostics, metadata_passed, lines })
}

/// What of a compiler's lines is passed on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) diagnostics: bool,
    /// Notices of artifacts.
    pub(super) notices: bool,
    /// The notice of the crate's metadata among these.
    pub(super) metadata: bool,
    /// What macros print.
    pub(super) text: bool,
}

/// Runs `command` and passes on what is wanted of its messages. What macros print to stdout was there before.
pub(super) fn filter(mut command: Command, is_json: bool, wanted: Wanted) -> io::Result<ExitStatus> {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    for_each_line(child.stderr.take(), |line| {
        let is_wanted = match kind(&line, is_json) {
            Kind::Metadata => wanted.notices && wanted.metadata,
            Kind::Notice => wanted.notices,
            Kind::Diagnostic => wanted.diagnostics,
            Kind::Text => wanted.text,
        };
        if is_wanted {
            pass(&line);
        }
    })?;
    child.wait()
}

fn for_each_line(stderr: Option<impl io::Read>, mut with: impl FnMut(Vec<u8>)) -> io::Result<()> {
    let Some(stderr) = stderr else { return Ok(()) };
    let mut lines = BufReader::new(stderr);
    loop {
        let mut line = Vec::new();
        if lines.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        with(line);
    }
}

fn kind(line: &[u8], is_json: bool) -> Kind {
    match serde_json::from_slice::<Head>(line) {
        Ok(Head { kind: Some(kind), emit }) => match (kind.as_str(), emit.as_deref()) {
            ("diagnostic", _) => Kind::Diagnostic,
            ("artifact", Some("metadata")) => Kind::Metadata,
            _ => Kind::Notice,
        },
        _ if is_json => Kind::Text,
        _ => Kind::Diagnostic,
    }
}

/// Passes a line of the compiler on to cargo unchanged. Cargo may have ended.
fn pass(line: &[u8]) {
    let _ = io::stderr().lock().write_all(line);
}

#[cfg(test)]
mod tests {
    use super::*;

    const ERROR: &str = r#"{"$message_type":"diagnostic","message":"mismatched types","level":"error","spans":[{"file_name":"<m>","line_start":1,"expansion":{"span":{"file_name":"src/a.rs","line_start":7,"expansion":null}}}],"rendered":"error: x"}"#;

    fn shell(text: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", text]);
        command
    }

    #[test]
    fn diagnostics_are_held_with_their_places() {
        let held = run(shell(&format!("echo '{ERROR}' >&2; echo text >&2; exit 3")), true).unwrap();
        assert_eq!(held.status.code(), Some(3));
        assert_eq!(held.diagnostics.len(), 1);
        assert_eq!(held.diagnostics[0].error(), Some("error: x"));
        assert_eq!(held.diagnostics[0].places(), [("<m>", 1), ("src/a.rs", 7)]);
        assert_eq!((held.lines.len(), held.metadata_passed), (1, false));
    }

    #[test]
    fn lines_have_kinds() {
        assert_eq!(kind(ERROR.as_bytes(), true), Kind::Diagnostic);
        assert_eq!(kind(br#"{"$message_type":"artifact","artifact":"x","emit":"metadata"}"#, true), Kind::Metadata);
        assert_eq!(kind(br#"{"$message_type":"artifact","artifact":"x","emit":"link"}"#, true), Kind::Notice);
        assert_eq!((kind(b"a macro", true), kind(b"warning: x", false)), (Kind::Text, Kind::Diagnostic));
    }
}
