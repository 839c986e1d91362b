//! Memory, huge pages, paging and swap.

use std::collections::HashMap;

use opentelemetry_semantic_conventions::attribute as key;
use procfs::Meminfo;

use super::super::{Attribute, Point, point, share};
use crate::conventions::catalog as metric;

pub(super) fn points(memory: &Meminfo) -> Vec<Point> {
    let total = memory.mem_total;
    let cached = memory.cached.saturating_add(memory.s_reclaimable.unwrap_or(0));
    let used = total.saturating_sub(memory.mem_free).saturating_sub(memory.buffers).saturating_sub(cached);
    let mut points = vec![point(&metric::SYSTEM_MEMORY_LIMIT, &[], total)];
    for (state, bytes) in [("used", used), ("free", memory.mem_free), ("buffers", memory.buffers), ("cached", cached)] {
        let state = [(key::SYSTEM_MEMORY_STATE, state.into())];
        points.push(point(&metric::SYSTEM_MEMORY_USAGE, &state, bytes));
        points.push(point(&metric::SYSTEM_MEMORY_UTILIZATION, &state, share(bytes as f64, total as f64)));
    }
    let slab = |state: &'static str| [(key::SYSTEM_MEMORY_LINUX_SLAB_STATE, Attribute::from(state))];
    let pages = |state: &'static str| [(key::SYSTEM_MEMORY_LINUX_HUGEPAGES_STATE, Attribute::from(state))];
    let (reclaimable, unreclaimable) = (slab("reclaimable"), slab("unreclaimable"));
    let (free, in_use) = (pages("free"), pages("used"));
    let huge = |pages: Option<u64>| memory.hugepages_total.and(pages);
    let used_pages = memory.hugepages_total.zip(memory.hugepages_free).map(|(all, free)| all.saturating_sub(free));
    let known: [(_, &[_], _); 10] = [
        (&metric::SYSTEM_MEMORY_LINUX_AVAILABLE, &[], memory.mem_available),
        (&metric::SYSTEM_MEMORY_LINUX_SHARED, &[], memory.shmem),
        (&metric::SYSTEM_MEMORY_LINUX_SLAB_USAGE, &reclaimable, memory.s_reclaimable),
        (&metric::SYSTEM_MEMORY_LINUX_SLAB_USAGE, &unreclaimable, memory.s_unreclaim),
        (&metric::SYSTEM_MEMORY_LINUX_HUGEPAGES_LIMIT, &[], memory.hugepages_total),
        (&metric::SYSTEM_MEMORY_LINUX_HUGEPAGES_PAGE_SIZE, &[], huge(memory.hugepagesize)),
        (&metric::SYSTEM_MEMORY_LINUX_HUGEPAGES_RESERVED, &[], memory.hugepages_rsvd),
        (&metric::SYSTEM_MEMORY_LINUX_HUGEPAGES_SURPLUS, &[], memory.hugepages_surp),
        (&metric::SYSTEM_MEMORY_LINUX_HUGEPAGES_USAGE, &free, memory.hugepages_free),
        (&metric::SYSTEM_MEMORY_LINUX_HUGEPAGES_USAGE, &in_use, used_pages),
    ];
    points.extend(known.iter().filter_map(|(metric, attributes, value)| Some(point(metric, attributes, (*value)?))));
    points
}

/// Of `/proc/vmstat`.
pub(super) fn paging(counts: &HashMap<String, i64>) -> Vec<Point> {
    let count = |name: &str| counts.get(name).and_then(|count| u64::try_from(*count).ok());
    let mut points = Vec::new();
    let mut add = |metric, attribute, value: Option<u64>| {
        points.extend(value.map(|value| point(metric, &[attribute], value)));
    };
    let major = count("pgmajfault");
    let minor = count("pgfault").zip(major).map(|(all, major)| all.saturating_sub(major));
    add(&metric::SYSTEM_PAGING_FAULTS, (key::SYSTEM_PAGING_FAULT_TYPE, "major".into()), major);
    add(&metric::SYSTEM_PAGING_FAULTS, (key::SYSTEM_PAGING_FAULT_TYPE, "minor".into()), minor);
    add(&metric::SYSTEM_PAGING_OPERATIONS, (key::SYSTEM_PAGING_DIRECTION, "in".into()), count("pswpin"));
    add(&metric::SYSTEM_PAGING_OPERATIONS, (key::SYSTEM_PAGING_DIRECTION, "out".into()), count("pswpout"));
    points
}

