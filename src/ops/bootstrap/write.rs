//! Carrying out a plan of bootstrap, and comparing it with what is written.

use std::io;
use std::path::{Path, PathBuf};

use super::plan::{ApartReason, BootstrapPlan, ConfigEdit, CrateState, Form, PlannedLayer, Reason};
use super::shims::{self, OutputFile};
use crate::layers::{LayerError, Original, refresh_stamps};
use crate::ops::{Failure, Outcome};
use crate::project::manifest::{Created, Manifest};
use crate::project::{ProjectDirs, answers, cargo_config, files, git};
use crate::ui::{self, Explain};

const IGNORED: &str = "# Written by `otel-rs bootstrap`: what earlier versions made on each machine.\n/layers/\n/hooks/\n/stamps/\n/local/\n";
const ATTRIBUTES: &str = "# Written by `otel-rs bootstrap`: a shell reads these files.\n* text eol=lf\n";
/// A list that names itself, which git then does not show either.
const HIDDEN: &str =
    "# Written by `otel-rs bootstrap`, which made `config.toml`: git shows neither.\n/.gitignore\n/config.toml\n";
const EXCLUDED: &str = "# added by otel-rs:";

#[derive(Debug, thiserror::Error)]
pub(super) enum WriteError {
    #[error("cannot change this project")]
    NotWritten(#[source] io::Error),
    #[error("cannot write into this project: expected no link, found one at `{}`", .0.display())]
    Link(PathBuf),
    #[error("cargo cannot read this project with what bootstrap wrote, so it was taken back: {0}")]
    Refused(String),
}

use WriteError::NotWritten;

impl Explain for WriteError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            NotWritten(_) => {
                "make the project writable, or build with `otel-rs cargo build`, which writes nothing into it; nothing was \
                 changed that `otel-rs bootstrap -a remove` does not restore"
            }
            WriteError::Link(_) => {
                "remove the link, or build with `otel-rs cargo build`, which writes nothing into the project"
            }
            WriteError::Refused(_) => {
                "build with `otel-rs cargo build`; or run `otel-rs bootstrap`, which writes nothing to commit; or name what \
                 it wrote in `exclude` of `[workspace]`"
            }
        };
        Some(hint.to_owned())
    }
}

/// Refuses what cannot be written to, before anything is: the project and the cache, whose folders are made.
pub(super) fn prepare(dirs: &ProjectDirs) -> Result<(), Failure> {
    check_writable(dirs)?;
    Ok(dirs.ready()?)
}

/// Refuses links before anything is written: they may lead out of the project, and a clone brings them along.
pub(super) fn check_writable(dirs: &ProjectDirs) -> Result<(), WriteError> {
    let config = cargo_config::path(dirs.root());
    let cargo = config.parent().unwrap_or(dirs.root());
    let is_link = |path: &&Path| path.is_symlink();
    if let Some(link) = [cargo, &config, &cargo.join(".gitignore")].into_iter().find(is_link) {
        return Err(WriteError::Link(link.to_owned()));
    }
    if let Some(link) = files::link_in(&dirs.shared_folder()) {
        return Err(WriteError::Link(link));
    }
    files::check_writable(cargo).map_err(NotWritten)?;
    if dirs.is_shared() { files::check_writable(&dirs.shared_folder()).map_err(NotWritten) } else { Ok(()) }
}

/// Writes what is not there yet, into the cache and then into the project. Where cargo cannot read the project with it, the
/// project's files are restored, the cache keeps what was written there, and the plan becomes to leave the project alone.
pub(super) fn install(plan: &mut BootstrapPlan) -> Result<(), Failure> {
    write_layers(plan);
    let dirs = &plan.dirs;
    shims::write_in_cache(dirs)?;
    if !dirs.is_shared() {
        manifest(plan).write().map_err(NotWritten)?;
    }
    refresh_stamps(dirs, &plan.context, &plan.locked).map_err(NotWritten)?;
    let files = in_project(plan);
    let obsolete = obsolete(plan);
    if files.iter().all(is_written) && obsolete.is_empty() {
        return Ok(());
    }
    let before = answers(dirs.root());
    let undo = Undo::of(files.iter().map(|file| &file.path).chain(&obsolete));
    let result = files
        .iter()
        .try_for_each(OutputFile::write)
        .and_then(|()| obsolete.iter().try_for_each(|path| files::remove(path)));
    if let Err(error) = result {
        undo.run();
        return Err(NotWritten(error).into());
    }
    let cannot_run = files.iter().find(|file| file.executable).and_then(|shim| shims::check_runs(&shim.path).err());
    if let Some(error) = cannot_run {
        undo.run();
        return Err(error.into());
    }
    let mut after = before.into_iter().zip(answers(dirs.root()));
    let failed = after.find_map(|(before, after)| if before.is_ok() { after.err() } else { None });
    let Some(message) = failed else { return Ok(()) };
    undo.run();
    if plan.dirs.is_shared() {
        return Err(WriteError::Refused(message).into());
    }
    let first = message.split("; ").next().unwrap_or_default().to_owned();
    plan.form = Form::Apart(ApartReason::Refused(first));
    (plan.context.manifest.created, plan.context.manifest.refused) = (Created::None, true);
    Ok(manifest(plan).write().map_err(NotWritten)?)
}

/// Writes the layers that the cache does not hold. A crate whose layer cannot be written stays plain.
fn write_layers(plan: &mut BootstrapPlan) {
    let dirs = &plan.dirs;
    for row in &mut plan.rows {
        let Some(PlannedLayer { package, location, woven: Some(layer) }) = &row.layer else { continue };
        let original = Original { name: &row.name, version: &row.version, folder: package };
        if let Err(error) = layer.write(dirs, original, location) {
            row.state = CrateState::Plain(Reason::NotWoven(LayerError::from(error)));
            row.layer = None;
        }
    }
}

