//! File systems on local disks, and locks on files.

use std::collections::{BTreeMap, BTreeSet};

use nix::sys::statvfs::statvfs;
use opentelemetry_semantic_conventions::attribute as key;
use procfs::process::MountInfo;
use procfs::{FromBufRead as _, process::MountInfos};

use super::super::{Attribute, Point, point, share};
use super::text;
use crate::conventions::catalog as metric;

/// File systems that lie on local disks though the kernel lists no device for them.
const LOCAL: &[&str] = &["overlay", "zfs"];

/// Bytes of a file system.
#[derive(Debug, Clone, Copy)]
struct Room {
    all: u64,
    free: u64,
    /// Free bytes that are not reserved for root.
    available: u64,
}

pub(super) fn scan() -> Vec<Point> {
    let mounts = std::fs::File::open("/proc/self/mountinfo").ok();
    let mounts = mounts.and_then(|file| MountInfos::from_buf_read(std::io::BufReader::new(file)).ok());
    let mounts = mounts.map(|MountInfos(mounts)| mounts).unwrap_or_default();
    let known = text("/proc/filesystems").unwrap_or_default();
    let room = |mount: &MountInfo| {
        let found = statvfs(&mount.mount_point).ok()?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.fragment_size());
        Some(Room {
            all: bytes(found.blocks()),
            free: bytes(found.blocks_free()),
            available: bytes(found.blocks_available()),
        })
    };
    let local = local(&mounts, &known);
    let mut found: Vec<Point> =
        local.into_iter().filter_map(|mount| Some(points(mount, room(mount)?))).flatten().collect();
    found.extend(text("/proc/locks").map(|text| locks(&text, &mounts)).unwrap_or_default());
    found
}

/// What a mounted device is called.
fn device(mount: &MountInfo) -> String {
    mount.mount_source.clone().unwrap_or_else(|| mount.fs_type.clone())
}

/// Mounts that answer at once, each device once. `known` is `/proc/filesystems`: those that need no device are marked.
fn local<'a>(mounts: &'a [MountInfo], known: &str) -> Vec<&'a MountInfo> {
    let with_device: BTreeSet<&str> = known.lines().filter_map(|line| line.strip_prefix('\t')).collect();
    let is_local = |kind: &str| with_device.contains(kind) && !kind.starts_with("fuse") || LOCAL.contains(&kind);
    let mut devices = BTreeSet::new();
    // Bind mounts show the same device again.
    mounts.iter().filter(|mount| is_local(&mount.fs_type) && devices.insert(&mount.majmin)).collect()
}

fn points(mount: &MountInfo, room: Room) -> Vec<Point> {
    let mode = if mount.mount_options.contains_key("ro") { "ro" } else { "rw" };
    let attributes = [
        (key::SYSTEM_DEVICE, device(mount).into()),
        (key::SYSTEM_FILESYSTEM_MODE, mode.into()),
        (key::SYSTEM_FILESYSTEM_MOUNTPOINT, mount.mount_point.to_string_lossy().into_owned().into()),
        (key::SYSTEM_FILESYSTEM_TYPE, mount.fs_type.clone().into()),
    ];
    let mut points = vec![point(&metric::SYSTEM_FILESYSTEM_LIMIT, &attributes, room.all)];
    let states = [
        ("used", room.all.saturating_sub(room.free)),
        ("free", room.available),
        ("reserved", room.free.saturating_sub(room.available)),
    ];
    for (state, bytes) in states {
        let state = [(key::SYSTEM_FILESYSTEM_STATE, Attribute::from(state))];
        let attributes = [&attributes[..], &state[..]].concat();
        points.push(point(&metric::SYSTEM_FILESYSTEM_USAGE, &attributes, bytes));
        points.push(point(&metric::SYSTEM_FILESYSTEM_UTILIZATION, &attributes, share(bytes as f64, room.all as f64)));
    }
    points
}

