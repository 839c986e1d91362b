//! Attaching to the launcher: once per process, before `main` where the binary allows it, and once more in a forked child.
//!
//! Attaching makes system calls; afterwards the hooks make none but the doorbell's. A program may forbid itself system
//! calls (seccomp) when its `main` has begun, which is why attaching does not wait for the first hook.

use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU8, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::attribute::Attribute;
use crate::region::Region;
use crate::settings::{self, Settings};
use crate::{seed, sys, wire};

const UNKNOWN: u8 = 0;
const DORMANT: u8 = 1;
const ACTIVE: u8 = 2;

/// A forked child begins with its parent's, and is made dormant where it cannot attach.
static STATE: AtomicU8 = AtomicU8::new(UNKNOWN);
/// The process's [`Claim`], on a page that a fork wipes; never unmapped.
static CLAIM: AtomicPtr<Claim> = AtomicPtr::new(std::ptr::null_mut());
/// The same once the process has attached; null while it is dormant.
static ATTACHED: AtomicPtr<Claim> = AtomicPtr::new(std::ptr::null_mut());
/// The last region of this process or of the parent it was forked from; the fork does not wipe this one.
static LAST: AtomicPtr<Region> = AtomicPtr::new(std::ptr::null_mut());

/// How long threads wait for another that is attaching. Once this was too short, no thread waits any more.
const PATIENCE: Duration = Duration::from_millis(20);

/// The state of attaching this process. Zeros mean that no thread has begun.
#[repr(C)]
struct Claim {
    region: AtomicPtr<Region>,
    /// `FRESH`, `ATTACHING` or `DONE`.
    progress: AtomicU32,
    /// 1 once a thread has waited in vain.
    is_late: AtomicU32,
    /// The thread that attaches.
    attacher: AtomicUsize,
}

const FRESH: u32 = 0;
const ATTACHING: u32 = 1;
const DONE: u32 = 2;

#[inline(always)]
pub(crate) fn active() -> bool {
    match STATE.load(Ordering::Relaxed) {
        ACTIVE => true,
        DORMANT => false,
        _ => first_hook(),
    }
}

/// For tests that make a launcher: hooks before them found none.
#[cfg(test)]
pub(crate) fn reset_for_tests() {
    // SAFETY: null or a page that is never unmapped.
    if let Some(claim) = unsafe { CLAIM.load(Ordering::Acquire).as_ref() } {
        claim.progress.store(FRESH, Ordering::Release);
    }
    STATE.store(UNKNOWN, Ordering::Release);
}

/// Changes when a forked child attaches.
pub(crate) fn generation() -> u64 {
    region().map_or(1, Region::address)
}

/// Whether a system call may end the process: the launcher has seen that the process filters them (seccomp).
pub(crate) fn is_filtered() -> bool {
    // SAFETY: null, or leaked by `Region::create`.
    unsafe { LAST.load(Ordering::Acquire).as_ref() }.map_or(false, Region::is_filtered)
}

#[cold]
#[inline(never)]
fn first_hook() -> bool {
    if is_invited() {
        attach();
    } else {
        give_up();
    }
    STATE.load(Ordering::Acquire) == ACTIVE
}

/// Whether there is a launcher that the program may attach to. A program that runs with more rights than the process that
/// started it (setuid, setgid, file capabilities) does not follow the environment.
fn is_invited() -> bool {
    !sys::is_secure() && std::env::var_os(wire::CHANNEL_VARIABLE).is_some() && !inside_the_compiler()
}

/// Woven crates also run in build scripts and procedural macros; their work is not the program's.
fn inside_the_compiler() -> bool {
    let build_script = ["OUT_DIR", "HOST", "TARGET", "NUM_JOBS"].iter().all(|name| std::env::var_os(name).is_some());
    let executable = std::env::current_exe().ok();
    let name = executable.as_deref().and_then(|path| path.file_name()).and_then(|name| name.to_str());
    build_script || matches!(name, Some("rustc" | "rustdoc" | "clippy-driver" | "miri"))
}

/// Dormant for good, and so are the children that this process forks.
fn give_up() {
    ATTACHED.store(std::ptr::null_mut(), Ordering::Release);
    STATE.store(DORMANT, Ordering::Release);
}

/// Attaches this process, or waits for the thread that does. Afterwards it is active or dormant, unless that thread is
/// kept from running.
#[cold]
fn attach() {
    let Some(claim) = claim() else { return give_up() };
    if claim.progress.compare_exchange(FRESH, ATTACHING, Ordering::AcqRel, Ordering::Acquire).is_err() {
        return wait(claim);
    }
    claim.attacher.store(this_thread(), Ordering::Relaxed);
    match attach_process(claim) {
        Some(()) => STATE.store(ACTIVE, Ordering::Release),
        None => give_up(),
    }
    // Last: a thread that waits for it reads the state next.
    claim.progress.store(DONE, Ordering::Release);
}

/// The process's claim; a fork, even one during this very call, begins with zeros.
fn claim() -> Option<&'static Claim> {
    let known = CLAIM.load(Ordering::Acquire);
    // SAFETY: null or a page that is never unmapped.
    if let Some(known) = unsafe { known.as_ref() } {
        return Some(known);
    }
    let page = sys::wiped_page()?;
    let claim = match CLAIM.compare_exchange(known, page.cast(), Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => page.cast(),
        Err(first) => {
            sys::unmap(page, sys::PAGE);
            first
        }
    };
    // SAFETY: a zeroed page, large and aligned enough for a `Claim`, never unmapped.
    unsafe { claim.as_ref() }
}

