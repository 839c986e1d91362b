//! A process's region, as the launcher reads it: mapped, measured once, and never trusted.

use std::os::fd::OwnedFd;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};

use nix::fcntl::SealFlag;

use super::memory::Memory;
use crate::wire::{self, header, record, ring};

/// The bytes taken out of a ring at once: small, so that telemetry can turn to other things in between, and larger than
/// any record.
pub(crate) const PORTION: usize = 2 * record::MAX;

/// Why a region cannot be used, or not any more.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum RegionError {
    #[error("its memory is not sealed, so it could be truncated while it is read")]
    NotSealed,
    #[error("its region is {0} bytes, expected {min} to {max}", min = wire::HEADER_SIZE, max = wire::MAX_REGION_SIZE)]
    Size(u64),
    #[error("its region cannot be mapped: {0}")]
    Map(nix::Error),
    #[error("its region does not start with the magic bytes")]
    Magic,
    #[error("its region has wire version {0}, expected {expected}", expected = wire::VERSION)]
    Version(u32),
    #[error("its region's header is invalid: {0}")]
    Geometry(&'static str),
    #[error("ring {ring} is corrupt: {what}")]
    Ring { ring: usize, what: &'static str },
}

/// The header's measures, read once and checked. Later changes by the app are not read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Geometry {
    pub(super) strings: usize,
    pub(super) strings_size: usize,
    pub(super) cells: usize,
    pub(super) cell_count: usize,
    pub(super) series: usize,
    pub(super) series_size: usize,
    controls: usize,
    rings: usize,
    data: usize,
    ring_size: usize,
}

/// A mapped region.
#[derive(Debug)]
pub(crate) struct Region {
    pub(super) memory: Memory,
    pub(super) geometry: Geometry,
    inode: u64,
}

impl Region {
    /// Maps a region that has been received, if it is one.
    pub(crate) fn map(fd: OwnedFd) -> Result<Region, RegionError> {
        let sealed = nix::fcntl::fcntl(&fd, nix::fcntl::FcntlArg::F_GET_SEALS).map(SealFlag::from_bits_retain);
        let needed = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
        // Any other file can be truncated while we read it, which would kill us.
        if !sealed.is_ok_and(|seals| seals.contains(needed)) {
            return Err(RegionError::NotSealed);
        }
        let file = nix::sys::stat::fstat(&fd).map_err(RegionError::Map)?;
        let size = file.st_size as u64;
        if !(wire::HEADER_SIZE as u64..=wire::MAX_REGION_SIZE as u64).contains(&size) || !size.is_multiple_of(8) {
            return Err(RegionError::Size(size));
        }
        let memory = Memory::map(&fd, size as usize).map_err(RegionError::Map)?;
        if memory.copy(header::MAGIC, wire::MAGIC.len()) != wire::MAGIC {
            return Err(RegionError::Magic);
        }
        let version = memory.u32(header::VERSION).load(Relaxed);
        if version != wire::VERSION {
            return Err(RegionError::Version(version));
        }
        let geometry = Geometry::read(&memory)?;
        Ok(Region { memory, geometry, inode: file.st_ino })
    }

    /// The number of its file, as `/proc/PID/maps` has it.
    pub(super) fn inode(&self) -> u64 {
        self.inode
    }

    /// The number of rings.
    pub(crate) fn rings(&self) -> usize {
        self.geometry.rings
    }

    /// Forbids the app's hooks any system call from now on, the doorbell included.
    pub(crate) fn announce_filter(&self) {
        self.memory.u32(header::FILTERED).store(1, SeqCst);
        self.memory.u32(header::SLEEPING).store(0, SeqCst);
    }

    /// How many children the app has forked that could not attach, and the last one's errno.
    pub(crate) fn unattached(&self) -> (u32, i32) {
        let count = self.memory.u32(header::UNATTACHED).load(Acquire);
        (count, self.memory.u32(header::UNATTACHED_ERRNO).load(Relaxed) as i32)
    }

    /// Has the app's writers ring the doorbell when a ring is half full. Called before the rings are read for the last
    /// time, or a writer could miss it.
    pub(crate) fn announce_sleep(&self) {
        self.memory.u32(header::SLEEPING).store(1, SeqCst);
    }

    /// How many bytes wait in a ring behind `tail`.
    pub(crate) fn waiting(&self, ring: usize, tail: u64) -> Result<usize, RegionError> {
        let broken = |what| RegionError::Ring { ring, what };
        let head = self.control(ring, ring::HEAD).load(Acquire);
        let waiting = head.checked_sub(tail).ok_or(broken("its head went backwards"))?;
        if !head.is_multiple_of(8) {
            return Err(broken("its head is not a multiple of 8"));
        }
        if waiting > self.geometry.ring_size as u64 {
            return Err(broken("its head is ahead of its space"));
        }
        Ok(waiting as usize)
    }

