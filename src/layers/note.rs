//! Notes: which layers a finished binary carries.
//!
//! Every layer holds its [`Marker`] as one line of text, which survives linking, LTO and stripping: it is a `#[used]`
//! static of the layer.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::Path;

use memchr::memmem;

use crate::marker::{self, Marker};

/// Longer than any marker: names and versions are short.
const LONGEST: usize = 512;
const CHUNK: usize = 1 << 20;

/// One layer of a binary.
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
    /// The wire format of these hooks.
    pub(crate) wire_version: u32,
}

/// The notes in the file at `path`, sorted, each once. Reads the file piece by piece: binaries are large.
pub(crate) fn layers_in(path: &Path) -> io::Result<Vec<LayerNote>> {
    let mut file = fs_err::File::open(path)?;
    let finder = memmem::Finder::new(marker::PREFIX);
    let mut notes = BTreeSet::new();
    let mut buffer: Vec<u8> = Vec::with_capacity(CHUNK + LONGEST);
    loop {
        let read = file.by_ref().take(CHUNK as u64).read_to_end(&mut buffer)?;
        notes.extend(finder.find_iter(&buffer).filter_map(|at| parse(&buffer[at..])));
        if read == 0 {
            return Ok(notes.into_iter().collect());
        }
        // A note may lie across two pieces; one seen twice counts once.
        buffer.drain(..buffer.len().saturating_sub(LONGEST));
    }
}

/// Reads the marker at the start of these bytes. The prefix alone is not a marker: otel-rs itself holds it.
fn parse(bytes: &[u8]) -> Option<LayerNote> {
    let end = memchr::memchr(b'\n', &bytes[..bytes.len().min(LONGEST)])?;
    let marker = Marker::parse(std::str::from_utf8(&bytes[..end]).ok()?)?;
    semver::Version::parse(marker.crate_version).ok()?;
    Some(LayerNote {
        name: marker.crate_name.to_owned(),
        version: marker.crate_version.to_owned(),
        hooks_version: marker.hooks_version.to_owned(),
        wire_version: marker.wire_version,
    })
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
    fn a_truncated_note_is_ignored() {
        assert!(notes(b"otel-rs:layer:").is_empty());
        assert!(notes(b"otel-rs:layer:{}|{name}|{version}|{}|\n").is_empty());
        assert!(notes(b"otel-rs:layer:1|toy|1.2.3|0.1.0|").is_empty());
    }
}
