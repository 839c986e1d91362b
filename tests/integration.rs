//! Everything that needs the built program.

mod build;
mod demo;
mod edge;
mod function;
mod hybrid;
mod launcher;
mod metrics;
mod otlp;
mod process;
mod project;
mod shop;
mod support;
mod variables;
