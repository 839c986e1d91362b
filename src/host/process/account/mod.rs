//! Adding up what processes use, by the name of their program (and by pid, if configured), so that no sum falls when
//! one of them ends.
//!
//! The kernel adds what a process has used to its parent, when the parent waits for its end. So each process has an
//! account of what has been counted of it, and leaves it to its parent: what the parent's sums hold beyond that is new.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use opentelemetry_semantic_conventions::attribute as key;

use super::super::{Attribute, Attributes, Point, point};
use super::{Held, Seen, Used, used};
use crate::conventions::catalog as metric;

/// Names of programs that have series of their own.
const MAX_NAMES: usize = 100;
/// Processes with series of their own over the program's life, if configured. Each has two series of some metrics, and
/// readers keep 2000.
const MAX_PIDS: usize = 500;
/// Stands for all others.
const OTHER: &str = "_OTHER";
/// The shortest time over which utilization means something.
const MIN_SECONDS: f64 = 0.1;

/// The owner of a series.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Who {
    /// The number of the program, if it is one that reports.
    program: Option<usize>,
    name: String,
    /// `None` for all processes of that name.
    pid: Option<u32>,
}

impl Who {
    fn attributes(&self, more: Option<(&'static str, &'static str)>) -> Attributes {
        let name = (key::PROCESS_EXECUTABLE_NAME, Attribute::from(self.name.clone()));
        let pid = self.pid.map(|pid| (key::PROCESS_PID, Attribute::Int(i64::from(pid))));
        let more = more.map(|(key, value)| (key, Attribute::from(value)));
        std::iter::once(name).chain(pid).chain(more).collect()
    }
}

/// What has been counted of a process.
#[derive(Debug, Default)]
struct Account {
    started: u64,
    parent: u32,
    who: Who,
    own: Used,
    /// What ended children had used.
    inherited: Used,
    switches: HashMap<u32, [u64; 2]>,
}

/// What has been used in one series.
#[derive(Debug, Default)]
struct Total {
    used: Used,
    /// Whether these were readable of any of those processes; unreadable values are left out rather than 0.
    knows_disk: bool,
    knows_switches: bool,
}

/// All accounts.
#[derive(Debug)]
pub(super) struct Accounts {
    program: String,
    by_pid: bool,
    cpus: usize,
    accounts: HashMap<u32, Account>,
    totals: BTreeMap<Who, Total>,
    /// What running processes hold now.
    held: BTreeMap<Who, Held>,
    /// What the program itself held when it was seen last.
    program_held: Option<(Who, Held)>,
    /// CPU time at the last reading of utilization, and the time of that reading.
    before: (BTreeMap<Who, [u64; 2]>, Instant),
    /// The last reading of utilization.
    shares: Vec<Point>,
}

impl Accounts {
    /// Accounts of what `program` starts, from `now` on. `by_pid`: processes of one name have series of their own.
    pub(super) fn new(program: String, by_pid: bool, cpus: usize, now: Instant) -> Accounts {
        Accounts {
            program,
            by_pid,
            cpus,
            accounts: HashMap::new(),
            totals: BTreeMap::new(),
            held: BTreeMap::new(),
            program_held: None,
            before: (BTreeMap::new(), now),
            shares: Vec::new(),
        }
    }

    /// Processes that the last scan has seen.
    pub(super) fn known(&self) -> Vec<u32> {
        self.accounts.keys().copied().collect()
    }

    /// Takes the processes of a scan, parents before their children. `root` is the program, whose account stays open to
    /// the end.
    pub(super) fn update(&mut self, root: u32, seen: &[Seen]) {
        self.close(root, seen);
        self.held.clear();
        for process in seen {
            self.process(root, process);
        }
        // Once the program has ended, its last sample is exported: a job of some seconds may have no other. Children
        // that have ended hold nothing.
        if !seen.iter().any(|seen| seen.pid == root && seen.held.is_some())
            && let Some((who, held)) = &self.program_held
        {
            self.held.entry(who.clone()).or_default().add(held);
        }
    }

