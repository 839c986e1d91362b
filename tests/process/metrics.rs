//! Metrics of processes, compared with their true values.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};

use super::{measured, script, without_proc};
use crate::launcher::{Launched, program, until};
use crate::support::definition::Definition;
use crate::support::expect::span;
use crate::support::metrics::{Metrics, Series};
use crate::support::model::Value;
use crate::support::{Otlp, wait_for};

fn sum(metrics: &Metrics, name: &str, with: &[(&str, Value)]) -> f64 {
    metrics.all(name, with).iter().map(Series::value).sum()
}

fn of(name: &'static str) -> (&'static str, Value) {
    ("process.executable.name", name.into())
}

/// The launched program.
fn child_of(launcher: u32) -> String {
    std::fs::read_to_string(format!("/proc/{launcher}/task/{launcher}/children")).unwrap().trim().to_owned()
}

/// CPU time that a program has printed as used, in seconds.
fn printed_seconds(line: &str) -> f64 {
    line.split_whitespace().nth(2).and_then(|micros| micros.parse::<f64>().ok()).unwrap_or_else(|| panic!("{line}"))
        / 1e6
}

#[test]
fn the_usage_of_a_program_is_exported_as_it_is() {
    let otlp = Otlp::start();
    let file = tempfile::NamedTempFile::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut command = measured(program("uses_up"), &otlp);
    command.args(["cpu=300", "memory=64", "threads=7", "files=40", "naps=50", "wait"]);
    command.arg(format!("write={}", file.path().display()));
    let mut launcher = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let name = of("uses_up");
    let mut line = String::new();
    BufReader::new(launcher.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let exports = otlp.metric_exports().len();
    wait_for("exports of a program at rest", 20, || (otlp.metric_exports().len() >= exports + 3).then_some(()));
    let metrics = otlp.metrics();
    let one = |metric: &str| metrics.require(metric, std::slice::from_ref(&name)).value();
    let kernel = std::fs::read_to_string(format!("/proc/{}/stat", child_of(launcher.id()))).unwrap();
    let kernel: Vec<&str> = kernel.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let [virtual_memory, pages] = [20, 21].map(|field| kernel[field].parse::<f64>().unwrap());
    assert_eq!(one("process.memory.virtual"), virtual_memory);
    let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).unwrap().unwrap() as f64;
    assert!((one("process.memory.usage") - pages * page).abs() < f64::from(4 << 20), "{pages} pages: {metrics}");
    assert!(one("process.memory.usage") >= f64::from(64 << 20), "{metrics}");
    assert_eq!(one("process.thread.count"), 8.0);
    let files = std::fs::read_dir(format!("/proc/{}/fd", child_of(launcher.id()))).unwrap().count();
    assert_eq!(one("process.unix.file_descriptor.count"), files as f64);
    assert!((0.3..60.0).contains(&one("process.uptime")), "{metrics}");
    Definition::of("process").check(&metrics, &[]);
    Definition::of("process").check_attributes(&metrics, &[("*", "process.pid")]);

    drop(launcher.stdin.take());
    assert!(launcher.wait().unwrap().success());
    let printed = printed_seconds(&line);
    let metrics = otlp.metrics();
    let cpu = sum(&metrics, "process.cpu.time", std::slice::from_ref(&name));
    assert!((printed..printed + 2.0).contains(&cpu), "{cpu} s, and it printed {printed}");
    let of = |metric: &str, key, value: &str| metrics.require(metric, &[name.clone(), (key, value.into())]).value();
    assert!(of("process.cpu.time", "cpu.mode", "user") > 0.0);
    assert!(of("process.context_switches", "process.context_switch.type", "voluntary") >= 50.0, "{metrics}");
    assert!(of("process.paging.faults", "system.paging.fault.type", "minor") > 100.0, "{metrics}");
    // A tmpfs counts no disk writes.
    if nix::sys::statfs::statfs(file.path()).unwrap().filesystem_type() != nix::sys::statfs::TMPFS_MAGIC {
        let written = of("process.disk.io", "disk.io.direction", "write");
        assert!((f64::from(1 << 20)..f64::from(8 << 20)).contains(&written), "{written} bytes");
    }
    let busy = metrics.all("process.cpu.utilization", std::slice::from_ref(&name));
    assert!(!busy.is_empty() && busy.iter().all(|series| (0.0..=1.5).contains(&series.value())), "{metrics}");
    assert_eq!(sum(&metrics, "process.thread.count", &[name]), 8.0, "its end is shown as it was");
}

/// The last export of `uses_up memory=64 threads=7 files=40`, after its end.
fn assert_held(metrics: &Metrics, at_least: f64) {
    let name = of("uses_up");
    let one = |metric: &str| metrics.require(metric, std::slice::from_ref(&name)).value();
    let mib = |mib: i32| f64::from(mib << 20);
    assert!((mib(64)..mib(200)).contains(&one("process.memory.usage")), "{metrics}");
    assert!(one("process.memory.virtual") >= one("process.memory.usage"), "{metrics}");
    assert_eq!(one("process.thread.count"), 8.0, "{metrics}");
    assert!((43.0..60.0).contains(&one("process.unix.file_descriptor.count")), "{metrics}");
    assert!((at_least..at_least + 20.0).contains(&one("process.uptime")), "{metrics}");
}

