//! `otel-rs bootstrap`: prepares a project, so that plain cargo builds it with layers.

mod plan;
mod remove;
mod shims;
mod spans;
mod write;

use std::path::{Path, PathBuf};

use crate::ops::{Failure, Format, Outcome};
use crate::project::{ProjectDirs, git, workspace_root};
use crate::ui;
use crate::ui::plural::counted;
use plan::{BootstrapPlan, CrateRow, CrateState, Form};
pub(crate) use shims::write_in_cache;
use spans::SpanRow;

/// What to do with a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Write layers, hooks and configuration.
    Install,
    /// Show what would be woven, write nothing.
    Requirements,
    /// Restore every file.
    Remove,
    /// Compare what is written with what would be written.
    Check,
}

/// The options of `otel-rs bootstrap`.
#[derive(Debug)]
pub(crate) struct Options {
    /// A folder in the project.
    pub(crate) path: PathBuf,
    /// What to do.
    pub(crate) action: Action,
    /// The only crates to weave, if given.
    pub(crate) only: Option<Vec<String>>,
    /// Crates not to weave, if given.
    pub(crate) exclude: Option<Vec<String>>,
    /// Patterns of the user's own functions that become spans, if given.
    pub(crate) spans: Option<Vec<String>>,
    /// Whether threads that the user's own crates start carry contexts, if given.
    pub(crate) threads: Option<bool>,
    /// Whether to write what is to be committed with the project.
    pub(crate) shared: bool,
    /// The form of the result.
    pub(crate) format: Format,
}

/// Prepares the project that `path` lies in.
pub(crate) fn run(options: Options) -> Outcome {
    let path = std::path::absolute(&options.path).unwrap_or_else(|_| options.path.clone());
    if options.action == Action::Remove {
        let root = workspace_root(&path).or_else(|error| remove::root_of(&path).ok_or(error)).map_err(usage)?;
        return remove::run(&ProjectDirs::of(&root)?);
    }
    let root = workspace_root(&path).map_err(usage)?;
    let mut plan = BootstrapPlan::make(&ProjectDirs::of(&root)?, &options)?;
    if options.action == Action::Check {
        return write::check(&plan);
    }
    plan.lost_spans.iter().for_each(|lost| ui::warning_of(&*lost.error));
    if options.action == Action::Install && !plan.is_empty() {
        write::install(&mut plan)?;
    }
    match options.format {
        Format::Table => print_table(&plan, options.action),
        Format::Json => ui::out(json(&plan)),
    }
    if options.action == Action::Install && !plan.is_empty() {
        match &plan.form {
            Form::Apart(reason) => {
                let hint = "build with `otel-rs cargo build --release`, or let `otel-rs bootstrap --shared` write what can \
                            be committed";
                ui::warning(format_args!("`cargo build` stays plain: {reason}"), &[], Some(hint));
            }
            Form::Shared(edit) => {
                warn_of_ignored(&plan, &edit.path);
                warn_of_environment();
            }
            Form::Local(_) => warn_of_environment(),
        }
    }
    Ok(0)
}

fn usage<E: ui::Explain + 'static>(error: E) -> Failure {
    Failure { status: 2, ..Failure::from(error) }
}

fn print_table(plan: &BootstrapPlan, action: Action) {
    if plan.rows.is_empty() && plan.spans.is_empty() && plan.threads.is_none() {
        ui::out("nothing in this project's Cargo.lock can be instrumented (`otel-rs list` shows what can)");
        print_coverage(plan);
        return;
    }
    if !plan.rows.is_empty() {
        let rows: Vec<Vec<String>> = plan.rows.iter().map(row_cells).collect();
        ui::out(ui::table(&["CRATE", "VERSION", "STATE", "EMITS"], &rows));
    }
    if !plan.spans.is_empty() {
        let separator = if plan.rows.is_empty() { "" } else { "\n" };
        let rows: Vec<Vec<String>> = plan.spans.iter().map(span_cells).collect();
        ui::out(format_args!("{separator}{}", ui::table(&["SPANS OF", "FUNCTIONS", "LEFT AS THEY ARE"], &rows)));
    }
    if let Some(calls) = plan.threads {
        let calls = counted(calls as u64, "call", "calls");
        ui::out(format_args!("\nthreads: {calls} of `std::thread` in your own crates carry the context of the caller"));
    }
    print_coverage(plan);
    if !plan.overlaps.is_empty() {
        let notes: Vec<_> = plan
            .overlaps
            .iter()
            .map(|overlap| format!("  {} {}: {}", overlap.name, overlap.version, overlap.note))
            .collect();
        ui::out(format_args!("\nthe program is instrumented already:\n{}", notes.join("\n")));
    }
    if action == Action::Install {
        let program = plan.programs.first().map_or("PROGRAM", String::as_str);
        let cargo = if matches!(plan.form, Form::Apart(_)) { "otel-rs cargo" } else { "cargo" };
        ui::out(format_args!(
            "\nnext:\n  {cargo} build --release\n  OTEL_SERVICE_NAME={program} otel-rs instrument -- ./target/release/{program}"
        ));
    }
}

