//! Signals, read as messages instead of being suffered.
//!
//! All of them are blocked in every thread and read from a signalfd. A blocked signal is queued even where its
//! disposition is "ignored", and even for PID 1, so what is read is what somebody sent; and its sender is known.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use nix::libc;

/// Signals that stay as they are: they cannot be blocked, tell of our own faults, or (SIGPIPE) come from our own
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

/// Whether a signal is how somebody asks a program to end.
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

/// The process's signals, from the moment when they were taken over.
#[derive(Debug)]
pub(crate) struct Signals {
    fd: OwnedFd,
    as_found: AsFound,
}

/// What a child has to be given back before it becomes the user's program.
#[derive(Clone, Copy)]
pub(crate) struct AsFound {
    mask: libc::sigset_t,
    sigchld: libc::sigaction,
}

impl std::fmt::Debug for AsFound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AsFound")
    }
}

#[expect(unsafe_code, reason = "nix's signal sets know no real-time signals, and its signalfd drops unknown ones")]
impl Signals {
    /// Takes over, or leaves all as it was. To be called before any other thread is started: threads inherit the mask.
    pub(crate) fn take() -> io::Result<Signals> {
        // SAFETY: sigset_t and sigaction are plain C structs for which zero is a valid value; every pointer passed is
        // to a live local, and the signal numbers are those the kernel knows.
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
            let mut as_found = AsFound { mask: std::mem::zeroed(), sigchld: std::mem::zeroed() };
            // Started with SIGCHLD ignored, as some daemons start their children, the kernel would reap the child
            // before we could learn its status.
            let mut default = std::mem::zeroed::<libc::sigaction>();
            default.sa_sigaction = libc::SIG_DFL;
            check(libc::sigaction(libc::SIGCHLD, &default, &mut as_found.sigchld))?;
            check(libc::pthread_sigmask(libc::SIG_SETMASK, &blocked, &mut as_found.mask))?;
            Ok(Signals { fd, as_found })
        }
    }

    /// What the child has to be given back.
    pub(super) fn as_found(&self) -> AsFound {
        self.as_found
    }

    /// Waits for the next signal.
    pub(crate) fn wait(&self) -> Arrived {
        loop {
            if let Some(arrived) = self.read() {
                return arrived;
            }
        }
    }

    /// Does `work` in another thread and waits for it, for as long as `limit` and until somebody asks us to end. What
    /// had been asked before the call counts as done: it was the child that was meant.
    pub(crate) fn unless_asked_to_end<T: Send + 'static>(
        &self,
        limit: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        while self.arrived().is_some() {}
        let deadline = Instant::now() + limit;
        let (sender, receiver) = mpsc::channel();
        std::thread::Builder::new().spawn(move || _ = sender.send(work())).ok()?;
        loop {
            match receiver.recv_timeout(Duration::from_millis(20)) {
                Ok(done) => return Some(done),
                Err(mpsc::RecvTimeoutError::Disconnected) => return None,
                Err(mpsc::RecvTimeoutError::Timeout) if Instant::now() >= deadline => return None,
                Err(mpsc::RecvTimeoutError::Timeout) => {}
            }
            while let Some(arrived) = self.arrived() {
                if may_end(arrived.signal) {
                    return None;
                }
            }
        }
    }

    /// A signal that has already arrived.
    fn arrived(&self) -> Option<Arrived> {
        let mut poll = libc::pollfd { fd: self.fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one pollfd, and its count is given as one.
        (unsafe { libc::poll(&mut poll, 1, 0) } == 1).then(|| self.read()).flatten()
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

    /// Stops this process as `signal` stops a process that does not care, and returns when it has been continued.
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

impl AsFound {
    /// Gives the user's program the mask and the dispositions it would have had without us. Async-signal-safe: for
    /// use between fork and exec.
    #[expect(unsafe_code, reason = "as above")]
    pub(crate) fn restore(&self) -> io::Result<()> {
        // SAFETY: both values were filled in by the kernel in `take`; no pointer outlives the calls.
        unsafe {
            check(libc::sigaction(libc::SIGCHLD, &self.sigchld, std::ptr::null_mut()))?;
            check(libc::pthread_sigmask(libc::SIG_SETMASK, &self.mask, std::ptr::null_mut()))
        }
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

fn check(result: i32) -> io::Result<()> {
    // pthread_sigmask returns its error, the others set errno.
    match result {
        0 => Ok(()),
        positive if positive > 0 => Err(io::Error::from_raw_os_error(positive)),
        _ => Err(io::Error::last_os_error()),
    }
}