#[test]
fn levels_of_a_job_that_ends_before_the_first_read_are_exported() {
    let otlp = Otlp::start();
    let mut command = measured(program("uses_up"), &otlp);
    command.env("OTEL_METRIC_EXPORT_INTERVAL", "3600000").args(["memory=64", "threads=7", "files=40", "naps=400"]);
    assert!(command.stdout(Stdio::null()).status().unwrap().success());
    assert_eq!(otlp.metric_exports().len(), 1);
    assert_held(&otlp.metrics(), 0.4);
    Definition::of("process").check(&otlp.metrics(), &[]);
}

#[test]
fn all_usage_of_a_killed_program_is_exported() {
    let otlp = Otlp::start();
    let mut command = measured(program("uses_up"), &otlp);
    command.env("OTEL_METRIC_EXPORT_INTERVAL", "3600000").stdin(Stdio::piped());
    command.args(["memory=64", "threads=7", "files=40", "cpu=120", "naps=300", "wait"]);
    let mut launcher = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(launcher.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let pid = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kill(nix::unistd::Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    assert_eq!(launcher.wait().unwrap().signal(), Some(9));
    let metrics = otlp.metrics();
    let cpu = sum(&metrics, "process.cpu.time", &[of("uses_up")]);
    let printed = printed_seconds(&line);
    assert!((printed..printed + 2.0).contains(&cpu), "{cpu} s, and it printed {printed}");
    assert_held(&metrics, 0.42);
}

#[test]
fn sums_do_not_fall_when_children_come_and_go() {
    let otlp = Otlp::start();
    let mut command =
        script("for n in 1 2 3 4 5; do uses_up cpu=80 naps=40; done; (uses_up cpu=80); uses_up cpu=80", &otlp);
    let output = command.stderr(Stdio::null()).output().unwrap();
    assert!(output.status.success());
    let lines = String::from_utf8(output.stdout).unwrap();
    assert_eq!(lines.lines().count(), 7, "{lines}");
    let printed: f64 = lines.lines().map(printed_seconds).sum();
    let exports = otlp.metric_exports();
    assert!(exports.len() > 2, "it ran for 0.6 s");
    for name in ["process.cpu.time", "process.context_switches", "process.paging.faults", "process.disk.io"] {
        let sums: Vec<f64> = exports.iter().map(|export| sum(export, name, &[])).filter(|sum| *sum > 0.0).collect();
        assert!(sums.is_sorted(), "{name}: {sums:?}");
    }
    let cpu = sum(&otlp.metrics(), "process.cpu.time", &[]);
    assert!((printed..printed + 3.0).contains(&cpu), "{cpu} s, and they printed {printed}");
    assert!(sum(&otlp.metrics(), "process.cpu.time", &[of("uses_up")]) > 0.0, "{}", otlp.metrics());
    let threads = otlp.metrics().require("process.thread.count", &[of("uses_up")]).value();
    assert_eq!(threads, 0.0, "children that have ended hold nothing");
    let last = &exports[exports.len() - 1];
    assert_eq!(last.all("process.uptime", &[]).len(), 1, "only the shell's is exported: {last}");
}

#[test]
fn workers_of_one_name_have_series_by_pid_if_configured() {
    let otlp = Otlp::start();
    let mut command = script("uses_up threads=3 naps=700 cpu=50 & uses_up threads=5 naps=700 & wait", &otlp);
    let output = command.env("OTEL_RS_HOST_METRICS", "process.pid").stderr(Stdio::null()).output().unwrap();
    assert!(output.status.success());
    let lines = String::from_utf8(output.stdout).unwrap();
    let pids: Vec<i32> = lines.lines().map(|line| line.split(' ').nth(1).unwrap().parse().unwrap()).collect();
    let metrics = otlp.metrics();
    let exports = otlp.metric_exports();
    let mut threads = Vec::new();
    for pid in pids {
        let one = [of("uses_up"), ("process.pid", pid.into())];
        let counts = exports.iter().flat_map(|export| export.all("process.thread.count", &one));
        threads.push(counts.map(|series| series.value()).fold(0.0, f64::max));
        assert_eq!(metrics.require("process.thread.count", &one).value(), 0.0, "it has ended");
        assert_eq!(metrics.all("process.cpu.time", &one).len(), 2, "{metrics}");
    }
    threads.sort_by(f64::total_cmp);
    assert_eq!(threads, [4.0, 6.0]);
    assert_eq!(metrics.all("process.thread.count", &[]).len(), 3, "and the shell: {metrics}");
    Definition::of("process").check(&metrics, &[]);
    Definition::of("process").check_attributes(&metrics, &[]);
}

#[test]
fn a_script_keeps_its_name_until_it_becomes_something_else() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("nightly.sh");
    let becomes = format!("exec {} naps=300", program("uses_up").display());
    for (interpreter, line, expected) in [
        ("/bin/sh", "sleep 0.3", ["nightly.sh", "sleep"]),
        ("/usr/bin/env sh", "sleep 0.3", ["nightly.sh", "sleep"]),
        ("/usr/bin/env sh", &becomes, ["uses_up", "nightly.sh"]),
    ] {
        std::fs::write(&script, format!("#!{interpreter}\n{line}\n")).unwrap();
        std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let otlp = Otlp::start();
        let mut command = measured(&script, &otlp);
        command.env("OTEL_METRIC_EXPORT_INTERVAL", "50");
        assert!(command.stdout(Stdio::null()).status().unwrap().success());
        let metrics = otlp.metrics();
        let name = |series: &Series| series.attributes["process.executable.name"].clone();
        let names = metrics.series().map(name).collect::<Vec<_>>();
        assert!(names.iter().all(|name| expected.map(Value::from).contains(name)), "{interpreter} {line}: {metrics}");
        // The series of the executable that the process became last.
        let uptime = metrics.require("process.uptime", &[of(expected[0])]).value();
        assert!((0.3..20.0).contains(&uptime), "{metrics}");
    }
}

#[test]
fn a_short_lived_program_without_layers_is_measured() {
    let otlp = Otlp::start();
    let mut command = script(":", &otlp);
    assert!(command.env("OTEL_METRIC_EXPORT_INTERVAL", "3600000").status().unwrap().success());
    let metrics = otlp.metrics();
    assert!(sum(&metrics, "process.paging.faults", &[]) > 10.0, "{metrics}");
    assert_eq!(metrics.all("process.cpu.time", &[]).len(), 2, "{metrics}");
    // The process may have ended before the first sample; only the kernel's peak is known then.
    let one = |metric: &str| metrics.require(metric, &[]).value();
    assert!(one("process.memory.usage") > 100_000.0, "{metrics}");
    assert!((0.0001..10.0).contains(&one("process.uptime")), "{metrics}");
}

#[test]
fn without_a_readable_proc_the_program_runs_and_its_telemetry_arrives() {
    let otlp = Otlp::start();
    let counts = tempfile::NamedTempFile::new().unwrap();
    counts.as_file().set_len(16).unwrap();
    let mut command = measured(program("writes_spans"), &otlp);
    command.env("OTEL_RS_HOST_METRICS", "process,system").args(["300", "1", "10000"]).arg(counts.path());
    let Some(mut command) = without_proc(&command) else { return };
    let output = command.env("OTEL_METRIC_EXPORT_INTERVAL", "50").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(output.stdout.starts_with(b"ready ") && output.stderr.is_empty(), "{output:?}");
    otlp.traces().require_count(300, span().named("counted"));
    let exports = otlp.metric_exports();
    let (last, before) = exports.split_last().unwrap();
    let of_process = |metrics: &Metrics| {
        let names = metrics.series().filter(|series| series.name.starts_with("process."));
        names.map(|series| series.name.clone()).collect::<std::collections::BTreeSet<_>>()
    };
    assert!(before.iter().all(|export| of_process(export).is_empty()), "nothing is better than 0");
    // The kernel's account of a waited-for child needs no files.
    let unknown = ["process.memory.virtual", "process.thread.count", "process.unix.file_descriptor.count"];
    let missing: Vec<_> = unknown.map(|name| (name, "nobody saw it")).to_vec();
    Definition::of("process").check(last, &missing);
    let name = of("writes_spans");
    assert!(sum(last, "process.context_switches", std::slice::from_ref(&name)) >= 30.0, "it paused: {last}");
    assert!((0.3..30.0).contains(&last.require("process.uptime", &[name]).value()), "{last}");
}

#[test]
fn a_child_whose_parent_is_gone_is_still_measured() {
    let otlp = Otlp::start();
    let shell =
        "exec 3<&0; echo first $$; sh -c 'uses_up memory=32 wait <&3 >/dev/null & echo second $$; wait' & read word";
    let mut command = script(shell, &otlp);
    command.stdin(Stdio::piped());
    let mut launched = Launched::start(command);
    let between = launched.line().split_whitespace().nth(1).unwrap().parse().unwrap();
    let memory = |metrics: &Metrics| sum(metrics, "process.memory.usage", &[of("uses_up")]);
    wait_for("the daemon", 20, || (memory(&otlp.metrics()) >= f64::from(30 << 20)).then_some(()));
    kill(nix::unistd::Pid::from_raw(between), Signal::SIGKILL).unwrap();
    until("the shell in between is gone", || {
        crate::launcher::state(nix::unistd::Pid::from_raw(between)).is_none_or(|state| state == 'Z')
    });
    let exports = otlp.metric_exports().len();
    wait_for("two more looks", 20, || (otlp.metric_exports().len() >= exports + 2).then_some(()));
    let last = otlp.metric_exports().pop().unwrap();
    assert!(memory(&last) >= f64::from(30 << 20), "{last}");
}
