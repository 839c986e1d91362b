//! The system calls the hooks need, declared by hand: the crate has no dependencies, and std links libc already.
//!
//! Only on 64-bit little-endian Linux. There glibc's and musl's `msghdr` and `cmsghdr` differ in the width of some
//! fields but not in their bytes, as long as the padding is zero.

// C names.
#![allow(non_camel_case_types)]

use std::ffi::c_void;
use std::mem::size_of;
use std::ptr::{null, null_mut};
use std::sync::atomic::AtomicU32;
use std::time::Duration;

extern "C" {
    fn syscall(number: i64, ...) -> i64;
    fn mmap(address: *mut c_void, length: usize, protection: i32, flags: i32, fd: i32, offset: i64) -> *mut c_void;
    fn munmap(address: *mut c_void, length: usize) -> i32;
    fn madvise(address: *mut c_void, length: usize, advice: i32) -> i32;
    fn ftruncate(fd: i32, length: i64) -> i32;
    fn fchmod(fd: i32, mode: u32) -> i32;
    fn fcntl(fd: i32, command: i32, ...) -> i32;
    fn close(fd: i32) -> i32;
    fn socket(domain: i32, kind: i32, protocol: i32) -> i32;
    fn connect(fd: i32, address: *const c_void, length: u32) -> i32;
    fn sendmsg(fd: i32, message: *const msghdr, flags: i32) -> isize;
    fn send(fd: i32, buffer: *const c_void, length: usize, flags: i32) -> isize;
    fn getsockopt(fd: i32, level: i32, name: i32, value: *mut c_void, length: *mut u32) -> i32;
    fn getpeername(fd: i32, address: *mut c_void, length: *mut u32) -> i32;
    fn getpid() -> i32;
    fn clock_gettime(clock: i32, time: *mut timespec) -> i32;
    fn pthread_sigmask(how: i32, new: *const Signals, old: *mut Signals) -> i32;
    fn atexit(function: extern "C" fn()) -> i32;
    fn getauxval(kind: u64) -> u64;
    fn getrlimit(resource: i32, limit: *mut rlimit) -> i32;
    fn sched_getaffinity(pid: i32, size: usize, mask: *mut u8) -> i32;
}

#[repr(C)]
struct timespec {
    seconds: i64,
    nanoseconds: i64,
}

#[repr(C)]
struct rlimit {
    current: u64,
    most: u64,
}

#[repr(C)]
struct iovec {
    base: *const c_void,
    length: usize,
}

#[repr(C)]
struct msghdr {
    name: *const c_void,
    name_length: u32,
    padding: u32,
    iov: *const iovec,
    iov_length: u64,
    control: *const c_void,
    control_length: u64,
    flags: i32,
    padding_2: u32,
}

#[repr(C)]
struct cmsghdr {
    length: u64,
    level: i32,
    kind: i32,
    fd: i32,
    padding: u32,
}

#[cfg(target_arch = "x86_64")]
const SYS_MEMFD_CREATE: i64 = 319;
#[cfg(not(target_arch = "x86_64"))]
const SYS_MEMFD_CREATE: i64 = 279; // The generic table: aarch64, riscv64.
#[cfg(target_arch = "x86_64")]
const SYS_FUTEX: i64 = 202;
#[cfg(not(target_arch = "x86_64"))]
const SYS_FUTEX: i64 = 98;
#[cfg(target_arch = "x86_64")]
const SYS_GETRANDOM: i64 = 318;
#[cfg(not(target_arch = "x86_64"))]
const SYS_GETRANDOM: i64 = 278;

const AF_UNIX: i32 = 1;
const SOCK_STREAM_CLOEXEC_NONBLOCK: i32 = 1 | 0o2_000_000 | 0o4_000;
const MSG_DONTWAIT_NOSIGNAL: i32 = 0x40 | 0x4000;
pub(crate) const EPERM: i32 = 1;
const EAGAIN: i32 = 11;
pub(crate) const ENOMEM: i32 = 12;
pub(crate) const ENFILE: i32 = 23;
pub(crate) const EMFILE: i32 = 24;
const EFBIG: i32 = 27;
pub(crate) const PAGE: usize = 4096;

/// Why the last call failed.
pub(crate) fn errno() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

pub(crate) fn pid() -> u32 {
    // SAFETY: no arguments, cannot fail.
    unsafe { getpid() as u32 }
}

/// Whether the program has more rights than the process that started it.
pub(crate) fn is_secure() -> bool {
    const AT_SECURE: u64 = 23;
    // SAFETY: takes a number.
    unsafe { getauxval(AT_SECURE) != 0 }
}

