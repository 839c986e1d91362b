//! What a program inherits besides its streams: dispositions, closed descriptors, passed ones, variables with a pid.

use std::process::Command;

use super::{after, launch, launch_file, program};

/// What a shell shows of itself after another shell's line, alone and launched. Rust's runtime would change it first.
fn both(line: &str) -> (String, String) {
    let shown = |command: &Command| {
        let output = after(line, command).output().unwrap();
        assert!(output.status.success(), "{line}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let show = "cd /proc/$$/fd; echo *; while read word rest; do case $word in Sig[BI]*) echo $word $rest;; esac; done \
                </proc/$$/status; exit 0";
    let mut launched = launch_file("/bin/dash");
    launched.args(["-c", show]);
    let mut alone = Command::new("/bin/dash");
    (shown(alone.args(["-c", show])), shown(&launched))
}

#[test]
fn closed_and_passed_descriptors_and_ignored_signals_are_the_programs() {
    for line in [
        "exec <&-",
        "exec 2>&-",
        "exec <&- 2>&-",
        "exec 3</dev/null 4</dev/null",
        "exec 2>&- 7</dev/null",
        "trap '' PIPE",
        "trap '' INT HUP CHLD USR1",
        "trap '' PIPE; exec <&-",
    ] {
        let (alone, launched) = both(line);
        assert_eq!(launched, alone, "{line}");
    }
}

#[test]
fn a_program_that_closes_its_output_is_seen_to_close_it() {
    use std::io::Read;
    let mut command = launch_file("/bin/sh");
    command
        .args(["-c", "exec >&-; read line"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped());
    let mut launcher = command.stderr(std::process::Stdio::null()).spawn().unwrap();
    // Ends although both run.
    assert_eq!(launcher.stdout.take().unwrap().read_to_end(&mut Vec::new()).unwrap(), 0);
    assert!(launcher.try_wait().unwrap().is_none());
    drop(launcher.stdin.take());
    launcher.wait().unwrap();
}

#[test]
fn a_service_managers_pids_are_the_programs() {
    let mut command = launch_file("/bin/bash");
    let show = "echo $$ $LISTEN_PID $WATCHDOG_PID $SYSTEMD_EXEC_PID $MAINPID ${LISTEN_PIDFDID-none} $LISTEN_FDS; \
                [ -e /proc/self/fd/3 ] && readlink /proc/$$/fd/3";
    command.args(["-c", show]);
    let line = "exec 3</dev/null
                export LISTEN_PID=$$ WATCHDOG_PID=$$ SYSTEMD_EXEC_PID=$$ MAINPID=1 LISTEN_PIDFDID=5 LISTEN_FDS=1";
    let output = after(line, &command).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let words: Vec<&str> = text.split_whitespace().collect();
    let pid = words[0];
    assert_eq!(words, [pid, pid, pid, pid, "1", "none", "1", "/dev/null"], "{text}");
}

#[test]
fn pids_that_are_not_the_launchers_stay() {
    let mut command = launch_file("/bin/bash");
    command.args(["-c", "echo $LISTEN_PID $WATCHDOG_PID $LISTEN_PIDFDID"]);
    let output = after("export LISTEN_PID=1 WATCHDOG_PID= LISTEN_PIDFDID=5", &command).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "1 5\n");
}

#[test]
fn a_timer_set_before_the_launcher_is_the_programs() {
    if !super::can("perl", &["-e", "1"]) {
        return crate::support::skip("perl is not installed");
    }
    let launcher = launch("waits");
    let mut perl = Command::new("perl");
    perl.args(["-e", "alarm 1; exec @ARGV"]).arg(launcher.get_program()).args(launcher.get_args());
    perl.envs(launcher.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let status = perl.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).status().unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(14));
}

#[test]
fn the_tests_programs_start_with_default_dispositions() {
    let mut command = Command::new(program("shows_itself"));
    crate::support::with_default_signals(&mut command);
    // As a script's background job would start them.
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", "trap '' INT QUIT; exec \"$@\"", "sh"]).arg(program("shows_itself"));
    crate::support::with_default_signals(&mut shell);
    let ignored = |command: &mut Command| {
        let text = String::from_utf8(command.output().unwrap().stdout).unwrap();
        text.lines().find_map(|line| line.strip_prefix("SigIgn ").map(str::to_owned)).unwrap()
    };
    assert_eq!((ignored(&mut command).as_str(), ignored(&mut shell).as_str()), ("1000", "1006"));
}
