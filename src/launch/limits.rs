//! The launcher's limit of descriptors. It needs two or three for each process that reports, and one for each connection
//! of its exporters; the program gets the limit that the user set.

use std::io;
use std::sync::OnceLock;

use nix::libc::rlim_t;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// The limit as it was found, once it has been raised.
static FOUND: OnceLock<(rlim_t, rlim_t)> = OnceLock::new();

/// Lets this process have as many descriptors as it may. Where that cannot be, it has as many as before.
pub(super) fn raise() {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    if soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok() {
        let _ = FOUND.set((soft, hard));
    }
}

/// For a child, between fork and exec: the limit as the user set it.
pub(super) fn restore() -> io::Result<()> {
    match FOUND.get() {
        Some((soft, hard)) => Ok(setrlimit(Resource::RLIMIT_NOFILE, *soft, *hard)?),
        None => Ok(()),
    }
}