/// Unpredictable bits.
pub(crate) fn random() -> Option<u64> {
    const GRND_NONBLOCK: u32 = 1;
    let mut bits = 0_u64;
    // SAFETY: the buffer and its size live through the call.
    let got = unsafe { syscall(SYS_GETRANDOM, &mut bits as *mut u64, 8_usize, GRND_NONBLOCK) };
    Some(bits).filter(|_| got == 8)
}

/// The processors that this thread may run on.
pub(crate) fn processors() -> usize {
    let mut mask = [0_u8; 128];
    // SAFETY: the buffer and its size live through the call.
    unsafe { sched_getaffinity(0, mask.len(), mask.as_mut_ptr()) };
    mask.iter().map(|byte| byte.count_ones() as usize).sum::<usize>().max(1)
}

fn limit(resource: i32) -> u64 {
    let mut limit = rlimit { current: u64::MAX, most: 0 };
    // SAFETY: the buffer lives through the call.
    unsafe { getrlimit(resource, &mut limit) };
    limit.current
}

/// Unix time in nanoseconds. The standard library's clock takes thrice as many instructions to give it as a difference.
#[inline]
pub(crate) fn unix_time() -> u64 {
    const CLOCK_REALTIME: i32 = 0;
    let mut now = timespec { seconds: 0, nanoseconds: 0 };
    // SAFETY: the buffer lives through the call.
    unsafe { clock_gettime(CLOCK_REALTIME, &mut now) };
    // A clock that is set to before 1970 is none.
    u64::try_from(now.seconds).unwrap_or(0).wrapping_mul(1_000_000_000).wrapping_add(now.nanoseconds as u64)
}

/// CPU time that the process has used, by all its threads.
pub(crate) fn cpu_time() -> Option<Duration> {
    const CLOCK_PROCESS_CPUTIME_ID: i32 = 2;
    let mut used = timespec { seconds: 0, nanoseconds: 0 };
    // SAFETY: the buffer lives through the call.
    let answer = unsafe { clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &mut used) };
    Some(Duration::new(used.seconds as u64, used.nanoseconds as u32)).filter(|_| answer == 0)
}

/// Whether a program with these limits can spare so much: a file that is larger than it may write would be answered by a
/// signal, SIGXFSZ, and address space that we take is missing elsewhere.
fn can_spare(size: usize) -> Result<(), i32> {
    const RLIMIT_FSIZE: i32 = 1;
    const RLIMIT_AS: i32 = 9;
    if size as u64 > limit(RLIMIT_FSIZE) {
        return Err(EFBIG);
    }
    if size as u64 > limit(RLIMIT_AS) / 16 {
        return Err(ENOMEM);
    }
    Ok(())
}

/// A sealed shared memory of `size` zero bytes, mapped; with the descriptor to send. The error is an errno.
pub(crate) fn shared_memory(size: usize) -> Result<(i32, *mut u8), i32> {
    can_spare(size)?;
    const CLOEXEC_ALLOW_SEALING: u32 = 1 | 2;
    const F_ADD_SEALS: i32 = 1033;
    const SEAL_SHRINK_GROW: i32 = 1 | 2 | 4;
    // SAFETY: the name is a NUL-terminated literal; a failure is a negative number.
    let fd = unsafe { syscall(SYS_MEMFD_CREATE, b"otel-rs\0".as_ptr(), CLOEXEC_ALLOW_SEALING) } as i32;
    if fd < 0 {
        return Err(errno());
    }
    // SAFETY: `fd` is ours; these calls take numbers only.
    let sized = unsafe {
        fchmod(fd, 0o600) == 0 && ftruncate(fd, size as i64) == 0 && fcntl(fd, F_ADD_SEALS, SEAL_SHRINK_GROW) == 0
    };
    if !sized {
        let error = errno();
        close_fd(fd);
        return Err(error);
    }
    const READ_WRITE: i32 = 1 | 2;
    const SHARED: i32 = 1;
    // SAFETY: a new mapping at an address of the kernel's choice; the file cannot shrink (sealed).
    let address = unsafe { mmap(null_mut(), size, READ_WRITE, SHARED, fd, 0) };
    if address as isize == -1 {
        let error = errno();
        close_fd(fd);
        return Err(error);
    }
    Ok((fd, address.cast()))
}

