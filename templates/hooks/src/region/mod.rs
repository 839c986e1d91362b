//! A process's region: the shared memory that it writes to, and the launcher reads.
//!
//! **Invariant:** whatever any process writes into the region, the program goes on unharmed. Where the process writes next is
//! known from memory of its own; the region holds copies for the launcher. What is read back from it (`TAIL`, the flags
//! in the header) decides whether something is done, never where.

mod program;
mod series;

use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};

use crate::attribute::{self, Attribute};
use crate::settings::Settings;
use crate::sys;
use crate::wire::{self, cell, header, ring};
use crate::writer::Writer;

pub(crate) use series::{EntryPlace, RegionEntry};

const STRINGS_SIZE: usize = 192 << 10;
const MOST_RINGS: usize = 16;

/// How large a region is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shape {
    rings: usize,
    /// A ring holds `1 << ring_shift` bytes, which is more than the longest record.
    ring_shift: u32,
    /// Bytes for series, a multiple of [`wire::SERIES_UNIT`].
    series_size: usize,
}

impl Shape {
    const STRINGS: usize = wire::HEADER_SIZE;
    const CELLS: usize = Shape::STRINGS + STRINGS_SIZE;
    const SERIES: usize = Shape::CELLS + wire::CELL_COUNT * wire::CELL_SIZE;

    /// For a machine with that many processors, and for programs that may have less memory; the largest first.
    fn all(processors: usize) -> [Shape; 3] {
        let rings = (processors * 2).clamp(2, MOST_RINGS);
        [
            Shape { rings, ring_shift: 20, series_size: wire::SERIES_SIZE },
            Shape { rings: 2, ring_shift: 20, series_size: 4 << 20 },
            Shape { rings: 2, ring_shift: 17, series_size: 512 << 10 },
        ]
    }

    fn controls(self) -> usize {
        Shape::SERIES + self.series_size
    }

    fn data(self) -> usize {
        self.controls() + self.rings * wire::RING_CONTROL_SIZE
    }

    fn size(self) -> usize {
        self.data() + (self.rings << self.ring_shift)
    }
}

/// The shared memory of this process.
pub(crate) struct Region {
    base: *mut u8,
    shape: Shape,
    controls: usize,
    data: usize,
    /// -1 where the process has too few descriptors to keep one.
    socket: i32,
    cookie: u64,
    strings_lock: AtomicU32,
    strings_used: AtomicU32,
    cells_used: AtomicU32,
    /// Units of the series' part in use, slots included.
    series_used: AtomicU64,
    /// Slots that were given away.
    series_count: AtomicU32,
    rings: [RingState; MOST_RINGS],
}

/// Each has a cache line of its own.
#[derive(Default)]
#[repr(align(64))]
struct RingState {
    /// 1 while a thread writes.
    lock: AtomicU32,
    /// Bytes ever written.
    head: AtomicU64,
}

// SAFETY: the mapping lives as long as the process, and what is shared in it is reached through atomics.
unsafe impl Sync for Region {}

impl Region {
    /// Makes a region and sends it to the launcher. A forked child's is like its parent's, whose ids stay true. The error
    /// is an errno.
    pub(crate) fn create(settings: &Settings, parent: Option<&Region>) -> Result<*mut Region, i32> {
        let made = match parent {
            Some(parent) => Region::map(parent.shape),
            None => {
                let mut made = Err(sys::ENOMEM);
                for shape in Shape::all(sys::processors()) {
                    made = Region::map(shape);
                    if made.is_ok() {
                        break;
                    }
                }
                made
            }
        };
        let (memory, mut region) = match made {
            Ok(made) => made,
            Err(errno) => {
                // The launcher reports the reason; the hooks never print.
                report(settings, errno);
                return Err(errno);
            }
        };
        region.describe(parent);
        let socket = call_launcher(settings, 0, Some(memory));
        let errno = sys::errno();
        sys::close_fd(memory);
        let Some(socket) = socket else {
            sys::unmap(region.base, region.shape.size());
            if matches!(errno, sys::EMFILE | sys::ENFILE) {
                // The process had one free descriptor, but two are needed.
                report(settings, errno);
            }
            return Err(errno);
        };
        if let Some(socket) = sys::move_away(socket) {
            region.socket = socket;
            region.cookie = sys::socket_cookie(socket);
        }
        Ok(Box::leak(Box::new(region)))
    }

