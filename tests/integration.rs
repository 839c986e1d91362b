//! Everything that needs the built program.

mod build;
mod demo;
mod edge;
mod function;
mod hybrid;
mod launcher;
mod logging;
mod metrics;
mod orders;
mod otlp;
mod own;
mod process;
mod project;
mod shop;
mod spans;
#[allow(dead_code, reason = "the target `examples` uses the rest")]
mod support;
mod threads;
mod variables;
