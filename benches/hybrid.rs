//! What a measurement made with OpenTelemetry's API costs in the program: `cargo bench --bench hybrid`.
//!
//! One program, woven and built once, is measured without a launcher, under the launcher, and with the SDK in it.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::fs;
use std::path::Path;
use std::process::Command;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/hybrid");
const OTEL_RS: &str = env!("CARGO_BIN_EXE_otel-rs");

fn run(command: &mut Command) -> String {
    let output = command.output().expect("the command starts");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

fn main() {
    let project = Path::new(env!("CARGO_TARGET_TMPDIR")).join("measurements");
    fs::create_dir_all(project.join("src")).expect("a folder");
    for (name, from) in [("Cargo.toml", "Cargo.toml.in"), ("Cargo.lock", "Cargo.lock"), ("src/main.rs", "src/main.rs")]
    {
        fs::copy(Path::new(FOLDER).join(from), project.join(name)).expect("the fixture is there");
    }
    run(Command::new(OTEL_RS).arg("bootstrap").current_dir(&project));
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--release", "--locked"]).env_remove("RUSTC_WRAPPER").env_remove("CARGO_TARGET_DIR");
    run(build.current_dir(&project));

    let program = project.join("target/release/measurements");
    let layers = run(Command::new(OTEL_RS).arg("inspect").arg(&program));
    assert!(layers.contains("opentelemetry"), "what is measured must be woven: {layers}");
    let mut launched = Command::new(OTEL_RS);
    // A page that nobody asks for: nothing is sent while the program measures.
    launched.env("OTEL_METRICS_EXPORTER", "prometheus").env("OTEL_EXPORTER_PROMETHEUS_PORT", "0");
    launched.env("OTEL_TRACES_EXPORTER", "none").env("OTEL_LOGS_EXPORTER", "none");
    let launched = run(launched.args(["instrument", "--"]).arg(&program));
    println!("woven, without a launcher\n{}", run(&mut Command::new(&program)));
    println!("woven, under the launcher\n{launched}");
    println!("the SDK in the program\n{}", run(Command::new(&program).arg("sdk")));
}