/// Of `/proc/locks`: number, mechanism, mode, type, whose, and the file as `major:minor:inode`. Locks that are waited for
/// are marked by an arrow.
fn locks(text: &str, mounts: &[MountInfo]) -> Vec<Point> {
    let mut counts: BTreeMap<[&str; 4], u64> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.contains("->")) {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let [_, mechanism, mode, kind, _, file, ..] = fields[..] else { continue };
        let Some((device, _)) = file.rsplit_once(':') else { continue };
        *counts.entry([mechanism, mode, kind, device]).or_default() += 1;
    }
    let one = |([mechanism, mode, kind, numbers], count): ([&str; 4], u64)| {
        let attributes = [
            (key::SYSTEM_DEVICE, named(numbers, mounts).into()),
            (key::FILE_LOCK_MECHANISM, mechanism.to_owned().into()),
            (key::FILE_LOCK_MODE, mode.to_owned().into()),
            (key::FILE_LOCK_TYPE, kind.to_ascii_lowercase().into()),
        ];
        point(&metric::SYSTEM_FILESYSTEM_LOCK_COUNT, &attributes, count)
    };
    counts.into_iter().map(one).collect()
}

/// The device with these two numbers in hexadecimal, as it is called where it is mounted. One that is not mounted here is
/// called by its numbers, in decimal, as everywhere but in `/proc/locks`.
fn named(numbers: &str, mounts: &[MountInfo]) -> String {
    let decimal = |(major, minor)| {
        Some(format!("{}:{}", u32::from_str_radix(major, 16).ok()?, u32::from_str_radix(minor, 16).ok()?))
    };
    let numbers = numbers.split_once(':').and_then(decimal).unwrap_or_else(|| numbers.to_owned());
    mounts.iter().find(|mount| mount.majmin == numbers).map_or(numbers, device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_disks_are_measured_once_and_network_mounts_never() {
        let lines = [
            "22 1 254:0 / / rw,relatime - ext4 /dev/vda rw",
            "23 22 0:20 / /proc rw - proc proc rw",
            "24 22 254:0 /x /srv rw - ext4 /dev/vda rw",
            "25 22 0:50 / /mnt rw - nfs4 server:/ rw",
            "26 22 8:1 / /usb ro - fuseblk /dev/sda1 rw",
            "27 22 0:60 / /merged rw - overlay overlay rw",
        ];
        let mounts: Vec<_> = lines.iter().map(|line| MountInfo::from_line(line).unwrap()).collect();
        let known = "nodev\tproc\nnodev\tnfs4\nnodev\toverlay\n\text4\n\tfuseblk\n";
        let places: Vec<_> = local(&mounts, known).iter().map(|mount| mount.mount_point.to_str().unwrap()).collect();
        assert_eq!(places, ["/", "/merged"]);
        let points = points(&mounts[0], Room { all: 100, free: 40, available: 30 });
        let bytes: Vec<_> = points.iter().filter(|point| point.metric.unit == "By").map(|point| point.value).collect();
        assert_eq!(bytes, [100.0, 60.0, 30.0, 10.0]);
        assert!(points[0].attributes.contains(&(key::SYSTEM_FILESYSTEM_MODE, "rw".into())));
    }

    #[test]
    fn locks_are_counted_by_kind() {
        let text = "1: POSIX  ADVISORY  WRITE 700 fe:00:1 0 EOF\n2: POSIX  ADVISORY  WRITE 701 fe:00:2 0 EOF\n\
                    2: -> POSIX  ADVISORY  WRITE 702 fe:00:2 0 EOF\n3: FLOCK  ADVISORY  READ 8 00:1a:3 0 EOF\nodd\n";
        let mounts = [MountInfo::from_line("22 1 254:0 / / rw,relatime - ext4 /dev/vda rw").unwrap()];
        let found = locks(text, &mounts);
        let device = |point: &Point| point.attributes[0].1.clone();
        let counts: Vec<_> = found.iter().map(|point| (device(point), point.value)).collect();
        assert_eq!(counts, [("0:26".into(), 1.0), ("/dev/vda".into(), 2.0)]);
    }
}
