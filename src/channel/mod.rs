//! The channel's reading side: regions of shared memory that processes send over a Unix socket, drained by one thread.
//!
//! The reader trusts nothing that it finds there: it keeps its own tails and its own copy of the geometry, checks every
//! bound, copies bytes out before it parses them, and gives up a corrupt region, never the launcher.

mod drain;
pub(crate) mod feed;
mod filter;
#[cfg(test)]
mod hostile;
mod listener;
mod memory;
mod peer;
mod region;
mod series;
mod tables;
#[cfg(test)]
pub(crate) mod testing;

pub(crate) use drain::Draining;
pub(crate) use listener::{Channel, ChannelDirectory, ChannelError, Listening};
pub(crate) use series::{MetricFaults, SeriesEntry, SeriesTable};
pub(crate) use tables::{CellTable, Introduction};

use crate::wire;

/// The value of [`wire::CHANNEL_VARIABLE`] for a program that gets settings and records nothing.
pub(crate) fn without_socket(settings: &str) -> std::ffi::OsString {
    format!("{}{settings}", wire::SETTINGS_PREFIX).into()
}
