//! The hooks' source, as it is embedded into this otel-rs.

use std::path::Path;

use include_dir::{Dir, include_dir};

use crate::digest::short_digest;
use crate::marker::Marker;

static TEMPLATES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/templates");

/// The in-app crate's source.
#[derive(Debug)]
pub(crate) struct HooksSource {
    files: Vec<(&'static Path, &'static [u8])>,
    /// Changes whenever a file does.
    pub(crate) digest: String,
    /// The version of its wire format.
    pub(crate) wire_version: u32,
}

impl HooksSource {
    /// The hooks are released with the tool that carries them.
    pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

    /// The embedded source.
    pub(crate) fn embedded() -> HooksSource {
        let mut files = Vec::new();
        if let Some(folder) = TEMPLATES.get_dir("hooks/src") {
            collect(folder, &mut files);
        }
        files.sort();
        let wire = files.iter().find(|(path, _)| path.ends_with("wire/mod.rs")).map_or(&[][..], |(_, text)| *text);
        let digest = short_digest(files.iter().flat_map(|(path, text)| [path.as_os_str().as_encoded_bytes(), text]));
        HooksSource { digest, wire_version: wire_version(&String::from_utf8_lossy(wire)), files }
    }

    /// Each file with its path below the crate's `src`.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&Path, &[u8])> {
        self.files.iter().map(|(path, text)| (path.strip_prefix("hooks/src").unwrap_or(path), *text))
    }

    /// The marker of a layer, which a binary carries.
    pub(crate) fn marker(&self, name: &str, version: &semver::Version) -> String {
        let (wire_version, crate_version) = (self.wire_version, version.to_string());
        let hooks_version = HooksSource::VERSION;
        Marker { wire_version, crate_name: name, crate_version: &crate_version, hooks_version }.to_string()
    }
}

fn collect(folder: &'static Dir<'static>, files: &mut Vec<(&'static Path, &'static [u8])>) {
    files.extend(folder.files().map(|file| (file.path(), file.contents())));
    for inner in folder.dirs() {
        collect(inner, files);
    }
}

/// The version is read from the text, since a layer names that of its own hooks.
fn wire_version(wire: &str) -> u32 {
    let line = wire.lines().find_map(|line| line.strip_prefix("pub const VERSION: u32 = "));
    line.and_then(|rest| rest.trim_end_matches(';').parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wire_version_is_read_from_its_line() {
        assert_eq!(wire_version("/// x\npub const VERSION: u32 = 7;\n"), 7);
        assert_eq!(wire_version(""), 0);
    }

    #[test]
    fn embedded_hooks_are_whole() {
        let hooks = HooksSource::embedded();
        assert!(hooks.files().any(|(path, _)| path == Path::new("lib.rs")), "templates/hooks/src/lib.rs is embedded");
        assert_ne!(hooks.wire_version, 0, "wire/mod.rs states its version");
    }
}