/// What was there before, to be put back.
struct Undo {
    files: Vec<(PathBuf, Option<Vec<u8>>)>,
    folders: Vec<PathBuf>,
}

impl Undo {
    fn of<'a>(paths: impl Iterator<Item = &'a PathBuf>) -> Undo {
        let mut undo = Undo { files: Vec::new(), folders: Vec::new() };
        for path in paths {
            undo.files.push((path.clone(), std::fs::read(path).ok()));
            if let Some(folder) = path.parent().filter(|folder| !folder.exists()) {
                undo.folders.push(folder.to_owned());
            }
        }
        undo
    }

    /// A file that cannot be put back now is restored by `remove` later.
    fn run(&self) {
        for (path, content) in &self.files {
            let _ = match content {
                Some(content) => files::write_if_changed(path, content).map(drop),
                None => files::remove(path),
            };
        }
        for folder in &self.folders {
            let _ = std::fs::remove_dir(folder);
        }
    }
}

fn manifest(plan: &BootstrapPlan) -> OutputFile {
    OutputFile::new(Manifest::path(&plan.dirs), plan.context.manifest.text(&plan.dirs))
}

/// The files in the project, the configuration last: without the others it would be wrong.
fn in_project(plan: &BootstrapPlan) -> Vec<OutputFile> {
    let dirs = &plan.dirs;
    let (mut files, edit) = match &plan.form {
        Form::Apart(_) => return Vec::new(),
        Form::Local(edit) => (hidden(plan, edit).into_iter().collect(), edit),
        Form::Shared(edit) => {
            let path = |name| dirs.shared_folder().join(name);
            let mut files = vec![
                OutputFile::new(path(".gitignore"), IGNORED),
                OutputFile::new(path(".gitattributes"), ATTRIBUTES),
                manifest(plan),
            ];
            files.extend(shims::shared(dirs, &plan.context.manifest));
            (files, edit)
        }
    };
    files.push(OutputFile::new(edit.path.clone(), edit.text.clone()));
    files
}

/// The file that keeps git from showing a configuration file that bootstrap made.
fn hidden(plan: &BootstrapPlan, edit: &ConfigEdit) -> Option<OutputFile> {
    if plan.context.manifest.created == Created::None {
        return None;
    }
    let path = edit.path.with_file_name(".gitignore");
    match std::fs::read_to_string(&path) {
        Ok(text) if text != HIDDEN => {
            // The folder has a `.gitignore` of the user's, so the repository's list for this machine is used.
            let (path, pattern) = git::exclude(plan.dirs.root(), ".cargo/config.toml")?;
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let line_end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
            let ours = excluded(&pattern);
            let text = if text.contains(&ours) { text } else { format!("{text}{line_end}{ours}") };
            Some(OutputFile::new(path, text))
        }
        _ => Some(OutputFile::new(path, HIDDEN)),
    }
}

/// A pattern of git's, and a line that names who wrote it.
fn excluded(pattern: &str) -> String {
    format!("{EXCLUDED}\n{pattern}\n")
}

/// A repository's list of what git does not show, without what bootstrap put there.
pub(super) fn without_excluded(text: &str, pattern: &str) -> String {
    text.replace(&excluded(pattern), "")
}

/// What of the local form is in the way of the shared one: its configuration is to be committed.
fn obsolete(plan: &BootstrapPlan) -> Vec<PathBuf> {
    let Form::Shared(edit) = &plan.form else { return Vec::new() };
    let ours = edit.path.with_file_name(".gitignore");
    if is_hidden_by_us(&ours) { vec![ours] } else { Vec::new() }
}

pub(super) fn is_hidden_by_us(path: &Path) -> bool {
    std::fs::read_to_string(path).is_ok_and(|text| text == HIDDEN)
}

fn is_written(file: &OutputFile) -> bool {
    use std::os::unix::fs::PermissionsExt;
    let runs = || std::fs::metadata(&file.path).is_ok_and(|found| found.permissions().mode() & 0o111 == 0o111);
    std::fs::read(&file.path).is_ok_and(|found| found == file.content) && (!file.executable || runs())
}

/// Prints each difference between what is written and what would be; the status is 1 where there is one. In the shared
/// form, what is in the cache belongs to a machine, and is written when it is needed.
pub(super) fn check(plan: &BootstrapPlan) -> Outcome {
    if plan.is_empty() {
        return Ok(0);
    }
    let mut differences = Vec::new();
    let mut files = in_project(plan);
    if !plan.dirs.is_shared() {
        files.extend(shims::in_cache(&plan.dirs)?);
        files.push(manifest(plan));
    }
    for file in files {
        match std::fs::read(&file.path) {
            Ok(found) if found == file.content => {}
            Ok(_) => differences.push(format!("{} differs", shown(plan, &file.path))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                differences.push(format!("{} is missing", shown(plan, &file.path)));
            }
            Err(error) => return Err(NotWritten(error).into()),
        }
    }
    for layer in plan.rows.iter().filter_map(|row| row.layer.as_ref()) {
        let folder = &layer.location.folder;
        let there = folder.exists();
        if layer.woven.is_some() && (there || !plan.dirs.is_shared()) {
            let state = if there { "is not what was written" } else { "is missing" };
            differences.push(format!("{} {state}", shown(plan, folder)));
        }
    }
    differences.extend(plan.lost_spans.iter().map(|lost| lost.error.to_string()));
    for difference in &differences {
        ui::out(difference);
    }
    Ok(i32::from(!differences.is_empty()))
}

fn shown(plan: &BootstrapPlan, path: &Path) -> String {
    path.strip_prefix(plan.dirs.root()).unwrap_or(path).display().to_string()
}
