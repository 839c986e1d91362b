//! Which spans and log records of the program's own the user wants: `OTEL_RS_SPANS`, `OTEL_RS_LOGS`.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::attach::active;
use crate::logs::Severity;
use crate::settings;
use crate::settings::directives::Verdict;

/// What is recorded of spans where `OTEL_RS_SPANS` is not set.
const SPANS: Severity = Severity::Info;

/// Whether spans of this target and severity become spans of the trace. A target that `is_covered`, since an instrumentation
/// records the same already, does only if the user names it. Decided anew at each call: callers remember it.
pub fn wants_span(target: &str, severity: Severity, is_covered: bool) -> bool {
    if !active() {
        return false;
    }
    let Some(directives) = settings::get().and_then(|settings| settings.spans.as_ref()) else {
        return severity >= SPANS && !is_covered;
    };
    match directives.verdict(target, severity as u8) {
        Verdict::Named(wants) => wants,
        Verdict::General(wants) => wants && !is_covered,
    }
}

/// Whether log records of this target and severity are recorded, whatever the program's own logger accepts. `None` where
/// `OTEL_RS_LOGS` is not set.
pub fn wants_log(target: &str, severity: Severity) -> Option<bool> {
    if !active() {
        return None;
    }
    let directives = settings::get()?.log_records.as_ref()?;
    let (Verdict::Named(wants) | Verdict::General(wants)) = directives.verdict(target, severity as u8);
    Some(wants)
}

/// The least severity of spans that any target is recorded from; `None` if none is recorded.
pub fn least_span() -> Option<Severity> {
    if !active() {
        return None;
    }
    match settings::get().and_then(|settings| settings.spans.as_ref()) {
        Some(directives) => directives.least().and_then(Severity::of),
        None => Some(SPANS),
    }
}

/// The same of log records. `None` where `OTEL_RS_LOGS` is not set, too.
pub fn least_log() -> Option<Severity> {
    if !active() {
        return None;
    }
    settings::get()?.log_records.as_ref()?.least().and_then(Severity::of)
}

/// Whether the program exports spans of its own by itself, see [`spans_are_exported_elsewhere`].
static ELSEWHERE: AtomicBool = AtomicBool::new(false);

/// The program hands its own spans to a tracer of its own: from now on they are not recorded here.
#[cold]
pub fn export_spans_elsewhere() {
    ELSEWHERE.store(true, Ordering::Relaxed);
}

/// Whether the program hands its own spans to a tracer of its own.
#[inline]
pub fn spans_are_exported_elsewhere() -> bool {
    ELSEWHERE.load(Ordering::Relaxed)
}