    /// Closes the accounts of ended processes, each in favour of the nearest ancestor that still runs.
    fn close(&mut self, root: u32, seen: &[Seen]) {
        let alive: HashSet<(u32, u64)> = seen.iter().map(|seen| (seen.pid, seen.started)).collect();
        let is_alive = |pid: &u32, account: &Account| *pid == root || alive.contains(&(*pid, account.started));
        let dead: Vec<u32> =
            self.accounts.iter().filter(|(pid, account)| !is_alive(pid, account)).map(|(pid, _)| *pid).collect();
        for pid in &dead {
            let Some(account) = self.accounts.get(pid) else { continue };
            let mut heir = account.parent;
            // A chain of parents is never longer than there are accounts.
            for _ in 0..dead.len() {
                match self.accounts.get(&heir) {
                    Some(next) if dead.contains(&heir) => heir = next.parent,
                    _ => break,
                }
            }
            let left: Vec<u64> = account.own.iter().zip(account.inherited).map(|(own, more)| own + more).collect();
            if let Some(heir) = self.accounts.get_mut(&heir).filter(|_| !dead.contains(&heir)) {
                heir.inherited.iter_mut().zip(left).for_each(|(to, left)| *to += left);
            }
        }
        for pid in dead {
            self.accounts.remove(&pid);
        }
    }

    fn process(&mut self, root: u32, seen: &Seen) {
        // A process that may not be looked into, or that has ended, keeps the name it had.
        let before = self.accounts.get(&seen.pid).filter(|account| account.started == seen.started);
        let known = || self.accounts.get(&seen.pid).map(|account| account.who.name.clone());
        let reporting = seen.program.or_else(|| before.and_then(|account| account.who.program));
        let program = || (seen.pid == root).then(|| self.program.clone());
        let name = seen.name.clone().or_else(known).or_else(program).unwrap_or_else(|| OTHER.to_owned());
        let who = self.who(reporting, name, seen.pid);
        self.hand_over(seen, &who);
        let account = self.accounts.entry(seen.pid).or_default();
        (account.started, account.parent) = (seen.started, seen.parent);
        account.who.clone_from(&who);
        let (mut own, waited_for) = (seen.own, &seen.waited_for);
        if let Some([read, written]) = seen.disk {
            own[used::READ] = read.saturating_sub(account.inherited[used::READ]);
            own[used::WRITTEN] = written.saturating_sub(account.inherited[used::WRITTEN]);
        }
        let mut switched = [account.own[used::VOLUNTARY], account.own[used::INVOLUNTARY]];
        for (thread, switches) in &seen.switches {
            let before = account.switches.insert(*thread, *switches).unwrap_or_default();
            for (sum, (now, before)) in switched.iter_mut().zip(switches.iter().zip(before)) {
                // A count that falls belongs to a new thread with the id of an ended one.
                *sum += now.checked_sub(before).unwrap_or(*now);
            }
        }
        if account.switches.len() > seen.switches.len() {
            account.switches.retain(|thread, _| seen.switches.iter().any(|(alive, _)| alive == thread));
        }
        [own[used::VOLUNTARY], own[used::INVOLUNTARY]] = switched;
        let total = self.totals.entry(who.clone()).or_default();
        total.knows_disk |= seen.disk.is_some();
        total.knows_switches |= !seen.switches.is_empty();
        for (index, used) in total.used.iter_mut().enumerate() {
            *used += raise(&mut account.own[index], own[index]);
            *used += raise(&mut account.inherited[index], waited_for[index]);
        }
        if let Some(held) = seen.held {
            self.held.entry(who.clone()).or_default().add(&held);
            if seen.pid == root {
                self.program_held = Some((who, held));
            }
        }
    }

