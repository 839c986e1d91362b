//! The program's processes: who they are, what they use.

mod account;
mod look;
mod text;

use std::time::Instant;

use super::Point;
use crate::launch::Usage;
use account::Accounts;

/// What processes use that only grows, in the order of [`Used`].
mod used {
    pub(super) const USER: usize = 0;
    pub(super) const SYSTEM: usize = 1;
    pub(super) const MINOR: usize = 2;
    pub(super) const MAJOR: usize = 3;
    pub(super) const READ: usize = 4;
    pub(super) const WRITTEN: usize = 5;
    pub(super) const VOLUNTARY: usize = 6;
    pub(super) const INVOLUNTARY: usize = 7;
}

/// CPU time in microseconds, page faults, bytes from and to disks, context switches.
type Used = [u64; 8];

/// A process as it was seen.
#[derive(Debug, Clone, Default, PartialEq)]
struct Seen {
    pid: u32,
    /// Ticks after the machine's start; with the pid it tells one process from another.
    started: u64,
    parent: u32,
    /// `None` where we may not look.
    name: Option<String>,
    /// What it has used itself. Disks and context switches are not in it.
    own: Used,
    /// What children had used for whose end it has waited.
    waited_for: Used,
    /// Bytes read and written, those of children for which it waited included.
    disk: Option<[u64; 2]>,
    /// Context switches of each of its threads.
    switches: Vec<(u32, [u64; 2])>,
    memory: u64,
    virtual_memory: u64,
    threads: u64,
    files: Option<u64>,
    uptime: Option<f64>,
}

/// Follows them.
pub(super) struct Processes {
    accounts: Accounts,
}

impl Processes {
    pub(super) fn new(program: String) -> Processes {
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        Processes { accounts: Accounts::new(program, cpus, Instant::now()) }
    }

    /// Looks at the program and everything below it.
    pub(super) fn look(&mut self, pid: u32, now: Instant) -> Vec<Point> {
        self.accounts.update(pid, &look::tree(pid, &self.accounts.known()));
        self.accounts.points(now)
    }

    /// The program has ended; some of what it has started may still run.
    pub(super) fn look_last(&mut self, pid: u32, usage: &Usage, now: Instant) -> Vec<Point> {
        // Its pid may already be somebody else's.
        let known: Vec<u32> = self.accounts.known().into_iter().filter(|known| *known != pid).collect();
        self.accounts.update(pid, &look::tree(0, &known));
        let micros = |time: std::time::Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let mut all = Used::default();
        all[used::USER] = micros(usage.user);
        all[used::SYSTEM] = micros(usage.system);
        all[used::MINOR] = usage.minor_faults;
        all[used::MAJOR] = usage.major_faults;
        all[used::READ] = usage.bytes_read;
        all[used::WRITTEN] = usage.bytes_written;
        all[used::VOLUNTARY] = usage.voluntary_switches;
        all[used::INVOLUNTARY] = usage.involuntary_switches;
        self.accounts.settle(pid, &all);
        self.accounts.points(now)
    }
}
