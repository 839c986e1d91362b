//! The build half on small projects: files that `bootstrap` writes, and builds with plain cargo.

pub(crate) mod project;

mod caching;
mod carried;
mod command;
mod compiling;
mod configuration;
mod falling_back;
mod former;
mod planted;
mod verdict;
mod workspaces;
