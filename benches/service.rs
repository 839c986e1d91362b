//! What zero-code telemetry costs a service, beside the same service instrumented by hand: `cargo bench --bench service`.
//!
//! One small service (a greeting, a lookup in SQLite, a call of itself over HTTP) is built plain, woven and with the feature
//! `manual`. All variants run at the same time and are loaded in turn, at 1000 requests per second and saturated; each figure
//! is a ratio to the plain one of the same round. `ROUNDS` (5) and `SECONDS` (3) choose how long it takes; `BUILDS=0` builds
//! only what has changed, and does not measure builds. All processes, the load generator and the receiver included, share
//! the machine.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

#[path = "service/load.rs"]
mod load;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use load::{Receiver, Round, round};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/service");
const OTEL_RS: &str = env!("CARGO_BIN_EXE_otel-rs");

/// Each route with the spans of one request.
const ROUTES: [(&str, u64); 3] = [("/hello", 1), ("/users/{id}", 2), ("/proxy/{id}", 4)];
/// Requests per second where the rate is fixed.
const RATE: u32 = 1000;

fn run(command: &mut Command) -> String {
    let output = command.output().expect("the command starts");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

fn setting(name: &str, default: u32) -> u32 {
    std::env::var(name).map_or(default, |value| value.parse().expect("a number"))
}

fn main() {
    let builds = Builds::new();
    let receiver = Receiver::start();
    let (plain, woven, manual) = (builds.program("plain"), builds.program("woven"), builds.program("manual"));
    let tenth = [("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "0.1")];
    let services = vec![
        Service::start("plain", &plain, false, &receiver, &[]),
        Service::start("woven, no launcher", &woven, false, &receiver, &[]),
        Service::start("otel-rs", &woven, true, &receiver, &[]),
        Service::start("otel-rs, 0.1", &woven, true, &receiver, &tenth),
        Service::start("manual", &manual, false, &receiver, &[]),
        Service::start("manual, 0.1", &manual, false, &receiver, &tenth),
    ];
    idle(&services);
    println!("\n                               CPU, app            CPU, app and launcher   throughput        p99");
    for (rate, title) in [(Some(RATE), "1000 requests per second"), (None, "saturated, 32 connections")] {
        println!("{title}");
        for (route, _) in ROUTES {
            table(&services, route, rate);
        }
    }
    for service in services {
        service.end();
    }
    for (route, spans) in ROUTES {
        lost("otel-rs", &woven, true, &receiver, route, spans);
        lost("manual", &manual, false, &receiver, route, spans);
    }
    if are_builds_measured() {
        builds.again();
    }
}

fn are_builds_measured() -> bool {
    setting("BUILDS", 1) != 0
}

/// Prints what each variant costs on one route.
fn table(services: &[Service], route: &str, rate: Option<u32>) {
    let duration = Duration::from_secs(setting("SECONDS", 3).into());
    let mut measured: Vec<Vec<Measured>> = services.iter().map(|_| Vec::new()).collect();
    for service in services {
        round(service.address, route, Duration::from_millis(500), Some(200));
    }
    for number in 0..setting("ROUNDS", 5) {
        let order: Vec<usize> = (0..services.len()).collect();
        let order: Vec<usize> = if number % 2 == 0 { order } else { order.into_iter().rev().collect() };
        for index in order {
            measured[index].push(services[index].measure(route, duration, rate));
        }
    }
    let plain = &measured[0];
    for (service, rounds) in services.iter().zip(&measured) {
        let ratios = |of: fn(&Measured) -> f64| {
            let mut ratios: Vec<_> = rounds.iter().zip(plain).map(|(one, plain)| of(one) / of(plain)).collect();
            ratios.sort_by(f64::total_cmp);
            let (lowest, highest) = (ratios[0], ratios[ratios.len() - 1]);
            format!("{:5.2} [{lowest:.2}, {highest:.2}]", ratios[ratios.len() / 2])
        };
        let failed: u64 = rounds.iter().map(|one| one.round.failed).sum();
        assert_eq!(failed, 0, "{}: {route}: requests failed", service.name);
        println!(
            "  {route:12} {:18} {:20} {:20} {:20} {:20}",
            service.name,
            ratios(|one| one.app),
            ratios(|one| one.app + one.launcher),
            ratios(|one| one.round.throughput),
            ratios(|one| one.round.p99),
        );
    }
}

/// Prints the memory of each process, and what the launcher takes while nothing happens.
fn idle(services: &[Service]) {
    sleep(Duration::from_secs(2));
    let before: Vec<_> = services.iter().map(|service| cpu(&service.launcher())).collect();
    let duration = Duration::from_secs(10);
    sleep(duration);
    println!("idle for {} s         app     launcher     launcher's share of a core", duration.as_secs());
    for (service, before) in services.iter().zip(before) {
        let share = 100.0 * (cpu(&service.launcher()) - before) / duration.as_secs_f64();
        let (app, launcher) = (resident(&[service.app()]), resident(&service.launcher()));
        println!("  {:18} {app:5.1} MB  {launcher:5.1} MB       {share:.3} %", service.name);
    }
}

/// Prints how many spans of a saturated service did not arrive.
fn lost(name: &'static str, program: &Path, is_launched: bool, receiver: &Receiver, route: &str, spans: u64) {
    let service = Service::start(name, program, is_launched, receiver, &[]);
    receiver.take();
    let round = round(service.address, route, Duration::from_secs(10), None);
    service.end();
    let (made, arrived) = (round.answered * spans, receiver.take());
    println!("saturated for 10 s, {route:12} {name:8} {made:8} spans made, {arrived:8} received");
}

/// What a service took for a round of load.
struct Measured {
    round: Round,
    /// CPU time per request, in microseconds.
    app: f64,
    launcher: f64,
}

/// A variant of the service that runs.
struct Service {
    name: &'static str,
    process: Child,
    is_launched: bool,
    address: SocketAddr,
}

impl Service {
    fn start(
        name: &'static str,
        program: &Path,
        is_launched: bool,
        receiver: &Receiver,
        environment: &[(&str, &str)],
    ) -> Self {
        let mut command = Command::new(if is_launched { Path::new(OTEL_RS) } else { program });
        if is_launched {
            command.args(["instrument", "--"]).arg(program);
        }
        command.env("OTEL_SERVICE_NAME", "service").env("OTEL_METRIC_EXPORT_INTERVAL", "5000");
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{}", receiver.address));
        command.env("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf");
        command.envs(environment.iter().copied()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("the service starts");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("its stdout");
        BufReader::new(stdout).read_line(&mut line).expect("a line with its address");
        let address = line.trim().parse().expect("an address");
        Service { name, process, is_launched, address }
    }

    /// The process of the service.
    fn app(&self) -> u32 {
        let below = descendants(self.process.id());
        let own = below.into_iter().find(|process| !is_launcher(*process));
        if self.is_launched { own.expect("the program of the launcher") } else { self.process.id() }
    }

    /// The processes of the launcher; none where there is no launcher.
    fn launcher(&self) -> Vec<u32> {
        if !self.is_launched {
            return Vec::new();
        }
        let below = descendants(self.process.id()).into_iter();
        std::iter::once(self.process.id()).chain(below.filter(|process| is_launcher(*process))).collect()
    }

    fn measure(&self, route: &str, duration: Duration, rate: Option<u32>) -> Measured {
        let (app, launcher) = ([self.app()], self.launcher());
        let before = (cpu(&app), cpu(&launcher));
        let round = round(self.address, route, duration, rate);
        // What is on its way to the receiver belongs to this round.
        sleep(Duration::from_millis(500));
        let per_request = |after: f64, before: f64| (after - before) * 1e6 / round.answered as f64;
        let (app, launcher) = (per_request(cpu(&app), before.0), per_request(cpu(&launcher), before.1));
        Measured { round, app, launcher }
    }

    fn end(mut self) {
        let process = Pid::from_raw(self.process.id().cast_signed());
        kill(process, Signal::SIGTERM).expect("it runs");
        let status = self.process.wait().expect("it ends");
        assert!(status.success(), "{}: {status}", self.name);
    }
}

/// All processes below one.
fn descendants(of: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{of}/task")).into_iter().flatten().flatten();
    let children = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let children: Vec<u32> = children
        .flat_map(|text| text.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<_>>())
        .collect();
    children.iter().flat_map(|child| std::iter::once(*child).chain(descendants(*child))).collect()
}

fn is_launcher(process: u32) -> bool {
    fs::read_link(format!("/proc/{process}/exe")).is_ok_and(|path| path == Path::new(OTEL_RS))
}

/// The CPU time of the threads that live, in seconds. Ticks would be too coarse.
fn cpu(processes: &[u32]) -> f64 {
    let tasks =
        processes.iter().flat_map(|id| fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten());
    let texts = tasks.filter_map(|task| fs::read_to_string(task.path().join("schedstat")).ok());
    texts.filter_map(|text| text.split(' ').next()?.parse::<f64>().ok()).sum::<f64>() / 1e9
}

/// Resident memory in megabytes.
fn resident(processes: &[u32]) -> f64 {
    let texts = processes.iter().filter_map(|id| fs::read_to_string(format!("/proc/{id}/status")).ok());
    let lines = texts.filter_map(|text| text.lines().find(|line| line.starts_with("VmRSS:")).map(str::to_owned));
    // The sum of nothing is -0.
    0.0 + lines.filter_map(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok()).sum::<f64>() / 1024.0
}

/// The programs that are compared.
struct Builds {
    project: PathBuf,
}

impl Builds {
    /// Builds each from nothing, and prints the CPU time and the sizes.
    fn new() -> Self {
        let project = Path::new(env!("CARGO_TARGET_TMPDIR")).join("service");
        fs::create_dir_all(project.join("src")).expect("a folder");
        let names = [("Cargo.toml", "Cargo.toml.in"), ("Cargo.lock", "Cargo.lock"), ("src/main.rs", "src/main.rs")];
        for (name, from) in names.into_iter().chain([("src/telemetry.rs", "src/telemetry.rs")]) {
            fs::copy(Path::new(FOLDER).join(from), project.join(name)).expect("the project is there");
        }
        let builds = Builds { project };
        println!("                      stripped program    build from nothing");
        for name in ["plain", "manual", "woven"] {
            if are_builds_measured() {
                let _ = fs::remove_dir_all(builds.project.join(name));
            }
            let seconds = builds.build(name);
            let size = fs::metadata(builds.program(name)).expect("a program").len() as f64 / 1e6;
            let built = if are_builds_measured() { format!("{seconds:8.1} s of CPU time") } else { String::new() };
            println!("  {name:18} {size:5.2} MB         {built}");
        }
        let layers = run(Command::new(OTEL_RS).arg("inspect").arg(builds.program("woven")));
        assert!(["axum", "hyper", "reqwest", "sqlx-core"].iter().all(|name| layers.contains(name)), "{layers}");
        builds
    }

    fn program(&self, name: &str) -> PathBuf {
        self.project.join(name).join("release/service")
    }

    /// Builds one; the CPU time in seconds.
    fn build(&self, name: &str) -> f64 {
        let mut bootstrap = Command::new(OTEL_RS);
        bootstrap.arg("bootstrap").current_dir(&self.project);
        run(if name == "woven" { &mut bootstrap } else { bootstrap.args(["--action", "remove"]) });
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--release", "--locked", "--target-dir", name]);
        if name == "manual" {
            build.args(["--features", "manual"]);
        }
        let before = of_children();
        run(build.env_remove("RUSTC_WRAPPER").env_remove("CARGO_TARGET_DIR").current_dir(&self.project));
        of_children() - before
    }

    /// Prints what a build takes after a change of the program, and after none.
    fn again(&self) {
        println!("                        after a change      after none");
        for name in ["plain", "manual", "woven"] {
            // Layers are new to cargo where they had been removed for another variant.
            self.build(name);
            let main = fs::File::open(self.project.join("src/main.rs")).expect("a file");
            main.set_modified(std::time::SystemTime::now()).expect("a time");
            let changed = self.build(name);
            let start = Instant::now();
            let same = self.build(name);
            let elapsed = start.elapsed().as_secs_f64();
            println!("  {name:18} {changed:6.2} s of CPU   {same:6.2} s of CPU, {elapsed:.2} s");
        }
    }
}

/// The CPU time of the commands that have ended, in seconds.
fn of_children() -> f64 {
    use nix::sys::resource::{UsageWho, getrusage};
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("what was used");
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    seconds(usage.user_time()) + seconds(usage.system_time())
}
