//! The examples of the instrumentations. Each is woven, built and run with the versions in `tested`, and what arrives is
//! compared with `example/expected.toml`. A run of all examples builds together what fits together.
//!
//! A test is called `<crate> <version>`. [`Plan::by_default`] lists which of them are ignored, most of them older versions;
//! `OTEL_RS_TEST_MATRIX=full` runs every version.

mod expected;
mod locks;
#[path = "../support/mod.rs"]
#[allow(dead_code, unused_imports, unused_macros, reason = "other targets use the rest")]
mod support;

use std::process::{Child, ExitCode, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Failed, Trial};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use expected::{Expected, Received};
use support::fixture::{Fixture, instrumentations, tested};
use support::services::Service;
use support::together::{Example, Member, Plan, Together};
use support::{OTEL_RS, Otlp, clean, skip_test};

/// In how many workspaces the newest examples are built at most. Each compiles tokio, hyper and the like again.
const WORKSPACES: usize = 3;

/// How many seconds an example may run.
const PATIENCE: u64 = 60;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // As other test programs have it.
    let threads = || std::env::var("RUST_TEST_THREADS").ok()?.parse().ok();
    arguments.test_threads = arguments.test_threads.or_else(threads);
    // A named test and `UPDATE_LOCKS` concern every version.
    let is_full = locks::are_updated()
        || arguments.filter.is_some()
        || std::env::var("OTEL_RS_TEST_MATRIX").is_ok_and(|matrix| matrix == "full");
    // A named test is built alone, which takes less time and shows what its own features do.
    let is_all = arguments.filter.is_none() && arguments.skip.is_empty() && !arguments.list && !locks::are_updated();
    let mut trials = Vec::new();
    if is_all {
        let full = is_full.then(Plan::full);
        let plan = full.as_ref().unwrap_or_else(|| Plan::by_default());
        for together in &plan.workspaces {
            trials.extend(together.examples().map(|example| trial(example, Some(together.clone()))));
        }
        trials.push(Trial::test("newest lock files agree", || agree(Plan::by_default())));
        trials.extend(plan.left_out.iter().map(|example| trial(example, None).with_ignored_flag(true)));
        // What is built first is run while the next ones are built.
        let workspaces = plan.workspaces.clone();
        std::thread::spawn(move || workspaces.iter().for_each(|together| together.prepare()));
    } else {
        let left_out = if is_full { &[][..] } else { &Plan::by_default().left_out };
        for of in instrumentations() {
            let examples = tested(&of).into_iter().map(|version| (of.clone(), version));
            trials.extend(examples.map(|one| trial(&one, None).with_ignored_flag(left_out.contains(&one))));
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Few workspaces suffice for the newest examples.
fn agree(plan: &Plan) -> Result<(), Failed> {
    let is_newest = |(of, version): &Example| tested(of).last() == Some(version);
    let newest = plan.workspaces.iter().filter(|together| !together.is_alone());
    let newest: Vec<Vec<_>> =
        newest.map(|together| together.examples().filter(|one| is_newest(one)).collect()).collect();
    let newest: Vec<_> = newest.into_iter().filter(|examples| !examples.is_empty()).collect();
    if newest.len() <= WORKSPACES {
        return Ok(());
    }
    let apart = &newest[WORKSPACES..];
    Err(format!("their lock files agree with no others; remove them and run with `UPDATE_LOCKS=1`: {apart:?}").into())
}

fn trial((of, version): &Example, together: Option<Arc<Together>>) -> Trial {
    let (of, version) = (of.clone(), version.clone());
    let name = format!("{of} {version}");
    Trial::test(name.clone(), move || run(&name, &of, &version, together.as_deref()))
}

/// Weaves, builds and runs one example.
fn run(name: &str, of: &str, version: &str, together: Option<&Together>) -> Result<(), Failed> {
    if locks::are_updated() {
        locks::update(of, version);
    }
    let member = Member::Example((of.to_owned(), version.to_owned()));
    if let Some(library) = member.missing_library() {
        skip_test(name, &format!("no {library} that pkg-config finds"));
        return Ok(());
    }
    let mut expected = Expected::read(of, version)?;
    let mut services = Vec::new();
    for need in &expected.needs {
        match Service::start(need) {
            Ok(service) => services.push(service),
            Err(why) => {
                skip_test(name, &why);
                return Ok(());
            }
        }
    }
    let fixture = match together {
        Some(together) => together.built(&member),
        None => Fixture::example(of, version),
    };
    expected.below(&fixture.below());
    let layers = fixture.layers();
    if !layers.contains(&(of.to_owned(), version.to_owned())) {
        return Err(format!("{of} {version} is not woven; the layers are {layers:?}\n{}", fixture.stderr).into());
    }
    let received = launch(&fixture, &expected, &services)?;
    let file = fixture.folder.join("received.txt");
    std::fs::write(&file, received.to_string()).map_err(|error| error.to_string())?;
    let problems = expected.problems(&received);
    if problems.is_empty() {
        return Ok(());
    }
    let all = format!("all that was received: {}", file.display());
    Err(format!("{}\n\n{all}\nthe project: {}", problems.join("\n\n"), fixture.folder.display()).into())
}

/// Runs the program to its end under the launcher.
fn launch(fixture: &Fixture, expected: &Expected, services: &[Service]) -> Result<Received, Failed> {
    let otlp = Otlp::start();
    let mut command = clean(OTEL_RS);
    command.args(["instrument", "--"]).arg(&fixture.program);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", otlp.url()).env("OTEL_RS_HOST_METRICS", "none");
    command.envs(services.iter().flat_map(Service::environment)).envs(&expected.environment);
    // Files, so that no pipe is ever full.
    let (stdout, stderr) = (fixture.folder.join("stdout.txt"), fixture.folder.join("stderr.txt"));
    let create = |path| std::fs::File::create(path).map_err(|error| error.to_string());
    command.stdin(Stdio::null()).stdout(create(&stdout)?).stderr(create(&stderr)?);
    let mut launcher = Launcher(command.spawn().map_err(|error| error.to_string())?);
    let is_ended_by_us = services.iter().any(Service::wait);
    if is_ended_by_us {
        kill(Pid::from_raw(launcher.0.id() as i32), Signal::SIGTERM).map_err(|error| error.to_string())?;
    }
    let text = |path| std::fs::read_to_string(path).unwrap_or_default();
    let Some(status) = launcher.wait() else {
        let (text, project) = (text(stdout) + &text(stderr), fixture.folder.display());
        return Err(format!("the program did not end within {PATIENCE} s:\n{text}\nthe project: {project}").into());
    };
    if !status.success() && !is_ended_by_us {
        return Err(format!("the program ended with {status}:\n{}{}", text(stdout), text(stderr)).into());
    }
    Ok(Received { stdout: text(stdout), traces: otlp.traces(), metrics: otlp.metrics(), logs: otlp.logs() })
}

/// A launcher; it ends with the test, and its program with it.
struct Launcher(Child);

impl Launcher {
    /// Waits for the end, unless it takes too long.
    fn wait(&mut self) -> Option<ExitStatus> {
        let deadline = Instant::now() + Duration::from_secs(PATIENCE);
        while Instant::now() < deadline {
            if let Some(status) = self.0.try_wait().expect("a child") {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        None
    }
}

impl Drop for Launcher {
    fn drop(&mut self) {
        // Neither does any harm to a launcher that has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
