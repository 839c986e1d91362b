//! What the CPUs are, and what they spend their time on.

use std::collections::{BTreeMap, BTreeSet};

use opentelemetry_semantic_conventions::attribute as key;
use procfs::{CpuTime, KernelStats};

use super::super::{Attribute, Point, point, share};
use super::text;
use crate::conventions::catalog::{
    SYSTEM_CPU_FREQUENCY, SYSTEM_CPU_LOGICAL_COUNT, SYSTEM_CPU_PHYSICAL_COUNT, SYSTEM_CPU_TIME, SYSTEM_CPU_UTILIZATION,
};

const MODES: [&str; 7] = ["user", "nice", "system", "idle", "iowait", "interrupt", "steal"];

/// Remembers what utilization is counted from.
#[derive(Debug, Default)]
pub(super) struct Cpu {
    before: Option<[f64; 7]>,
    /// Utilization at the last sample.
    shares: Vec<Point>,
    cores: Option<usize>,
}

impl Cpu {
    pub(super) fn points(&mut self, stat: &KernelStats) -> Vec<Point> {
        let cores = *self.cores.get_or_insert_with(cores);
        let times = times(&stat.total);
        let mut points: Vec<Point> =
            MODES.iter().zip(times).map(|(mode, time)| point(&SYSTEM_CPU_TIME, &[mode_of(mode)], time)).collect();
        points.push(point(&SYSTEM_CPU_LOGICAL_COUNT, &[], stat.cpu_time.len()));
        if cores > 0 {
            points.push(point(&SYSTEM_CPU_PHYSICAL_COUNT, &[], cores));
        }
        if let Some(before) = self.before {
            // The kernel may correct idle times downwards.
            let spent: Vec<f64> = times.iter().zip(before).map(|(now, before)| (now - before).max(0.0)).collect();
            let all: f64 = spent.iter().sum();
            // Two readers may come within one tick.
            if all > 0.0 {
                let shares = MODES.iter().zip(spent).map(|(mode, time)| (mode_of(mode), share(time, all)));
                self.shares = shares.map(|(mode, share)| point(&SYSTEM_CPU_UTILIZATION, &[mode], share)).collect();
                self.before = Some(times);
            }
        } else {
            self.before = Some(times);
        }
        points.extend(self.shares.iter().cloned());
        points
    }
}

fn mode_of(mode: &'static str) -> (&'static str, Attribute) {
    (key::CPU_MODE, mode.into())
}

/// Seconds in each of the modes. The kernel counts guests' time as the user's, too, which is where it stays.
fn times(total: &CpuTime) -> [f64; 7] {
    let seconds = |time: Option<std::time::Duration>| time.unwrap_or_default().as_secs_f64();
    [
        seconds(Some(total.user_duration())),
        seconds(Some(total.nice_duration())),
        seconds(Some(total.system_duration())),
        seconds(Some(total.idle_duration())),
        seconds(total.iowait_duration()),
        seconds(total.irq_duration()) + seconds(total.softirq_duration()),
        seconds(total.steal_duration()),
    ]
}

/// The folders of `/sys` about logical CPUs, with their numbers.
fn folders() -> Vec<(i64, std::path::PathBuf)> {
    let all = std::fs::read_dir("/sys/devices/system/cpu").into_iter().flatten().flatten();
    let numbered = all.filter_map(|entry| {
        let number = entry.file_name().to_str()?.strip_prefix("cpu")?.parse().ok()?;
        Some((number, entry.path()))
    });
    numbered.collect()
}

/// Physical cores; 0 where it is unknown.
fn cores() -> usize {
    let read = |file: std::path::PathBuf| std::fs::read_to_string(file).ok();
    let core = |folder: &std::path::Path| {
        Some((read(folder.join("topology/physical_package_id"))?, read(folder.join("topology/core_id"))?))
    };
    folders().iter().filter_map(|(_, folder)| core(folder)).collect::<BTreeSet<_>>().len()
}

