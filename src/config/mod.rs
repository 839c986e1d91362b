//! The configuration of a run: flags, the `OTEL_*` environment or a configuration file, and defaults, resolved into one
//! [`Config`].
//!
//! - `registry`: the one list of variables, which feeds the command line, the help texts and the resolution.
//! - `text`: from a variable's text to a value.
//! - `model`: the parts of [`Config`], each with its defaults.
//! - `warnings`: of variables that are not used.
//! - `sources`: flags, environment, configuration file.
//! - `effective`: each variable's value and source, for reports.
//! - `resolve`: which source counts.
//! - `hooks`: the part that is passed on to the program.
//!
//! Each uses those above it only. A flag beats the environment, the environment beats the default. An empty variable
//! counts as unset. A bad value in the environment is a warning and the default is used, since the program must run; a bad
//! flag is an error, since it was just typed.

mod effective;
mod hooks;
mod model;
mod registry;
mod resolve;
mod sources;
mod text;
mod warnings;

pub(crate) use effective::{EffectiveSetting, ValueSource};
pub(crate) use model::*;
pub(crate) use registry::*;
pub(crate) use resolve::{OLD_CONFIG_FILE, Resolved, resolve};
pub(crate) use sources::file::FileError;
