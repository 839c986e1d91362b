//! The child's end becomes the launcher's.

use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use nix::libc;
use nix::sys::signal::{Signal, kill};

use super::{Launched, launch, program};

#[test]
fn an_exit_status_passes_through() {
    for status in [0, 1, 7, 125, 126, 127, 130, 255] {
        assert_eq!(launch("exits_with").arg(status.to_string()).status().unwrap().code(), Some(status));
    }
}

#[test]
fn a_death_by_signal_is_imitated() {
    let signals =
        [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGKILL, libc::SIGUSR1, libc::SIGALRM, libc::SIGSEGV];
    for signal in signals.into_iter().chain([libc::SIGABRT, 40]) {
        let status = launch("killed_by").arg(signal.to_string()).status().unwrap();
        assert_eq!((status.signal(), status.core_dumped()), (Some(signal), false), "{status:?}");
    }
}

#[test]
fn a_shell_sees_128_and_the_signals_number() {
    let line =
        format!("{} instrument -- {} 15; echo $?", env!("CARGO_BIN_EXE_otel-rs"), program("killed_by").display());
    let output = Command::new("/bin/sh").args(["-c", &line]).env("OTEL_SDK_DISABLED", "").output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "143");
}

#[test]
fn a_parent_that_ignores_sigchld_changes_nothing() {
    // `exec` keeps the ignored signal for the launcher, where the kernel would reap the child unseen.
    let line = format!(
        "trap '' CHLD; exec {} instrument -- {} 9",
        env!("CARGO_BIN_EXE_otel-rs"),
        program("exits_with").display()
    );
    assert_eq!(Command::new("/bin/sh").args(["-c", &line]).status().unwrap().code(), Some(9));
}

/// The launcher as PID 1 of a namespace; `None`, with a printed reason, where that cannot be tested.
fn as_pid_1(name: &str) -> Option<Command> {
    let unshare = || {
        let mut command = Command::new("unshare");
        command.args(["--pid", "--fork", "--mount-proc", "--kill-child"]);
        command
    };
    if !unshare().arg("true").output().is_ok_and(|output| output.status.success()) {
        crate::support::skip("no right to make a PID namespace");
        return None;
    }
    let launcher = launch(name);
    let mut command = unshare();
    command.arg(launcher.get_program()).args(launcher.get_args());
    command.envs(launcher.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Some(command)
}

#[test]
fn as_pid_1_it_reaps_orphans() {
    let Some(mut command) = as_pid_1("spawns_orphans") else { return };
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn as_pid_1_it_exits_with_128_and_the_signals_number() {
    // The kernel keeps PID 1 from dying of its own signals.
    let Some(mut command) = as_pid_1("killed_by") else { return };
    let output = command.arg("15").output().unwrap();
    assert_eq!(output.status.code(), Some(143), "{output:?}");
}

#[test]
fn as_pid_1_it_receives_signals_from_outside() {
    let Some(command) = as_pid_1("prints_signals") else { return };
    let mut launched = Launched::start(command);
    let unshare = launched.launcher.id();
    let inside = std::fs::read_to_string(format!("/proc/{unshare}/task/{unshare}/children")).unwrap();
    let launcher = nix::unistd::Pid::from_raw(inside.trim().parse().unwrap());
    for signal in [Signal::SIGTERM, Signal::SIGUSR1, Signal::SIGQUIT] {
        kill(launcher, signal).unwrap();
        assert_eq!(launched.line(), format!("{signal} sent"));
    }
    assert_eq!(launched.launcher.wait().unwrap().code(), Some(3));
}
