//! What a request costs with actix-web, and a call with tonic: `cargo bench --bench frameworks`.
//!
//! One program serves and calls itself. It is measured plain, woven without a launcher, and woven under the launcher, in turn;
//! each figure is a ratio of CPU time per call to the plain one of the same round. `ROUNDS` (5) and `CALLS` (40000) choose
//! how long it takes.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

#[path = "service/load.rs"]
#[expect(dead_code, reason = "only the receiver is used here")]
mod load;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use load::Receiver;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/frameworks");
const OTEL_RS: &str = env!("CARGO_BIN_EXE_otel-rs");

/// Each framework with the crates that are woven, and the spans of one call.
const FRAMEWORKS: [(&str, &[&str], u64); 2] =
    [("actix-web", &["actix-http", "actix-web"], 1), ("tonic", &["tonic"], 2)];
/// How the program runs.
const VARIANTS: [&str; 3] = ["plain", "woven, no launcher", "otel-rs"];

fn run(command: &mut Command) -> String {
    let output = command.output().expect("the command starts");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().expect("a number"))
}

fn main() {
    let project = Path::new(env!("CARGO_TARGET_TMPDIR")).join("frameworks");
    fs::create_dir_all(project.join("src")).expect("a folder");
    let names = [("Cargo.toml", "Cargo.toml.in"), ("Cargo.lock", "Cargo.lock"), ("src/main.rs", "src/main.rs")];
    for (name, from) in names.into_iter().chain([("src/grpc.rs", "src/grpc.rs")]) {
        fs::copy(Path::new(FOLDER).join(from), project.join(name)).expect("the project is there");
    }
    let plain = build(&project, "plain");
    let woven = build(&project, "woven");
    let layers = run(Command::new(OTEL_RS).arg("inspect").arg(&woven));
    let receiver = Receiver::start();
    println!("CPU time per call           the program          the program and the launcher");
    for (framework, crates, spans) in FRAMEWORKS {
        assert!(crates.iter().all(|name| layers.contains(name)), "what is measured must be woven: {layers}");
        let mut measured = VARIANTS.map(|_| Vec::new());
        for _ in 0..setting("ROUNDS", 5) {
            receiver.take();
            for (variant, measured) in VARIANTS.iter().zip(&mut measured) {
                let program = if *variant == "plain" { &plain } else { &woven };
                measured.push(measure(program, *variant == "otel-rs", framework, &receiver));
            }
            let (made, arrived) = (setting("CALLS", 40000) / 8 * 8 * spans, receiver.take());
            assert_eq!(made, arrived, "{framework}: spans made, and received");
        }
        for (variant, rounds) in VARIANTS.iter().zip(&measured) {
            let ratios = |of: fn(&(f64, f64)) -> f64| {
                let mut ratios: Vec<_> =
                    rounds.iter().zip(&measured[0]).map(|(one, plain)| of(one) / of(plain)).collect();
                ratios.sort_by(f64::total_cmp);
                let (lowest, highest) = (ratios[0], ratios[ratios.len() - 1]);
                format!("{:.2} [{lowest:.2}, {highest:.2}]", ratios[ratios.len() / 2])
            };
            println!("  {framework:10} {variant:20} {:20} {:20}", ratios(|one| one.0), ratios(|one| one.1));
        }
    }
}

fn build(project: &Path, name: &str) -> PathBuf {
    let mut bootstrap = Command::new(OTEL_RS);
    bootstrap.arg("bootstrap").current_dir(project);
    run(if name == "woven" { &mut bootstrap } else { bootstrap.args(["--action", "remove"]) });
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--release", "--locked", "--target-dir", name]);
    run(build.env_remove("RUSTC_WRAPPER").env_remove("CARGO_TARGET_DIR").current_dir(project));
    project.join(name).join("release/frameworks")
}

/// The CPU time of one call in microseconds: the program's while it is called, and that with the launcher's, from its start
/// to its end.
fn measure(program: &Path, is_launched: bool, framework: &str, receiver: &Receiver) -> (f64, f64) {
    let calls = setting("CALLS", 40000);
    let mut command = Command::new(if is_launched { Path::new(OTEL_RS) } else { program });
    if is_launched {
        command.args(["instrument", "--"]).arg(program);
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{}", receiver.address));
        command.env("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf").env("OTEL_SERVICE_NAME", "frameworks");
    }
    let before = of_children();
    let app = run(command.arg(framework).arg(calls.to_string())).trim().parse().expect("microseconds");
    (app, (of_children() - before) * 1e6 / calls as f64)
}

/// The CPU time of the commands that have ended, in seconds.
fn of_children() -> f64 {
    use nix::sys::resource::{UsageWho, getrusage};
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("what was used");
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    seconds(usage.user_time()) + seconds(usage.system_time())
}
