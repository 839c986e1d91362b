//! What this process inherited, noted before Rust's runtime and we ourselves change any of it. The program gets it back.

use std::io;
use std::sync::OnceLock;

use nix::libc;

/// Limits of which we may need more than the program has. Their soft values only are ever changed.
#[cfg(target_env = "musl")]
type Resource = libc::c_int;
#[cfg(not(target_env = "musl"))]
type Resource = libc::__rlimit_resource_t;
const LIMITS: [Resource; 2] = [libc::RLIMIT_NOFILE, libc::RLIMIT_STACK];
/// Dispositions that are changed: by us, since an ignored SIGCHLD hides how a child ended, and by Rust's runtime.
const SIGNALS: [i32; 2] = [libc::SIGCHLD, libc::SIGPIPE];
/// The stack that this program may need: a soft limit can be below it.
const STACK: libc::rlim_t = 8 << 20;

static FOUND: OnceLock<Found> = OnceLock::new();

/// Runs before `main`, and so before Rust's runtime ignores SIGPIPE and opens descriptors in place of closed ones.
#[used]
#[expect(unsafe_code, reason = "there is no other way to run before Rust's runtime")]
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = note;

extern "C" fn note() {
    let _ = FOUND.set(Found::look());
}

/// What was inherited.
pub(super) struct Found {
    mask: libc::sigset_t,
    dispositions: [libc::sigaction; 2],
    limits: [Option<libc::rlimit>; 2],
    /// Which of stdin, stdout and stderr were closed.
    closed: [bool; 3],
}

/// What was inherited. Allocates nothing.
pub(super) fn found() -> &'static Found {
    FOUND.get_or_init(Found::look)
}

#[expect(unsafe_code, reason = "plain system calls; nix's wrappers know no real-time signals and allocate")]
impl Found {
    fn look() -> Found {
        // SAFETY: all are plain C structs for which zero is a valid value; every pointer is to a live local.
        unsafe {
            let mut mask = std::mem::zeroed::<libc::sigset_t>();
            libc::pthread_sigmask(libc::SIG_SETMASK, std::ptr::null(), &mut mask);
            let dispositions = SIGNALS.map(|signal| {
                let mut action = std::mem::zeroed::<libc::sigaction>();
                libc::sigaction(signal, std::ptr::null(), &mut action);
                action
            });
            let limits = LIMITS.map(|resource| {
                let mut limit = std::mem::zeroed::<libc::rlimit>();
                (libc::getrlimit(resource, &mut limit) == 0).then_some(limit)
            });
            let closed = [0, 1, 2].map(|fd| libc::fcntl(fd, libc::F_GETFD) < 0);
            Found { mask, dispositions, limits, closed }
        }
    }

    /// Gives all of it back. Async-signal-safe: for use between fork and exec, or just before exec.
    pub(super) fn restore(&self) -> io::Result<()> {
        // SAFETY: every value was filled in by the kernel in `look`; descriptors 0 to 2 that were closed belong to
        // Rust's runtime, which opened them only to have the numbers taken, and are not used after exec.
        unsafe {
            for (signal, action) in SIGNALS.iter().zip(&self.dispositions) {
                check(libc::sigaction(*signal, action, std::ptr::null_mut()))?;
            }
            for (resource, limit) in LIMITS.iter().zip(&self.limits) {
                if let Some(limit) = limit {
                    check(libc::setrlimit(*resource, limit))?;
                }
            }
            for (fd, closed) in (0..).zip(self.closed) {
                if closed {
                    libc::close(fd);
                }
            }
            check(libc::pthread_sigmask(libc::SIG_SETMASK, &self.mask, std::ptr::null_mut()))
        }
    }

    /// Allows this process as much stack as it may need. A limit that may not be raised stays as it is.
    fn raise_stack(&self) -> bool {
        let Some(limit) = self.limits[1] else { return true };
        limit.rlim_cur >= STACK || {
            raise(LIMITS[1], limit, limit.rlim_max.min(STACK));
            limit.rlim_max >= STACK / 8
        }
    }

    /// Allows this process as many descriptors as it may have.
    pub(super) fn raise_descriptors(&self) {
        if let Some(limit) = self.limits[0] {
            raise(LIMITS[0], limit, limit.rlim_max);
        }
    }
}

#[expect(unsafe_code, reason = "as above")]
fn raise(resource: Resource, limit: libc::rlimit, soft: libc::rlim_t) {
    let more = libc::rlimit { rlim_cur: soft.max(limit.rlim_cur), rlim_max: limit.rlim_max };
    // SAFETY: reads a live local.
    unsafe { libc::setrlimit(resource, &more) };
}

/// Makes room on the main thread's stack, which the kernel lets grow up to the limit of the moment; whether there is
/// enough.
pub(crate) fn has_stack() -> bool {
    found().raise_stack()
}

pub(super) fn check(result: i32) -> io::Result<()> {
    // pthread_sigmask returns its error, the others set errno.
    match result {
        0 => Ok(()),
        positive if positive > 0 => Err(io::Error::from_raw_os_error(positive)),
        _ => Err(io::Error::last_os_error()),
    }
}
