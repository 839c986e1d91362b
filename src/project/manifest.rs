//! `manifest.toml`: what a project decided. In the user's cache, or committed with the project in its shared form.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::ProjectDirs;
use crate::ui::Explain;

/// The file's content.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Manifest {
    /// The otel-rs that wrote it.
    pub(crate) version: String,
    /// The only crates to weave; empty means all.
    pub(crate) only: Vec<String>,
    /// Crates not to weave.
    pub(crate) exclude: Vec<String>,
    /// Patterns of the user's own functions that become spans.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) spans: Vec<String>,
    /// Whether threads that the user's own crates start carry contexts.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) threads: bool,
    /// The compiler wrapper that the project used before; it runs inside ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) chain: Option<String>,
    /// The rustdoc that the project used before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) chain_rustdoc: Option<String>,
    /// Whether cargo could not read the project with the local form.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) refused: bool,
    /// What of cargo's configuration was not there before.
    #[serde(skip_serializing_if = "Created::is_none")]
    pub(crate) created: Created,
}

/// What bootstrap created, to be removed again when nothing of the user's is in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Created {
    /// Nothing: the file was there.
    #[default]
    None,
    /// `.cargo/config.toml`.
    ConfigFile,
    /// `.cargo` with it.
    ConfigFolder,
}

impl Created {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_none(&self) -> bool {
        *self == Created::None
    }
}

/// Why the manifest could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ManifestError {
    /// It is there but could not be read.
    #[error("cannot read the manifest of otel-rs")]
    Unreadable(#[source] std::io::Error),
    /// It is not what otel-rs writes.
    #[error("cannot understand `{}`: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Line, expected, found.
        reason: String,
    },
}

impl Explain for ManifestError {
    fn hint(&self) -> Option<String> {
        match self {
            ManifestError::Unreadable(_) => None,
            ManifestError::Malformed { .. } => {
                Some("restore the file, or delete it and run `otel-rs bootstrap`".to_owned())
            }
        }
    }
}

impl Manifest {
    /// Where it is.
    pub(crate) fn path(dirs: &ProjectDirs) -> PathBuf {
        let folder = if dirs.is_shared() { dirs.shared_folder() } else { dirs.folder().to_owned() };
        folder.join("manifest.toml")
    }

    /// Reads it; `None` when the project has none.
    pub(crate) fn read(dirs: &ProjectDirs) -> Result<Option<Manifest>, ManifestError> {
        let path = Manifest::path(dirs);
        match fs_err::read_to_string(&path) {
            Ok(text) => toml::from_str(&text)
                .map(Some)
                .map_err(|error| ManifestError::Malformed { path, reason: error.to_string().trim_end().to_owned() }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(ManifestError::Unreadable(error)),
        }
    }

    /// The text to write.
    pub(crate) fn text(&self, dirs: &ProjectDirs) -> String {
        let body = toml::to_string(self).unwrap_or_default();
        let commit = if dirs.is_shared() { " Commit it;" } else { "" };
        format!("# Written by `otel-rs bootstrap`.{commit} `otel-rs bootstrap --action remove` undoes it.\n{body}")
    }

    /// Whether something in the user's own crates is woven.
    pub(crate) fn weaves_own(&self) -> bool {
        self.threads || !self.spans.is_empty()
    }

    /// Whether the user's choice lets a crate be woven.
    pub(crate) fn chooses(&self, name: &str) -> bool {
        (self.only.is_empty() || self.only.iter().any(|only| only == name))
            && !self.exclude.iter().any(|exclude| exclude == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_manifest_can_be_read() {
        let dir = tempfile::tempdir().unwrap();
        let dirs = ProjectDirs::in_cache(dir.path(), dir.path());
        assert_eq!(Manifest::read(&dirs).unwrap(), None);
        let manifest = Manifest {
            version: "0.1.0".into(),
            only: vec!["toy".into()],
            spans: vec!["shop::checkout::*".into()],
            chain: Some("sccache".into()),
            created: Created::ConfigFolder,
            ..Manifest::default()
        };
        super::super::files::write_if_changed(&Manifest::path(&dirs), manifest.text(&dirs).as_bytes()).unwrap();
        assert_eq!(Manifest::read(&dirs).unwrap(), Some(manifest));
    }

    #[test]
    fn exclude_outranks_only() {
        let manifest = Manifest { only: vec!["a".into()], exclude: vec!["a".into()], ..Manifest::default() };
        assert!(!manifest.chooses("a") && !manifest.chooses("b") && Manifest::default().chooses("b"));
    }
}