    fn map(shape: Shape) -> Result<(i32, Region), i32> {
        let size = shape.size();
        let (memory, base) = sys::shared_memory(size)?;
        let region = Region {
            base,
            shape,
            controls: shape.controls(),
            data: shape.data(),
            socket: -1,
            cookie: 0,
            strings_lock: AtomicU32::new(0),
            strings_used: AtomicU32::new(wire::FIRST_STRING),
            cells_used: AtomicU32::new(0),
            series_used: AtomicU64::new((wire::SERIES_SLOTS * 4 / wire::SERIES_UNIT) as u64),
            series_count: AtomicU32::new(0),
            rings: Default::default(),
        };
        Ok((memory, region))
    }

    /// Fills in the header, its magic last.
    fn describe(&self, parent: Option<&Region>) {
        match parent {
            Some(parent) => self.inherit(parent),
            None => program::describe(self),
        }
        let Shape { rings, ring_shift, series_size } = self.shape;
        let fields = [
            (header::REGION_SIZE, self.shape.size()),
            (header::STRINGS_OFFSET, Shape::STRINGS),
            (header::STRINGS_SIZE, STRINGS_SIZE),
            (header::CELLS_OFFSET, Shape::CELLS),
            (header::CELLS, wire::CELL_COUNT),
            (header::CONTROLS_OFFSET, self.controls),
            (header::DATA_OFFSET, self.data),
            (header::SERIES_OFFSET, Shape::SERIES),
            (header::SERIES_SIZE, series_size),
        ];
        for (offset, value) in fields {
            self.at::<AtomicU64>(offset).store(value as u64, Ordering::Relaxed);
        }
        let fields = [
            (header::VERSION, wire::VERSION),
            (header::RINGS, rings as u32),
            (header::RING_SHIFT, ring_shift),
            (header::PID, sys::pid()),
            (header::STRINGS_LEN, self.strings_used.load(Ordering::Relaxed)),
            (header::SERIES_COUNT, self.series_count.load(Ordering::Relaxed)),
        ];
        for (offset, value) in fields {
            self.at::<AtomicU32>(offset).store(value, Ordering::Relaxed);
        }
        self.at::<AtomicU64>(header::MAGIC).store(u64::from_ne_bytes(wire::MAGIC), Ordering::Release);
    }

    /// The parent's counts are those of the moment of the fork: complete strings, and cells of which some may not be
    /// described.
    fn inherit(&self, parent: &Region) {
        let used = parent.strings_used.load(Ordering::Acquire);
        // SAFETY: both tables hold `STRINGS_SIZE` bytes, of which no more are in use; ours is not shared yet.
        unsafe {
            std::ptr::copy_nonoverlapping(
                parent.base.add(Shape::STRINGS),
                self.base.add(Shape::STRINGS),
                (used as usize).min(STRINGS_SIZE),
            )
        };
        self.strings_used.store(used, Ordering::Relaxed);
        let cells = parent.cells_used.load(Ordering::Acquire).min(wire::CELL_COUNT as u32);
        self.cells_used.store(cells, Ordering::Relaxed);
        for index in 0..cells as usize {
            if parent.at::<AtomicU32>(cell_at(index) + cell::STATE).load(Ordering::Acquire) == DESCRIBED {
                // SAFETY: both tables hold `CELL_COUNT` cells of `CELL_SIZE` bytes; ours is not shared yet.
                unsafe {
                    std::ptr::copy_nonoverlapping(
                        parent.base.add(cell_at(index)),
                        self.base.add(cell_at(index)),
                        wire::CELL_SIZE,
                    )
                };
                self.at::<AtomicI64>(cell_at(index) + cell::VALUE).store(0, Ordering::Relaxed);
            }
        }
        program::inherit(self, parent);
        self.inherit_series(parent);
    }

    /// Where the series' part begins, in memory.
    #[inline(always)]
    fn series(&self) -> *mut u8 {
        // SAFETY: the offset lies within the mapping, which lives as long as the process.
        unsafe { self.base.add(Shape::SERIES) }
    }

    /// The series' part in units.
    fn series_units(&self) -> usize {
        self.shape.series_size / wire::SERIES_UNIT
    }

    /// Identifies the region within the process and its children.
    pub(crate) fn address(&self) -> u64 {
        self.base as u64
    }

    #[inline]
    pub(crate) fn add_to_cell(&self, index: u32, amount: i64) {
        if (index as usize) < wire::CELL_COUNT {
            self.at::<AtomicI64>(cell_at(index as usize) + cell::VALUE).fetch_add(amount, Ordering::Relaxed);
        }
    }

