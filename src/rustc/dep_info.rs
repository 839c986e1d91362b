//! Dep-info: what cargo believes a crate was compiled from.

use std::io;
use std::path::{Path, PathBuf};

use crate::project::files;

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
    /// The package's, as the compiler was told it; empty for the current folder.
    pub(super) original: &'a str,
    /// The advice's file in the layer.
    pub(super) module: &'a str,
}

fn rewritten(text: &str, layer: Option<Mapping<'_>>, stamp: &Path) -> String {
    let stamp = escaped(&stamp.to_string_lossy());
    let mut stamped = false;
    let mut lines = Vec::new();
    for line in text.lines() {
        let mut line = line.to_owned();
        if let Some(Mapping { layer, original, module }) = layer {
            let (layer, original) = (escaped(layer), escaped(original));
            let module = format!("{layer}/{module}");
            if line == format!("{module}:") || (line.starts_with("# checksum:") && line.contains(&layer)) {
                continue;
            }
            let from = format!("{layer}/");
            let to = if original.is_empty() { String::new() } else { format!("{original}/") };
            line = line.replace(&format!(" {module}"), "").replace(&from, &to);
        }
        // Cargo reads the first rule only.
        if !stamped && !line.starts_with('#') && line.contains(": ") {
            line = format!("{line} {stamp}");
            stamped = true;
        }
        lines.push(line);
    }
    lines.push(String::new());
    lines.join("\n")
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
        Mapping { layer: "/p/.otel-rs/layers/toy-1", original, module: "src/otel_rs.rs" }
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