/// A page that is all zeros again in a forked child.
pub(crate) fn wiped_page() -> Option<*mut u8> {
    const READ_WRITE: i32 = 1 | 2;
    const PRIVATE_ANONYMOUS: i32 = 2 | 0x20;
    const MADV_WIPEONFORK: i32 = 18;
    // SAFETY: a new anonymous mapping at an address of the kernel's choice.
    let address = unsafe { mmap(null_mut(), PAGE, READ_WRITE, PRIVATE_ANONYMOUS, -1, 0) };
    if address as isize == -1 {
        return None;
    }
    // SAFETY: the page is ours.
    if unsafe { madvise(address, PAGE, MADV_WIPEONFORK) } != 0 {
        unmap(address.cast(), PAGE);
        return None;
    }
    Some(address.cast())
}

pub(crate) fn unmap(address: *mut u8, size: usize) {
    // SAFETY: only called with what `mmap` returned, before any other thread has the address.
    unsafe { munmap(address.cast(), size) };
}

pub(crate) fn close_fd(fd: i32) {
    // SAFETY: takes a number.
    unsafe { close(fd) };
}

/// Connects to the launcher, sends `hello` and, if there is one, `memory`; never waits. Returns the socket.
///
/// The launcher listens at a path and at the abstract address of the same bytes. The path is tried first: no other user
/// can listen there. It may not be there, in another root directory or for another user; the abstract address may not
/// be there in another network. At the latter the listener must be `launcher_user`.
pub(crate) fn call_launcher(path: &[u8], launcher_user: Option<u32>, hello: &[u8], memory: Option<i32>) -> Option<i32> {
    let fd = connected(path, false).or_else(|| {
        let fd = connected(path, true)?;
        if listener(fd).is_some() && listener(fd) == launcher_user {
            return Some(fd);
        }
        close_fd(fd);
        None
    })?;
    let part = iovec { base: hello.as_ptr().cast(), length: hello.len() };
    const SOL_SOCKET_SCM_RIGHTS: (i32, i32) = (1, 1);
    let control = cmsghdr {
        length: 20,
        level: SOL_SOCKET_SCM_RIGHTS.0,
        kind: SOL_SOCKET_SCM_RIGHTS.1,
        fd: memory.unwrap_or(-1),
        padding: 0,
    };
    let (control_at, control_length) = match memory {
        Some(_) => ((&control as *const cmsghdr).cast(), size_of::<cmsghdr>() as u64),
        None => (null(), 0),
    };
    let message = msghdr {
        name: null(),
        name_length: 0,
        padding: 0,
        iov: &part,
        iov_length: 1,
        control: control_at,
        control_length,
        flags: 0,
        padding_2: 0,
    };
    // SAFETY: `message`, `part`, `control` and `hello` live through the call, with their true sizes.
    let sent = unsafe { sendmsg(fd, &message, MSG_DONTWAIT_NOSIGNAL) } == hello.len() as isize;
    if sent {
        Some(fd)
    } else {
        close_fd(fd);
        None
    }
}

/// Gives a descriptor a high number: programs count on low ones, be it by the order in which they open files. Where they
/// may have few altogether, it is closed, and `None`.
pub(crate) fn move_away(fd: i32) -> Option<i32> {
    const RLIMIT_NOFILE: i32 = 7;
    const F_DUPFD_CLOEXEC: i32 = 1030;
    const FEW: u64 = 64;
    let most = limit(RLIMIT_NOFILE);
    if most < FEW {
        close_fd(fd);
        return None;
    }
    // SAFETY: takes numbers.
    let moved = unsafe { fcntl(fd, F_DUPFD_CLOEXEC, (most / 4 * 3).min(255) as i32) };
    if moved < 0 {
        return Some(fd);
    }
    close_fd(fd);
    Some(moved)
}

fn connected(path: &[u8], is_abstract: bool) -> Option<i32> {
    #[repr(C)]
    struct sockaddr_un {
        family: u16,
        path: [u8; 108],
    }
    let mut address = sockaddr_un { family: AF_UNIX as u16, path: [0; 108] };
    // One byte stays for the zero: after a path, before an abstract name, which ends with the address.
    if path.is_empty() || path.len() >= address.path.len() {
        return None;
    }
    for (to, from) in address.path.iter_mut().skip(usize::from(is_abstract)).zip(path) {
        *to = *from;
    }
    let length = if is_abstract { 2 + 1 + path.len() } else { size_of::<sockaddr_un>() };
    // SAFETY: takes numbers.
    let fd = unsafe { socket(AF_UNIX, SOCK_STREAM_CLOEXEC_NONBLOCK, 0) };
    if fd < 0 {
        return None;
    }
    for _ in 0..1000 {
        // SAFETY: the address lives through the call and its size is right.
        if unsafe { connect(fd, (&address as *const sockaddr_un).cast(), length as u32) } == 0 {
            return Some(fd);
        }
        // A full backlog answers EAGAIN: many children at once. The launcher accepts without pause.
        if errno() != EAGAIN {
            break;
        }
        std::thread::yield_now();
    }
    close_fd(fd);
    None
}