/// Of `/proc/swaps`: name, type, size, used and priority, sizes in KiB.
pub(super) fn swaps(text: &str) -> Vec<Point> {
    let mut points = Vec::new();
    for line in text.lines().skip(1) {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let [name, _, size, used, ..] = fields[..] else { continue };
        let (Ok(size), Ok(used)) = (size.parse::<u64>(), used.parse::<u64>()) else { continue };
        for (state, kibibytes) in [("used", used), ("free", size.saturating_sub(used))] {
            let attributes =
                [(key::SYSTEM_DEVICE, name.to_owned().into()), (key::SYSTEM_PAGING_STATE, Attribute::from(state))];
            points.push(point(&metric::SYSTEM_PAGING_USAGE, &attributes, kibibytes.saturating_mul(1024)));
            let share = share(kibibytes as f64, size as f64);
            points.push(point(&metric::SYSTEM_PAGING_UTILIZATION, &attributes, share));
        }
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;
    use procfs::prelude::*;

    const MEMINFO: &str = "MemTotal: 1000 kB\nMemFree: 200 kB\nMemAvailable: 600 kB\nBuffers: 50 kB\nCached: 300 kB\n\
        SwapCached: 0 kB\nActive: 0 kB\nInactive: 0 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\nDirty: 0 kB\nWriteback: 0 kB\n\
        AnonPages: 0 kB\nMapped: 0 kB\nShmem: 10 kB\nSlab: 60 kB\nSReclaimable: 40 kB\nSUnreclaim: 20 kB\n\
        Committed_AS: 0 kB\nVmallocTotal: 0 kB\nVmallocUsed: 0 kB\nVmallocChunk: 0 kB\nHugePages_Total: 8\n\
        HugePages_Free: 5\nHugePages_Rsvd: 1\nHugePages_Surp: 0\nHugepagesize: 2048 kB\n";

    fn values(points: &[Point], name: &str) -> Vec<f64> {
        points.iter().filter(|point| point.metric.name == name).map(|point| point.value).collect()
    }

    #[test]
    fn the_states_of_memory_add_up_to_all_of_it() {
        let points = points(&Meminfo::from_buf_read(MEMINFO.as_bytes()).unwrap());
        assert_eq!(values(&points, "system.memory.limit"), [1000.0 * 1024.0]);
        assert_eq!(values(&points, "system.memory.usage"), [410.0, 200.0, 50.0, 340.0].map(|kib| kib * 1024.0));
        assert_eq!(values(&points, "system.memory.utilization"), [0.41, 0.2, 0.05, 0.34]);
        assert_eq!(values(&points, "system.memory.linux.slab.usage"), [40.0 * 1024.0, 20.0 * 1024.0]);
        assert_eq!(values(&points, "system.memory.linux.hugepages.usage"), [5.0, 3.0]);
        assert_eq!(values(&points, "system.memory.linux.hugepages.page_size"), [2048.0 * 1024.0]);
    }

    #[test]
    fn a_kernel_without_huge_pages_has_no_such_metrics() {
        let text: String = MEMINFO.lines().filter(|line| !line.contains("uge")).flat_map(|line| [line, "\n"]).collect();
        let points = points(&Meminfo::from_buf_read(text.as_bytes()).unwrap());
        assert!(!points.iter().any(|point| point.metric.name.contains("hugepages")));
    }

    #[test]
    fn minor_faults_are_those_that_are_not_major() {
        let counts = [("pgfault", 100), ("pgmajfault", 7), ("pswpin", 3)].map(|(name, count)| (name.to_owned(), count));
        let points = paging(&counts.into_iter().collect());
        assert_eq!(values(&points, "system.paging.faults"), [7.0, 93.0]);
        assert_eq!(values(&points, "system.paging.operations"), [3.0]);
    }

    #[test]
    fn swap_is_measured_for_each_device() {
        let text =
            "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n/dev/sda2  partition 1000 250 -2\n/swap file x 0 -3\n";
        let points = swaps(text);
        assert_eq!(values(&points, "system.paging.usage"), [250.0 * 1024.0, 750.0 * 1024.0]);
        assert_eq!(values(&points, "system.paging.utilization"), [0.25, 0.75]);
    }
}
