//! Every record that a program has written is exported, however the program ends.

use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};

use super::collector::Collector;
use super::{Launched, launch};

pub(super) fn exporting(name: &str, collector: &Collector) -> Command {
    let mut command = launch(name);
    command.env("OTEL_TRACES_EXPORTER", "otlp").env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url);
    command
}

/// The two counts of `writes_spans`.
pub(super) struct CountFile(pub(super) tempfile::NamedTempFile);

impl CountFile {
    pub(super) fn new() -> CountFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(16).unwrap();
        CountFile(file)
    }

    pub(super) fn read(&self) -> (usize, usize) {
        let bytes = std::fs::read(self.0.path()).unwrap();
        let number = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize;
        (number(0), number(8))
    }
}

#[test]
fn a_short_lived_program_loses_no_records() {
    let collector = Collector::start();
    let counts = CountFile::new();
    let mut command = exporting("writes_spans", &collector);
    let status = command.args(["300", "3", "0"]).arg(counts.0.path()).stdout(Stdio::null()).status().unwrap();
    assert!(status.success());
    assert_eq!(collector.numbers(), (0..300).collect::<Vec<_>>());
}

#[test]
fn records_written_before_sigkill_are_exported() {
    const THREADS: usize = 3;
    let mut seed = std::process::id();
    for run in 0..20 {
        let collector = Collector::start();
        let counts = CountFile::new();
        let mut command = exporting("writes_spans", &collector);
        command.args(["100000000", &THREADS.to_string(), "2000"]).arg(counts.0.path());
        let mut launched = Launched::start(command);
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        std::thread::sleep(Duration::from_micros(u64::from(seed >> 12) % 250_000));
        kill(launched.app, Signal::SIGKILL).unwrap();
        assert_eq!(launched.launcher.wait().unwrap().signal(), Some(9));
        let (begun, ended) = counts.read();
        let mut numbers = collector.numbers();
        // Each thread may have been killed between writing a span and counting it.
        let whole = numbers.iter().filter(|number| **number >= 0).count();
        assert!((ended..=begun).contains(&whole), "run {run}: {whole} exported, {ended} to {begun} written");
        assert!(numbers.len() <= begun && begun <= ended + THREADS, "run {run}");
        numbers.retain(|number| *number >= 0);
        numbers.dedup();
        assert_eq!(numbers.len(), whole, "run {run}: a span came twice");
    }
}

#[test]
fn a_forked_childs_records_are_its_own() {
    let collector = Collector::start();
    assert!(exporting("forks_and_writes", &collector).status().unwrap().success());
    let expected: Vec<i64> = (0..400).chain(1100 - 100..1100).chain(2000..2100).chain(3000..3100).collect();
    assert_eq!(collector.numbers(), expected);
}

#[test]
fn records_dropped_on_full_rings_are_counted_and_reported() {
    let collector = Collector::answering_after(Duration::from_millis(300));
    let counts = CountFile::new();
    let mut command = exporting("writes_spans", &collector);
    command.args(["100000000", "2", "0"]).arg(counts.0.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut launcher = command.spawn().unwrap();
    let pid = first_pid(&mut launcher);
    // A stopped launcher empties no ring: the exporting process finds it stopped within a second, and stops as well.
    kill(nix::unistd::Pid::from_raw(launcher.id() as i32), Signal::SIGSTOP).unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    kill(pid, Signal::SIGTERM).unwrap();
    kill(nix::unistd::Pid::from_raw(launcher.id() as i32), Signal::SIGCONT).unwrap();
    let output = launcher.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.signal(), Some(15));
    let dropped: usize = stderr
        .split_whitespace()
        .zip(stderr.split_whitespace().skip(1))
        .find(|(_, word)| word.starts_with("record"))
        .and_then(|(number, _)| number.parse().ok())
        .unwrap_or_else(|| panic!("no number of records in: {stderr}"));
    assert!(dropped > 1000, "{stderr}");
}

fn first_pid(launcher: &mut std::process::Child) -> nix::unistd::Pid {
    let mut line = Vec::new();
    let output = launcher.stdout.as_mut().unwrap();
    while line.last() != Some(&b'\n') {
        let mut byte = [0];
        output.read_exact(&mut byte).unwrap();
        line.push(byte[0]);
    }
    let line = String::from_utf8(line).unwrap();
    nix::unistd::Pid::from_raw(line.trim().strip_prefix("ready ").unwrap().parse().unwrap())
}

#[test]
fn a_dead_collector_costs_one_warning_and_a_few_seconds() {
    // A port that was just closed has no listener.
    let url = format!("http://{}", std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let counts = CountFile::new();
    let mut command = exporting("writes_spans", &Collector::start());
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", url).args(["100", "1", "0"]).arg(counts.0.path());
    let before = Instant::now();
    let output = command.output().unwrap();
    assert!(before.elapsed() < Duration::from_secs(60), "{:?}", before.elapsed());
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success());
    // The program has layers of its own, so every warning is about the collector.
    assert_eq!(stderr.matches("warning").count(), 1, "{stderr}");
}

#[test]
fn a_violent_end_is_reported_with_the_open_requests() {
    let mut launcher = launch("leaves_requests_open");
    let mut launcher = launcher.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    kill(first_pid(&mut launcher), Signal::SIGKILL).unwrap();
    let output = launcher.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.signal(), Some(9));
    assert!(stderr.contains("`leaves_requests_open` was killed by SIGKILL; 2 requests were open\n"), "{stderr}");
}

#[test]
fn a_program_that_corrupts_its_region_runs_on_with_one_warning() {
    let output = launch("corrupts_its_region").output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "unharmed\n");
    assert!(output.status.success());
    assert_eq!(stderr.matches("warning").count(), 1, "{stderr}");
}

#[test]
fn a_collector_that_never_answers_delays_the_end_a_little() {
    let never = Duration::from_secs(60);
    let collector = Collector::answering_after(never);
    let counts = CountFile::new();
    let mut command = exporting("writes_spans", &collector);
    command.args(["100", "1", "0"]).arg(counts.0.path()).stdout(Stdio::null()).stderr(Stdio::piped());
    let before = Instant::now();
    let output = command.output().unwrap();
    assert!(output.status.success());
    assert!(before.elapsed() < never, "the launcher has waited for the collector");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("100 spans were lost"), "{stderr}");

    // A request to end does not wait for the collector at all. One that arrives while the program ends is meant for
    // the program, so it is repeated.
    let mut launcher = command.spawn().unwrap();
    let children = format!("/proc/{0}/task/{0}/children", launcher.id());
    super::until("the program has ended", || {
        counts.read().1 == 200 && std::fs::read_to_string(&children).is_ok_and(|c| c.is_empty())
    });
    super::until("the launcher has ended", || {
        let _ = kill(nix::unistd::Pid::from_raw(launcher.id() as i32), Signal::SIGTERM);
        launcher.try_wait().unwrap().is_some()
    });
    let output = launcher.wait_with_output().unwrap();
    assert!(output.status.success());
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        stderr,
        "otel-rs: warning: the last export was cut short by SIGTERM; what it had not exported is lost\n"
    );
}

#[test]
fn losses_are_reported_at_the_warning_level() {
    for (level, is_reported) in [("info", true), ("warn", true), ("error", false)] {
        let counts = CountFile::new();
        let mut command = launch("writes_spans");
        command.env("OTEL_TRACES_EXPORTER", "otlp").env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1");
        command.env("OTEL_LOG_LEVEL", level).args(["30", "3", "0"]).arg(counts.0.path());
        let output = command.output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(stderr.contains("30 spans were lost"), is_reported, "{level}: {stderr}");
    }
}
