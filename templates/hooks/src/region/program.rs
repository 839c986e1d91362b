//! What a process reports of its program when it attaches: by the time the launcher looks at `/proc`, it may have ended.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use super::Region;
use crate::wire::{self, header};

/// Writes it into a region that has not been sent yet. What is too long is left out.
pub(super) fn describe(region: &Region) {
    let executable = std::env::current_exe().ok().map(PathBuf::into_os_string);
    let texts = [
        (header::EXECUTABLE, executable),
        (header::SERVICE_NAME, variable("OTEL_SERVICE_NAME")),
        (header::RESOURCE_ATTRIBUTES, variable("OTEL_RESOURCE_ATTRIBUTES")),
    ];
    for (field, text) in texts {
        let text = text.as_ref().map(|text| text.to_string_lossy());
        let id = match text {
            Some(text) if text.len() <= wire::MAX_VALUE => region.intern(text.as_bytes()),
            _ => 0,
        };
        region.at::<AtomicU32>(field).store(id, Ordering::Relaxed);
    }
}

fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// The same for a forked child, whose strings are its parent's.
pub(super) fn inherit(child: &Region, parent: &Region) {
    for field in [header::EXECUTABLE, header::SERVICE_NAME, header::RESOURCE_ATTRIBUTES] {
        let id = parent.at::<AtomicU32>(field).load(Ordering::Relaxed);
        child.at::<AtomicU32>(field).store(id, Ordering::Relaxed);
    }
}
