//! Programs with low resource limits, or with more rights than the launcher: they run unharmed, and attach if possible.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::process::{Command, Output, Stdio};

use super::collector::Collector;
use super::records::{CountFile, exporting};
use super::{launch_file, program};

/// Runs a line of shell below the launcher, which has no such limits itself. It is a script: what that may start has
/// layers or has not.
fn run(collector: &Collector, line: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("script");
    std::fs::write(&script, format!("#!/bin/bash\n{line}\n")).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = launch_file(&script);
    command.env("OTEL_TRACES_EXPORTER", "otlp").env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url);
    command.output().unwrap()
}

fn stderr_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn writes_ten(limits: &str) -> (Vec<i64>, String) {
    let (collector, counts) = (Collector::start(), CountFile::new());
    let program = program("writes_spans");
    let line = format!("{limits}; exec {} 10 1 0 {}", program.display(), counts.0.path().display());
    let output = run(&collector, &line);
    assert!(output.status.success(), "{limits}: {} {}", output.status, stderr_of(&output));
    assert_eq!(counts.read(), (10, 10), "{limits}");
    (collector.numbers(), stderr_of(&output))
}

#[test]
fn a_program_with_little_memory_gets_a_small_region() {
    for limits in ["ulimit -v 30000", "ulimit -v 200000", "ulimit -f 3000", "ulimit -f 20000", "ulimit -n 6"] {
        let (numbers, stderr) = writes_ten(limits);
        assert_eq!(numbers, (0..10).collect::<Vec<_>>(), "{limits}: {stderr}");
        assert_eq!(stderr, "", "{limits}");
    }
}

#[test]
fn a_program_with_too_little_runs_on_with_one_warning() {
    for (limits, why) in [("ulimit -f 1", "EFBIG"), ("ulimit -f 0", "EFBIG"), ("ulimit -v 15000", "ENOMEM")] {
        let (numbers, stderr) = writes_ten(limits);
        assert!(numbers.is_empty(), "{limits}: {stderr}");
        assert_eq!(stderr.matches("warning").count(), 1, "{limits}: {stderr}");
        assert!(stderr.contains(&format!("no room for shared memory: {why}")), "{limits}: {stderr}");
    }
}

#[test]
fn a_program_that_may_start_no_thread_and_lock_no_memory_reports() {
    let (numbers, stderr) = writes_ten("ulimit -u 1; ulimit -l 0; ulimit -m 1");
    assert_eq!((numbers, stderr.as_str()), ((0..10).collect(), ""));
}

#[test]
fn a_programs_files_have_the_numbers_that_they_have_without_us() {
    let file = program("opens_files");
    for limits in ["true", "ulimit -n 6", "ulimit -n 5", "ulimit -n 12"] {
        let line = format!("{limits}; exec {}", file.display());
        let plain = Command::new("/bin/bash").args(["-c", &line]).stderr(Stdio::inherit()).output().unwrap();
        let launched = run(&Collector::start(), &line);
        assert!(launched.status.success(), "{limits}: {}", stderr_of(&launched));
        let text = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(text(&launched), text(&plain), "{limits}");
        assert!(text(&plain).contains("first Some(3)"), "{}", text(&plain));
    }
}

#[test]
fn the_exporting_process_may_have_all_descriptors_and_the_program_those_that_the_user_set() {
    let launcher = env!("CARGO_BIN_EXE_otel-rs");
    let seen = "ulimit -Sn; ulimit -Hn; for process in $(cat /proc/$PPID/task/*/children); do \
                [ $process = $$ ] || grep '^Max open files' /proc/$process/limits; done";
    let line = format!("ulimit -Sn 200; ulimit -Hn 400; exec {launcher} instrument -- /bin/sh -c \"$SEEN\"");
    let mut command = Command::new("/bin/sh");
    for (name, value) in launch_file("unused").get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.args(["-c", &line]).env("SEEN", seen);
    let output = command.output().unwrap();
    let words: Vec<_> = String::from_utf8_lossy(&output.stdout).split_whitespace().map(str::to_owned).collect();
    assert_eq!(words, ["200", "400", "Max", "open", "files", "400", "400", "files"], "{output:?}");
}

#[test]
fn a_program_with_more_rights_than_its_caller_ignores_the_environment() {
    if !nix::unistd::geteuid().is_root() {
        return crate::support::skip("no right to make a file of another group");
    }
    let folder = tempfile::tempdir().unwrap();
    let run = |mode: u32| {
        let (collector, counts) = (Collector::start(), CountFile::new());
        let file = folder.path().join(format!("copy-{mode:o}"));
        std::fs::copy(program("writes_spans"), &file).unwrap();
        chown(&file, None, Some(65534)).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(file.metadata().unwrap().mode() & 0o7777, mode);
        let mut command = launch_file(&file);
        command.env("OTEL_TRACES_EXPORTER", "otlp").env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url);
        let output = command.args(["10", "1", "0"]).arg(counts.0.path()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert_eq!(counts.read(), (10, 10));
        collector.numbers().len()
    };
    assert_eq!((run(0o755), run(0o2755)), (10, 0));
}

#[test]
fn forked_children_that_cannot_attach_are_as_quick_as_without_us() {
    let reasons: &[&str] = if nix::unistd::geteuid().is_root() { &["nofile", "chroot"] } else { &["nofile"] };
    for reason in reasons {
        let collector = Collector::start();
        let output = exporting("forks_outcasts", &collector).arg(reason).output().unwrap();
        assert!(output.status.success(), "{reason}: {output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "unharmed\n");
        let numbers = collector.numbers();
        assert!((0..10).all(|number| numbers.contains(&number)), "{reason}: the parent's own");
        if *reason == "nofile" {
            let stderr = stderr_of(&output);
            assert_eq!(stderr.matches("warning").count(), 1, "{stderr}");
            assert!(stderr.contains("has forked") && stderr.contains("could not attach: EMFILE"), "{stderr}");
        }
    }
}

#[test]
fn a_program_that_forbids_itself_system_calls_lives_and_reports() {
    let collector = Collector::start();
    let output = exporting("filters_calls", &collector).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "peer None\nchild 0\n", "{output:?}");
    assert_eq!(collector.numbers(), (0..5300).collect::<Vec<_>>());
    let stderr = stderr_of(&output);
    assert_eq!(stderr.matches("warning").count(), 1, "of the child, which cannot attach: {stderr}");
    assert!(stderr.contains("has forked"), "{stderr}");
}
