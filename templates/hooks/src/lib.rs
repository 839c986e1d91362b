//! The hooks: what a woven crate calls inside the user's program.
//!
//! They write small records into shared memory, where the launcher (`otel-rs instrument`) reads them. Without a launcher
//! they are dormant: one relaxed load. **Invariant:** no dependency, no lock, no allocation per record, no output, no panic:
//! whatever goes wrong, the program runs on as if the hooks were not there. No thread either, but for the one that runs
//! the callbacks of metrics, where there are any ([`metrics::on_collect`]).
//!
//! All functions here are safe and may be called from anywhere, `Drop` and forked children included.

#![warn(missing_docs, missing_debug_implementations)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic))]

mod attach;
mod attribute;
mod carry;
mod cells;
pub mod client;
mod context;
mod headers;
pub mod http;
mod live;
mod logs;
pub mod metrics;
pub mod net;
mod pattern;
mod propagate;
mod random;
mod ratio;
mod ring;
mod sample;
mod settings;
mod span;
#[cfg(all(target_os = "linux", target_pointer_width = "64", target_endian = "little"))]
mod sys;
#[cfg(not(all(target_os = "linux", target_pointer_width = "64", target_endian = "little")))]
#[path = "sys_none.rs"]
mod sys;
mod transfer;
pub mod wire;

pub use attribute::{key, Attribute, Key, Value};
pub use carry::{carry, carry_fn, detach, detached, Carry};
pub use cells::{Cell, CellKind};
pub use context::{current, Context, Entered};
pub use headers::{Headers, HeadersMut};
pub use logs::{formatting, log, Log, Said, Severity};
pub use span::{Domain, Scope, Span};
pub use transfer::Transfer;

/// Whether a launcher listens. One relaxed load once that is known; hooks whose arguments cost something ask first.
#[inline(always)]
pub fn active() -> bool {
    attach::active()
}
