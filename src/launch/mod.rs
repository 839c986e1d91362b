//! The child's life: found, started, watched, and its end made ours.
//!
//! A user who starts `otel-rs instrument -- app` should see what `app` alone would have shown: the same streams, the
//! same signals, the same stops, the same end. Where otel-rs cannot do its part, the app runs without it.

mod child;
mod end;
mod environment;
mod exporter;
mod find;
mod found;
mod image;
mod left;
mod shortage;
mod signals;

pub(crate) use child::{Program, RunningChild, SpawnError, Variable, Waiting};
pub(crate) use end::{ChildEnd, Ended, Usage, is_violent, signal_name};
pub(crate) use environment::Environment;
pub(crate) use exporter::{Exporter, NotReady, Order, Orders, let_go_of_inherited, replace_by_nothing};
pub(crate) use find::{FindError, find_program, is_elf};
pub(crate) use left::{adopt_orphans, count_left};
#[cfg(test)]
pub(crate) use shortage::allocations;
pub(crate) use shortage::{Allocator, prepare_for_shortage};
pub(crate) use signals::Signals;

/// The process id of the program, set once it has been started.
pub(crate) type LaunchedPid = std::sync::Arc<std::sync::OnceLock<u32>>;
