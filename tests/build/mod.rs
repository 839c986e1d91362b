//! The build half on small projects: what `bootstrap` writes, and what plain cargo makes of it.

mod project;

mod compiling;
mod configuration;
mod falling_back;
