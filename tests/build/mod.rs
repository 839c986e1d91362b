//! The build half on small projects: what `bootstrap` writes, and what plain cargo makes of it.

pub(crate) mod project;

mod caching;
mod carried;
mod command;
mod compiling;
mod configuration;
mod falling_back;
mod former;
mod planted;
mod workspaces;
