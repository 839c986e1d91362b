//! An app's side of the channel in a few lines, for tests: writes anything, valid or not.

use std::fs::File;
use std::io::{IoSlice, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};

use super::region::Region;
use super::series::SeriesTable;
use crate::wire::{self, header, kind, ring, series};

pub(crate) const RING_SHIFT: u32 = 12;
pub(crate) const RINGS: usize = 2;
const STRINGS: usize = wire::HEADER_SIZE;
const STRINGS_SIZE: usize = 4096;
const CELLS: usize = STRINGS + STRINGS_SIZE;
const CELL_COUNT: usize = 4;
pub(crate) const SERIES: usize = CELLS + CELL_COUNT * wire::CELL_SIZE;
const FIRST_UNIT: usize = wire::SERIES_SLOTS * 4 / wire::SERIES_UNIT;
/// Units of the series' part that entries can have.
const UNITS: usize = 64;
const SERIES_SIZE: usize = (FIRST_UNIT + UNITS) * wire::SERIES_UNIT;
const CONTROLS: usize = SERIES + SERIES_SIZE;
const DATA: usize = CONTROLS + RINGS * wire::RING_CONTROL_SIZE;
pub(crate) const SIZE: usize = DATA + (RINGS << RING_SHIFT);

/// A region under construction.
pub(crate) struct FakeRegion {
    pub(crate) file: File,
    heads: [u64; RINGS],
}

impl FakeRegion {
    /// A well-formed region of two small rings. Not yet sealed.
    pub(crate) fn new() -> FakeRegion {
        let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
        let file = File::from(memfd_create("fake", flags).unwrap());
        file.set_len(SIZE as u64).unwrap();
        let region = FakeRegion { file, heads: [0; RINGS] };
        region.put(header::MAGIC, &wire::MAGIC);
        let numbers = [
            (header::REGION_SIZE, SIZE),
            (header::STRINGS_OFFSET, STRINGS),
            (header::STRINGS_SIZE, STRINGS_SIZE),
            (header::CELLS_OFFSET, CELLS),
            (header::CELLS, CELL_COUNT),
            (header::SERIES_OFFSET, SERIES),
            (header::SERIES_SIZE, SERIES_SIZE),
            (header::CONTROLS_OFFSET, CONTROLS),
            (header::DATA_OFFSET, DATA),
        ];
        numbers.iter().for_each(|(offset, value)| region.put(*offset, &(*value as u64).to_le_bytes()));
        region.put(header::VERSION, &wire::VERSION.to_le_bytes());
        region.put(header::RINGS, &(RINGS as u32).to_le_bytes());
        region.put(header::RING_SHIFT, &RING_SHIFT.to_le_bytes());
        region.put(header::STRINGS_LEN, &wire::FIRST_STRING.to_le_bytes());
        region
    }

    pub(crate) fn put(&self, offset: usize, bytes: &[u8]) {
        self.file.write_all_at(bytes, offset as u64).unwrap();
    }

    /// Publishes a record of `length` bytes; `mark` is its first byte after the header.
    pub(crate) fn record(&mut self, ring: usize, length: usize, mark: u8) {
        let mut bytes = vec![mark; length];
        bytes[..4].copy_from_slice(&(length as u32).to_le_bytes());
        bytes[4..8].copy_from_slice(&[kind::SPAN_END, 0, 0, 0]);
        self.bytes(ring, &bytes);
    }

    /// Publishes bytes, over the end of the ring if need be.
    pub(crate) fn bytes(&mut self, ring: usize, bytes: &[u8]) {
        for (byte, position) in bytes.iter().zip(self.heads[ring]..) {
            self.put(DATA + (ring << RING_SHIFT) + (position % (1 << RING_SHIFT)) as usize, &[*byte]);
        }
        self.head(ring, self.heads[ring] + bytes.len() as u64);
    }

    pub(crate) fn head(&mut self, ring: usize, head: u64) {
        self.heads[ring] = head;
        self.put(CONTROLS + ring * wire::RING_CONTROL_SIZE + ring::HEAD, &head.to_le_bytes());
    }

    pub(crate) fn dropped(&self, ring: usize, count: u64) {
        self.put(CONTROLS + ring * wire::RING_CONTROL_SIZE + ring::DROPPED, &count.to_le_bytes());
    }

    pub(crate) fn tail(&self, ring: usize) -> u64 {
        let mut bytes = [0; 8];
        self.file.read_exact_at(&mut bytes, (CONTROLS + ring * wire::RING_CONTROL_SIZE + ring::TAIL) as u64).unwrap();
        u64::from_le_bytes(bytes)
    }

    /// Adds a string as the app does; its id.
    pub(crate) fn string(&self, at: u32, text: &str) -> u32 {
        self.put(STRINGS + at as usize, &(text.len() as u32).to_le_bytes());
        self.put(STRINGS + at as usize + 4, text.as_bytes());
        let used = at + (4 + text.len() as u32).next_multiple_of(4);
        self.put(header::STRINGS_LEN, &used.to_le_bytes());
        at
    }

