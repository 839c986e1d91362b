//! A launcher that is short of anything becomes the program; one whose exporting process dies watches on.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::collector::Collector;
use super::records::{CountFile, exporting};
use super::{Launched, after, can, launch, launch_file, until};
use crate::support::skip;

const STEPS_ASIDE: &str = "otel-rs: warning: running ";

/// A launcher under a shell's limit, whose program prints what the shell would have.
fn limited(limit: &str) -> Output {
    let mut program = launch_file("/bin/bash");
    program.args(["-c", "echo started with $(ulimit -n) $(ulimit -s) ${OTEL_RS_CHANNEL+channel}; exit 7"]);
    after(limit, &program).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn limit(name: &str) -> String {
    let output = Command::new("/bin/bash").args(["-c", &format!("ulimit {name}")]).output().unwrap();
    text(&output.stdout).trim().to_owned()
}

#[test]
fn a_launcher_short_of_descriptors_or_stack_becomes_the_program() {
    for (line, files, stack) in [
        ("ulimit -n 8", "8", limit("-s")),
        ("ulimit -n 5", "5", limit("-s")),
        ("ulimit -s 100", limit("-n").as_str(), "100".to_owned()),
    ] {
        let Output { status, stdout, stderr } = limited(line);
        let (stdout, stderr) = (text(&stdout), text(&stderr));
        assert_eq!((status.code(), stdout), (Some(7), format!("started with {files} {stack}\n")), "{line}: {stderr}");
        assert_eq!(stderr.matches("warning").count(), 1, "{line}: {stderr}");
        assert!(stderr.starts_with(STEPS_ASIDE), "{line}: {stderr}");
    }
}

#[test]
fn a_soft_limit_that_can_be_raised_is_the_programs_again() {
    for (line, expected) in [("ulimit -S -n 6", "6 "), ("ulimit -S -s 100", " 100 ")] {
        let Output { status, stdout, stderr } = limited(line);
        let (stdout, stderr) = (text(&stdout), text(&stderr));
        assert_eq!(status.code(), Some(7), "{line}: {stderr}");
        assert!(stdout.starts_with("started with") && stdout.contains(expected), "{line}: {stdout}");
    }
}

#[test]
fn a_launcher_short_of_processes_becomes_the_program() {
    let nobody = ["--reuid", "65534", "--regid", "65534", "--clear-groups"];
    let launcher = env!("CARGO_BIN_EXE_otel-rs");
    if !can("setpriv", &[&nobody[..], &["test", "-x", launcher]].concat()) {
        return skip("no right to become another user who can run the launcher");
    }
    let program = launch_file("/bin/echo");
    for most in 1..6 {
        let mut command = Command::new("setpriv");
        command.args(nobody).arg("bash").args(["-c", &format!("ulimit -u {most}; exec \"$@\""), "bash"]);
        command.arg(launcher).args(program.get_args()).arg("started");
        let output = command.output().unwrap();
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), "started\n".into()), "{most}: {output:?}");
    }
}

#[test]
fn limits_meant_for_the_program_do_not_end_the_launcher() {
    for line in ["ulimit -f 1", "ulimit -f 0", "ulimit -l 0", "ulimit -m 1000", "ulimit -t 60", "ulimit -c 0"] {
        let Output { status, stdout, stderr } = limited(line);
        assert_eq!(status.code(), Some(7), "{line}: {}", text(&stderr));
        assert!(text(&stdout).starts_with("started with"), "{line}");
    }
}

#[test]
fn a_limit_on_files_does_not_end_a_launcher_whose_stderr_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let errors = folder.path().join("errors");
    std::fs::write(&errors, vec![b'x'; 4096]).unwrap();
    let mut program = launch_file("/bin/bash");
    program.args(["-c", "echo started; exit 7"]);
    let mut command = after("ulimit -f 1", &program);
    command.stderr(std::fs::OpenOptions::new().append(true).open(&errors).unwrap());
    let output = command.output().unwrap();
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(7), "started\n".into()));
}

/// A launcher under a limit of so many KiB, with all of its telemetry at work.
fn with_memory(limit: &str, kib: u64) -> Output {
    let mut program = launch_file("/bin/sh");
    program.args(["-c", "echo started; exit 7"]);
    for name in ["TRACES", "METRICS", "LOGS"] {
        program.env(format!("OTEL_{name}_EXPORTER"), "otlp");
    }
    program.env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1").env("OTEL_RS_HOST_METRICS", "process,system");
    after(&format!("ulimit {limit} {kib}"), &program).output().unwrap()
}