    /// An atomic of the region. Offsets come from the layout made in `create`, never from outside.
    #[inline(always)]
    pub(crate) fn at<T>(&self, offset: usize) -> &T {
        // SAFETY: the mapping lives as long as the process, `offset` lies within it and is aligned for the atomics used
        // (8 bytes at multiples of 8, 4 at multiples of 4), and atomics may be shared.
        unsafe { &*self.base.add(offset).cast::<T>() }
    }

    pub(crate) fn rings(&self) -> u32 {
        self.shape.rings as u32
    }

    #[cold]
    pub(crate) fn count_dropped(&self) {
        self.at::<AtomicU64>(header::DROPPED).fetch_add(1, Ordering::Relaxed);
    }

    /// Reports in the parent's region that a forked child could not attach: the child has no channel of its own.
    #[cold]
    pub(crate) fn count_unattached(&self, errno: i32) {
        self.at::<AtomicU32>(header::UNATTACHED_ERRNO).store(errno as u32, Ordering::Relaxed);
        self.at::<AtomicU32>(header::UNATTACHED).fetch_add(1, Ordering::Release);
    }

    /// Whether the launcher has seen that the process filters system calls.
    pub(crate) fn is_filtered(&self) -> bool {
        self.at::<AtomicU32>(header::FILTERED).load(Ordering::Relaxed) != 0
    }

    /// Wakes the launcher if it sleeps; the first to notice rings. Not where that may be the program's end: there the
    /// launcher looks by itself.
    pub(crate) fn wake_launcher(&self) {
        let sleeping = self.at::<AtomicU32>(header::SLEEPING);
        if self.socket >= 0
            && sleeping.load(Ordering::SeqCst) == 1
            && sleeping.swap(0, Ordering::SeqCst) == 1
            && !self.is_filtered()
            && sys::socket_cookie(self.socket) == self.cookie
        {
            sys::ring_doorbell(self.socket);
        }
    }

    /// The ring of that index, if there is one, for as long as no other thread has it.
    #[inline]
    pub(crate) fn try_lock(&self, index: u32) -> Option<Ring<'_>> {
        if index as usize >= self.shape.rings {
            return None;
        }
        let state = self.rings.get(index as usize)?;
        if state.lock.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed).is_ok() {
            let control = self.controls + index as usize * wire::RING_CONTROL_SIZE;
            let data = self.data + ((index as usize) << self.shape.ring_shift);
            Some(Ring { region: self, state, control, data, capacity: 1 << self.shape.ring_shift })
        } else {
            None
        }
    }

    pub(crate) fn intern(&self, text: &[u8]) -> u32 {
        if self.strings_lock.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed).is_err() {
            return 0;
        }
        let used = self.strings_used.load(Ordering::Relaxed);
        let entry = (4 + text.len() + 3) & !3;
        let mut id = 0;
        if used as usize + entry <= STRINGS_SIZE {
            // SAFETY: the entry lies within the table and the lock is ours.
            let mut to = unsafe { Writer::new(self.base.add(Shape::STRINGS + used as usize), entry) };
            to.bytes(&(text.len() as u32).to_le_bytes());
            to.bytes(text);
            self.strings_used.store(used + entry as u32, Ordering::Release);
            self.at::<AtomicU32>(header::STRINGS_LEN).store(used + entry as u32, Ordering::Release);
            id = used;
        }
        self.strings_lock.store(0, Ordering::Release);
        id
    }

    pub(crate) fn new_cell(&self, kind: u8, description: &[Attribute<'_>]) -> Option<u32> {
        let (bytes, count) = attribute::size(description);
        let room = wire::CELL_SIZE - cell::DESCRIPTION;
        if bytes > room {
            return None;
        }
        let more = |used: u32| Some(used + 1).filter(|used| *used <= wire::CELL_COUNT as u32);
        let index = self.cells_used.fetch_update(Ordering::AcqRel, Ordering::Relaxed, more).ok()?;
        let at = cell_at(index as usize);
        // SAFETY: the cell was claimed by this thread, and the room ends with the cell.
        let mut to = unsafe { Writer::new(self.base.add(at + cell::KIND), 4 + room) };
        to.bytes(&[kind, count as u8]);
        to.bytes(&(bytes as u16).to_le_bytes());
        attribute::write(&mut to, description);
        self.at::<AtomicU32>(at + cell::STATE).store(DESCRIBED, Ordering::Release);
        Some(index)
    }
}

/// A value of `cell::STATE`.
const DESCRIBED: u32 = 2;

