//! Dep-info: what cargo believes a crate was compiled from.

use std::io;
use std::path::{Path, PathBuf};

use crate::digest::sha256;
use crate::project::files;

/// Begins the line of a file's checksum.
const CHECKSUM: &str = "# checksum:";

/// Rewrites the dep-info at `path`: files of the layer become the package's own again, or cargo would find them younger
/// than its output and compile every woven crate twice; the advice's file is left out; the stamp is added.
pub(super) fn rewrite(path: &Path, layer: Option<Mapping<'_>>, stamp: &Path) -> io::Result<()> {
    let text = fs_err::read_to_string(path)?;
    files::write_if_changed(path, rewritten(&text, layer, stamp).as_bytes()).map(drop)
}

/// Which folder stands for which.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mapping<'a> {
    /// The layer's folder.
    pub(super) layer: &'a str,
    /// The package's, as in the compiler's arguments; empty for the current folder.
    pub(super) original: &'a str,
    /// The advice's file in the layer, if it has one of its own.
    pub(super) module: Option<&'a str>,
}

fn rewritten(text: &str, layer: Option<Mapping<'_>>, stamp: &Path) -> String {
    let stamp_file = stamp;
    let stamp = escaped(&stamp.to_string_lossy());
    let mut stamped = false;
    let mut lines = Vec::new();
    // With `-Zchecksum-freshness` cargo compares contents and takes a file without a checksum for a changed one.
    let has_checksums = text.lines().any(|line| line.starts_with(CHECKSUM));
    for line in text.lines() {
        let mut line = line.to_owned();
        if let Some(Mapping { layer, original, module }) = layer {
            let (layer, original) = (escaped(layer), escaped(original));
            let module = module.map(|module| format!("{layer}/{module}"));
            let from = format!("{layer}/");
            let to = if original.is_empty() { String::new() } else { format!("{original}/") };
            if module.as_ref().is_some_and(|module| line == format!("{module}:")) {
                continue;
            }
            if line.starts_with(CHECKSUM)
                && let Some((_, relative)) = line.split_once(&format!(" {from}"))
            {
                let file = format!("{to}{relative}").replace("\\ ", " ");
                if !module.is_some_and(|module| module.ends_with(&format!("/{relative}"))) {
                    lines.extend(checksum(Path::new(&file)));
                }
                continue;
            }
            if let Some(module) = module {
                line = line.replace(&format!(" {module}"), "");
            }
            line = line.replace(&from, &to);
        }
        // Cargo reads the first rule only.
        if !stamped && !line.starts_with('#') && line.contains(": ") {
            line = format!("{line} {stamp}");
            stamped = true;
        }
        lines.push(line);
    }
    if has_checksums {
        lines.extend(checksum(stamp_file));
    }
    lines.push(String::new());
    lines.join("\n")
}

/// The line of a file's checksum: algorithm and value, length in bytes, path. Cargo reads SHA-256 beside the compiler's
/// own BLAKE3 (`cargo::core::compiler::fingerprint::dep_info`).
fn checksum(file: &Path) -> Option<String> {
    let content = fs_err::read(file).ok()?;
    Some(format!("{CHECKSUM}sha256={} file_len:{} {}", sha256(&content), content.len(), file.display()))
}

/// What the first rule of a dep-info names: cargo reads no other.
pub(super) fn inputs(text: &str) -> Vec<PathBuf> {
    let rule = text.lines().find(|line| !line.starts_with('#')).and_then(|line| line.split_once(": "));
    let unescaped = rule.map_or("", |(_, inputs)| inputs).replace("\\ ", "\0");
    unescaped.split(' ').map(|path| PathBuf::from(path.replace('\0', " "))).collect()
}

/// As make and cargo write a path with blanks.
fn escaped(path: &str) -> String {
    path.replace(' ', "\\ ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "/t/toy.d: /p/.otel-rs/layers/toy-1/src/lib.rs /p/.otel-rs/layers/toy-1/src/otel_rs.rs /p/.otel-rs/layers/toy-1/src/a.rs\n\n\
        /t/libtoy.rmeta: /p/.otel-rs/layers/toy-1/src/lib.rs /p/.otel-rs/layers/toy-1/src/otel_rs.rs\n\n\
        /p/.otel-rs/layers/toy-1/src/lib.rs:\n/p/.otel-rs/layers/toy-1/src/otel_rs.rs:\n\n# env-dep:CARGO_PKG_NAME=toy\n";

    fn mapping(original: &'static str) -> Mapping<'static> {
        Mapping { layer: "/p/.otel-rs/layers/toy-1", original, module: Some("src/otel_rs.rs") }
    }

    #[test]
    fn layer_becomes_the_package_and_the_stamp_is_added_once() {
        let text = rewritten(TEXT, Some(mapping("/r/toy-1")), Path::new("/p/stamps/toy 1"));
        assert_eq!(
            text,
            "/t/toy.d: /r/toy-1/src/lib.rs /r/toy-1/src/a.rs /p/stamps/toy\\ 1\n\n\
             /t/libtoy.rmeta: /r/toy-1/src/lib.rs\n\n/r/toy-1/src/lib.rs:\n\n# env-dep:CARGO_PKG_NAME=toy\n"
        );
    }

    #[test]
    fn checksums_are_those_of_the_packages_own_files() {
        let folder = tempfile::tempdir().unwrap();
        let package = folder.path().to_str().unwrap().to_owned();
        std::fs::create_dir(folder.path().join("src")).unwrap();
        std::fs::write(folder.path().join("src/lib.rs"), "plain").unwrap();
        let stamp = folder.path().join("a stamp");
        std::fs::write(&stamp, "woven").unwrap();
        let text = "/t/toy.d: /l/toy-1/src/lib.rs\n\n# checksum:blake3=00 file_len:9 /l/toy-1/src/lib.rs\n\
                    # checksum:blake3=00 file_len:9 /l/toy-1/src/otel_rs.rs\n";
        let mapping = Mapping { layer: "/l/toy-1", original: &package, module: Some("src/otel_rs.rs") };
        let text = rewritten(text, Some(mapping), &stamp);
        let lines: Vec<&str> = text.lines().filter(|line| line.starts_with(CHECKSUM)).collect();
        // printf plain | sha256sum
        let plain = "a116c9ed46d6207734a43317d30fd88f52ac8634c37d904bbf4e41d865f90475";
        assert_eq!(lines.len(), 2, "{text}");
        assert_eq!(lines[0], format!("# checksum:sha256={plain} file_len:5 {package}/src/lib.rs"));
        assert!(lines[1].ends_with(&format!("file_len:5 {package}/a stamp")), "{text}");
    }

    #[test]
    fn inputs_may_hold_blanks() {
        assert_eq!(inputs("a.d: b c\\ d\n\nb:\n"), [PathBuf::from("b"), PathBuf::from("c d")]);
    }

    #[test]
    fn package_in_the_current_folder_has_no_prefix() {
        let text = rewritten(TEXT, Some(mapping("")), Path::new("/s"));
        assert!(text.starts_with("/t/toy.d: src/lib.rs src/a.rs /s\n"), "{text}");
    }

    #[test]
    fn plain_crate_gets_the_stamp_alone() {
        assert_eq!(rewritten("a.d: b c\n\nb:\n", None, Path::new("/s")), "a.d: b c /s\n\nb:\n");
    }
}
