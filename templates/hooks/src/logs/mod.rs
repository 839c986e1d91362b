//! Log records: what the app's own loggers accept, with the ids of the spans they belong to.
//!
//! The app's logger comes first, and formats. We take the text while it does ([`PendingLog`]): the app's code runs no second
//! time for us.

mod arena;
mod attributes;
mod pending;
mod shown;

use std::cell::Cell;
use std::panic::{catch_unwind, AssertUnwindSafe};

use crate::clock::now;
use crate::context::{self, flag};
use crate::scope::Scope;
use crate::{ring, settings};

pub use arena::StackArena;
pub use attributes::LogAttributes;
pub use pending::{format_error, Copied, PendingLog};
pub use shown::{shown_ids, ShownIds};

/// How serious a record is: OpenTelemetry's severity numbers, of those that have a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum Severity {
    Trace = 1,
    Debug = 5,
    Info = 9,
    Warn = 13,
    Error = 17,
    Fatal = 21,
}

impl Severity {
    /// The one of that number.
    pub(crate) fn of(number: u8) -> Option<Severity> {
        let all = [Severity::Trace, Severity::Debug, Severity::Info, Severity::Warn, Severity::Error, Severity::Fatal];
        all.into_iter().find(|severity| *severity as u8 == number)
    }
}

thread_local! {
    static FORMATTING: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is formatting a record for us alone. What is logged meanwhile would not have
/// been logged without us: an instrumentation keeps it from the app's logger.
#[inline]
pub fn formatting() -> bool {
    FORMATTING.try_with(Cell::get).unwrap_or(false)
}

/// A log record of the moment when it was made.
#[derive(Debug)]
pub struct Log {
    scope: &'static Scope,
    severity: Severity,
    time: u64,
}

impl Log {
    /// A record to be written later, or `None` where log records are not recorded.
    #[inline]
    pub fn now(scope: &'static Scope, severity: Severity) -> Option<Log> {
        if scope.enabled() && settings::logs() && !formatting() {
            Some(Log { scope, severity, time: now() })
        } else {
            None
        }
    }

    /// Begins the record for the program's record or event at the address `subject`, before the program's logger gets it.
    /// Where a panic `aborts` the program, nothing is formatted for us: `cfg!(panic = "abort")`.
    #[inline]
    pub fn pending(self, subject: usize, aborts: bool) -> PendingLog {
        PendingLog::new(self, subject, aborts)
    }

    fn write(&self, attributes: &LogAttributes, missing: u8) {
        let context = context::current_or_process();
        let record = ring::LogRecord {
            trace: context.trace,
            span: context.span,
            flags: context.flags & flag::W3C,
            time: self.time,
            severity: self.severity as u8,
            dropped: attributes.dropped().saturating_add(missing),
            attributes: attributes.bytes(),
            count: attributes.count(),
            baggage: context.baggage_to_record(),
        };
        ring::write_log(self.scope, &record);
    }
}

/// Writes a log record of this moment, which no logger of the program's has. `write` may run code of the app.
pub fn log(scope: &'static Scope, severity: Severity, write: impl FnOnce(&mut LogAttributes)) {
    let Some(log) = Log::now(scope, severity) else { return };
    let mut attributes = LogAttributes::new();
    if !run_formatting(|| write(&mut attributes)) && !attributes.end(false) {
        attributes.count_dropped();
    }
    log.write(&attributes, 0);
}

/// Runs `run`, which formats for us; false if it panics.
fn run_formatting(run: impl FnOnce()) -> bool {
    struct Over(bool);
    impl Drop for Over {
        fn drop(&mut self) {
            let _ = FORMATTING.try_with(|formatting| formatting.set(self.0));
        }
    }
    let _over = Over(formatting());
    let _ = FORMATTING.try_with(|formatting| formatting.set(true));
    // The app must not die of being observed. What `run` reaches is ours and thrown away in pieces if need be, so it
    // does not matter in what state a panic leaves it.
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(()) => true,
        Err(panic) => {
            // Its destructor is the app's code as well.
            std::mem::forget(panic);
            false
        }
    }
}
