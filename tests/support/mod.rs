//! Support for the end-to-end tests: an OTLP receiver, expectations about what it received, projects that are built,
//! apps that are launched, services that are started.

pub(crate) mod brokers;
pub(crate) mod cloud;
pub(crate) mod definition;
pub(crate) mod expect;
pub(crate) mod fixture;
pub(crate) mod gate;
pub(crate) mod http;
pub(crate) mod launched;
pub(crate) mod logs;
pub(crate) mod metrics;
pub(crate) mod model;
pub(crate) mod otlp;
pub(crate) mod peers;
pub(crate) mod services;
pub(crate) mod tls;
pub(crate) mod together;

pub(crate) use fixture::Fixture;
pub(crate) use launched::Launched;
pub(crate) use otlp::Otlp;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

/// The program under test.
pub(crate) const OTEL_RS: &str = env!("CARGO_BIN_EXE_otel-rs");

/// Reports that the current test cannot run here, which is a failure where everything must be installed.
pub(crate) fn skip(why: &str) {
    skip_test(std::thread::current().name().unwrap_or("?"), why);
}

/// Reports that a test cannot run here, which is a failure where everything must be installed.
pub(crate) fn skip_test(test: &str, why: &str) {
    assert!(std::env::var("CI").is_err(), "`{test}` must not be skipped in CI: {why}");
    // Not `eprintln!`, whose output libtest captures when a test passes.
    let _ = writeln!(std::io::stderr(), "skipped: {test}: {why}");
}

/// Takes a service, or skips the test.
macro_rules! need {
    ($service:expr) => {
        match $service {
            Ok(service) => service,
            Err(why) => return crate::support::skip(&why),
        }
    };
}
pub(crate) use need;

/// Has a program start with every signal's default disposition and none blocked: the tests may run in the background of a
/// script, which ignores SIGINT, or under `nohup`.
#[expect(unsafe_code, reason = "there is no safe way to run something between fork and exec")]
pub(crate) fn with_default_signals(command: &mut Command) {
    use nix::libc;
    use std::os::unix::process::CommandExt;
    let reset = || {
        for signal in 1..=libc::SIGRTMAX() {
            // SAFETY: sets defaults; signals that cannot be set are refused.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
        nix::sys::signal::SigSet::empty().thread_set_mask().map_err(std::io::Error::from)
    };
    // SAFETY: system calls only.
    unsafe { command.pre_exec(reset) };
}

/// A command without what cargo, the tester's telemetry settings and their wrappers would add.
pub(crate) fn clean(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    with_default_signals(&mut command);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let cargo_own = text.starts_with("CARGO") && text != "CARGO_HOME";
        let ours = text.to_ascii_uppercase().ends_with("_PROXY")
            || text.starts_with("OTEL_")
            || text.starts_with("RUSTC")
            || text.starts_with("SCCACHE_");
        if cargo_own || ours || ["RUSTFLAGS", "RUSTDOCFLAGS", "RUST_LOG"].contains(&text.as_ref()) {
            command.env_remove(&name);
        }
    }
    command.env("OTEL_RS_CACHE_DIR", cache());
    command
}

/// A cache for all tests, which is not the tester's own. There is a blank in its path, as there may be in a user's.
pub(crate) fn cache() -> PathBuf {
    kept("otel-rs cache")
}

/// Runs a command to its end, which must be a good one; returns stdout and stderr.
pub(crate) fn succeed(command: &mut Command) -> (String, String) {
    let (good, stdout, stderr) = output(command);
    assert!(good, "{command:?} failed\n--- stdout\n{stdout}\n--- stderr\n{stderr}");
    (stdout, stderr)
}

/// Runs a command to its end: whether it succeeded, stdout and stderr.
pub(crate) fn output(command: &mut Command) -> (bool, String, String) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout), text(&output.stderr))
}

/// Where the tests keep what is worth keeping between runs.
pub(crate) fn kept(folder: &str) -> PathBuf {
    let target = std::path::Path::new(OTEL_RS).parent().and_then(|folder| folder.parent()).expect("target directory");
    target.join("fixtures").join(folder)
}

/// A folder of this repository.
pub(crate) fn source(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Repeats a probe until it returns something, or fails after some seconds.
pub(crate) fn wait_for<T>(what: &str, seconds: u64, mut probe: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(seconds);
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < end, "waited {seconds} s in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
