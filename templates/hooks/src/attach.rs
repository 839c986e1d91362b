//! Attaching to the launcher: once per process, at the first hook, and once more in a forked child.

use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU8, Ordering};
use std::time::{Duration, Instant};

use crate::attribute::Attribute;
use crate::region::Region;
use crate::settings::{self, Settings};
use crate::sys;
use crate::wire;

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
    region().map_or(1, |region| region.address())
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
    let region = Region::create(settings::get()?, parent.rings() as usize, Some(parent))?;
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
        region.add_to_cell(index, amount);
    }
}
