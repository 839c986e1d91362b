//! The launcher with small programs that end, wait and misbehave.

mod attaching;
mod collector;
mod config;
mod ends;
mod finding;
mod inherited;
mod instructions;
mod kits;
mod limited;
mod logs;
mod observed;
mod panics;
mod programs;
mod recipes;
mod records;
mod resource;
mod run;
mod shortage;
mod signals;
mod streams;
mod terminal;
mod writing;

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// One of `tests/programs`, built on first use into our own target directory.
pub(crate) fn program(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = PathBuf::from(env!("CARGO_BIN_EXE_otel-rs")).parent().unwrap().to_owned();
        let profile = folder.file_name().unwrap().to_str().unwrap();
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--package", "otel-rs-test-programs", "--target-dir"]);
        build.arg(folder.parent().unwrap()).current_dir(env!("CARGO_MANIFEST_DIR"));
        build.args(["--profile", if profile == "debug" { "dev" } else { profile }]);
        assert!(build.status().unwrap().success(), "tests/programs must compile");
        folder
    });
    folder.join(name)
}

/// `otel-rs instrument -- NAME`, without exporters and without the settings of the tester's own environment.
pub(crate) fn launch(name: &str) -> Command {
    launch_file(program(name))
}

/// The same for any program.
pub(crate) fn launch_file(file: impl Into<PathBuf>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_otel-rs"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("OTEL_")) {
        command.env_remove(name);
    }
    for signal in ["TRACES", "METRICS", "LOGS"] {
        command.env(format!("OTEL_{signal}_EXPORTER"), "none");
    }
    command.env("OTEL_RS_HOST_METRICS", "none");
    command.args(["instrument", "--"]).arg(file.into());
    crate::support::with_default_signals(&mut command);
    command
}

/// A command that a shell becomes after `line`.
pub(crate) fn after(line: &str, command: &Command) -> Command {
    let mut shell = Command::new("/bin/bash");
    shell.args(["-c", &format!("{line}\nexec \"$@\""), "bash"]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    crate::support::with_default_signals(&mut shell);
    shell
}

/// Whether something can be done here.
pub(crate) fn can(program: &str, words: &[&str]) -> bool {
    Command::new(program).args(words).output().is_ok_and(|output| output.status.success())
}

/// A launcher whose program has printed its first line, `word pid`.
pub(crate) struct Launched {
    pub(crate) launcher: Child,
    pub(crate) app: Pid,
    pub(crate) lines: BufReader<ChildStdout>,
}

impl Launched {
    pub(crate) fn start(mut command: Command) -> Launched {
        Launched::of(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap())
    }

    pub(crate) fn of(mut launcher: Child) -> Launched {
        let mut lines = BufReader::new(launcher.stdout.take().unwrap());
        let mut first = String::new();
        lines.read_line(&mut first).unwrap();
        let pid = first.split_whitespace().nth(1).unwrap_or_else(|| panic!("`word pid` instead of {first:?}"));
        Launched { launcher, app: Pid::from_raw(pid.parse().unwrap()), lines }
    }

    pub(crate) fn send(&self, signal: Signal) {
        kill(Pid::from_raw(self.launcher.id() as i32), signal).unwrap();
    }

    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

impl Drop for Launched {
    fn drop(&mut self) {
        let _ = self.launcher.kill();
        let _ = self.launcher.wait();
    }
}

/// Waits until something is so.
pub(crate) fn until(what: &str, mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !so() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The letter for a process's state; `None` when it is gone.
pub(crate) fn state(pid: Pid) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.trim_start().chars().next()
}