fn cell_at(index: usize) -> usize {
    Shape::CELLS + index * wire::CELL_SIZE
}

/// Reports to the launcher why there is no region.
fn report(settings: &Settings, errno: i32) {
    if let Some(socket) = call_launcher(settings, errno, None) {
        sys::close_fd(socket);
    }
}

fn call_launcher(settings: &Settings, errno: i32, memory: Option<i32>) -> Option<i32> {
    sys::call_launcher(&settings.socket, settings.launcher_user, &hello(errno, &settings.token), memory)
}

fn hello(errno: i32, token: &[u8; wire::TOKEN_SIZE]) -> [u8; wire::HELLO_SIZE] {
    let mut hello = [0; wire::HELLO_SIZE];
    let numbers = wire::VERSION.to_le_bytes().into_iter().chain(errno.to_le_bytes());
    let parts = wire::MAGIC.into_iter().chain(numbers).chain(token.iter().copied());
    for (to, from) in hello.iter_mut().zip(parts) {
        *to = from;
    }
    hello
}

/// A ring this thread has locked.
pub(crate) struct Ring<'a> {
    region: &'a Region,
    state: &'a RingState,
    control: usize,
    data: usize,
    capacity: u64,
}

impl<'a> Ring<'a> {
    fn head(&self) -> u64 {
        self.state.head.load(Ordering::Relaxed)
    }

    /// Shows the launcher what was written up to `head`.
    #[inline]
    fn advance(&self, head: u64) {
        self.state.head.store(head, Ordering::Relaxed);
        self.region.at::<AtomicU64>(self.control + ring::HEAD).store(head, Ordering::Release);
    }

    fn used(&self) -> u64 {
        let tail = self.region.at::<AtomicU64>(self.control + ring::TAIL).load(Ordering::Acquire);
        self.head().wrapping_sub(tail)
    }

    /// Room for a record of `length` bytes (a multiple of 8), padding over the ring's end first if it must; and whether the
    /// ring is more than half full with it.
    #[inline]
    pub(crate) fn reserve(&self, length: usize) -> Option<(Writer<'a>, bool)> {
        let mut head = self.head();
        let to_end = self.capacity - self.place(head) as u64;
        let padding = if (length as u64) > to_end { to_end } else { 0 };
        let used = self.used().saturating_add(padding + length as u64);
        if used > self.capacity {
            return None;
        }
        if padding != 0 {
            let mut to = self.writer(head, padding as usize);
            to.bytes(&(padding as u32).to_le_bytes());
            to.bytes(&[wire::kind::PAD, 0, 0, 0]);
            head = head.wrapping_add(padding);
            self.advance(head);
        }
        Some((self.writer(head, length), used > self.capacity / 2))
    }

    /// Where a position is in the ring, whose capacity is a power of two: a division would take longer than the record.
    #[inline]
    fn place(&self, position: u64) -> usize {
        (position & (self.capacity - 1)) as usize
    }

    fn writer(&self, position: u64, room: usize) -> Writer<'a> {
        let at = self.data + self.place(position);
        // SAFETY: the ring is locked by this thread, and `room` ends within the ring (see `reserve`): both are known from
        // memory of our own.
        unsafe { Writer::new(self.region.base.add(at), room) }
    }

    /// Shows the record to the launcher.
    #[inline]
    pub(crate) fn publish(&self, length: usize) {
        self.advance(self.head().wrapping_add(length as u64));
    }

    #[cold]
    pub(crate) fn count_dropped(&self) {
        self.region.at::<AtomicU64>(self.control + ring::DROPPED).fetch_add(1, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn unlock(&self) {
        self.state.lock.store(0, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_fits_a_launcher_and_the_smallest_a_small_program() {
        let shapes = Shape::all(64);
        assert!(shapes.windows(2).all(|pair| pair[0].size() > pair[1].size()));
        for shape in shapes {
            assert!(shape.size() <= wire::MAX_REGION_SIZE && shape.size() % 8 == 0);
            assert!(1 << shape.ring_shift > 2 * wire::record::MAX, "{shape:?}");
            assert!(shape.series_size > 2 * wire::SERIES_SLOTS * 4, "{shape:?}");
            let region = Region::map(shape).unwrap().1;
            assert_eq!(region.rings().min(MOST_RINGS as u32) as usize, shape.rings);
        }
        assert!(shapes[2].size() < 3 << 19, "{}", shapes[2].size());
        assert_eq!(Shape::all(1)[0].rings, 2);
    }
}