fn attach_process(claim: &'static Claim) -> Option<()> {
    // SAFETY: null, or leaked by `Region::create`.
    let parent = unsafe { LAST.load(Ordering::Acquire).as_ref() };
    if parent.map_or(false, Region::is_filtered) {
        parent.into_iter().for_each(|parent| parent.count_unattached(sys::EPERM));
        return None;
    }
    let settings = match settings::get() {
        Some(known) => known,
        None => settings::install(Settings::parse(&std::env::var_os(wire::CHANNEL_VARIABLE)?)?),
    };
    seed::seed_process();
    if settings.pass_on {
        return Some(());
    }
    let region = match Region::create(settings, parent) {
        Ok(region) => region,
        Err(errno) => {
            parent.into_iter().for_each(|parent| parent.count_unattached(errno));
            return None;
        }
    };
    LAST.store(region, Ordering::Release);
    claim.region.store(region, Ordering::Release);
    ATTACHED.store(claim as *const Claim as *mut Claim, Ordering::Release);
    Some(())
}

/// Waits for the thread that is attaching, which takes some microseconds, once. Without it spans would be lost; since a
/// thread that is kept from running must not hold up others, the wait has an end.
fn wait(claim: &Claim) {
    // A signal's handler, or an allocator that is instrumented, may come here while its own thread attaches.
    if claim.attacher.load(Ordering::Relaxed) == this_thread() {
        return;
    }
    let since = Instant::now();
    while claim.progress.load(Ordering::Acquire) == ATTACHING && claim.is_late.load(Ordering::Relaxed) == 0 {
        if since.elapsed() > PATIENCE {
            claim.is_late.store(1, Ordering::Relaxed);
        }
        std::thread::yield_now();
    }
}

/// Identifies this thread among all that live.
pub(crate) fn this_thread() -> usize {
    thread_local! {
        static ME: u8 = const { 0 };
    }
    ME.try_with(|me| me as *const u8 as usize).unwrap_or(0)
}

/// This process's region. `None` while dormant, and where contexts are only passed on.
#[inline]
pub(crate) fn region() -> Option<&'static Region> {
    // SAFETY: null or a page that is never unmapped, see `claim`.
    let claim = unsafe { ATTACHED.load(Ordering::Acquire).as_ref() }?;
    // SAFETY: null or leaked by `Region::create`.
    match unsafe { claim.region.load(Ordering::Acquire).as_ref() } {
        Some(region) => Some(region),
        None => attach_child(claim),
    }
}

/// In a forked child: a region of its own, with the parent's strings and cells so that known ids stay true. Where that
/// cannot be, the child is dormant from now on.
#[cold]
fn attach_child(claim: &'static Claim) -> Option<&'static Region> {
    attach();
    // SAFETY: null or leaked by `Region::create`.
    unsafe { claim.region.load(Ordering::Acquire).as_ref() }
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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    extern "C" {
        fn fork() -> i32;
        fn waitpid(pid: i32, status: *mut i32, options: i32) -> i32;
        fn alarm(seconds: u32) -> u32;
        fn _exit(status: i32) -> !;
    }

    const AGAIN: &str = "OTEL_RS_TEST_ATTACHING";
    /// Were each of them waited for, this would take minutes.
    const CALLS: usize = 20_000;

    fn calls_are_quick() {
        // SAFETY: takes a number. A process that is too slow by far dies of it.
        unsafe { alarm(60) };
        (0..CALLS).for_each(|_| {
            active();
            region();
        });
    }

    /// In a process of its own, since all tests of this one share its state.
    #[test]
    fn a_stuck_attacher_blocks_neither_threads_nor_forked_children() {
        if std::env::var_os(AGAIN).is_some() {
            return while_somebody_attaches();
        }
        let name = "attach::tests::a_stuck_attacher_blocks_neither_threads_nor_forked_children";
        let mut again = std::process::Command::new(std::env::current_exe().unwrap());
        again.args([name, "--exact", "--test-threads=1"]).env(AGAIN, "1");
        let output = again.env(wire::CHANNEL_VARIABLE, "v1;socket=/nowhere/at/all").output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    fn while_somebody_attaches() {
        let claim = claim().unwrap();
        claim.attacher.store(1, Ordering::Relaxed);
        claim.progress.store(ATTACHING, Ordering::Release);
        let in_a_child = |then: fn()| {
            // SAFETY: the child calls hooks and ends; the status lives through the call.
            unsafe {
                let child = fork();
                if child == 0 {
                    calls_are_quick();
                    then();
                    _exit(if STATE.load(Ordering::Acquire) == DORMANT { 0 } else { 1 });
                }
                let mut status = -1;
                assert_eq!((waitpid(child, &mut status, 0), status), (child, 0));
            }
        };
        // The child process finds no launcher, and forks a child of its own.
        in_a_child(|| {
            // SAFETY: as above.
            unsafe {
                let child = fork();
                if child == 0 {
                    calls_are_quick();
                    _exit(0);
                }
                let mut status = -1;
                assert_eq!((waitpid(child, &mut status, 0), status), (child, 0));
            }
        });
        calls_are_quick();
        assert_eq!(STATE.load(Ordering::Acquire), UNKNOWN, "a thread attaches still");
        // As a signal's handler would find it.
        claim.is_late.store(0, Ordering::Relaxed);
        claim.attacher.store(this_thread(), Ordering::Relaxed);
        calls_are_quick();
    }
}
