//! The hooks: what a woven crate calls inside the user's program.
//!
//! They write small records into shared memory, where the launcher (`otel-rs instrument`) reads them. Without a launcher
//! they are dormant: one relaxed load. **Invariant:** no dependency, no lock, no allocation per record (but for the
//! handle of a span that the program makes by itself, once for each place where it makes them, and for the record of a
//! panic), no output, no panic:
//! whatever goes wrong, the program runs on as if the hooks were not there. No threads either, but for the two that run
//! the callbacks of metrics, where there are any and the program has threads already ([`metrics::on_collect`]).
//!
//! All functions here are safe and may be called from anywhere, `Drop` and forked children included.

#![warn(missing_docs, missing_debug_implementations)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic))]

mod attach;
mod attribute;
mod cells;
mod clock;
mod context;
mod decisions;
pub mod directives;
mod headers;
pub mod http;
mod ids;
pub mod kit;
mod logs;
pub mod metrics;
pub mod net;
pub mod panics;
mod places;
mod region;
mod ring;
mod scope;
mod seed;
mod settings;
mod shared;
mod span;
mod sys;
pub mod wire;
mod writer;

pub use attribute::{key, Attribute, Key, Value};
pub use cells::{Cell, CellKind};
pub use context::{carry, carry_fn, current, detach, detached, Attached, BaggageMember, Carry, Context, Entered};
pub use decisions::Decisions;
pub use headers::{Headers, HeadersMut};
pub use http::Transfer;
pub use logs::{
    format_error, formatting, log, shown_ids, Copied, Log, LogAttributes, PendingLog, Severity, ShownIds, StackArena,
};
pub use places::{Places, Written};
pub use scope::Scope;
pub use shared::{About, SharedSpan, SharedStart};
pub use span::{Chosen, Domain, Span};

/// Whether a launcher listens. One relaxed load once that is known; hooks whose arguments cost something check it first.
#[inline(always)]
pub fn active() -> bool {
    attach::active()
}

/// The loader calls this before `main`. Threads and filters of system calls come later.
#[cfg(all(not(test), target_os = "linux", target_pointer_width = "64", target_endian = "little"))]
#[used]
#[link_section = ".init_array"]
static BEFORE_MAIN: extern "C" fn() = before_main;

#[cfg(all(not(test), target_os = "linux", target_pointer_width = "64", target_endian = "little"))]
extern "C" fn before_main() {
    if active() {
        panics::install();
    }
}

/// CPU time that the process has used so far, by all its threads; `None` where it is unknown. A system call.
pub fn cpu_time() -> Option<std::time::Duration> {
    if attach::is_filtered() {
        return None;
    }
    sys::cpu_time()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_cpu_time_of_a_process_rises_with_what_its_threads_do() {
        let before = super::cpu_time().unwrap();
        // Not by sleeping: this thread waits for one that works.
        let work = || (0..20_000_000_u64).fold(1, |sum: u64, number| std::hint::black_box(sum ^ number));
        std::thread::spawn(work).join().unwrap();
        let used = super::cpu_time().unwrap() - before;
        assert!(used.as_micros() > 100 && used.as_secs() < 60, "{used:?}");
    }
}
