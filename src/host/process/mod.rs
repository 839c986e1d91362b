//! The program's processes: their names, and what they use.

mod account;
mod scan;
mod script;
mod text;

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use super::Point;
use crate::launch::Ended;
use account::Accounts;
use script::Script;

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
    /// Ticks after the machine's start; with the pid it identifies a process.
    started: u64,
    parent: u32,
    /// `None` where they may not be read.
    name: Option<String>,
    /// The number of its program, if it is one that reports.
    program: Option<usize>,
    /// What it has used itself. Disks and context switches are not in it.
    own: Used,
    /// What children had used for whose end it has waited.
    waited_for: Used,
    /// Bytes read and written, those of children for which it waited included.
    disk: Option<[u64; 2]>,
    /// Context switches of each of its threads.
    switches: Vec<(u32, [u64; 2])>,
    /// `None` once it has ended, and only its sums are left.
    held: Option<Held>,
}

/// What a process holds, as far as that is known.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Held {
    /// Bytes of physical memory.
    memory: Option<u64>,
    virtual_memory: Option<u64>,
    threads: Option<u64>,
    files: Option<u64>,
    /// Seconds since its start; of several processes, the oldest's.
    uptime: Option<f64>,
}

impl Held {
    fn add(&mut self, more: &Held) {
        let pairs = [
            (&mut self.memory, more.memory),
            (&mut self.virtual_memory, more.virtual_memory),
            (&mut self.threads, more.threads),
            (&mut self.files, more.files),
        ];
        for (sum, more) in pairs {
            *sum = more.map(|more| more + sum.unwrap_or(0)).or(*sum);
        }
        self.uptime = self.uptime.into_iter().chain(more.uptime).reduce(f64::max);
    }
}

/// Which processes report, as which programs.
#[derive(Debug, Default)]
struct Reporting {
    by_pid: HashMap<u32, usize>,
    /// By the name of the executable; `None` where several programs have it.
    by_name: HashMap<String, Option<usize>>,
}

impl Reporting {
    /// A process reports; whether its program is the only one so far of that name.
    fn add(&mut self, pid: u32, program: usize, name: &str) -> bool {
        self.by_pid.insert(pid, program);
        let known = self.by_name.entry(name.to_owned()).or_insert(Some(program));
        *known = known.filter(|known| *known == program);
        known.is_some()
    }

    /// Notes the programs of those that were seen. A process that does not report, such as a worker that has had no work
    /// yet, is known by its executable.
    fn note(&mut self, seen: &mut [Seen]) {
        // The pid of an ended process may be given to another one.
        self.by_pid.retain(|pid, _| seen.iter().any(|seen| seen.pid == *pid));
        for seen in seen {
            let by_name = || self.by_name.get(seen.name.as_ref()?).copied().flatten();
            seen.program = self.by_pid.get(&seen.pid).copied().or_else(by_name);
        }
    }
}

/// The program's processes, from one scan to the next.
pub(super) struct Processes {
    accounts: Accounts,
    since: SystemTime,
    /// The launched script, if the program is a script.
    script: Option<Script>,
    reporting: Reporting,
}

impl Processes {
    /// Follows the program in `file`; `by_pid`: processes of one name have series of their own.
    pub(super) fn new(file: &Path, by_pid: bool) -> Processes {
        let program = file.file_name().map_or("unknown".into(), |name| name.to_string_lossy().into_owned());
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        let script = Script::of(file, &program);
        let accounts = Accounts::new(program, by_pid, cpus, Instant::now());
        Processes { accounts, since: SystemTime::now(), script, reporting: Reporting::default() }
    }

    /// Looks at the program and everything below it, to know what it held when it ends.
    pub(super) fn sample(&mut self, pid: u32) {
        let seen = scan::tree(pid, &self.accounts.known());
        self.take(pid, seen);
    }

    /// A process reports, as one of the program of that number; `name` is its executable's.
    pub(super) fn attached(&mut self, pid: u32, program: usize, name: &str) {
        if self.reporting.add(pid, program, name) {
            self.accounts.adopt(name, program);
        }
    }

    fn take(&mut self, pid: u32, mut seen: Vec<Seen>) {
        if let Some(script) = &mut self.script {
            script.rename(pid, &mut seen, |pid| std::fs::read(format!("/proc/{pid}/cmdline")).ok());
        }
        self.reporting.note(&mut seen);
        self.accounts.update(pid, &seen);
    }

    /// Looks at the program and everything below it.
    pub(super) fn scan(&mut self, pid: u32, now: Instant) -> Vec<Point> {
        self.sample(pid);
        self.accounts.points(now)
    }

    /// The program has ended; some of what it has started may still run.
    pub(super) fn final_scan(&mut self, pid: u32, ended: &Ended, now: Instant) -> Vec<Point> {
        let usage = &ended.usage;
        self.accounts.end(pid, usage.most_memory, ended.at.duration_since(self.since).unwrap_or_default());
        // Its pid may already belong to another process.
        let known: Vec<u32> = self.accounts.known().into_iter().filter(|known| *known != pid).collect();
        self.take(pid, scan::tree(0, &known));
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let mut all = Used::default();
        all[used::USER] = micros(usage.user);
        all[used::SYSTEM] = micros(usage.system);
        all[used::MINOR] = usage.minor_faults;
        all[used::MAJOR] = usage.major_faults;
        all[used::READ] = usage.bytes_read;
        all[used::WRITTEN] = usage.bytes_written;
        all[used::VOLUNTARY] = usage.voluntary_switches;
        all[used::INVOLUNTARY] = usage.involuntary_switches;
        self.accounts.finalize(pid, &all);
        self.accounts.points(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn programs(reporting: &mut Reporting, seen: &[(u32, &str)]) -> Vec<Option<usize>> {
        let one = |(pid, name): &(u32, &str)| Seen { pid: *pid, name: Some((*name).to_owned()), ..Seen::default() };
        let mut seen: Vec<Seen> = seen.iter().map(one).collect();
        reporting.note(&mut seen);
        seen.into_iter().map(|seen| seen.program).collect()
    }

    #[test]
    fn a_worker_that_does_not_report_belongs_to_the_program_of_its_executable() {
        let mut reporting = Reporting::default();
        assert!(reporting.add(2, 0, "a") && reporting.add(4, 1, "b") && reporting.add(9, 7, "c"));
        let seen = [(1, "sh"), (2, "a"), (3, "a"), (4, "b"), (5, "gzip")];
        assert_eq!(programs(&mut reporting, &seen), [None, Some(0), Some(0), Some(1), None]);
        assert!(!reporting.by_pid.contains_key(&9), "it is gone");
        // Two programs have this executable: a process that does not report may belong to either.
        assert!(!reporting.add(6, 2, "a"));
        assert_eq!(programs(&mut reporting, &[(2, "a"), (3, "a"), (6, "a")]), [Some(0), None, Some(2)]);
    }
}