fn print_coverage(plan: &BootstrapPlan) {
    let lines = plan.coverage.lines();
    if !lines.is_empty() {
        ui::out(format_args!("\n{}", lines.join("\n")));
    }
}

fn row_cells(row: &CrateRow) -> Vec<String> {
    let emits = if row.is_woven() { shortened(&row.emits) } else { String::new() };
    vec![row.name.clone(), row.version.to_string(), row.state.to_string(), emits]
}

fn span_cells(row: &SpanRow) -> Vec<String> {
    let left: Vec<String> = row.left.iter().map(|(path, reason)| format!("{path} ({reason})")).collect();
    vec![row.pattern.clone(), row.functions.len().to_string(), shortened(&left)]
}

/// As many entries as fit on a terminal's line; `--format json` and `otel-rs list` show them all.
fn shortened(emits: &[String]) -> String {
    const ROOM: usize = 80;
    let mut text = String::new();
    for (index, emit) in emits.iter().enumerate() {
        if index > 0 && text.len() + emit.len() > ROOM {
            return format!("{text}, and {} more", emits.len() - index);
        }
        if index > 0 {
            text.push_str(", ");
        }
        text.push_str(emit);
    }
    text
}

fn json(plan: &BootstrapPlan) -> String {
    let crates: Vec<serde_json::Value> = plan
        .rows
        .iter()
        .map(|row| {
            let mut value = serde_json::json!({
                "crate": row.name,
                "version": row.version,
                "state": match row.state {
                    CrateState::Woven => "woven",
                    CrateState::Plain(_) => "plain",
                    CrateState::Unused(_) => "unused",
                },
                "emits": row.emits,
            });
            match &row.state {
                CrateState::Woven => {}
                CrateState::Plain(reason) | CrateState::Unused(reason) => value["reason"] = reason.to_string().into(),
            }
            value
        })
        .collect();
    let form = match &plan.form {
        Form::Local(_) => "local",
        Form::Apart(_) => "apart",
        Form::Shared(_) => "shared",
    };
    let spans = plan.spans.iter().map(|row| {
        let left =
            row.left.iter().map(|(path, reason)| serde_json::json!({ "function": path, "reason": reason.to_string() }));
        let left: Vec<_> = left.collect();
        serde_json::json!({ "pattern": row.pattern, "functions": row.functions, "left": left })
    });
    let spans: Vec<_> = spans.collect();
    let overlaps: Vec<serde_json::Value> = plan
        .overlaps
        .iter()
        .map(|overlap| serde_json::json!({ "crate": overlap.name, "version": overlap.version, "note": overlap.note }))
        .collect();
    serde_json::json!({
        "root": plan.dirs.root(),
        "form": form,
        "crates": crates,
        "covered": plan.coverage.covered(),
        "not-covered": plan.coverage.missing(),
        "overlaps": overlaps,
        "spans": spans,
        "threads": plan.threads,
        "programs": plan.programs,
    })
    .to_string()
}

/// What is to be committed, and git ignores.
fn warn_of_ignored(plan: &BootstrapPlan, config: &Path) {
    let (root, folder) = (plan.dirs.root(), plan.dirs.shared_folder());
    for path in [config, &folder].into_iter().filter(|path| git::ignores(root, path)) {
        let shown = path.strip_prefix(root).unwrap_or(path).display();
        let hint = format!("take it out of `.gitignore`, or commit it by `git add --force {shown}`");
        ui::warning(
            format_args!("git ignores `{shown}`, without which others build this project plain"),
            &[],
            Some(&hint),
        );
    }
}

/// A wrapper in the environment outranks the project's configuration, and cargo does not warn of it.
fn warn_of_environment() {
    for name in ["RUSTC_WRAPPER", "CARGO_BUILD_RUSTC_WRAPPER"] {
        let Some(value) = std::env::var_os(name) else { continue };
        let value = value.to_string_lossy().into_owned();
        // Cargo's own variable for a setting ranks above the file as well; empty, both turn wrapping off.
        let hint = if value.is_empty() {
            format!("unset `{name}` where you build")
        } else {
            format!(
                "build with `otel-rs cargo`, or unset `{name}` where you build and set `OTEL_RS_RUSTC_WRAPPER={value}`, \
                 which otel-rs runs inside itself"
            )
        };
        ui::warning(
            format_args!("cargo will not weave: `{name}={value}` outranks the project's wrapper"),
            &[],
            Some(&hint),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_are_cut_between_entries() {
        let emits: Vec<String> = (0..20).map(|n| format!("metric number {n}")).collect();
        let text = shortened(&emits);
        assert!(text.starts_with("metric number 0, metric number 1") && text.ends_with(" more"), "{text}");
        assert_eq!(shortened(&emits[..2]), "metric number 0, metric number 1");
    }
}