    pub(crate) fn cell(&self, index: usize, value: i64, description: &[u8]) {
        let at = CELLS + index * wire::CELL_SIZE;
        self.put(at + wire::cell::VALUE, &value.to_le_bytes());
        self.put(at + wire::cell::KIND, &[wire::cell_kind::COUNTER, 1]);
        self.put(at + wire::cell::LEN, &(description.len() as u16).to_le_bytes());
        self.put(at + wire::cell::DESCRIPTION, description);
        self.put(at + wire::cell::STATE, &2u32.to_le_bytes());
    }

    /// Writes and shows an entry of the series' part with one attribute, `unit` units after the first.
    pub(crate) fn entry(&self, slot: usize, unit: usize, entry: &FakeEntry<'_>) {
        self.counted_entry(slot, unit, 1, entry);
    }

    /// Sets how often a series' value was set.
    pub(crate) fn times(&self, unit: usize, times: u64) {
        self.put(SERIES + (FIRST_UNIT + unit) * wire::SERIES_UNIT + series::TIMES, &times.to_le_bytes());
    }

    /// An entry with as many attributes.
    pub(crate) fn counted_entry(&self, slot: usize, unit: usize, attributes: u16, entry: &FakeEntry<'_>) {
        let at = SERIES + (FIRST_UNIT + unit) * wire::SERIES_UNIT;
        let attributes_at = series::BUCKETS + entry.buckets.len() * 8;
        let length = (attributes_at + entry.attributes.len()).next_multiple_of(wire::SERIES_UNIT);
        self.put(at + series::LEN, &(length as u32).to_le_bytes());
        self.put(at + series::WHAT, &[entry.what, entry.kind, entry.number, 0]);
        self.put(at + series::INSTRUMENT, &entry.instrument.to_le_bytes());
        self.put(at + series::BUCKET_COUNT, &(entry.buckets.len() as u16).to_le_bytes());
        self.put(at + series::ATTRIBUTES, &attributes.to_le_bytes());
        self.put(at + series::ATTRIBUTES_AT, &(attributes_at as u32).to_le_bytes());
        self.put(at + series::ATTRIBUTES_LEN, &(entry.attributes.len() as u32).to_le_bytes());
        self.put(at + series::VALUE, &entry.value.to_le_bytes());
        self.put(at + series::MIN, &f64::INFINITY.to_le_bytes());
        self.put(at + series::MAX, &f64::NEG_INFINITY.to_le_bytes());
        for (index, bucket) in entry.buckets.iter().enumerate() {
            self.put(at + series::BUCKETS + index * 8, &bucket.to_le_bytes());
        }
        self.put(at + attributes_at, entry.attributes);
        self.put(SERIES + slot * 4, &((FIRST_UNIT + unit) as u32).to_le_bytes());
        let mut count = [0; 4];
        self.file.read_exact_at(&mut count, header::SERIES_COUNT as u64).unwrap();
        let count = u32::from_le_bytes(count).max(slot as u32 + 1);
        self.put(header::SERIES_COUNT, &count.to_le_bytes());
    }

    /// Its series, as telemetry reads them.
    pub(crate) fn series(&self) -> SeriesTable {
        SeriesTable::new(&Arc::new(Region::map(self.sealed()).unwrap()))
    }

    /// A descriptor of the sealed region, as the launcher receives it.
    pub(crate) fn sealed(&self) -> OwnedFd {
        let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
        fcntl(&self.file, FcntlArg::F_ADD_SEALS(seals)).ok();
        self.file.try_clone().unwrap().into()
    }
}

/// The content of an entry.
#[derive(Clone, Copy, Default)]
pub(crate) struct FakeEntry<'a> {
    pub(crate) what: u8,
    pub(crate) kind: u8,
    pub(crate) number: u8,
    pub(crate) instrument: u32,
    pub(crate) value: u64,
    pub(crate) buckets: &'a [u64],
    pub(crate) attributes: &'a [u8],
}

/// The socket of a launcher, and its token, from the hooks' settings.
pub(crate) fn place(variable: &str) -> (PathBuf, Vec<u8>) {
    let value = |name: &str| variable.split_once(&format!("{name}=")).unwrap().1;
    let digits = value("token").split(';').next().unwrap();
    let token = (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect();
    (value("socket").into(), token)
}

/// Sends *Hello* on a new connection.
pub(crate) fn connect(at: &(PathBuf, Vec<u8>), version: u32, errno: u32, memory: Option<&OwnedFd>) -> UnixStream {
    let stream = UnixStream::connect(&at.0).unwrap();
    let mut hello = Vec::from(wire::MAGIC);
    hello.write_all(&version.to_le_bytes()).unwrap();
    hello.write_all(&errno.to_le_bytes()).unwrap();
    hello.write_all(&at.1).unwrap();
    let fds: Vec<_> = memory.iter().map(|fd| fd.as_raw_fd()).collect();
    let rights = [ControlMessage::ScmRights(&fds)];
    let control = if fds.is_empty() { &rights[..0] } else { &rights[..] };
    sendmsg::<()>(stream.as_raw_fd(), &[IoSlice::new(&hello)], control, MsgFlags::empty(), None).unwrap();
    stream
}
