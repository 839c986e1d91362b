//! Adding up what processes use, by the name of their program, so that no sum falls when one of them ends.
//!
//! The kernel adds what a process has used to its parent, when the parent waits for its end. So each process has an
//! account of what has been told of it, and leaves it to its parent: what the parent's sums hold beyond that is new.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use opentelemetry_semantic_conventions::attribute as key;

use super::super::{Attribute, Point, point};
use super::{Held, Seen, Used, used};
use crate::telemetry::definition as metric;

/// Names of programs that are told apart.
const MAX_NAMES: usize = 100;
/// Stands for all others.
const OTHER: &str = "_OTHER";
/// The shortest time over which utilization means something.
const MIN_SECONDS: f64 = 0.1;

/// What has been told of a process.
#[derive(Debug, Default)]
struct Account {
    started: u64,
    parent: u32,
    name: String,
    own: Used,
    /// Of children that are no more.
    inherited: Used,
    switches: HashMap<u32, [u64; 2]>,
}

/// What has been used under one name.
#[derive(Debug, Default)]
struct Total {
    used: Used,
    /// Whether any of those processes has let us see these; who may not look tells nothing rather than 0.
    knows_disk: bool,
    knows_switches: bool,
}

/// All accounts.
#[derive(Debug)]
pub(super) struct Accounts {
    program: String,
    cpus: usize,
    accounts: HashMap<u32, Account>,
    /// By name.
    totals: BTreeMap<String, Total>,
    /// What runs under each name holds now.
    held: BTreeMap<String, Held>,
    /// What the program itself held, and its name, when it was seen last.
    program_held: Option<(String, Held)>,
    /// CPU time when utilization was found out, and when that was.
    before: (BTreeMap<String, [u64; 2]>, Instant),
    /// Utilization as it was found out last.
    shares: Vec<Point>,
}

impl Accounts {
    /// Accounts of what `program` starts, from `now` on.
    pub(super) fn new(program: String, cpus: usize, now: Instant) -> Accounts {
        Accounts {
            program,
            cpus,
            accounts: HashMap::new(),
            totals: BTreeMap::new(),
            held: BTreeMap::new(),
            program_held: None,
            before: (BTreeMap::new(), now),
            shares: Vec::new(),
        }
    }

    /// Processes that were there the last time.
    pub(super) fn known(&self) -> Vec<u32> {
        self.accounts.keys().copied().collect()
    }

    /// Takes what was seen, parents before their children. `root` is the program, whose account stays open to the end.
    pub(super) fn update(&mut self, root: u32, seen: &[Seen]) {
        self.bury(root, seen);
        self.held.clear();
        for process in seen {
            self.process(root, process);
        }
        // The program's end is shown as it was, or nobody could see what a job of some seconds needs. Children that have
        // ended hold nothing.
        if !seen.iter().any(|seen| seen.pid == root && seen.held.is_some())
            && let Some((name, held)) = &self.program_held
        {
            self.held.entry(name.clone()).or_default().add(held);
        }
    }

    /// What is no more leaves its account to the next of its parents that is.
    fn bury(&mut self, root: u32, seen: &[Seen]) {
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
        let named = seen.name.clone().or_else(|| (seen.pid == root).then(|| self.program.clone()));
        // A process that may not be looked into, or that has ended, keeps the name it had.
        let known = self.accounts.get(&seen.pid).map(|account| account.name.clone());
        let name = self.name(named.or(known).unwrap_or_else(|| OTHER.to_owned()));
        let account = self.accounts.entry(seen.pid).or_default();
        (account.started, account.parent) = (seen.started, seen.parent);
        account.name.clone_from(&name);
        let (mut own, waited_for) = (seen.own, &seen.waited_for);
        if let Some([read, written]) = seen.disk {
            own[used::READ] = read.saturating_sub(account.inherited[used::READ]);
            own[used::WRITTEN] = written.saturating_sub(account.inherited[used::WRITTEN]);
        }
        let mut switched = [account.own[used::VOLUNTARY], account.own[used::INVOLUNTARY]];
        for (thread, switches) in &seen.switches {
            let before = account.switches.insert(*thread, *switches).unwrap_or_default();
            for (sum, (now, before)) in switched.iter_mut().zip(switches.iter().zip(before)) {
                // A number that falls is that of a new thread under an old number.
                *sum += now.checked_sub(before).unwrap_or(*now);
            }
        }
        if account.switches.len() > seen.switches.len() {
            account.switches.retain(|thread, _| seen.switches.iter().any(|(alive, _)| alive == thread));
        }
        [own[used::VOLUNTARY], own[used::INVOLUNTARY]] = switched;
        let total = self.totals.entry(name.clone()).or_default();
        total.knows_disk |= seen.disk.is_some();
        total.knows_switches |= !seen.switches.is_empty();
        for (index, used) in total.used.iter_mut().enumerate() {
            *used += raise(&mut account.own[index], own[index]);
            *used += raise(&mut account.inherited[index], waited_for[index]);
        }
        if let Some(held) = seen.held {
            self.held.entry(name.clone()).or_default().add(&held);
            if seen.pid == root {
                self.program_held = Some((name, held));
            }
        }
    }