    /// Copies whole records out of a ring: as many of the `waiting` bytes behind `tail` as fit into [`PORTION`]. The bytes
    /// are checked after they were copied: the app may still write to their source.
    pub(crate) fn take(&self, ring: usize, tail: u64, waiting: usize) -> Result<Vec<u8>, RegionError> {
        let size = self.geometry.ring_size;
        let data = self.geometry.data + ring * size;
        let start = (tail % size as u64) as usize;
        let length = waiting.min(PORTION);
        let first = length.min(size - start);
        let mut bytes = self.memory.copy(data + start, first);
        bytes.extend(self.memory.copy(data, length - first));
        let broken = |what| RegionError::Ring { ring, what };
        let whole = whole_records(&bytes).map_err(broken)?;
        // A record that does not fit is taken the next time, but one must fit, and the last ones must be whole.
        if whole == 0 || (length == waiting && whole < length) {
            return Err(broken("a record is longer than it can be"));
        }
        bytes.truncate(whole);
        Ok(bytes)
    }

    /// Gives the space before `tail` back to the app's writers.
    pub(crate) fn release(&self, ring: usize, tail: u64) {
        self.control(ring, ring::TAIL).store(tail, Release);
    }

    /// How many records the app has dropped.
    pub(crate) fn dropped(&self) -> u64 {
        let of_rings = (0..self.geometry.rings).map(|ring| self.control(ring, ring::DROPPED).load(Relaxed));
        of_rings.fold(self.memory.u64(header::DROPPED).load(Relaxed), u64::saturating_add)
    }

    /// Gives the rings' memory back to the system. For a dead process, whose counters live on.
    pub(crate) fn forget_rings(&self) {
        self.memory.discard(self.geometry.data);
    }

    fn control(&self, ring: usize, field: usize) -> &AtomicU64 {
        self.memory.u64(self.geometry.controls + ring * wire::RING_CONTROL_SIZE + field)
    }
}

impl Geometry {
    fn read(memory: &Memory) -> Result<Geometry, RegionError> {
        let small = |offset| memory.u32(offset).load(Relaxed) as usize;
        // Numbers are capped just above the largest valid region, so that their sums cannot overflow; capped ones are
        // invalid all the same.
        let large = |offset| memory.u64(offset).load(Relaxed).min(wire::MAX_REGION_SIZE as u64 + 1) as usize;
        let shift = small(header::RING_SHIFT);
        let geometry = Geometry {
            strings: large(header::STRINGS_OFFSET),
            strings_size: large(header::STRINGS_SIZE),
            cells: large(header::CELLS_OFFSET),
            cell_count: large(header::CELLS).min(wire::MAX_REGION_SIZE / wire::CELL_SIZE + 1),
            series: large(header::SERIES_OFFSET),
            series_size: large(header::SERIES_SIZE),
            controls: large(header::CONTROLS_OFFSET),
            rings: small(header::RINGS).min(wire::MAX_REGION_SIZE / wire::RING_CONTROL_SIZE + 1),
            data: large(header::DATA_OFFSET),
            ring_size: 1usize << shift.min(30),
        };
        let g = &geometry;
        let wrong = if memory.u64(header::REGION_SIZE).load(Relaxed) != memory.length as u64 {
            Some("the region's size is not the file's")
        } else if [g.strings, g.cells, g.series, g.series_size, g.controls, g.data]
            .iter()
            .any(|offset| !offset.is_multiple_of(8))
        {
            Some("a part is not aligned")
        } else if !(4..=26).contains(&shift) || g.rings == 0 {
            Some("there is no ring")
        } else if g.strings < wire::HEADER_SIZE
            || g.cells < g.strings + g.strings_size
            || g.series < g.cells + g.cell_count * wire::CELL_SIZE
            || g.series_size < wire::SERIES_SLOTS * 4
            || g.controls < g.series + g.series_size
            || g.data < g.controls + g.rings * wire::RING_CONTROL_SIZE
            || memory.length < g.data + g.rings * g.ring_size
        {
            Some("its parts overlap or leave the region")
        } else {
            None
        };
        wrong.map_or(Ok(geometry), |what| Err(RegionError::Geometry(what)))
    }
}

