//! The machine's own numbers. One file for each group; in each, pure functions make points of what was read.

mod connections;
mod cpu;
mod disk;
mod filesystem;
mod memory;
mod network;
mod processes;

use std::time::{Duration, Instant};

use procfs::{Current as _, CurrentSI as _};

use super::{Point, point};
use crate::conventions::catalog::{MetricKind, SYSTEM_UPTIME};

/// The shortest time between two readings of what costs much.
const SLOWLY: Duration = Duration::from_secs(15);

/// Looks at the machine.
pub(super) struct System {
    /// Counters as they were at the program's start.
    start: Vec<Point>,
    cpu: cpu::Cpu,
    slow: Vec<Point>,
    slow_since: Option<Instant>,
}

impl System {
    /// Counts from now on.
    pub(super) fn new() -> System {
        let mut system = System { start: Vec::new(), cpu: cpu::Cpu::default(), slow: Vec::new(), slow_since: None };
        let mut start = system.all();
        start.retain(|point| point.metric.kind == MetricKind::Counter);
        system.start = start;
        system
    }

    pub(super) fn scan(&mut self, now: Instant) -> Vec<Point> {
        if self.slow_since.is_none_or(|since| now.saturating_duration_since(since) >= SLOWLY) {
            self.slow_since = Some(now);
            self.slow = connections::scan();
            self.slow.extend(processes::scan());
            self.slow.extend(cpu::frequencies());
        }
        self.final_scan(now)
    }

    /// Repeats the last values of what costs much, so as not to delay the program's end.
    pub(super) fn final_scan(&mut self, _now: Instant) -> Vec<Point> {
        let mut found = self.all();
        for point in found.iter_mut().filter(|point| point.metric.kind == MetricKind::Counter) {
            let at_start = |start: &&Point| start.metric == point.metric && start.attributes == point.attributes;
            if let Some(start) = self.start.iter().find(at_start) {
                point.value = (point.value - start.value).max(0.0);
            }
        }
        found.extend(self.slow.iter().cloned());
        found
    }

    fn all(&mut self) -> Vec<Point> {
        let mut found = Vec::new();
        if let Ok(stat) = procfs::KernelStats::current() {
            found.extend(self.cpu.points(&stat));
            found.extend(processes::created(&stat));
        }
        if let Ok(memory) = procfs::Meminfo::current() {
            found.extend(memory::points(&memory));
        }
        if let Ok(procfs::VmStat(counts)) = procfs::VmStat::current() {
            found.extend(memory::paging(&counts));
        }
        found.extend(text("/proc/swaps").map(|swaps| memory::swaps(&swaps)).unwrap_or_default());
        if let Ok(procfs::DiskStats(disks)) = procfs::DiskStats::current() {
            found.extend(disk::points(&disks, &disk::size));
        }
        found.extend(filesystem::scan());
        found.extend(text("/proc/net/dev").map(|devices| network::points(&devices)).unwrap_or_default());
        let uptime = text("/proc/uptime").and_then(|text| text.split_ascii_whitespace().next()?.parse::<f64>().ok());
        found.extend(uptime.map(|uptime| point(&SYSTEM_UPTIME, &[], uptime)));
        found
    }
}

fn text(path: &str) -> Option<String> {
    std::fs::read(path).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn metrics_of_this_machine_are_read() {
        let mut system = System::new();
        let names: BTreeSet<_> = system.scan(Instant::now()).iter().map(|point| point.metric.name).collect();
        let everywhere = [
            "system.cpu.time",
            "system.cpu.logical.count",
            "system.memory.usage",
            "system.memory.utilization",
            "system.memory.limit",
            "system.paging.faults",
            "system.network.io",
            "system.network.connection.count",
            "system.process.count",
            "system.process.created",
            "system.uptime",
        ];
        for name in everywhere {
            assert!(names.contains(name), "{name} is missing: {names:?}");
        }
    }

    #[test]
    fn counters_count_from_the_program_s_start() {
        let mut system = System::new();
        let busy = Instant::now();
        while busy.elapsed() < Duration::from_millis(30) {
            std::hint::black_box(());
        }
        let points = system.final_scan(Instant::now());
        let cpu = points.iter().filter(|point| point.metric.name == "system.cpu.time").map(|point| point.value);
        let seconds = cpu.sum::<f64>();
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        assert!(seconds < 60.0 * cpus as f64, "{seconds} since the test's start");
    }

    #[test]
    fn no_series_is_measured_twice() {
        let mut seen = BTreeSet::new();
        for point in System::new().scan(Instant::now()) {
            assert!(seen.insert(format!("{} {:?}", point.metric.name, point.attributes)), "{point:?}");
        }
    }
}
