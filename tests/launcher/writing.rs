//! The launcher with a stderr that is full, closed or not writable.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Stdio};

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::{launch, launch_file, until};

/// A pipe that is full: its reader, and its writer.
fn full_pipe() -> (OwnedFd, OwnedFd) {
    // Closed on exec, or every program that a test starts at this time would hold it.
    let (reader, writer) = nix::unistd::pipe2(OFlag::O_CLOEXEC).unwrap();
    let non_blocking = |on| {
        let flag = if on { OFlag::O_NONBLOCK } else { OFlag::empty() };
        fcntl(writer.as_fd(), FcntlArg::F_SETFL(flag)).unwrap();
    };
    non_blocking(true);
    while nix::unistd::write(&writer, &[b'.'; 1024]).is_ok() {}
    while nix::unistd::write(&writer, b".").is_ok() {}
    non_blocking(false);
    (reader, writer)
}

fn ends_with(mut child: Child, status: i32) -> String {
    until("it has ended", || child.try_wait().unwrap().is_some());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(status));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_full_stderr_delays_neither_the_program_s_start_nor_the_launcher_s_end() {
    let socket = || {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        theirs.set_nonblocking(true).unwrap();
        while (&theirs).write(&[b'.'; 4096]).is_ok() {}
        theirs.set_nonblocking(false).unwrap();
        (OwnedFd::from(ours), OwnedFd::from(theirs))
    };
    for (reader, writer) in [full_pipe(), socket()] {
        let flags = || fcntl(writer.as_fd(), FcntlArg::F_GETFL).unwrap();
        let before = flags();
        let mut command = launch("exits_with");
        // A warning before the program starts, an exporter that writes while it runs, a loss at its end.
        command.env("OTEL_BSP_SCHEDULE_DELAY", "soon").env("OTEL_TRACES_EXPORTER", "console,otlp");
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1").arg("7");
        command.stdout(Stdio::piped()).stderr(writer.try_clone().unwrap());
        ends_with(command.spawn().unwrap(), 7);
        assert_eq!(flags(), before, "the program's stderr stays as it was");
        drop(reader);
    }
}

#[test]
fn messages_kept_from_a_full_stderr_follow_when_it_is_read() {
    let (reader, writer) = full_pipe();
    let mut command = launch_file("/bin/sh");
    command.args(["-c", "echo started; read line; exit 7"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(writer);
    let mut child = command.spawn().unwrap();
    drop(command);
    child.stdout.as_mut().unwrap().read_exact(&mut [0; 8]).unwrap();
    let (mut errors, mut seen) = (File::from(reader), String::new());
    while !seen.contains("built without layers") {
        let mut bytes = [0; 4096];
        let count = errors.read(&mut bytes).unwrap();
        assert!(count > 0, "{seen}");
        seen.push_str(&String::from_utf8_lossy(&bytes[..count]));
    }
    child.stdin.take().unwrap().write_all(b"\n").unwrap();
    ends_with(child, 7);
}

#[test]
fn a_full_stderr_hangs_no_other_command() {
    let (_reader, writer) = full_pipe();
    let mut command = crate::support::clean(env!("CARGO_BIN_EXE_otel-rs"));
    command.args(["instrument", "--", "/no/such/program"]).stdout(Stdio::piped()).stderr(writer.try_clone().unwrap());
    ends_with(command.spawn().unwrap(), 127);
    let mut command = crate::support::clean(env!("CARGO_BIN_EXE_otel-rs"));
    command.args(["no-such-command"]).stdout(Stdio::piped()).stderr(writer);
    ends_with(command.spawn().unwrap(), 2);
}

#[test]
fn a_full_stdout_holds_up_no_end_when_telemetry_goes_there_too() {
    let (_reader, writer) = full_pipe();
    let mut command = launch_file("/bin/sh");
    command.env("OTEL_TRACES_EXPORTER", "otlp/stdout").env("OTEL_RS_PROCESS_SPAN", "true");
    command.args(["-c", "exit 7"]).stdout(writer).stderr(Stdio::null());
    ends_with(command.spawn().unwrap(), 7);
}

#[test]
fn a_stderr_that_cannot_be_written_to_changes_nothing() {
    for redirection in ["2>&-", "2>/dev/full", "2>/dev/null"] {
        let command = launch("exits_with");
        let mut command = super::after(&format!("exec {redirection}"), &command);
        let output = command.arg("7").output().unwrap();
        assert_eq!(output.status.code(), Some(7), "{redirection}");
    }
}
