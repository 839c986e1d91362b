//! Disks. Parts of other devices are left out, or sums over all devices would count them twice: partitions, what the device
//! mapper and RAID put together from other disks, and files that are mounted.

use std::path::Path;

use opentelemetry_semantic_conventions::attribute as key;
use procfs::DiskStat;

use super::super::{Attribute, Point, point};
use crate::conventions::catalog as metric;

/// What `/proc/diskstats` and `/sys` call a sector, whatever the disk's own are.
const SECTOR: u64 = 512;

/// `size` has the sectors of a whole disk; other devices have no such file.
pub(super) fn points(disks: &[DiskStat], size: &dyn Fn(&str) -> Option<u64>) -> Vec<Point> {
    let mut points = Vec::new();
    for disk in disks {
        // Loop and RAM devices exist whether they are in use or not.
        let Some(sectors) = size(&disk.name).filter(|_| disk.reads + disk.writes > 0) else { continue };
        let device = (key::SYSTEM_DEVICE, Attribute::from(disk.name.clone()));
        let seconds = |millis: u64| millis as f64 / 1e3;
        let ways = [
            ("read", disk.sectors_read, disk.reads, disk.merged, disk.time_reading),
            ("write", disk.sectors_written, disk.writes, disk.writes_merged, disk.time_writing),
        ];
        for (direction, sectors, operations, merged, millis) in ways {
            let attributes = [device.clone(), (key::DISK_IO_DIRECTION, direction.into())];
            points.push(point(&metric::SYSTEM_DISK_IO, &attributes, sectors.saturating_mul(SECTOR)));
            points.push(point(&metric::SYSTEM_DISK_OPERATIONS, &attributes, operations));
            points.push(point(&metric::SYSTEM_DISK_MERGED, &attributes, merged));
            points.push(point(&metric::SYSTEM_DISK_OPERATION_TIME, &attributes, seconds(millis)));
        }
        let device = [device];
        points.push(point(&metric::SYSTEM_DISK_IO_TIME, &device, seconds(disk.time_in_progress)));
        points.push(point(&metric::SYSTEM_DISK_LIMIT, &device, sectors.saturating_mul(SECTOR)));
    }
    points
}

/// The sectors of a disk that stands on no other.
pub(super) fn size(name: &str) -> Option<u64> {
    size_in(Path::new("/sys/block"), name)
}

fn size_in(all: &Path, name: &str) -> Option<u64> {
    // A name with a slash has a `!` in its place there.
    let folder = all.join(name.replace('/', "!"));
    let is_made_of_others = std::fs::read_dir(folder.join("slaves")).is_ok_and(|mut others| others.next().is_some());
    if is_made_of_others || folder.join("loop/backing_file").exists() {
        return None;
    }
    std::fs::read_to_string(folder.join("size")).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_made_of_other_disks_is_left_out() {
        let all = tempfile::tempdir().unwrap();
        let make = |path: &str| {
            let path = all.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "4096\n").unwrap();
        };
        for path in ["sda/size", "dm-0/size", "dm-0/slaves/sda", "loop0/size", "loop0/loop/backing_file", "c!d/size"] {
            make(path);
        }
        std::fs::create_dir(all.path().join("sda/slaves")).unwrap();
        let sizes = ["sda", "dm-0", "loop0", "c/d", "sda1"].map(|name| size_in(all.path(), name));
        assert_eq!(sizes, [Some(4096), None, None, Some(4096), None]);
    }

    #[test]
    fn whole_disks_in_use_are_measured() {
        let lines = [
            "8 0 sda 100 7 2000 300 50 5 1000 400 0 600 700",
            "8 1 sda1 100 7 2000 300 50 5 1000 400 0 600 700",
            "7 0 loop0 0 0 0 0 0 0 0 0 0 0 0",
        ];
        let disks: Vec<_> = lines.iter().map(|line| DiskStat::from_line(line).unwrap()).collect();
        let points = points(&disks, &|name| (name != "sda1").then_some(4096));
        let of = |name: &str| {
            points.iter().filter(|point| point.metric.name == name).map(|point| point.value).collect::<Vec<_>>()
        };
        assert_eq!(of("system.disk.io"), [2000.0 * 512.0, 1000.0 * 512.0]);
        assert_eq!(of("system.disk.operations"), [100.0, 50.0]);
        assert_eq!(of("system.disk.merged"), [7.0, 5.0]);
        assert_eq!(of("system.disk.operation_time"), [0.3, 0.4]);
        assert_eq!(of("system.disk.io_time"), [0.6]);
        assert_eq!(of("system.disk.limit"), [4096.0 * 512.0]);
    }
}