#[test]
fn whatever_the_limit_of_memory_the_shell_sees_the_programs_end() {
    for limit in ["-v", "-d"] {
        // With less memory the launcher's own file cannot be loaded, so it never starts.
        let begins = |kib: u64| {
            let line = format!("ulimit {limit} {kib}; exec {} --version", env!("CARGO_BIN_EXE_otel-rs"));
            can("/bin/bash", &["-c", &line])
        };
        let least = (1..200).map(|step| step * 1000).find(|kib| begins(*kib)).expect("a limit that suffices");
        for kib in (0..30).map(|step| least + step * 1000).chain((4..10).map(|step| least + step * 10_000)) {
            let output = with_memory(limit, kib);
            let seen = (output.status.code(), text(&output.stdout));
            assert_eq!(seen, (Some(7), "started\n".into()), "{limit} {kib} KiB: {}", text(&output.stderr));
        }
    }
}

#[test]
fn memory_that_runs_out_later_costs_telemetry_alone() {
    if !can("prlimit", &["--version"]) {
        return skip("`prlimit` is not installed");
    }
    let collector = Collector::answering_after(std::time::Duration::from_secs(60));
    let counts = CountFile::new();
    let mut command = launch("writes_spans");
    command.env("OTEL_TRACES_EXPORTER", "otlp").env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url);
    command.args(["100000000", "2", "1000"]).arg(counts.0.path());
    let mut launcher = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let errors = launcher.stderr.take().unwrap();
    let mut launched = Launched::of(launcher);
    // No collector accepts the spans, so that they pile up.
    assert!(can("prlimit", &["--pid", &exporter(&launched).to_string(), "--as=1000000"]));
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(errors)).map(|line| line.unwrap());
    assert!(lines.any(|line| line == "otel-rs: warning: telemetry has stopped, the program runs on"));
    assert_eq!(lines.next().unwrap(), "otel-rs:   caused by: out of memory");
    let (begun, _) = counts.read();
    until("the program has written more", || counts.read().0 > begun);
    launched.send(Signal::SIGTERM);
    assert_eq!(launched.launcher.wait().unwrap().signal(), Some(15));
}

/// The process that exports.
fn exporter(launched: &Launched) -> Pid {
    let launcher = launched.launcher.id();
    let threads = std::fs::read_dir(format!("/proc/{launcher}/task")).unwrap().flatten();
    let children = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    let pids: Vec<i32> =
        children.flat_map(|text| text.split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<_>>()).collect();
    Pid::from_raw(*pids.iter().find(|pid| **pid != launched.app.as_raw()).expect("a process that exports"))
}

#[test]
fn the_death_of_the_exporting_process_is_one_warning_and_no_more() {
    for signal in [Signal::SIGKILL, Signal::SIGILL] {
        let mut command = launch("prints_signals");
        let mut launcher = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let errors = launcher.stderr.take().unwrap();
        let mut launched = Launched::of(launcher);
        kill(exporter(&launched), signal).unwrap();
        let mut lines = std::io::BufRead::lines(std::io::BufReader::new(errors));
        // The program has no layers, of which there was a warning, too.
        let text = lines.by_ref().map(|line| line.unwrap()).find(|line| line.contains("stopped"));
        assert_eq!(text.unwrap(), "otel-rs: warning: telemetry has stopped, the program runs on");
        // It is watched as before.
        launched.send(Signal::SIGUSR1);
        assert_eq!(launched.line(), "SIGUSR1 sent");
        launched.send(Signal::SIGQUIT);
        assert_eq!(launched.line(), "SIGQUIT sent");
        assert_eq!(launched.launcher.wait().unwrap().code(), Some(3));
        assert!(!lines.any(|line| line.unwrap().contains("warning")));
    }
}

/// It stops itself where it finds the launcher stopped, which may be just after that has been continued.
#[test]
fn an_exporting_process_that_is_still_stopped_at_the_end_exports_everything() {
    let collector = Collector::start();
    let counts = CountFile::new();
    let mut command = exporting("writes_spans", &collector);
    command.args(["100000000", "1", "2000"]).arg(counts.0.path());
    let mut launched = Launched::start(command);
    kill(exporter(&launched), Signal::SIGSTOP).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    kill(launched.app, Signal::SIGKILL).unwrap();
    assert_eq!(launched.launcher.wait().unwrap().signal(), Some(9));
    let (_, ended) = counts.read();
    let whole = collector.numbers().iter().filter(|number| **number >= 0).count();
    assert!(ended > 0 && whole >= ended, "{whole} of {ended} spans were exported");
}

#[test]
fn a_signal_that_ends_the_program_is_seen_without_an_exporting_process_too() {
    let mut launched = Launched::start(launch("waits"));
    kill(exporter(&launched), Signal::SIGKILL).unwrap();
    launched.send(Signal::SIGTERM);
    assert_eq!(launched.launcher.wait().unwrap().signal(), Some(15));
}

#[test]
fn the_exporting_process_does_not_outlive_a_killed_launcher() {
    let mut launched = Launched::start(launch("waits"));
    let exporter = exporter(&launched);
    launched.launcher.kill().unwrap();
    launched.launcher.wait().unwrap();
    until("it is gone", || matches!(super::state(exporter), None | Some('Z')));
}