    /// The program has ended, `lived` after its start. Where nobody ever saw it, the most memory that it had is better
    /// than nothing.
    pub(super) fn end(&mut self, most_memory: u64, lived: Duration) {
        let memory = Some(most_memory).filter(|most| *most > 0);
        let unseen = || (self.program.clone(), Held { memory, ..Held::default() });
        let (_, held) = self.program_held.get_or_insert_with(unseen);
        held.uptime = Some(lived.as_secs_f64());
    }

    /// The program has ended, having used `all` with the children for whose end it has waited.
    pub(super) fn settle(&mut self, root: u32, all: &Used) {
        let name = self.accounts.get(&root).map_or_else(|| self.program.clone(), |account| account.name.clone());
        let name = self.name(name);
        let account = self.accounts.entry(root).or_default();
        let total = self.totals.entry(name).or_default();
        (total.knows_disk, total.knows_switches) = (true, true);
        for (index, all) in all.iter().enumerate() {
            let told = account.own[index] + account.inherited[index];
            let new = all.saturating_sub(told);
            account.own[index] += new;
            total.used[index] += new;
        }
    }

    fn name(&self, name: String) -> String {
        let is_known = self.totals.contains_key(&name) || self.totals.len() < MAX_NAMES;
        if is_known { name } else { OTHER.to_owned() }
    }

    /// All that is known now.
    pub(super) fn points(&mut self, now: Instant) -> Vec<Point> {
        let mut points = Vec::new();
        for (name, total) in &self.totals {
            let used = &total.used;
            let named = |more: &[(&'static str, &'static str)]| {
                let name = (key::PROCESS_EXECUTABLE_NAME, Attribute::from(name.clone()));
                let more = more.iter().map(|(key, value)| (*key, Attribute::from(*value)));
                std::iter::once(name).chain(more).collect::<Vec<_>>()
            };
            let mut two = |metric, key, values: [(&'static str, f64); 2]| {
                points.extend(values.map(|(value, number)| point(metric, &named(&[(key, value)]), number)));
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
            let Some(held) = self.held.get(name) else { continue };
            let named = named(&[]);
            let levels = [
                (&metric::PROCESS_MEMORY_USAGE, held.memory),
                (&metric::PROCESS_MEMORY_VIRTUAL, held.virtual_memory),
                (&metric::PROCESS_THREAD_COUNT, held.threads),
                (&metric::PROCESS_UNIX_FILE_DESCRIPTOR_COUNT, held.files),
            ];
            points.extend(levels.into_iter().filter_map(|(metric, level)| Some(point(metric, &named, level?))));
            points.extend(held.uptime.map(|uptime| point(&metric::PROCESS_UPTIME, &named, uptime)));
        }
        self.share(now);
        points.extend(self.shares.iter().cloned());
        points
    }

    /// Finds out utilization since the last time, if that is long enough ago.
    fn share(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.before.1).as_secs_f64();
        let is_early = elapsed < MIN_SECONDS && !self.shares.is_empty();
        if is_early || elapsed <= 0.0 || self.totals.is_empty() {
            return;
        }
        let times: BTreeMap<String, [u64; 2]> = self
            .totals
            .iter()
            .map(|(name, Total { used, .. })| (name.clone(), [used[used::USER], used[used::SYSTEM]]))
            .collect();
        self.shares.clear();
        for (name, used) in &times {
            let before = self.before.0.get(name).copied().unwrap_or_default();
            for (index, mode) in ["user", "system"].into_iter().enumerate() {
                let named = [
                    (key::PROCESS_EXECUTABLE_NAME, Attribute::from(name.clone())),
                    (key::CPU_MODE, Attribute::from(mode)),
                ];
                let busy = used[index].saturating_sub(before[index]) as f64 / 1e6;
                self.shares.push(point(&metric::PROCESS_CPU_UTILIZATION, &named, busy / elapsed / self.cpus as f64));
            }
        }
        self.before = (times, now);
    }
}

/// Raises what has been told to what is; by how much.
fn raise(told: &mut u64, now: u64) -> u64 {
    let new = now.saturating_sub(*told);
    *told += new;
    new
}

#[cfg(test)]
mod tests;
