//! Taking back what bootstrap wrote, in whichever form, by this version or an earlier one.

use std::io;
use std::path::{Path, PathBuf};

use super::write::{WriteError, check_writable, is_hidden_by_us, without_excluded};
use crate::ops::Outcome;
use crate::project::manifest::{Created, Manifest};
use crate::project::{ProjectDirs, cargo_config, files, git};
use crate::ui;

/// What this version and earlier ones write into the folder of the shared form.
const OURS: [&str; 9] =
    [".gitignore", ".gitattributes", "manifest.toml", "rustc", "rustdoc", "layers", "hooks", "stamps", "local"];

/// Restores every file.
pub(super) fn run(dirs: &ProjectDirs) -> Outcome {
    let config_path = cargo_config::path(dirs.root());
    let before = cargo_config::read(&config_path)?;
    let restored = before.as_deref().map(|text| cargo_config::remove(&config_path, text)).transpose()?;
    let shared = dirs.shared_folder();
    let hidden = config_path.with_file_name(".gitignore");
    let is_hidden = is_hidden_by_us(&hidden);
    let in_project = restored != before || is_hidden || OURS.iter().any(|name| shared.join(name).exists());
    if !in_project && !dirs.folder().exists() {
        ui::out("nothing of otel-rs is in this project");
        return Ok(0);
    }
    // A manifest that cannot be parsed does not prevent the removal.
    let created = Manifest::read(dirs).ok().flatten().unwrap_or_default().created;
    if in_project {
        check_writable(dirs)?;
        let is_new = created != Created::None || is_hidden;
        if is_hidden {
            files::remove(&hidden).map_err(WriteError::NotWritten)?;
        }
        if let Some(text) = restored {
            if text.is_empty() && is_new {
                files::remove(&config_path).map_err(WriteError::NotWritten)?;
                if let Some(folder) = config_path.parent().filter(|_| created != Created::ConfigFile) {
                    // The folder stays if something else is in it by now.
                    let _ = std::fs::remove_dir(folder);
                }
            } else {
                files::write_if_changed(&config_path, text.as_bytes()).map_err(WriteError::NotWritten)?;
            }
        }
        if let Some((path, pattern)) = git::exclude(dirs.root(), ".cargo/config.toml") {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            files::write_if_changed(&path, without_excluded(&text, &pattern).as_bytes())
                .map_err(WriteError::NotWritten)?;
        }
        remove_shared(&shared).map_err(WriteError::NotWritten)?;
    }
    if dirs.folder().is_dir() && !dirs.folder().is_symlink() {
        files::remove(dirs.folder()).map_err(WriteError::NotWritten)?;
    }
    match std::fs::read_dir(&shared) {
        Ok(_) => ui::out(format_args!("removed; what is left in `{}` does not belong to otel-rs", shared.display())),
        Err(_) => ui::out("removed; the project is as it was"),
    }
    Ok(0)
}

/// Removes what is ours, and the folder when nothing else is in it.
fn remove_shared(folder: &Path) -> io::Result<()> {
    for name in OURS {
        files::remove(&folder.join(name))?;
    }
    let _ = std::fs::remove_dir(folder);
    Ok(())
}

/// The nearest folder with something of ours, for a project that cargo cannot read.
pub(super) fn root_of(path: &Path) -> Option<PathBuf> {
    let has_ours = |root: &&Path| {
        let config = cargo_config::path(root);
        let text = cargo_config::read(&config).ok().flatten().unwrap_or_default();
        cargo_config::remove(&config, &text).is_ok_and(|restored| restored != text)
    };
    path.ancestors().find(has_ours).map(Path::to_owned)
}
