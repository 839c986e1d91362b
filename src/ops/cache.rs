//! `otel-rs cache`: what is kept outside of projects.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::{Failure, Outcome};
use crate::project::cache::{FOLDERS, check, place};
use crate::project::files;
use crate::ui::{self, Explain};

/// What to do with the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Show it.
    Show,
    /// Empty it.
    Clear,
}

/// The options of `otel-rs cache`.
#[derive(Debug)]
pub(crate) struct Options {
    /// What to do with the cache.
    pub(crate) action: Action,
}

#[derive(Debug, thiserror::Error)]
#[error("cannot empty the cache")]
struct NotCleared(#[source] std::io::Error);

impl Explain for NotCleared {}

/// Shows or empties the cache. Links in it are not followed, and what is not otel-rs's stays.
pub(crate) fn run(options: Options) -> Outcome {
    let cache = place()?;
    if !cache.exists() && !cache.is_symlink() {
        ui::out(format_args!("{}: nothing is there yet", cache.display()));
        return Ok(0);
    }
    check(&cache)?;
    match options.action {
        Action::Show => show(&cache),
        Action::Clear => clear(&cache),
    }
}

fn show(cache: &Path) -> Outcome {
    let rows = FOLDERS.map(|name| {
        let entries = entries(&cache.join(name));
        let size: u64 = entries.iter().map(|path| size(path)).sum();
        vec![name.to_owned(), entries.len().to_string(), shown(size)]
    });
    ui::out(cache.display());
    ui::out(ui::table(&["KIND", "ENTRIES", "SIZE"], &rows));
    for folder in entries(&cache.join("projects")) {
        if let Some(root) = root(&folder) {
            ui::out(format_args!("project {}", root.display()));
        }
    }
    Ok(0)
}

/// Empties the cache, but for the settings of projects that still exist: no build can make these again.
fn clear(cache: &Path) -> Outcome {
    let mut kept = 0;
    let mut freed = 0;
    for name in FOLDERS {
        for path in all(&cache.join(name)) {
            if name == "projects" && root(&path).is_some_and(|root| root.exists()) {
                kept += 1;
                continue;
            }
            freed += size(&path);
            files::remove(&path).map_err(|error| Failure::from(NotCleared(error)))?;
        }
    }
    ui::out(format_args!("removed {} from {}", shown(freed), cache.display()));
    if kept > 0 {
        ui::out(format_args!(
            "kept the settings of {kept} projects (`otel-rs bootstrap -a remove` in a project removes them)"
        ));
    }
    Ok(0)
}

/// What is finished in a folder of the cache.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let hidden = |path: &PathBuf| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    all(folder).into_iter().filter(|path| path.is_dir() && !hidden(path)).collect()
}

/// Whatever is in a folder of the cache, in order; nothing where it is a link.
fn all(folder: &Path) -> Vec<PathBuf> {
    if check(folder).is_err() {
        return Vec::new();
    }
    let mut all: Vec<_> = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    all.sort();
    all
}

/// The root of the project that a folder is about.
fn root(folder: &Path) -> Option<PathBuf> {
    Some(PathBuf::from(OsString::from_vec(std::fs::read(folder.join("root")).ok()?)))
}

fn size(path: &Path) -> u64 {
    let files = WalkDir::new(path).into_iter().flatten().filter(|entry| entry.file_type().is_file());
    files.filter_map(|entry| entry.metadata().ok()).map(|found| found.len()).sum()
}

fn shown(bytes: u64) -> String {
    match bytes {
        0..=9_999 => format!("{bytes} B"),
        10_000..=9_999_999 => format!("{} kB", bytes / 1_000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}
