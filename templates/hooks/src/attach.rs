//! Attaching to the launcher: once per process, at the first hook, and once more in a forked child.

use std::sync::atomic::{AtomicI64, AtomicPtr, AtomicU32, AtomicU64, AtomicU8, Ordering};
use std::time::{Duration, Instant};

use crate::attribute::{self, Attribute};
use crate::ring::Writer;
use crate::settings::{self, Settings};
use crate::sys;
use crate::wire::{self, cell, header, ring};

const UNKNOWN: u8 = 0;
const ATTACHING: u8 = 1;
const DORMANT: u8 = 2;
const ACTIVE: u8 = 3;

static STATE: AtomicU8 = AtomicU8::new(UNKNOWN);
/// A page that a fork wipes, holding the process's [`Root`]; never unmapped.
static ROOT: AtomicPtr<Root> = AtomicPtr::new(std::ptr::null_mut());
/// The last region of this process or of the parent it was forked from; the fork does not wipe this one.
static LAST: AtomicPtr<Region> = AtomicPtr::new(std::ptr::null_mut());

/// How long a thread waits for another that is attaching.
const PATIENCE: Duration = Duration::from_millis(20);
const RING_SHIFT: u32 = 20;
const STRINGS_SIZE: usize = 64 << 10;

/// Zeros mean: not attached.
#[repr(C)]
struct Root {
    region: AtomicPtr<Region>,
    attaching: AtomicU32,
}

#[inline(always)]
pub(crate) fn active() -> bool {
    match STATE.load(Ordering::Relaxed) {
        ACTIVE => true,
        DORMANT => false,
        _ => first_hook(),
    }
}

/// For tests that make a launcher: whoever asked before them found none.
#[cfg(test)]
pub(crate) fn ask_again() {
    STATE.store(UNKNOWN, Ordering::Release);
}

/// Changes when a forked child attaches.
pub(crate) fn generation() -> u64 {
    region().map_or(1, |region| region.base as u64)
}

#[cold]
#[inline(never)]
fn first_hook() -> bool {
    if STATE.compare_exchange(UNKNOWN, ATTACHING, Ordering::AcqRel, Ordering::Acquire).is_ok() {
        let attached = attach_process().is_some();
        STATE.store(if attached { ACTIVE } else { DORMANT }, Ordering::Release);
    } else {
        // Another thread is attaching, which takes some microseconds, once. What is not waited for now would be a span
        // that nobody ever hears of; a thread that is kept from running must not keep others, so there is an end to it.
        let asked = Instant::now();
        while STATE.load(Ordering::Acquire) == ATTACHING && asked.elapsed() < PATIENCE {
            std::thread::yield_now();
        }
    }
    STATE.load(Ordering::Acquire) == ACTIVE
}

fn attach_process() -> Option<()> {
    let variable = std::env::var_os(wire::CHANNEL_VARIABLE)?;
    if inside_the_compiler() {
        return None;
    }
    let settings = Settings::parse(&variable)?;
    if settings.pass_on {
        settings::install(settings);
        return Some(());
    }
    let page = sys::wiped_page()?.cast::<Root>();
    let rings = std::thread::available_parallelism().map_or(2, usize::from) * 2;
    let region = Region::create(&settings, rings.clamp(2, 16), None)?;
    settings::install(settings);
    // SAFETY: a fresh zeroed page, large and aligned enough for a `Root`, never unmapped.
    unsafe { (*page).region.store(region, Ordering::Release) };
    LAST.store(region, Ordering::Release);
    ROOT.store(page, Ordering::Release);
    Some(())
}

/// Woven crates also run in build scripts and procedural macros; their work is not the program's.
fn inside_the_compiler() -> bool {
    let build_script = ["OUT_DIR", "HOST", "TARGET", "NUM_JOBS"].iter().all(|name| std::env::var_os(name).is_some());
    let executable = std::env::current_exe().ok();
    let name = executable.as_deref().and_then(|path| path.file_name()).and_then(|name| name.to_str());
    build_script || matches!(name, Some("rustc" | "rustdoc" | "clippy-driver" | "miri"))
}

