//! The format of the channel, which the app's hooks and the launcher compile from the same file.

#[path = "../templates/hooks/src/wire/mod.rs"]
#[allow(dead_code, unreachable_pub, unused_imports, reason = "the format has two ends; each uses a part of it")]
mod format;

pub(crate) use format::*;

/// A process that writes records, numbered in the order of attaching: pids are reused, these are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ProcessId(pub(crate) u32);
