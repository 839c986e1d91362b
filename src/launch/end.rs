//! How a child ended, and ending in the same way.

use std::time::{Duration, SystemTime};

use nix::libc;

/// How the child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChildEnd {
    /// It ended itself, with this status.
    Exited(i32),
    /// A signal ended it.
    Killed(i32),
}

/// All that is known of a child's end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended {
    pub(crate) end: ChildEnd,
    pub(crate) usage: Usage,
    /// When it was noticed.
    pub(crate) at: SystemTime,
}

/// What a child had used when it ended, together with all children for whose end it had waited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// CPU time in the program's own code.
    pub(crate) user: Duration,
    /// CPU time in the kernel.
    pub(crate) system: Duration,
    pub(crate) minor_faults: u64,
    pub(crate) major_faults: u64,
    /// From disks.
    pub(crate) bytes_read: u64,
    /// To disks.
    pub(crate) bytes_written: u64,
    pub(crate) voluntary_switches: u64,
    pub(crate) involuntary_switches: u64,
    /// The most physical memory that it, or one of those children, ever held, in bytes. What the launcher held when it
    /// made the process counts as well: until the process became the program, it was a copy of the launcher.
    pub(crate) most_memory: u64,
}

impl From<libc::rusage> for Usage {
    fn from(usage: libc::rusage) -> Usage {
        let number = |number: i64| u64::try_from(number).unwrap_or(0);
        let time = |time: libc::timeval| {
            Duration::from_secs(number(time.tv_sec)) + Duration::from_micros(number(time.tv_usec))
        };
        // The kernel counts blocks of this size, whatever the disk's are.
        let bytes = |blocks: i64| number(blocks).saturating_mul(512);
        Usage {
            user: time(usage.ru_utime),
            system: time(usage.ru_stime),
            minor_faults: number(usage.ru_minflt),
            major_faults: number(usage.ru_majflt),
            bytes_read: bytes(usage.ru_inblock),
            bytes_written: bytes(usage.ru_oublock),
            voluntary_switches: number(usage.ru_nvcsw),
            involuntary_switches: number(usage.ru_nivcsw),
            most_memory: number(usage.ru_maxrss).saturating_mul(1024),
        }
    }
}

impl ChildEnd {
    /// The result of `wait` for a process that has ended.
    pub(super) fn of(status: i32) -> ChildEnd {
        if libc::WIFSIGNALED(status) {
            ChildEnd::Killed(libc::WTERMSIG(status))
        } else {
            ChildEnd::Exited(libc::WEXITSTATUS(status))
        }
    }

    /// The exit status a shell would show.
    pub(crate) fn status(self) -> i32 {
        match self {
            ChildEnd::Exited(status) => status,
            ChildEnd::Killed(signal) => 128 + signal,
        }
    }

    /// Ends this process as the child ended, where that takes a signal: a shell that waits for it distinguishes "exited with
    /// 130" from "killed by SIGINT" and, for a loop in a script, acts upon it. Returns when there is nothing to imitate
    /// or when we cannot die of it, as PID 1 of a container cannot.
    pub(crate) fn imitate(self) {
        let ChildEnd::Killed(signal) = self else { return };
        // The child's core dump, if there is one, is of interest; one of the launcher never is. Where core dumps are
        // piped to a program the limit is not looked at, and only "not dumpable" prevents them.
        let _ = nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_CORE, 0, 0);
        let _ = nix::sys::prctl::set_dumpable(false);
        #[expect(unsafe_code, reason = "real-time signals have no safe wrapper")]
        // SAFETY: all pointers are to initialised locals; SIG_DFL is a valid handler for every signal that can have
        // ended the child, and nothing of ours relies on another disposition any more.
        unsafe {
            libc::signal(signal, libc::SIG_DFL);
            let mut set = std::mem::zeroed::<libc::sigset_t>();
            libc::sigemptyset(&mut set);
            libc::sigaddset(&mut set, signal);
            libc::pthread_sigmask(libc::SIG_UNBLOCK, &set, std::ptr::null_mut());
            libc::raise(signal);
        }
    }
}

/// A signal's name: `SIGKILL`, or `signal 35` where there is none.
pub(crate) fn signal_name(signal: i32) -> String {
    nix::sys::signal::Signal::try_from(signal).map_or_else(|_| format!("signal {signal}"), |known| known.to_string())
}

/// Whether a death by this signal is news: programs are not ended on purpose in this way.
pub(crate) fn is_violent(signal: i32) -> bool {
    let polite = [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM, libc::SIGPIPE, libc::SIGALRM];
    !polite.contains(&signal) && ![libc::SIGUSR1, libc::SIGUSR2].contains(&signal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_time_signals_have_numbers_for_names() {
        assert_eq!(signal_name(9), "SIGKILL");
        assert_eq!(signal_name(40), "signal 40");
    }
}