/// The user id of the listening process.
fn listener(fd: i32) -> Option<u32> {
    const SOL_SOCKET: i32 = 1;
    const SO_PEERCRED: i32 = 17;
    let mut credentials = [0_u32; 3];
    let mut length = 12_u32;
    // SAFETY: the buffer and its size live through the call.
    let answer = unsafe { getsockopt(fd, SOL_SOCKET, SO_PEERCRED, credentials.as_mut_ptr().cast(), &mut length) };
    if answer == 0 && length == 12 {
        Some(credentials[1])
    } else {
        None
    }
}

/// The kernel's own number for a socket. A program may close descriptors it does not know and reuse their numbers; the
/// cookie shows whether `fd` is still the socket we opened.
pub(crate) fn socket_cookie(fd: i32) -> u64 {
    const SOL_SOCKET: i32 = 1;
    const SO_COOKIE: i32 = 57;
    let mut cookie = 0_u64;
    let mut length = 8_u32;
    // SAFETY: the buffer and its size live through the call.
    let answer = unsafe { getsockopt(fd, SOL_SOCKET, SO_COOKIE, (&mut cookie as *mut u64).cast(), &mut length) };
    if answer == 0 {
        cookie
    } else {
        0
    }
}

/// Wakes the launcher: one byte, never waiting.
pub(crate) fn ring_doorbell(fd: i32) {
    // SAFETY: the buffer is a literal of one byte.
    unsafe { send(fd, [1_u8].as_ptr().cast(), 1, MSG_DONTWAIT_NOSIGNAL) };
}

/// The address of the connection's other end, as the kernel writes it, and its length.
pub(crate) fn peer_name(fd: i32) -> Option<[u8; 28]> {
    let mut address = [0_u8; 28];
    let mut length = address.len() as u32;
    // SAFETY: the buffer and its size live through the call; the kernel writes no more than that.
    let answer = unsafe { getpeername(fd, address.as_mut_ptr().cast(), &mut length) };
    if answer == 0 {
        Some(address)
    } else {
        None
    }
}

/// Sleeps while `word` holds `value`, until its waiters are woken or the time is over; may wake early. The word may
/// lie in shared memory.
pub(crate) fn wait(word: &AtomicU32, value: u32, most: Option<Duration>) {
    const FUTEX_WAIT: i32 = 0;
    let most = most.map(|most| timespec { seconds: most.as_secs() as i64, nanoseconds: most.subsec_nanos().into() });
    let most = most.as_ref().map_or(null(), |most| most as *const timespec);
    // SAFETY: the word and the time live through the call.
    unsafe { syscall(SYS_FUTEX, word as *const AtomicU32, FUTEX_WAIT, value, most) };
}

/// Wakes all threads that wait for `word`.
pub(crate) fn wake(word: &AtomicU32) {
    const FUTEX_WAKE: i32 = 1;
    // SAFETY: the word lives through the call.
    unsafe { syscall(SYS_FUTEX, word as *const AtomicU32, FUTEX_WAKE, i32::MAX) };
}

/// How many threads the process has; 0 where that is unknown.
pub(crate) fn threads() -> u64 {
    use std::os::unix::fs::MetadataExt;
    // Itself, its parent's entry, and one link for each thread.
    std::fs::metadata("/proc/self/task").map_or(0, |folder| folder.nlink().saturating_sub(2))
}

/// Has a function called when the program ends by itself. It must not panic.
pub(crate) fn at_exit(function: extern "C" fn()) {
    // SAFETY: the function is a safe one, and stays where it is: it is the program's own.
    unsafe { atexit(function) };
}

/// A set of signals: C's `sigset_t` is no larger.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(crate) struct Signals([u8; 128]);

/// Blocks all signals for this thread and those it starts; what was blocked before.
pub(crate) fn block_signals() -> Signals {
    const SIG_BLOCK: i32 = 0;
    let mut before = Signals([0; 128]);
    // SAFETY: both sets live through the call and are large enough.
    unsafe { pthread_sigmask(SIG_BLOCK, &Signals([0xff; 128]), &mut before) };
    before
}

/// Undoes [`block_signals`].
pub(crate) fn restore_signals(before: &Signals) {
    const SIG_SETMASK: i32 = 2;
    // SAFETY: the set lives through the call and is large enough.
    unsafe { pthread_sigmask(SIG_SETMASK, before, null_mut()) };
}