/// What each CPU runs at.
pub(super) fn frequencies() -> Vec<Point> {
    // Virtual CPUs mostly have no governor that sets a frequency, but the kernel has measured one.
    let mut hertz = text("/proc/cpuinfo").map(|text| measured(&text)).unwrap_or_default();
    for (number, folder) in folders() {
        let file = std::fs::read_to_string(folder.join("cpufreq/scaling_cur_freq"));
        let kilohertz = file.ok().and_then(|text| text.trim().parse::<f64>().ok());
        hertz.extend(kilohertz.map(|kilohertz| (number, kilohertz * 1e3)));
    }
    let one =
        |(number, hertz)| point(&SYSTEM_CPU_FREQUENCY, &[(key::CPU_LOGICAL_NUMBER, Attribute::Int(number))], hertz);
    hertz.into_iter().map(one).collect()
}

/// Of `/proc/cpuinfo`, which has a paragraph for each CPU, with lines that differ between architectures.
fn measured(text: &str) -> BTreeMap<i64, f64> {
    let mut hertz = BTreeMap::new();
    let mut number = None;
    for (name, value) in text.lines().filter_map(|line| line.split_once(':')) {
        match name.trim() {
            "processor" => number = value.trim().parse().ok(),
            "cpu MHz" => {
                let megahertz: Option<f64> = value.trim().parse().ok();
                hertz.extend(number.zip(megahertz).map(|(number, megahertz)| (number, megahertz * 1e6)));
            }
            _ => {}
        }
    }
    hertz
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use procfs::prelude::*;

    pub(in super::super) fn stat(idle: u64) -> KernelStats {
        let text = format!(
            "cpu  100 10 50 {idle} 20 5 5 0 0 0\ncpu0 50 5 25 400 10 5 5 0 0 0\ncpu1 50 5 25 400 10 0 0 0 0 0\n\
             intr 5\nctxt 5\nbtime 1700000000\nprocesses 42\nprocs_running 1\nprocs_blocked 0\nsoftirq 1\n"
        );
        let system = procfs::ExplicitSystemInfo {
            boot_time_secs: 0,
            ticks_per_second: 100,
            page_size: 4096,
            is_little_endian: true,
        };
        KernelStats::from_buf_read(text.as_bytes(), &system).unwrap()
    }

    #[test]
    fn the_frequency_is_measured_where_no_governor_sets_it() {
        let text = "processor\t: 0\ncpu MHz\t\t: 2299.998\n\nprocessor\t: 7\ncpu MHz\t\t: 800.5\nodd\n";
        assert_eq!(measured(text).into_iter().collect::<Vec<_>>(), [(0, 2_299_998_000.0), (7, 800_500_000.0)]);
        assert!(measured("processor\t: 0\nBogoMIPS\t: 50.00\n").is_empty());
    }

    #[test]
    fn ticks_become_seconds_and_shares() {
        let mut cpu = Cpu::default();
        let value = |points: &[Point], name, mode: &'static str| {
            let of = |point: &&Point| point.metric.name == name && point.attributes == [mode_of(mode)];
            points.iter().find(of).map(|point| point.value)
        };
        let points = cpu.points(&stat(800));
        assert_eq!(value(&points, "system.cpu.time", "user"), Some(1.0));
        assert_eq!(value(&points, "system.cpu.time", "interrupt"), Some(0.1));
        assert!(!points.iter().any(|point| point.metric == &SYSTEM_CPU_UTILIZATION), "of what?");
        assert!(points.iter().any(|point| point.metric == &SYSTEM_CPU_LOGICAL_COUNT && point.value == 2.0));
        let points = cpu.points(&stat(900));
        assert_eq!(value(&points, "system.cpu.utilization", "idle"), Some(1.0));
        assert_eq!(value(&points, "system.cpu.utilization", "user"), Some(0.0));
        let again = cpu.points(&stat(900));
        assert_eq!(value(&again, "system.cpu.utilization", "idle"), Some(1.0), "it is what it was");
    }
}
