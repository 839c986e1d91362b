//! A launcher that is short of memory or stack steps aside: it becomes the program, as if it had never been there.
//!
//! Rust ends a process that gets no memory, which would be the program's end, too. So the way out allocates nothing:
//! all that it takes is laid out at the start.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::{CString, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU8, Ordering};

use nix::libc::{self, c_char};

use super::end::ChildEnd;
use super::found::{self, found};
use crate::config::{VARIABLES, ValueKind};

/// What a shortage means, for this process as it is now.
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
pub(super) enum Phase {
    /// Not a launcher: Rust's own way.
    Other,
    /// The program has not been started: become it.
    Before,
    /// The program runs: see to its end.
    Watching,
    /// The process that exports: its end costs telemetry and nothing else.
    Exporting,
}

/// The status with which the exporting process ends when it gets no memory.
pub(super) const OUT_OF_MEMORY: i32 = 71;

static PHASE: AtomicU8 = AtomicU8::new(Phase::Other as u8);
static ARGUMENTS: AtomicPtr<*const c_char> = AtomicPtr::new(null_mut());
static ENVIRONMENT: AtomicPtr<*const c_char> = AtomicPtr::new(null_mut());
/// Children that have not been reaped: the program, and the process that exports.
static CHILDREN: [AtomicI32; 2] = [AtomicI32::new(0), AtomicI32::new(0)];
/// The status of the program from `wait`; -1 as long as it runs.
static STATUS: AtomicI32 = AtomicI32::new(-1);

pub(super) fn enter(phase: Phase) {
    PHASE.store(phase as u8, Ordering::Relaxed);
}

/// Notes a child that would have to go if the launcher became the program now. 0 for none.
pub(super) fn note_child(which: Child, pid: i32) {
    CHILDREN[which as usize].store(pid, Ordering::Relaxed);
}

/// Notes how the program ended.
pub(super) fn note_status(status: i32) {
    STATUS.store(status, Ordering::Relaxed);
}

/// A child of the launcher.
#[derive(Debug, Clone, Copy)]
pub(super) enum Child {
    Program = 0,
    Exporter = 1,
}

/// If this is a launcher: lays out what it takes to become the program without memory. One that has next to no stack
/// becomes it now. To be called before anything changes the environment.
pub(crate) fn prepare_for_shortage(args: &[OsString]) {
    let Some(program) = program_in(args) else { return };
    let words = args[program..].iter().filter_map(|word| CString::new(word.as_bytes()).ok());
    // The program may be without arguments, never without a name.
    ARGUMENTS.store(pointers(words), Ordering::Relaxed);
    let variables = std::env::vars_os().filter_map(|(mut name, value)| {
        name.push("=");
        name.push(value);
        CString::new(name.into_vec()).ok()
    });
    ENVIRONMENT.store(pointers(variables), Ordering::Relaxed);
    enter(Phase::Before);
    if !found::has_stack() {
        become_program(b"stack");
    }
}

/// A list as C has it; leaked.
fn pointers(words: impl Iterator<Item = CString>) -> *mut *const c_char {
    let list: Vec<*const c_char> = words.map(|word| word.into_raw().cast_const()).chain([null()]).collect();
    Box::leak(list.into_boxed_slice()).as_mut_ptr()
}

/// Where the program stands on the command line of a launcher, by the same rules as the command line itself has.
fn program_in(args: &[OsString]) -> Option<usize> {
    if args.get(1)?.as_bytes() != b"instrument" {
        return None;
    }
    let mut at = 2;
    loop {
        let word = args.get(at)?.as_bytes();
        match word.strip_prefix(b"--") {
            Some(b"") => return (at + 1 < args.len()).then_some(at + 1),
            Some(b"help" | b"version") => return None,
            Some(flag) if flag.contains(&b'=') || is_bool(flag) => at += 1,
            Some(_) => at += 2,
            None if word.starts_with(b"-") && word.len() > 1 => return None,
            None => return Some(at),
        }
    }
}

fn is_bool(flag: &[u8]) -> bool {
    let hyphens = |byte: &u8| if *byte == b'_' { b'-' } else { *byte };
    let is_given = |name: &str| name.as_bytes().iter().map(hyphens).eq(flag.iter().map(hyphens));
    VARIABLES.iter().any(|known| known.kind == ValueKind::Bool && known.flag.is_some_and(is_given))
}

