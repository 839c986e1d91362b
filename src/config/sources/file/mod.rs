//! OTEL_CONFIG_FILE: OpenTelemetry's declarative configuration, in YAML.
//!
//! A text becomes a tree with places (`tree`), references to variables replaced (`substitute`); a walk over the
//! tree (`walk`) by the schema makes a [`Config`] of it. The files beside this one are the schema, part by part: what
//! they read is supported, what they call unsupported is in the schema only, and every other key is reported as unknown.
//!
//! Two kinds of findings: what is *wrong* (no YAML, a wrong type, a number out of range, something required missing)
//! makes the file unusable, as in the specification. What is unknown or unsupported is a notice, and the rest is used.

mod exporters;
mod instrumentation;
mod limits;
mod metrics;
mod notice;
mod processors;
mod resource;
mod root;
mod sampler;
mod substitute;
mod tree;
mod walk;

use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::config::model::{Config, Exporter, Reader, SettingOrigin};
use crate::ui::Explain;
use notice::Notice;

/// Maximum length of a configuration file in bytes.
const LONGEST: u64 = 1 << 20;
/// How much of a long list is shown: more mistakes than a file by hand has.
const SHOWN: usize = 200;

/// A file that was understood.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) config: Config,
    /// What of it is not used, in the order of the file.
    pub(crate) notices: Vec<Notice>,
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    #[error("cannot read the configuration file `{}`", file.display())]
    Unreadable { file: PathBuf, source: std::io::Error },
    #[error("cannot use the configuration file `{}`:{}", file.display(), list(file, problems))]
    /// What is wrong with it, and what of it would not have been used.
    Wrong { file: PathBuf, problems: Vec<Notice> },
}

impl Explain for FileError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            FileError::Unreadable { .. } => "name a file that can be read, or set variables in its place".into(),
            FileError::Wrong { .. } => "correct the file: nothing is exported until then".into(),
        })
    }
}

/// What of a usable file is not used, as one message.
pub(crate) fn not_used(file: &Path, notices: &[Notice]) -> Option<String> {
    let message = || format!("not all of the configuration file `{}` is used:{}", file.display(), list(file, notices));
    (!notices.is_empty()).then(message)
}

/// One line for each, to which editors and terminals can jump.
fn list(file: &Path, notices: &[Notice]) -> String {
    let mut lines: String =
        notices.iter().take(SHOWN).map(|notice| format!("\n  {}:{notice}", file.display())).collect();
    if notices.len() > SHOWN {
        lines.push_str(&format!("\n  and {} more", notices.len() - SHOWN));
    }
    lines
}

/// Reads a configuration file. `env` serves the references in it.
pub(crate) fn load(path: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Loaded, FileError> {
    let text = read(path).map_err(|source| FileError::Unreadable { file: path.to_owned(), source })?;
    let mut loaded = understand(&text, env).map_err(|problems| FileError::Wrong { file: path.to_owned(), problems })?;
    name_file(&mut loaded.config, path);
    Ok(loaded)
}

fn read(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    let file = fs_err::File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(std::io::ErrorKind::IsADirectory.into());
    }
    if file.take(LONGEST + 1).read_to_string(&mut text)? as u64 > LONGEST {
        return Err(std::io::Error::other(format!("it is longer than {LONGEST} bytes")));
    }
    Ok(text)
}

/// Notes that all of a configuration is written in a file.
fn name_file(config: &mut Config, file: &Path) {
    let note = |exporter: &mut Exporter| {
        if let Some(otlp) = exporter.otlp_mut() {
            otlp.origin = SettingOrigin::in_file(file);
        }
    };
    let processors = config.traces.processors.iter_mut().chain(&mut config.logs.processors);
    processors.for_each(|processor| note(&mut processor.exporter));
    for reader in &mut config.metrics.readers {
        match reader {
            Reader::Periodic(periodic) => note(&mut periodic.exporter),
            Reader::Prometheus(page) => page.origin = SettingOrigin::in_file(file),
        }
    }
}

fn understand(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<Loaded, Vec<Notice>> {
    let tree = tree::parse(text, env)?;
    let findings = walk::Findings::default();
    let config = root::configuration(&findings.root(&tree), env);
    let (mut problems, mut notices) = findings.into_lists();
    notices.sort();
    match config {
        Some(config) if problems.is_empty() => Ok(Loaded { config, notices }),
        // A misspelt key is why a required one is missing.
        _ => {
            problems.append(&mut notices);
            problems.sort();
            Err(problems)
        }
    }
}

#[cfg(test)]
mod tests;