/// How many of these bytes are whole records.
fn whole_records(bytes: &[u8]) -> Result<usize, &'static str> {
    let mut whole = 0;
    while let Some(length) = bytes.get(whole..).and_then(<[u8]>::first_chunk) {
        let length = u32::from_le_bytes(*length) as usize;
        if length < record::HEADER || !length.is_multiple_of(8) {
            return Err("a record has an impossible length");
        }
        if length > bytes.len() - whole {
            break;
        }
        whole += length;
    }
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{FakeRegion, RING_SHIFT, SIZE};
    use super::*;

    fn refusal(change: impl FnOnce(&FakeRegion)) -> RegionError {
        let fake = FakeRegion::new();
        change(&fake);
        Region::map(fake.sealed()).unwrap_err()
    }

    #[test]
    fn memory_that_could_shrink_is_refused() {
        let fake = FakeRegion::new();
        let unsealed = fake.file.try_clone().unwrap().into();
        assert_eq!(Region::map(unsealed).unwrap_err(), RegionError::NotSealed);
        let file = tempfile::tempfile().unwrap();
        assert_eq!(Region::map(file.into()).unwrap_err(), RegionError::NotSealed);
    }

    #[test]
    fn a_region_of_another_kind_is_refused() {
        assert_eq!(refusal(|fake| fake.put(header::MAGIC, b"x")), RegionError::Magic);
        assert_eq!(refusal(|fake| fake.put(header::VERSION, &[9, 0, 0, 0])), RegionError::Version(9));
        assert_eq!(refusal(|fake| fake.file.set_len(16).unwrap()), RegionError::Size(16));
        let huge = wire::MAX_REGION_SIZE as u64 + 8;
        assert_eq!(refusal(|fake| fake.file.set_len(huge).unwrap()), RegionError::Size(huge));
    }

    #[test]
    fn a_header_that_points_out_of_the_region_is_refused() {
        for (field, value) in [
            (header::REGION_SIZE, SIZE as u64 + 4096),
            (header::STRINGS_OFFSET, 0),
            (header::STRINGS_SIZE, u64::MAX),
            (header::CELLS_OFFSET, SIZE as u64),
            (header::CELLS, u64::MAX / 2),
            (header::SERIES_OFFSET, u64::MAX - 7),
            (header::SERIES_SIZE, 8),
            (header::SERIES_SIZE, SIZE as u64),
            (header::CONTROLS_OFFSET, u64::MAX - 7),
            (header::DATA_OFFSET, SIZE as u64 - 8),
        ] {
            let error = refusal(|fake| fake.put(field, &value.to_le_bytes()));
            assert!(matches!(error, RegionError::Geometry(_)), "{field} {error}");
        }
        for (field, value) in [(header::RINGS, u32::MAX), (header::RINGS, 0), (header::RING_SHIFT, 64)] {
            let error = refusal(|fake| fake.put(field, &value.to_le_bytes()));
            assert!(matches!(error, RegionError::Geometry(_)), "{field} {error}");
        }
    }

    #[test]
    fn records_are_whole_across_the_rings_end() {
        let mut fake = FakeRegion::new();
        let region = Region::map(fake.sealed()).unwrap();
        let mut tail = 0;
        for mark in 0..=255 {
            fake.record(1, 1000, mark);
            let waiting = region.waiting(1, tail).unwrap();
            let bytes = region.take(1, tail, waiting).unwrap();
            assert_eq!((bytes.len(), bytes[8], bytes[999]), (1000, mark, mark));
            tail += waiting as u64;
            region.release(1, tail);
            assert_eq!(fake.tail(1), tail);
        }
    }

    #[test]
    fn impossible_heads_and_lengths_are_noticed() {
        let mut fake = FakeRegion::new();
        let region = Region::map(fake.sealed()).unwrap();
        fake.head(0, 12);
        assert!(region.waiting(0, 0).is_err());
        fake.head(0, (1 << RING_SHIFT) + 8);
        assert!(region.waiting(0, 0).is_err());
        assert!(region.waiting(0, 1 << 20).is_err());
        for length in [0u32, 4, 12, 24, u32::MAX] {
            fake.head(1, 0);
            fake.bytes(1, &[&length.to_le_bytes()[..], &[0; 12]].concat());
            assert!(region.take(1, 0, 16).is_err(), "{length}");
        }
    }

    #[test]
    fn portions_end_where_records_end() {
        let records: Vec<u8> = [24u32, 8, 40].iter().flat_map(|length| record(*length)).collect();
        assert_eq!(whole_records(&records), Ok(72));
        assert_eq!(whole_records(&records[..71]), Ok(32));
        assert_eq!(whole_records(&records[..8]), Ok(0));
        assert_eq!(whole_records(&[]), Ok(0));
        assert!(whole_records(&[0; 8]).is_err());
    }

    fn record(length: u32) -> Vec<u8> {
        let mut bytes = vec![0; length as usize];
        bytes[..4].copy_from_slice(&length.to_le_bytes());
        bytes
    }
}