    /// Gives all processes of that name to a program that has begun to report.
    pub(super) fn adopt(&mut self, name: &str, program: usize) {
        let is_its = |who: &Who| who.program.is_none() && who.name == name;
        let to = |from: &Who| Who { program: Some(program), ..from.clone() };
        let known: Vec<Who> = self.totals.keys().filter(|who| is_its(who)).cloned().collect();
        for from in known {
            if let Some(all) = self.totals.remove(&from) {
                let total = self.totals.entry(to(&from)).or_default();
                total.used.iter_mut().zip(all.used).for_each(|(total, used)| *total += used);
                total.knows_disk |= all.knows_disk;
                total.knows_switches |= all.knows_switches;
            }
            if let Some(held) = self.held.remove(&from) {
                self.held.entry(to(&from)).or_default().add(&held);
            }
            if let Some(before) = self.before.0.remove(&from) {
                let sums = self.before.0.entry(to(&from)).or_default();
                sums.iter_mut().zip(before).for_each(|(sum, before)| *sum += before);
            }
        }
        let accounts = self.accounts.values_mut().map(|account| &mut account.who);
        let all = accounts.chain(self.program_held.iter_mut().map(|(who, _)| who));
        all.filter(|who| is_its(who)).for_each(|who| who.program = Some(program));
        let name = (key::PROCESS_EXECUTABLE_NAME, Attribute::from(name.to_owned()));
        let shares = self.shares.iter_mut().filter(|share| share.program.is_none() && share.attributes.contains(&name));
        shares.for_each(|share| share.program = Some(program));
    }

    /// A process has begun to report, so that its program is known: what it has used before is its program's as well.
    fn hand_over(&mut self, seen: &Seen, who: &Who) {
        let Some(account) = self.accounts.get(&seen.pid).filter(|account| account.started == seen.started) else {
            return;
        };
        if account.who.program.is_some() || who.program.is_none() || account.who.name != who.name {
            return;
        }
        let from = account.who.clone();
        let used = account.own;
        let Some(total) = self.totals.get_mut(&from) else { return };
        total.used.iter_mut().zip(&used).for_each(|(total, used)| *total = total.saturating_sub(*used));
        let known = (total.knows_disk, total.knows_switches);
        let is_left = total.used != Used::default();
        if !is_left && !self.accounts.iter().any(|(pid, other)| *pid != seen.pid && other.who == from) {
            self.totals.remove(&from);
        }
        let total = self.totals.entry(who.clone()).or_default();
        total.used.iter_mut().zip(&used).for_each(|(total, used)| *total += used);
        total.knows_disk |= known.0;
        total.knows_switches |= known.1;
        // The part from before the last reading of utilization moves along, so that it does not count as new.
        if let Some(before) = self.before.0.remove(&from) {
            let part = [used[used::USER], used[used::SYSTEM]];
            let moved = [0, 1].map(|mode| before[mode].min(part[mode]));
            let to = self.before.0.entry(who.clone()).or_default();
            to.iter_mut().zip(moved).for_each(|(to, moved)| *to += moved);
            self.before.0.insert(from, [0, 1].map(|mode| before[mode] - moved[mode]));
        }
    }

    /// The program has ended, `lived` after its start. If no scan ever saw it, its peak memory is exported.
    pub(super) fn end(&mut self, root: u32, most_memory: u64, lived: Duration) {
        let memory = Some(most_memory).filter(|most| *most > 0);
        let seen = self.program_held.take();
        let unseen = || (self.who(None, self.program.clone(), root), Held { memory, ..Held::default() });
        let (who, held) = seen.unwrap_or_else(unseen);
        self.program_held = Some((who, Held { uptime: Some(lived.as_secs_f64()), ..held }));
    }

    /// The program has ended, having used `all` with the children for whose end it has waited.
    pub(super) fn finalize(&mut self, root: u32, all: &Used) {
        let who = self.accounts.get(&root).map(|account| account.who.clone());
        let who = who.unwrap_or_else(|| self.who(None, self.program.clone(), root));
        let account = self.accounts.entry(root).or_default();
        let total = self.totals.entry(who).or_default();
        (total.knows_disk, total.knows_switches) = (true, true);
        for (index, all) in all.iter().enumerate() {
            let counted = account.own[index] + account.inherited[index];
            let new = all.saturating_sub(counted);
            account.own[index] += new;
            total.used[index] += new;
        }
    }

