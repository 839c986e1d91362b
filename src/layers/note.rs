//! Notes: how a finished binary tells which layers it carries.
//!
//! Every layer holds one line of text, `otel-rs:layer:<wire version>|<crate>|<version>|<hooks version>|`, which survives
//! linking, LTO and stripping: it is a `#[used]` static of the layer.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::Path;

use memchr::memmem;

/// How a note begins.
pub(super) const MARKER: &str = "otel-rs:layer:";

/// Longer than any note: names and versions are short.
const LONGEST: usize = 512;
const CHUNK: usize = 1 << 20;

/// What one layer says about itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct LayerNote {
    /// The woven crate.
    #[serde(rename = "crate")]
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: String,
    /// The version of the hooks it calls.
    pub(crate) hooks_version: String,
    /// The wire format these speak.
    pub(crate) wire_version: u32,
}

/// The notes in the file at `path`, sorted, each once. Reads the file piece by piece: binaries are large.
pub(crate) fn layers_in(path: &Path) -> io::Result<Vec<LayerNote>> {
    let mut file = fs_err::File::open(path)?;
    let finder = memmem::Finder::new(MARKER);
    let mut notes = BTreeSet::new();
    let mut buffer: Vec<u8> = Vec::with_capacity(CHUNK + LONGEST);
    loop {
        let read = file.by_ref().take(CHUNK as u64).read_to_end(&mut buffer)?;
        notes.extend(finder.find_iter(&buffer).filter_map(|at| parse(&buffer[at + MARKER.len()..])));
        if read == 0 {
            return Ok(notes.into_iter().collect());
        }
        // A note may lie across two pieces; one seen twice counts once.
        buffer.drain(..buffer.len().saturating_sub(LONGEST));
    }
}

/// Reads a note behind its marker. The marker alone, as in this program, is not one.
fn parse(rest: &[u8]) -> Option<LayerNote> {
    let end = memchr::memchr(b'\n', &rest[..rest.len().min(LONGEST)])?;
    let text = std::str::from_utf8(&rest[..end]).ok()?;
    let mut fields = text.split('|');
    let note = LayerNote {
        wire_version: fields.next()?.parse().ok()?,
        name: fields.next()?.to_owned(),
        version: fields.next()?.to_owned(),
        hooks_version: fields.next()?.to_owned(),
    };
    semver::Version::parse(&note.version).ok()?;
    (fields.next() == Some("") && fields.next().is_none()).then_some(note)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notes(content: &[u8]) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("program");
        fs_err::write(&path, content).unwrap();
        layers_in(&path)
            .unwrap()
            .into_iter()
            .map(|note| format!("{} {} {}", note.name, note.version, note.wire_version))
            .collect()
    }

    #[test]
    fn notes_are_found_among_bytes_and_once() {
        let mut content = vec![0xff; 100];
        content.extend(b"otel-rs:layer:1|toy|1.2.3|0.1.0|\nrest otel-rs:layer:1|toy|1.2.3|0.1.0|\n\0otel-rs:layer:2|a|0.1.0|0.1.0|\n");
        assert_eq!(notes(&content), ["a 0.1.0 2", "toy 1.2.3 1"]);
    }

    #[test]
    fn note_across_two_pieces_is_found() {
        for shift in [1, 10, 20, 40] {
            let mut content = vec![b'x'; CHUNK - shift];
            content.extend(b"otel-rs:layer:1|toy|1.2.3|0.1.0|\n");
            content.extend(vec![b'x'; CHUNK]);
            assert_eq!(notes(&content), ["toy 1.2.3 1"], "{shift}");
        }
    }

    #[test]
    fn half_a_note_is_none() {
        assert!(notes(b"otel-rs:layer:").is_empty());
        assert!(notes(b"otel-rs:layer:{}|{name}|{version}|{}|\n").is_empty());
        assert!(notes(b"otel-rs:layer:1|toy|1.2.3|0.1.0|").is_empty());
    }
}
