//! Telemetry that the launcher collects itself: of processes, the machine, and the run as a whole.

mod metrics;
mod system;

use std::process::Command;

use crate::launcher::{launch_file, program};
use crate::support::Otlp;

/// A file under the launcher, exporting everything to `otlp` and measuring processes.
fn measured(file: impl Into<std::path::PathBuf>, otlp: &Otlp) -> Command {
    let mut command = launch_file(file);
    for signal in ["TRACES", "METRICS"] {
        command.env(format!("OTEL_{signal}_EXPORTER"), "otlp");
    }
    command.env("OTEL_RS_HOST_METRICS", "process").env("OTEL_METRIC_EXPORT_INTERVAL", "100");
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", otlp.url());
    command
}

/// A shell with a script in which `uses_up` is the program of that name.
fn script(text: &str, otlp: &Otlp) -> Command {
    let mut command = measured("/bin/sh", otlp);
    command.args(["-c", &text.replace("uses_up", program("uses_up").to_str().unwrap())]);
    command
}

/// The same where `/proc` shows nothing; `None`, with a printed reason, where that cannot be tested.
fn without_proc(command: &Command) -> Option<Command> {
    let within = |words: &[&std::ffi::OsStr]| {
        let mut shell = Command::new("unshare");
        shell.args(["-rm", "sh", "-c", "mount -t tmpfs none /proc && exec \"$@\"", "sh"]).args(words);
        shell
    };
    if !within(&["true".as_ref()]).output().is_ok_and(|output| output.status.success()) {
        crate::support::skip("no right to make a mount namespace");
        return None;
    }
    let words: Vec<_> = std::iter::once(command.get_program()).chain(command.get_args()).collect();
    let mut shell = within(&words);
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    Some(shell)
}
