//! Everything that needs the built program.

mod build;
mod launcher;
mod project;
mod shop;
mod support;