    /// The series that a process belongs to; names and pids beyond the limits share one.
    fn who(&self, program: Option<usize>, name: String, pid: u32) -> Who {
        let has_room = |who: &Who, most: usize| {
            let alike = self.totals.keys().filter(|known| known.pid.is_some() == who.pid.is_some());
            self.totals.contains_key(who) || alike.count() < most
        };
        let one = Who { program, name, pid: Some(pid) };
        if self.by_pid && has_room(&one, MAX_PIDS) {
            return one;
        }
        let all = Who { pid: None, ..one };
        if has_room(&all, MAX_NAMES) { all } else { Who { program: None, name: OTHER.to_owned(), pid: None } }
    }

    /// All points, as of the last scan.
    pub(super) fn points(&mut self, now: Instant) -> Vec<Point> {
        let mut all = Vec::new();
        for (who, total) in &self.totals {
            let mut points = Vec::new();
            let used = &total.used;
            let mut two = |metric, key, values: [(&'static str, f64); 2]| {
                let to_point = |(value, number)| point(metric, &who.attributes(Some((key, value))), number);
                points.extend(values.map(to_point));
            };
            let seconds = |micros: u64| micros as f64 / 1e6;
            let count = |index: usize| used[index] as f64;
            let times = [("user", seconds(used[used::USER])), ("system", seconds(used[used::SYSTEM]))];
            two(&metric::PROCESS_CPU_TIME, key::CPU_MODE, times);
            let faults = [("minor", count(used::MINOR)), ("major", count(used::MAJOR))];
            two(&metric::PROCESS_PAGING_FAULTS, key::SYSTEM_PAGING_FAULT_TYPE, faults);
            let bytes = [("read", count(used::READ)), ("write", count(used::WRITTEN))];
            if total.knows_disk {
                two(&metric::PROCESS_DISK_IO, key::DISK_IO_DIRECTION, bytes);
            }
            let switches = [("voluntary", count(used::VOLUNTARY)), ("involuntary", count(used::INVOLUNTARY))];
            if total.knows_switches {
                two(&metric::PROCESS_CONTEXT_SWITCHES, key::PROCESS_CONTEXT_SWITCH_TYPE, switches);
            }
            let held = self.held.get(who).copied().unwrap_or_default();
            let named = who.attributes(None);
            let levels = [
                (&metric::PROCESS_MEMORY_USAGE, held.memory),
                (&metric::PROCESS_MEMORY_VIRTUAL, held.virtual_memory),
                (&metric::PROCESS_THREAD_COUNT, held.threads),
                (&metric::PROCESS_UNIX_FILE_DESCRIPTOR_COUNT, held.files),
            ];
            points.extend(levels.into_iter().filter_map(|(metric, level)| Some(point(metric, &named, level?))));
            points.extend(held.uptime.map(|uptime| point(&metric::PROCESS_UPTIME, &named, uptime)));
            all.extend(points.into_iter().map(|point| Point { program: who.program, ..point }));
        }
        self.share(now);
        all.extend(self.shares.iter().cloned());
        all
    }

    /// Reads utilization since the last reading, if that is long enough ago.
    fn share(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.before.1).as_secs_f64();
        let is_early = elapsed < MIN_SECONDS && !self.shares.is_empty();
        if is_early || elapsed <= 0.0 || self.totals.is_empty() {
            return;
        }
        let times = |total: &Total| [total.used[used::USER], total.used[used::SYSTEM]];
        let times: BTreeMap<Who, [u64; 2]> =
            self.totals.iter().map(|(who, total)| (who.clone(), times(total))).collect();
        self.shares.clear();
        for (who, used) in &times {
            let before = self.before.0.get(who).copied().unwrap_or_default();
            for (index, mode) in ["user", "system"].into_iter().enumerate() {
                let named = who.attributes(Some((key::CPU_MODE, mode)));
                let busy = used[index].saturating_sub(before[index]) as f64 / 1e6;
                let share = point(&metric::PROCESS_CPU_UTILIZATION, &named, busy / elapsed / self.cpus as f64);
                self.shares.push(Point { program: who.program, ..share });
            }
        }
        self.before = (times, now);
    }
}

/// Raises what has been counted to the present value; returns the difference.
fn raise(counted: &mut u64, now: u64) -> u64 {
    let new = now.saturating_sub(*counted);
    *counted += new;
    new
}

#[cfg(test)]
mod tests;
