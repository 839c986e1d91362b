//! The instrumented crate that a record comes from.

use std::sync::atomic::{AtomicU32, AtomicU8, Ordering::Relaxed};

use crate::{attach, settings};

/// The instrumented crate and its version. Each layer has one, made by the layer writer; its marker text stays in the
/// binary, where `otel-rs inspect` finds which layers it carries.
#[derive(Debug)]
pub struct Scope {
    marker: &'static str,
    id: AtomicU32,
    /// Whether its instrumentation is enabled, once that is known.
    enabled: AtomicU8,
}

const UNKNOWN: u8 = 0;
const YES: u8 = 1;
const NO: u8 = 2;

impl Scope {
    /// A scope with its marker, see `LAYER_MARKER` of the wire format.
    pub const fn new(marker: &'static str) -> Scope {
        Scope { marker, id: AtomicU32::new(0), enabled: AtomicU8::new(UNKNOWN) }
    }

    /// Whether a launcher listens and this crate's instrumentation is enabled. Hooks that take a scope check it by
    /// themselves; advice checks it before it does anything else that the program would not do without it.
    #[inline(always)]
    pub fn enabled(&self) -> bool {
        attach::active()
            && match self.enabled.load(Relaxed) {
                YES => true,
                NO => false,
                _ => self.resolve_enabled(),
            }
    }

    #[cold]
    fn resolve_enabled(&self) -> bool {
        let crate_name = self.marker.split('|').nth(1).unwrap_or("");
        let enabled = settings::get().map_or(true, |settings| settings.is_enabled(crate_name));
        self.enabled.store(if enabled { YES } else { NO }, Relaxed);
        enabled
    }

    /// The scope's id in the string table, or 0 while another thread is adding to the table.
    pub(crate) fn id(&self) -> u32 {
        let known = self.id.load(Relaxed);
        if known != 0 {
            return known;
        }
        let id = attach::intern(self.marker.as_bytes());
        self.id.store(id, Relaxed);
        id
    }

    pub(crate) fn marker(&self) -> &'static str {
        self.marker
    }
}
