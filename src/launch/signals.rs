//! Signals, read from a descriptor instead of being handled.
//!
//! All of them are blocked in every thread and read from a signalfd. A blocked signal is queued even where its
//! disposition is "ignored", and even for PID 1, so every signal that was sent is read, with its sender.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

use nix::libc;

use super::found::{check, found};

/// Signals that stay as they are: they cannot be blocked, report faults of the launcher, or (SIGPIPE) come from our own
/// writes.
const LEFT_ALONE: &[i32] = &[
    libc::SIGKILL,
    libc::SIGSTOP,
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGILL,
    libc::SIGTRAP,
    libc::SIGSYS,
    libc::SIGPIPE,
];

/// Whether a signal requests the end of a program.
pub(super) fn may_end(signal: i32) -> bool {
    [libc::SIGINT, libc::SIGTERM, libc::SIGQUIT, libc::SIGHUP].contains(&signal)
}

/// One signal that has arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arrived {
    /// Which.
    pub(crate) signal: i32,
    /// Whether the kernel made it (for a key pressed at the terminal) and not a process with `kill`.
    pub(crate) by_kernel: bool,
    /// The process that sent it, as far as it has a number here.
    pub(crate) sender: i32,
}

/// Whether the kernel sends this signal to the foreground process group, for a key or the terminal's end. Other signals
/// that it sends (a limit was reached, a timer has run out) are about one process.
pub(super) fn is_of_terminal(signal: i32) -> bool {
    let job = [libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU, libc::SIGCONT, libc::SIGWINCH];
    job.contains(&signal) || [libc::SIGINT, libc::SIGQUIT, libc::SIGHUP].contains(&signal)
}

/// The process's signals, from the moment when they were taken over.
#[derive(Debug)]
pub(crate) struct Signals {
    fd: OwnedFd,
}

#[expect(unsafe_code, reason = "nix's signal sets know no real-time signals, and its signalfd drops unknown ones")]
impl Signals {
    /// Takes over, or leaves all as it was. To be called before any other thread is started: threads inherit the mask.
    pub(crate) fn take() -> io::Result<Signals> {
        // SAFETY: sigset_t and sigaction are plain C structs for which zero is a valid value; every pointer passed is
        // to a live local, and the signal numbers are valid.
        unsafe {
            let mut blocked = std::mem::zeroed::<libc::sigset_t>();
            libc::sigfillset(&mut blocked);
            for signal in LEFT_ALONE {
                libc::sigdelset(&mut blocked, *signal);
            }
            // Before anything is changed: this is what a sandbox may forbid.
            let fd = libc::signalfd(-1, &blocked, libc::SFD_CLOEXEC);
            check(fd.min(0))?;
            let fd = OwnedFd::from_raw_fd(fd);
            // The inherited dispositions are noted before they change.
            let _ = found();
            // Started with SIGCHLD ignored, as some daemons start their children, the kernel would reap the child
            // before we could learn its status.
            let mut default = std::mem::zeroed::<libc::sigaction>();
            default.sa_sigaction = libc::SIG_DFL;
            check(libc::sigaction(libc::SIGCHLD, &default, std::ptr::null_mut()))?;
            check(libc::pthread_sigmask(libc::SIG_SETMASK, &blocked, std::ptr::null_mut()))?;
            Ok(Signals { fd })
        }
    }

    /// Waits for the next signal.
    pub(crate) fn wait(&self) -> Arrived {
        loop {
            if let Some(arrived) = self.read() {
                return arrived;
            }
        }
    }

    /// Forgets what has arrived so far.
    pub(super) fn forget(&self) {
        while self.wait_for(Duration::ZERO).is_some() {}
    }

    /// A signal that has already arrived, or arrives in time.
    pub(super) fn wait_for(&self, limit: Duration) -> Option<Arrived> {
        let mut poll = libc::pollfd { fd: self.fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let limit = i32::try_from(limit.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: one pollfd, and its count is given as one.
        (unsafe { libc::poll(&mut poll, 1, limit) } == 1).then(|| self.read()).flatten()
    }

    fn read(&self) -> Option<Arrived> {
        // SAFETY: signalfd_siginfo is plain data for which zero is valid, and read() writes at most its size to it.
        let (info, length) = unsafe {
            let mut info = std::mem::zeroed::<libc::signalfd_siginfo>();
            let length = libc::read(self.fd.as_raw_fd(), (&raw mut info).cast(), size_of_val(&info));
            (info, length)
        };
        (length == size_of_val(&info) as isize).then_some(Arrived {
            signal: info.ssi_signo as i32,
            by_kernel: info.ssi_code > 0,
            sender: info.ssi_pid as i32,
        })
    }

    /// Takes one signal of this kind out of the queue; whether there was one.
    pub(crate) fn consume(&self, signal: i32) -> bool {
        // SAFETY: live locals; a zero timeout does not wait.
        unsafe {
            let set = set_of(signal);
            let now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
            libc::sigtimedwait(&set, std::ptr::null_mut(), &now) == signal
        }
    }

    /// Stops this process as `signal` stops a process without a handler for it, and returns when it has been continued.
    /// Whether it was stopped at all: PID 1 is not, nor is an orphaned process group by the terminal's signals.
    pub(crate) fn stop_ourselves(&self, signal: i32) -> bool {
        self.consume(libc::SIGCONT);
        // The terminal has sent it to us, too. Made pending while blocked, the signal stops us once: what is pending of
        // its kind when we are continued is thrown away by the kernel.
        self.consume(signal);
        // SAFETY: live locals; the signal is one of the four stop signals, whose default action needs no handler.
        unsafe {
            let set = set_of(signal);
            libc::signal(signal, libc::SIG_DFL);
            libc::raise(signal);
            libc::pthread_sigmask(libc::SIG_UNBLOCK, &set, std::ptr::null_mut());
            libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
        }
        self.consume(libc::SIGCONT)
    }
}

#[expect(unsafe_code, reason = "as above")]
fn set_of(signal: i32) -> libc::sigset_t {
    // SAFETY: zero is a valid sigset_t, and the pointers are to a live local.
    unsafe {
        let mut set = std::mem::zeroed::<libc::sigset_t>();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, signal);
        set
    }
}