/// This process's region. `None` while dormant, and where there is nobody to tell.
#[inline]
pub(crate) fn region() -> Option<&'static Region> {
    // SAFETY: null or a page that is never unmapped, see `attach_process`.
    let root = unsafe { ROOT.load(Ordering::Acquire).as_ref() }?;
    // SAFETY: null or leaked by `Region::create`.
    match unsafe { root.region.load(Ordering::Acquire).as_ref() } {
        Some(region) => Some(region),
        None => attach_child(root),
    }
}

/// In a forked child: a region of its own, with the parent's strings and cells so that known ids stay true.
#[cold]
fn attach_child(root: &'static Root) -> Option<&'static Region> {
    // A fork during this very call finds its copy of the page wiped and starts anew.
    if root.attaching.swap(1, Ordering::AcqRel) == 1 {
        let asked = Instant::now();
        while asked.elapsed() < PATIENCE {
            // SAFETY: null or leaked by `Region::create`.
            if let Some(region) = unsafe { root.region.load(Ordering::Acquire).as_ref() } {
                return Some(region);
            }
            std::thread::yield_now();
        }
        return None;
    }
    // SAFETY: set before `ROOT` was, leaked.
    let parent = unsafe { LAST.load(Ordering::Acquire).as_ref() }?;
    let region = Region::create(settings::get()?, parent.rings as usize, Some(parent))?;
    LAST.store(region, Ordering::Release);
    root.region.store(region, Ordering::Release);
    // SAFETY: leaked.
    unsafe { region.as_ref() }
}

/// Adds a text to the string table; its id, or 0 when there is no room or another thread is adding.
#[cold]
pub(crate) fn intern(text: &[u8]) -> u32 {
    region().map_or(0, |region| region.intern(text))
}

/// Claims a cell and describes it; its index.
#[cold]
pub(crate) fn new_cell(kind: u8, description: &[Attribute<'_>]) -> Option<u32> {
    region()?.new_cell(kind, description)
}

#[inline]
pub(crate) fn add_to_cell(index: u32, amount: i64) {
    if let Some(region) = region() {
        if (index as usize) < wire::CELL_COUNT {
            region.at::<AtomicI64>(region.cell(index as usize) + cell::VALUE).fetch_add(amount, Ordering::Relaxed);
        }
    }
}

/// The shared memory of this process.
pub(crate) struct Region {
    base: *mut u8,
    rings: u32,
    controls: usize,
    data: usize,
    strings: usize,
    cells: usize,
    series: usize,
    socket: i32,
    cookie: u64,
}

// SAFETY: the mapping lives as long as the process, and what is shared in it is reached through atomics.
unsafe impl Sync for Region {}

impl Region {
    fn create(settings: &Settings, rings: usize, parent: Option<&Region>) -> Option<*mut Region> {
        let strings = wire::HEADER_SIZE;
        let cells = strings + STRINGS_SIZE;
        let series = cells + wire::CELL_COUNT * wire::CELL_SIZE;
        let controls = series + wire::SERIES_SIZE;
        let data = controls + rings * wire::RING_CONTROL_SIZE;
        let size = data + (rings << RING_SHIFT);
        let (memory, base) = match sys::shared_memory(size) {
            Ok(made) => made,
            Err(errno) => {
                // The launcher is told why, since nobody else can be.
                if let Some(socket) = call_launcher(settings, errno, None) {
                    sys::close_fd(socket);
                }
                return None;
            }
        };
        let mut region =
            Region { base, rings: rings as u32, controls, data, strings, cells, series, socket: -1, cookie: 0 };
        let fields = [
            (header::REGION_SIZE, size),
            (header::STRINGS_OFFSET, strings),
            (header::STRINGS_SIZE, STRINGS_SIZE),
            (header::CELLS_OFFSET, cells),
            (header::CELLS, wire::CELL_COUNT),
            (header::CONTROLS_OFFSET, controls),
            (header::DATA_OFFSET, data),
            (header::SERIES_OFFSET, series),
            (header::SERIES_SIZE, wire::SERIES_SIZE),
            (header::SERIES_USED, wire::SERIES_SLOTS * 4 / wire::SERIES_UNIT),
        ];
        for (offset, value) in fields {
            region.at::<AtomicU64>(offset).store(value as u64, Ordering::Relaxed);
        }
        let fields = [
            (header::VERSION, wire::VERSION),
            (header::RINGS, rings as u32),
            (header::RING_SHIFT, RING_SHIFT),
            (header::PID, sys::pid()),
            (header::STRINGS_LEN, wire::FIRST_STRING),
        ];
        for (offset, value) in fields {
            region.at::<AtomicU32>(offset).store(value, Ordering::Relaxed);
        }
        if let Some(parent) = parent {
            region.inherit(parent);
        }
        region.at::<AtomicU64>(header::MAGIC).store(u64::from_ne_bytes(wire::MAGIC), Ordering::Release);
        let socket = call_launcher(settings, 0, Some(memory));
        sys::close_fd(memory);
        let Some(socket) = socket else {
            sys::unmap(base, size);
            return None;
        };
        region.socket = socket;
        region.cookie = sys::socket_cookie(socket);
        Some(Box::leak(Box::new(region)))
    }

    fn inherit(&self, parent: &Region) {
        let used = parent.at::<AtomicU32>(header::STRINGS_LEN).load(Ordering::Acquire);
        if used as usize <= STRINGS_SIZE {
            // SAFETY: both tables hold `STRINGS_SIZE` bytes; ours is not shared yet.
            unsafe {
                std::ptr::copy_nonoverlapping(
                    parent.base.add(parent.strings),
                    self.base.add(self.strings),
                    used as usize,
                )
            };
            self.at::<AtomicU32>(header::STRINGS_LEN).store(used, Ordering::Release);
        }
        for index in 0..wire::CELL_COUNT {
            if parent.at::<AtomicU32>(parent.cell(index) + cell::STATE).load(Ordering::Acquire) == 2 {
                // SAFETY: both tables hold `CELL_COUNT` cells of `CELL_SIZE` bytes; ours is not shared yet.
                unsafe {
                    std::ptr::copy_nonoverlapping(
                        parent.base.add(parent.cell(index)),
                        self.base.add(self.cell(index)),
                        wire::CELL_SIZE,
                    )
                };
                self.at::<AtomicI64>(self.cell(index) + cell::VALUE).store(0, Ordering::Relaxed);
            }
        }
        self.inherit_series(parent);
    }

    /// Where the series' part begins, in memory.
    #[inline(always)]
    pub(crate) fn series(&self) -> *mut u8 {
        // SAFETY: the offset lies within the mapping, which lives as long as the process.
        unsafe { self.base.add(self.series) }
    }

    fn cell(&self, index: usize) -> usize {
        self.cells + index * wire::CELL_SIZE
    }

    /// An atomic of the region. Offsets come from the layout made in `create`, never from outside.
    #[inline(always)]
    pub(crate) fn at<T>(&self, offset: usize) -> &T {
        // SAFETY: the mapping lives as long as the process, `offset` lies within it and is aligned for the atomics used
        // (8 bytes at multiples of 8, 4 at multiples of 4), and atomics may be shared.
        unsafe { &*self.base.add(offset).cast::<T>() }
    }

    pub(crate) fn rings(&self) -> u32 {
        self.rings
    }

    #[cold]
    pub(crate) fn count_dropped(&self) {
        self.at::<AtomicU64>(header::DROPPED).fetch_add(1, Ordering::Relaxed);
    }

    /// Wakes the launcher if it sleeps; the first to notice rings.
    pub(crate) fn wake_launcher(&self) {
        let sleeping = self.at::<AtomicU32>(header::SLEEPING);
        if sleeping.load(Ordering::SeqCst) == 1
            && sleeping.swap(0, Ordering::SeqCst) == 1
            && sys::socket_cookie(self.socket) == self.cookie
        {
            sys::ring_doorbell(self.socket);
        }
    }

    #[inline]
    pub(crate) fn try_lock(&self, index: u32) -> Option<Ring<'_>> {
        let ring = Ring { region: self, control: self.controls + index as usize * wire::RING_CONTROL_SIZE, index };
        let lock = self.at::<AtomicU32>(ring.control + ring::LOCK);
        if lock.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed).is_ok() {
            Some(ring)
        } else {
            None
        }
    }

    fn intern(&self, text: &[u8]) -> u32 {
        let lock = self.at::<AtomicU32>(header::STRINGS_LOCK);
        if lock.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed).is_err() {
            return 0;
        }
        let length = self.at::<AtomicU32>(header::STRINGS_LEN);
        let used = length.load(Ordering::Relaxed);
        let entry = (4 + text.len() + 3) & !3;
        let mut id = 0;
        if used as usize + entry <= STRINGS_SIZE {
            // SAFETY: the entry lies within the table and the lock is ours.
            let mut to = unsafe { Writer::new(self.base.add(self.strings + used as usize), entry) };
            to.bytes(&(text.len() as u32).to_le_bytes());
            to.bytes(text);
            length.store(used + entry as u32, Ordering::Release);
            id = used;
        }
        lock.store(0, Ordering::Release);
        id
    }

    fn new_cell(&self, kind: u8, description: &[Attribute<'_>]) -> Option<u32> {
        const FREE: u32 = 0;
        const CLAIMED: u32 = 1;
        const DESCRIBED: u32 = 2;
        let (bytes, count) = attribute::size(description);
        let room = wire::CELL_SIZE - cell::DESCRIPTION;
        if bytes > room {
            return None;
        }
        for index in 0..wire::CELL_COUNT {
            let at = self.cell(index);
            let state = self.at::<AtomicU32>(at + cell::STATE);
            if state.compare_exchange(FREE, CLAIMED, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                // SAFETY: the cell was claimed by this thread, and the room ends with the cell.
                let mut to = unsafe { Writer::new(self.base.add(at + cell::KIND), 4 + room) };
                to.bytes(&[kind, count as u8]);
                to.bytes(&(bytes as u16).to_le_bytes());
                attribute::write(&mut to, description);
                state.store(DESCRIBED, Ordering::Release);
                return Some(index as u32);
            }
        }
        None
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
    control: usize,
    index: u32,
}

impl<'a> Ring<'a> {
    const CAPACITY: u64 = 1 << RING_SHIFT;

    fn head(&self) -> &AtomicU64 {
        self.region.at(self.control + ring::HEAD)
    }

    fn used(&self) -> u64 {
        let tail = self.region.at::<AtomicU64>(self.control + ring::TAIL).load(Ordering::Acquire);
        self.head().load(Ordering::Relaxed).wrapping_sub(tail)
    }

    /// Room for a record of `length` bytes (a multiple of 8), padding over the ring's end first if it must.
    #[inline]
    pub(crate) fn reserve(&self, length: usize) -> Option<Writer<'a>> {
        let mut head = self.head().load(Ordering::Relaxed);
        let to_end = Self::CAPACITY - head % Self::CAPACITY;
        let padding = if (length as u64) > to_end { to_end } else { 0 };
        if self.used().saturating_add(padding + length as u64) > Self::CAPACITY {
            return None;
        }
        if padding != 0 {
            let mut to = self.writer(head, padding as usize);
            to.bytes(&(padding as u32).to_le_bytes());
            to.bytes(&[wire::kind::PAD, 0, 0, 0]);
            head = head.wrapping_add(padding);
            self.head().store(head, Ordering::Release);
        }
        Some(self.writer(head, length))
    }

    fn writer(&self, position: u64, room: usize) -> Writer<'a> {
        let start = self.region.data + ((self.index as usize) << RING_SHIFT);
        let at = start + (position % Self::CAPACITY) as usize;
        // SAFETY: `position` is free (see `reserve`), the ring is locked by this thread, and `room` ends within the ring.
        unsafe { Writer::new(self.region.base.add(at), room) }
    }

    /// Shows the record to the launcher.
    #[inline]
    pub(crate) fn publish(&self, length: usize) {
        let head = self.head();
        head.store(head.load(Ordering::Relaxed).wrapping_add(length as u64), Ordering::Release);
    }

    #[cold]
    pub(crate) fn count_dropped(&self) {
        self.region.at::<AtomicU64>(self.control + ring::DROPPED).fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn is_half_full(&self) -> bool {
        self.used() > Self::CAPACITY / 2
    }

    #[inline]
    pub(crate) fn unlock(&self) {
        self.region.at::<AtomicU32>(self.control + ring::LOCK).store(0, Ordering::Release);
    }
}
