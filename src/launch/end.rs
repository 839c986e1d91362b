//! How a child ended, and ending in the same way.

use nix::libc;

/// How the child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChildEnd {
    /// It ended itself, with this status.
    Exited(i32),
    /// A signal ended it.
    Killed(i32),
}

impl ChildEnd {
    /// The exit status a shell would show.
    pub(crate) fn status(self) -> i32 {
        match self {
            ChildEnd::Exited(status) => status,
            ChildEnd::Killed(signal) => 128 + signal,
        }
    }

    /// Ends this process as the child ended, where that takes a signal: a shell that waits for us tells "exited with
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

/// Whether a death by this signal is news: nobody asks a program to end in this way.
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
