//! Writing what was planned, checking it, and taking it back.

use std::io;
use std::path::{Path, PathBuf};

use super::Plan;
use crate::layers::{Layer, refresh_stamps};
use crate::ops::{Failure, Outcome};
use crate::project::manifest::{Created, Manifest};
use crate::project::{Home, cargo_config, files};
use crate::ui::{self, Explain};

const IGNORED: &str =
    "# Written by `otel-rs bootstrap`: what each machine makes for itself.\n/layers/\n/hooks/\n/stamps/\n/local/\n";
const RUSTC: &str = include_str!("../../../templates/shims/rustc");
const RUSTDOC: &str = include_str!("../../../templates/shims/rustdoc");

#[derive(Debug, thiserror::Error)]
#[error("cannot change this project")]
pub(super) struct NotWritten(#[source] io::Error);

impl Explain for NotWritten {
    fn hint(&self) -> Option<String> {
        Some(
            "make the project writable; nothing of it was changed that `otel-rs bootstrap -a remove` does not restore"
                .to_owned(),
        )
    }
}

/// What a file of ours is for: some can be executed.
struct Written {
    path: PathBuf,
    text: String,
    executable: bool,
}

/// The files that are committed with the project, the configuration last: without the others it would be wrong.
fn committed(plan: &Plan) -> Vec<Written> {
    let file = |name: &str, text: &str, executable| Written {
        path: plan.home.path().join(name),
        text: text.to_owned(),
        executable,
    };
    vec![
        file(".gitignore", IGNORED, false),
        file("manifest.toml", &plan.knowledge.manifest.text(), false),
        file("rustc", RUSTC, true),
        file("rustdoc", RUSTDOC, true),
        Written { path: plan.config_path.clone(), text: plan.config.text.clone(), executable: false },
    ]
}

/// Fails before anything is written.
pub(super) fn check_writable(home: &Home, config_path: &Path) -> Result<(), NotWritten> {
    for folder in [home.path(), config_path.parent().unwrap_or(home.root())] {
        files::check_writable(folder).map_err(NotWritten)?;
    }
    Ok(())
}

/// Writes all that is not there yet.
pub(super) fn install(plan: &Plan) -> Result<(), Failure> {
    let tool = std::env::current_exe().map_err(NotWritten)?;
    let local = plan.home.local();
    files::write_if_changed(&local.join("tool"), format!("{}\n", tool.display()).as_bytes()).map_err(NotWritten)?;
    match &plan.machine_wrapper {
        Some(wrapper) => files::write_if_changed(&local.join("chain"), wrapper.as_bytes()).map(drop),
        None => files::remove(&local.join("chain")),
    }
    .map_err(NotWritten)?;
    refresh_stamps(&plan.home, &plan.knowledge).map_err(NotWritten)?;
    prune(plan);
    for file in committed(plan) {
        let write = if file.executable { files::write_executable_if_changed } else { files::write_if_changed };
        write(&file.path, file.text.as_bytes()).map_err(NotWritten)?;
    }
    Ok(())
}

/// Removes what only former versions of crates, or of otel-rs, needed. What is missed is made again.
fn prune(plan: &Plan) {
    let layers: Vec<&PathBuf> =
        plan.rows.iter().filter_map(|row| row.layer.as_ref().map(|(folder, _)| folder)).collect();
    let hooks = plan.home.hooks().join(&plan.knowledge.hooks.digest);
    for folder in [plan.home.layers(), plan.home.hooks()] {
        for entry in fs_err::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path != hooks && !layers.contains(&&path) {
                let _ = files::remove(&path);
            }
        }
    }
}

/// Tells each difference between what is written and what would be; the status says whether there is one. Layers that
/// are not there are none: they belong to a machine, and are written when they are compiled.
pub(super) fn check(plan: &Plan) -> Outcome {
    let mut differences = Vec::new();
    if plan.rows.is_empty() {
        return Ok(0);
    }
    for file in committed(plan) {
        match fs_err::read_to_string(&file.path) {
            Ok(found) if found == file.text => {}
            Ok(_) => differences.push(format!("{} differs", shown(plan, &file.path))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                differences.push(format!("{} is missing", shown(plan, &file.path)));
            }
            Err(error) => return Err(NotWritten(error).into()),
        }
    }
    for (folder, digest) in plan.rows.iter().filter_map(|row| row.layer.as_ref()) {
        if Layer::is_current(folder, digest) == Some(false) {
            differences.push(format!("{} is out of date", shown(plan, folder)));
        }
    }
    for difference in &differences {
        ui::out(difference);
    }
    Ok(i32::from(!differences.is_empty()))
}

fn shown(plan: &Plan, path: &Path) -> String {
    path.strip_prefix(plan.home.root()).unwrap_or(path).display().to_string()
}

/// Restores every file.
pub(super) fn remove(home: &Home) -> Outcome {
    let config_path = cargo_config::path(home.root());
    let before = cargo_config::read(&config_path)?;
    let restored = before.as_deref().map(|text| cargo_config::remove(&config_path, text)).transpose()?;
    if !home.path().exists() && restored == before {
        ui::out("nothing of otel-rs is in this project");
        return Ok(0);
    }
    let created = Manifest::read(home)?.unwrap_or_default().created;
    check_writable(home, &config_path)?;
    if let Some(text) = restored {
        if text.is_empty() && created != Created::None {
            files::remove(&config_path).map_err(NotWritten)?;
            if let Some(folder) = config_path.parent().filter(|_| created == Created::ConfigFolder) {
                // Not when something else is in it by now.
                let _ = fs_err::remove_dir(folder);
            }
        } else {
            files::write_if_changed(&config_path, text.as_bytes()).map_err(NotWritten)?;
        }
    }
    files::remove(home.path()).map_err(NotWritten)?;
    ui::out("removed; the project is as it was");
    Ok(0)
}
