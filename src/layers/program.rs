//! The version of a program, appended to the binary as a trailing line: Rust itself stores it nowhere.
//!
//! Bytes after the last section are ignored when a program is loaded. Compiler and linker are not involved, so that no build
//! can fail because of the line; a tool that rewrites the binary (`strip`, run by hand) drops it.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

const MARKER: &str = "\notel-rs:program:";
/// Maximum length of the version line.
const LONGEST: u64 = 512;

/// Which package a program is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProgramNote {
    /// The package's name.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: String,
}

impl ProgramNote {
    /// Writes the line behind the program at `path`.
    pub(crate) fn append(&self, path: &Path) -> io::Result<()> {
        let line = format!("{MARKER}{}|{}|\n", self.name, self.version);
        fs_err::OpenOptions::new().append(true).open(path)?.write_all(line.as_bytes())
    }

    /// The line that a program has; `None` if it has none.
    pub(crate) fn of(mut file: File) -> Option<ProgramNote> {
        let length = file.metadata().ok()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LONGEST))).ok()?;
        let mut end = Vec::new();
        file.take(LONGEST).read_to_end(&mut end).ok()?;
        let at = memchr::memmem::rfind(&end, MARKER.as_bytes())?;
        let line = std::str::from_utf8(&end[at + MARKER.len()..]).ok()?.strip_suffix("|\n")?;
        let (name, version) = line.split_once('|')?;
        semver::Version::parse(version).ok()?;
        Some(ProgramNote { name: name.to_owned(), version: version.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &Path) -> Option<ProgramNote> {
        ProgramNote::of(File::open(path).unwrap())
    }

    #[test]
    fn a_program_with_a_version_line_runs_as_before() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("true");
        fs_err::copy("/bin/true", &program).unwrap();
        assert_eq!(of(&program), None);
        let note = ProgramNote { name: "shop".into(), version: "1.2.3-rc.1".into() };
        note.append(&program).unwrap();
        assert_eq!(of(&program), Some(note));
        assert!(std::process::Command::new(&program).status().unwrap().success());
    }

    #[test]
    fn a_line_without_a_version_is_no_note() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for text in ["", "\notel-rs:program:a|b|\n", "\notel-rs:program:a|1.0.0|", "otel-rs:program:a|1.0.0|\n"] {
            fs_err::write(file.path(), text).unwrap();
            assert_eq!(of(file.path()), None, "{text:?}");
        }
    }
}
