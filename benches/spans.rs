//! What a span or an event of `tracing` costs in the program: `cargo bench --bench spans`.
//!
//! One program is measured plain, woven without a launcher, woven under the launcher, and plain with tracing-opentelemetry and
//! the SDK in it.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/spans");
const OTEL_RS: &str = env!("CARGO_BIN_EXE_otel-rs");

fn run(command: &mut Command) -> String {
    let output = command.output().expect("the command starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {stderr}");
    // A record that is dropped costs less than one that is written.
    assert!(!stderr.contains("dropped"), "{command:?}: {stderr}");
    String::from_utf8(output.stdout).expect("text")
}

/// Answers every request with success until this process ends; its address.
fn accept_everything() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answer(&stream));
        }
    });
    address
}

/// Answers the requests of a connection; `None` when it ends.
fn answer(mut stream: &TcpStream) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let line = line.trim().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(text) = line.strip_prefix("content-length:") {
                length = text.trim().parse().ok()?;
            }
        }
        std::io::copy(&mut reader.by_ref().take(length), &mut std::io::sink()).ok()?;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").ok()?;
    }
}

fn main() {
    let project = Path::new(env!("CARGO_TARGET_TMPDIR")).join("own-spans");
    fs::create_dir_all(project.join("src")).expect("a folder");
    for (name, from) in [("Cargo.toml", "Cargo.toml.in"), ("Cargo.lock", "Cargo.lock"), ("src/main.rs", "src/main.rs")]
    {
        fs::copy(Path::new(FOLDER).join(from), project.join(name)).expect("the fixture is there");
    }
    let build = |folder: &str| {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--release", "--locked", "--target-dir", folder]);
        run(build.env_remove("RUSTC_WRAPPER").env_remove("CARGO_TARGET_DIR").current_dir(&project));
        project.join(folder).join("release/own-spans")
    };
    run(Command::new(OTEL_RS).args(["bootstrap", "--action", "remove"]).current_dir(&project));
    let plain = build("plain");
    run(Command::new(OTEL_RS).arg("bootstrap").current_dir(&project));
    let woven = build("woven");
    let layers = run(Command::new(OTEL_RS).arg("inspect").arg(&woven));
    assert!(layers.contains("tracing"), "what is measured must be woven: {layers}");
    let mut launched = Command::new(OTEL_RS);
    // Everything is recorded and read. Log records are recorded only where they are exported.
    launched.env("OTEL_METRICS_EXPORTER", "prometheus").env("OTEL_EXPORTER_PROMETHEUS_PORT", "0");
    launched.env("OTEL_TRACES_EXPORTER", "none").env("OTEL_LOGS_EXPORTER", "otlp");
    launched.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{}", accept_everything()));
    let launched = run(launched.args(["instrument", "--"]).arg(&woven));
    println!("plain\n{}", run(&mut Command::new(&plain)));
    println!("woven, without a launcher\n{}", run(&mut Command::new(&woven)));
    println!("woven, under the launcher\n{launched}");
    println!("plain, tracing-opentelemetry and the SDK in the program\n{}", run(Command::new(&plain).arg("sdk")));
}
