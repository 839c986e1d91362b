//! The compiler that a binary names.

use std::fs::File as StdFile;
use std::io::BufReader;

use object::read::ReadCache;
use object::{File, Object, ObjectSection};

/// The compiler of a binary.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Compiler {
    /// `1.95.0`
    pub(super) version: String,
    /// `rustc 1.95.0 (59807616e 2026-04-14)`
    pub(super) description: String,
}

/// Reads what rustc leaves in the section `.comment`, which survives stripping. A binary may hold the marks of several
/// compilers, its standard library's among them; the newest is the one that linked it.
pub(super) fn compiler(binary: StdFile) -> Option<Compiler> {
    let file = ReadCache::new(BufReader::new(binary));
    let file = File::parse(&file).ok()?;
    let section = file.section_by_name(".comment")?;
    newest(section.data().ok()?)
}

fn newest(comments: &[u8]) -> Option<Compiler> {
    let versions = comments.split(|byte| *byte == 0).filter_map(|comment| {
        let rest = std::str::from_utf8(comment).ok()?.strip_prefix("rustc version ")?;
        Some((semver::Version::parse(rest.split_whitespace().next()?).ok()?, rest))
    });
    let (version, rest) = versions.max_by(|(one, _), (other, _)| one.cmp(other))?;
    Some(Compiler { version: version.to_string(), description: format!("rustc {rest}") })
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn the_newest_compiler_is_the_one() {
        let comments =
            b"GCC: (Debian) 12.2.0\0rustc version 1.89.0 (a 2025-01-01)\0\0rustc version 1.100.0-nightly (b)\0";
        let expected = Compiler { version: "1.100.0-nightly".into(), description: "rustc 1.100.0-nightly (b)".into() };
        assert_eq!(newest(comments), Some(expected));
        assert_eq!(newest(b"GCC: (Debian) 12.2.0\0rustc version what\0"), None);
    }

    #[test]
    fn this_very_binary_was_made_by_the_rustc_that_is_here() {
        let version = Command::new("rustc").arg("-V").output().unwrap().stdout;
        let found = compiler(StdFile::open("/proc/self/exe").unwrap()).unwrap();
        assert_eq!(found.description, String::from_utf8_lossy(&version).trim());
    }

    #[test]
    fn a_file_that_is_no_binary_has_no_compiler() {
        assert_eq!(compiler(StdFile::open("/etc/passwd").unwrap()), None);
    }
}
