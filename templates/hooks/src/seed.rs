//! Randomness of the process, for ids and hashes.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::sys;

/// The operating system's randomness, taken when the process attaches: a system call may be forbidden later.
static PROCESS: AtomicU64 = AtomicU64::new(0);

/// Takes the randomness that the process uses from now on.
pub(crate) fn seed_process() {
    PROCESS.store(sys::random().unwrap_or_else(hashed_keys) | 1, Relaxed);
}

/// What a forked child shares with its parent until it attaches.
pub(crate) fn of_process() -> u64 {
    if PROCESS.load(Relaxed) == 0 {
        seed_process();
    }
    PROCESS.load(Relaxed)
}

/// Where there is no such call: `RandomState` takes its keys from the system, too.
#[cold]
fn hashed_keys() -> u64 {
    RandomState::new().build_hasher().finish()
}
