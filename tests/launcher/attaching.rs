//! Processes attach as another user, in another root or network, and as daemons; or a warning names the reason.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};

use super::collector::Collector;
use super::records::CountFile;
use super::{can, launch_file, program};
use crate::support::skip;

/// A program that writes spans, where every user can run it.
struct Job {
    _folder: tempfile::TempDir,
    program: PathBuf,
    counts: CountFile,
    collector: Collector,
}

impl Job {
    fn new() -> Job {
        let folder = tempfile::Builder::new().prefix("job").tempdir_in("/var/tmp").unwrap();
        let all = |mode| std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(folder.path(), all(0o755)).unwrap();
        let copy = folder.path().join("writes_spans");
        std::fs::copy(program("writes_spans"), &copy).unwrap();
        let counts = folder.path().join("counts");
        std::fs::write(&counts, [0; 16]).unwrap();
        std::fs::set_permissions(&counts, all(0o666)).unwrap();
        let file = tempfile::NamedTempFile::from_parts(
            std::fs::File::open(&counts).unwrap(),
            tempfile::TempPath::try_from_path(counts).unwrap(),
        );
        Job { program: copy, counts: CountFile(file), collector: Collector::start(), _folder: folder }
    }

    /// The job below another program; its words, `JOB` for the job's own.
    fn below(&self, words: &[&str], job: &[&str]) -> Command {
        let own = [self.program.to_str().unwrap(), job[0], job[1], job[2], self.counts.0.path().to_str().unwrap()];
        let (first, rest) = words.split_first().unwrap();
        let mut command = launch_file(first);
        for word in rest {
            match *word {
                "JOB" => _ = command.args(own),
                word => _ = command.arg(word.replace("$JOB", &own.join(" "))),
            }
        }
        command.env("OTEL_TRACES_EXPORTER", "otlp").env("OTEL_EXPORTER_OTLP_ENDPOINT", &self.collector.url);
        command
    }
}

/// Runs 50 spans below `words`; all must arrive.
#[track_caller]
fn attaches_below(words: &[&str]) {
    let job = Job::new();
    let output = job.below(words, &["50", "2", "0"]).output().unwrap();
    assert!(output.status.success(), "{words:?}: {output:?}");
    assert_eq!(job.collector.numbers(), (0..50).collect::<Vec<_>>(), "{words:?}: {output:?}");
}

const NOBODY: [&str; 5] = ["setpriv", "--reuid", "65534", "--regid", "65534"];
const PRIVATE_TMP: &str = "mount -t tmpfs none /tmp && exec ";

#[test]
fn a_program_that_becomes_another_user_attaches() {
    if !can("setpriv", &["--reuid", "65534", "--clear-groups", "true"]) {
        return skip("no right to become another user");
    }
    attaches_below(&[&NOBODY[..], &["--clear-groups", "JOB"]].concat());
}

#[test]
fn a_program_with_a_tmp_or_a_network_of_its_own_attaches() {
    if !can("unshare", &["--mount", "--net", "sh", "-c", "mount -t tmpfs none /tmp"]) {
        return skip("no right to make namespaces");
    }
    attaches_below(&["unshare", "--net", "JOB"]);
    attaches_below(&["unshare", "--mount", "sh", "-c", &format!("{PRIVATE_TMP} $JOB")]);
    attaches_below(&["unshare", "--pid", "--fork", "JOB"]);
    let user = "mount -t tmpfs none /tmp && exec setpriv --reuid 65534 --clear-groups $JOB";
    attaches_below(&["unshare", "--mount", "sh", "-c", user]);
    attaches_below(&["unshare", "--net", "setpriv", "--reuid", "65534", "--clear-groups", "JOB"]);
}

#[test]
fn a_program_in_another_root_attaches() {
    // The same files under another name, and an empty /tmp.
    let root = tempfile::tempdir().unwrap();
    let at = root.path().to_str().unwrap();
    let prepare = format!(
        "mount --rbind / {at} && mount -t tmpfs none {at}/tmp && mount -t tmpfs none {at}/run && exec chroot {at} "
    );
    if !can("unshare", &["--mount", "sh", "-c", &format!("{prepare} true")]) {
        return skip("no right to change the root directory");
    }
    attaches_below(&["unshare", "--mount", "sh", "-c", &format!("{prepare} $JOB")]);
}

