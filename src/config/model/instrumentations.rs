//! Which instrumentations are enabled, and what they may do in the program.

use crate::config::registry::{
    OTEL_RS_DISABLED_INSTRUMENTATIONS, OTEL_RS_ENABLED_INSTRUMENTATIONS, OTEL_RS_OBSERVER_THREAD,
};
use crate::config::text;

/// Which instrumentations are enabled: names as in `otel-rs list`, `*` for all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Instrumentations {
    pub(crate) enabled: Vec<String>,
    /// Wins over `enabled`.
    pub(crate) disabled: Vec<String>,
}

impl Default for Instrumentations {
    fn default() -> Instrumentations {
        Instrumentations {
            enabled: OTEL_RS_ENABLED_INSTRUMENTATIONS.default_as(text::words),
            disabled: OTEL_RS_DISABLED_INSTRUMENTATIONS.default_as(text::words),
        }
    }
}

/// OTEL_RS_OBSERVER_THREAD: whether callbacks of metrics have a thread in the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ObserverThread {
    /// Once the program has several.
    Auto,
    Always,
    Never,
}

impl ObserverThread {
    /// The names that both sources have for them.
    pub(in crate::config) const NAMES: &[(&str, ObserverThread)] =
        &[("auto", ObserverThread::Auto), ("always", ObserverThread::Always), ("never", ObserverThread::Never)];
}

impl Default for ObserverThread {
    fn default() -> ObserverThread {
        OTEL_RS_OBSERVER_THREAD.default_word(ObserverThread::NAMES)
    }
}