/// The system's allocator; but where an allocation fails, the launcher steps aside and the call does not return.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allocator;

#[expect(unsafe_code, reason = "an allocator is an unsafe trait")]
// SAFETY: everything is the system allocator's, and a null pointer is passed on or does not return.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is passed on; so below.
        some(unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        some(unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        some(unsafe { System.realloc(memory, layout, size) })
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[cfg(test)]
thread_local! {
    static ALLOCATIONS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// How often this thread has allocated.
#[cfg(test)]
pub(crate) fn allocations() -> u64 {
    ALLOCATIONS.get()
}

#[inline]
fn some(memory: *mut u8) -> *mut u8 {
    #[cfg(test)]
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
    if memory.is_null() {
        out_of_memory();
    }
    memory
}

#[cold]
#[inline(never)]
fn out_of_memory() {
    match PHASE.load(Ordering::Relaxed) {
        phase if phase == Phase::Before as u8 => become_program(b"memory"),
        phase if phase == Phase::Watching as u8 => see_to_the_end(),
        phase if phase == Phase::Exporting as u8 => leave(OUT_OF_MEMORY),
        _ => {}
    }
}

/// Becomes the program.
#[expect(unsafe_code, reason = "nothing here may allocate")]
fn become_program(missing: &[u8]) -> ! {
    enter(Phase::Other);
    let (arguments, environment) = (ARGUMENTS.load(Ordering::Relaxed), ENVIRONMENT.load(Ordering::Relaxed));
    // SAFETY: plain system calls with live memory; both lists were laid out as C requires and are never freed. The
    // children were made by us, have not been reaped, and have nothing to lose yet.
    unsafe {
        for child in &CHILDREN {
            let pid = child.swap(0, Ordering::Relaxed);
            if pid > 0 {
                libc::kill(pid, libc::SIGKILL);
                libc::waitpid(pid, null_mut(), 0);
            }
        }
        for part in [b"otel-rs: warning: running the program without telemetry: not enough ", missing, b"\n"] {
            let mut room = libc::pollfd { fd: 2, events: libc::POLLOUT, revents: 0 };
            if libc::poll(&mut room, 1, 100) == 1 {
                libc::write(2, part.as_ptr().cast(), part.len());
            }
        }
        let _ = found().restore();
        libc::execvpe(*arguments, arguments.cast_const(), environment.cast_const());
        leave(126)
    }
}

/// Waits for the program's end, and ends as it did.
#[expect(unsafe_code, reason = "nothing here may allocate")]
fn see_to_the_end() -> ! {
    enter(Phase::Other);
    let mut status = STATUS.load(Ordering::Relaxed);
    while status == -1 {
        // SAFETY: a live local.
        let pid = unsafe { libc::waitpid(CHILDREN[Child::Program as usize].load(Ordering::Relaxed), &mut status, 0) };
        if pid < 0 && std::io::Error::last_os_error().raw_os_error() != Some(libc::EINTR) {
            leave(125);
        }
    }
    let end = ChildEnd::of(status);
    end.imitate();
    leave(end.status())
}

#[expect(unsafe_code, reason = "nothing here may allocate, and the standard library's way runs what others registered")]
fn leave(status: i32) -> ! {
    // SAFETY: takes a number.
    unsafe { libc::_exit(status) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_in_the_arguments_is_that_of_the_command_line() {
        let find = |line: &str| {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            program_in(&words)
                .map(|at| words[at..].iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" "))
        };
        for (line, program) in [
            ("otel-rs instrument app", Some("app")),
            ("otel-rs instrument -- app -- x", Some("app -- x")),
            ("otel-rs instrument --service-name shop app --x", Some("app --x")),
            ("otel-rs instrument --service_name=shop --sdk-disabled --sdk_disabled=false app", Some("app")),
            ("otel-rs instrument --", None),
            ("otel-rs instrument --help app", None),
            ("otel-rs instrument -h app", None),
            ("otel-rs instrument", None),
            ("otel-rs config app", None),
            ("otel-rs", None),
        ] {
            assert_eq!(find(line).as_deref(), program, "{line}");
        }
    }
}