/// The only warning of a run in which the job cannot attach.
fn warning_below(words: &[&str]) -> String {
    let job = Job::new();
    // About as long as a second.
    let output = job.below(words, &["3000", "1", "2000"]).output().unwrap();
    assert!(output.status.success(), "{words:?}: {output:?}");
    assert!(job.collector.numbers().is_empty());
    let stderr = String::from_utf8(output.stderr).unwrap();
    let warnings: Vec<&str> = stderr.lines().filter(|line| line.contains("no telemetry from")).collect();
    let [warning] = warnings[..] else { panic!("{words:?}: not one warning: {stderr}") };
    warning.to_owned()
}

#[test]
fn a_program_that_cannot_attach_is_named_with_the_reason() {
    let warning = warning_below(&["env", "-u", "OTEL_RS_CHANNEL", "JOB"]);
    assert!(warning.contains("`writes_spans`") && warning.contains("`OTEL_RS_CHANNEL` is not in its"), "{warning}");
    if !can("unshare", &["--mount", "--net", "sh", "-c", "mount -t tmpfs none /tmp"]) {
        return skip("no right to make namespaces");
    }
    let private = "mount -t tmpfs none /tmp && mount -t tmpfs none /run && exec $JOB";
    let warning = warning_below(&["unshare", "--mount", "--net", "sh", "-c", private]);
    assert!(warning.contains("its files and its network are not the launcher's"), "{warning}");
}

fn daemon(job: &Job, line: &str, follow: Option<&str>) -> Output {
    // Longer than the shell lives.
    let mut command = job.below(&["/bin/bash", "-c", line], &["400", "1", "20000"]);
    follow.into_iter().for_each(|follow| _ = command.env("OTEL_RS_FOLLOW", follow));
    command.output().unwrap()
}

#[test]
fn a_daemon_is_followed_to_its_end() {
    for line in [
        "$JOB >/dev/null 2>&1 & exit 0",
        "setsid $JOB >/dev/null 2>&1 & exit 0",
        "(setsid $JOB >/dev/null 2>&1 &) ; exit 0",
        "(exec 3>&- ; $JOB >/dev/null 2>&1 < /dev/null & disown) ; exit 0",
    ] {
        let job = Job::new();
        let output = daemon(&job, line, None);
        assert!(output.status.success(), "{line}: {output:?}");
        assert_eq!(job.counts.read(), (400, 400), "{line}");
        assert_eq!(job.collector.numbers(), (0..400).collect::<Vec<_>>(), "{line}");
    }
}

#[test]
fn a_daemon_is_not_followed_if_disabled_or_its_parent_failed() {
    let attached = "while [ $(od -An -tu8 -N8 $COUNTS) = 0 ]; do sleep 0.02; done;";
    for (exit, follow) in [("exit 0", Some("false")), ("exit 3", None)] {
        let job = Job::new();
        let counts = job.counts.0.path().display();
        let line = format!("COUNTS={counts}; $JOB >/dev/null 2>&1 & {attached} {exit}");
        let output = daemon(&job, &line, follow);
        assert_eq!(output.status.code(), Some(exit[5..].parse().unwrap()));
        assert!(job.counts.read().1 < 400, "{exit}: it runs on");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains("1 process left behind"), "{exit}: {stderr}");
        super::until("the daemon has ended", || job.counts.read().1 == 400);
    }
}

#[test]
fn a_signal_reaches_a_daemon_that_is_followed() {
    let mut command = launch_file("/bin/bash");
    let line = format!("{} & exit 0", program("waits").display());
    command.args(["-c", &line]);
    let mut launched = super::Launched::start(command);
    super::until("the shell has gone", || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", launched.app)).unwrap_or_default();
        stat.rsplit_once(')')
            .is_some_and(|(_, rest)| rest.split_whitespace().nth(1) == Some(&launched.launcher.id().to_string()))
    });
    launched.send(nix::sys::signal::Signal::SIGTERM);
    assert!(launched.launcher.wait().unwrap().success());
    assert_eq!(super::state(launched.app), None);
}

#[test]
fn hundreds_of_workers_lose_nothing() {
    const WORKERS: i64 = 300;
    let collector = Collector::start();
    let mut command = super::launch("forks_many");
    command.env("OTEL_TRACES_EXPORTER", "otlp").env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url);
    let output = command.arg(WORKERS.to_string()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let expected: Vec<i64> = (0..=WORKERS).flat_map(|worker| [10 * worker, 10 * worker + 1]).collect();
    assert_eq!(collector.numbers(), expected, "{output:?}");
}
