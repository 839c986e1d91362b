//! `otel-rs demo`: its output, and that its metrics answer the questions of the guide.

mod questions;

use std::process::Command;
use std::sync::OnceLock;

use crate::support::metrics::Metrics;
use crate::support::{OTEL_RS, Otlp, clean, kept};

fn demo() -> Command {
    let (folder, target) = (kept("demo"), kept("target"));
    for folder in [&folder, &target] {
        std::fs::create_dir_all(folder).unwrap();
    }
    // It is built where other projects have built some of its dependencies.
    match std::os::unix::fs::symlink(target, folder.join("target")) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => panic!("{error}"),
        _ => {}
    }
    let mut command = clean(OTEL_RS);
    command.arg("demo").arg(folder);
    command
}

/// The metrics of the demo with everything enabled.
fn exported() -> &'static Metrics {
    static EXPORTED: OnceLock<Metrics> = OnceLock::new();
    EXPORTED.get_or_init(|| {
        let otlp = Otlp::start();
        let mut demo = demo();
        demo.env("OTEL_METRICS_EXPORTER", "otlp").env("OTEL_EXPORTER_OTLP_ENDPOINT", otlp.url());
        demo.env("OTEL_RS_HOST_METRICS", "process,system").env("OTEL_RS_PROCESS_SPAN", "true");
        let output = demo.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        otlp.metrics()
    })
}

#[test]
fn it_shows_the_trace_of_a_request_and_what_was_measured() {
    let _ = exported();
    let output = demo().output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("teapot"), "the answer is the program's own: {output:?}");
    for line in [
        "$ otel-rs bootstrap",
        "$ cargo build",
        "  otel-rs instrument -- target/debug/shop",
        "trace 0af7651916cd43dd8448eb211c80319c  5 spans",
        "└─ GET /orders/{id}",
        "      └─ GET /stock/{item}",
        "         └─ SELECT stock",
        "   GET /orders/{id} 404 ",
        "process.memory.usage ",
        "process.thread.count ",
    ] {
        assert!(stderr.contains(&format!("\n{line}")), "{line} is not shown:\n{stderr}");
    }
    assert!(!stderr.contains("warning"), "{stderr}");
}
