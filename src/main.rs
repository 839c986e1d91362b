//! `otel-rs`: OpenTelemetry for Rust programs, with no code change.
//!
//! The build half (`project`, `weave`, `rules`, `catalog`, `layers`, `rustc`) weaves dependencies as they pass through the
//! compiler; the run half (`launch`, `channel`, `config`, `telemetry`) is the launcher that holds the SDK. They share the
//! wire format and the marker of a layer. `docs/design/ARCHITECTURE.md` lists all rooms.

mod attributes;
mod bounds;
mod catalog;
mod channel;
mod cli;
mod config;
mod conventions;
mod digest;
mod export;
mod host;
mod launch;
mod layers;
mod marker;
mod ops;
mod project;
mod records;
mod redact;
mod resource;
mod rules;
mod rustc;
mod signals;
mod telemetry;
mod ui;
mod weave;
mod wire;

// The one place where the program exits, so that every exit status can be found from here. What `launch` has forked ends
// there.
fn main() {
    let args: Vec<std::ffi::OsString> = std::env::args_os().collect();
    launch::prepare_for_shortage(&args);
    let status = cli::run(args);
    ui::finish();
    std::process::exit(status);
}

#[global_allocator]
static ALLOCATOR: launch::Allocator = launch::Allocator;
