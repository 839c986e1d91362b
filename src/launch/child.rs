//! The child process: started with everything as the user left it, and watched until its end.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use nix::libc;
use nix::sys::signal::SigSet;

use super::signals::{self, Arrived, Signals};
use super::{ChildEnd, Ended, Environment, limits};
use crate::ui::Explain;

/// What is to be run.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    /// The name that it will see as its own, as the user typed it.
    pub(crate) name: OsString,
    /// The file found for it.
    pub(crate) file: PathBuf,
    /// Its arguments.
    pub(crate) args: Vec<OsString>,
}

/// A variable of ours in a program's environment; `None` for one that is taken away.
pub(crate) type Variable = (&'static str, Option<OsString>);

/// Why a program that is there could not be started.
#[derive(Debug, thiserror::Error)]
#[error("cannot run `{}`", file.display())]
pub(crate) struct SpawnError {
    file: PathBuf,
    source: io::Error,
}

impl SpawnError {
    /// 126 where a shell would blame the program, 125 where there was no process to be had.
    pub(crate) fn status(&self) -> i32 {
        match self.source.raw_os_error() {
            Some(libc::EAGAIN | libc::ENOMEM | libc::EMFILE | libc::ENFILE) => 125,
            _ => 126,
        }
    }
}

impl Explain for SpawnError {
    fn hint(&self) -> Option<String> {
        match self.source.raw_os_error()? {
            // The file itself was found before: it is the interpreter in its first line, or its dynamic loader.
            libc::ENOENT => Some("check the interpreter named in its first line, or its dynamic loader".into()),
            libc::ENOEXEC => Some("check that it was built for this machine".into()),
            libc::E2BIG => Some("shorten the arguments or the environment".into()),
            _ => None,
        }
    }
}

impl Program {
    /// The last part of its path: what messages call it.
    pub(crate) fn short_name(&self) -> String {
        Path::new(&self.name).file_name().unwrap_or(&self.name).to_string_lossy().into_owned()
    }

    fn command(&self, environment: &Environment, ours: &[Variable]) -> Command {
        let mut command = Command::new(&self.file);
        command.arg0(&self.name).args(&self.args).env_clear().envs(environment.iter());
        for (variable, value) in ours {
            match value {
                Some(value) => command.env(variable, value),
                None => command.env_remove(variable),
            };
        }
        #[expect(unsafe_code, reason = "there is no safe way to run something just before exec")]
        // SAFETY: one system call; nothing is allocated or locked.
        unsafe {
            command.pre_exec(limits::restore)
        };
        command
    }

    /// Becomes the program, with variables of ours set or taken away. Returns only if that failed.
    pub(crate) fn exec(&self, environment: &Environment, ours: &[Variable]) -> SpawnError {
        let mut command = self.command(environment, ours);
        // `Command` empties the signal mask, which the program would otherwise have inherited.
        if let Ok(mask) = SigSet::thread_get_mask() {
            let restore = move || mask.thread_set_mask().map_err(io::Error::from);
            #[expect(unsafe_code, reason = "there is no safe way to run something just before exec")]
            // SAFETY: one system call; this process has one thread and has not forked.
            unsafe {
                command.pre_exec(restore)
            };
        }
        SpawnError { file: self.file.clone(), source: command.exec() }
    }

    /// Starts the program, with variables of ours set or taken away. To be called from the main thread: the child's
    /// "parent has died" signal belongs to the thread that forked it.
    pub(crate) fn spawn(
        &self,
        environment: &Environment,
        ours: &[Variable],
        signals: &Signals,
    ) -> Result<RunningChild, SpawnError> {
        limits::raise();
        let mut command = self.command(environment, ours);
        let as_found = signals.as_found();
        let launcher = nix::unistd::getpid();
        let prepare = move || {
            as_found.restore()?;
            // A killed launcher must not leave the app behind, unwatched and without telemetry.
            nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)?;
            // It may have been killed before the line above took effect.
            if nix::unistd::getppid() != launcher {
                return Err(io::Error::from_raw_os_error(libc::ESRCH));
            }
            Ok(())
        };
        #[expect(unsafe_code, reason = "there is no safe way to run something between fork and exec")]
        // SAFETY: `prepare` makes system calls only; it neither allocates nor locks.
        unsafe {
            command.pre_exec(prepare)
        };
        let child = command.spawn().map_err(|source| SpawnError { file: self.file.clone(), source })?;
        // From here on `wait4(-1)` in `wait` is the only place where anything is reaped.
        Ok(RunningChild { pid: child.id() as i32 })
    }
}

/// A started child that has not been reaped.
#[derive(Debug)]
pub(crate) struct RunningChild {
    pid: i32,
}

impl RunningChild {
    /// Its pid.
    pub(crate) fn pid(&self) -> u32 {
        self.pid.unsigned_abs()
    }

    /// Passes signals on to the child until it has ended. Before the first one that may end it, `last_words` has the
    /// chance to ask what only a living process can answer.
    pub(crate) fn wait(self, signals: &Signals, last_words: impl FnOnce()) -> Ended {
        let mut last_words = Some(last_words);
        loop {
            let arrived = signals.wait();
            if arrived.signal == libc::SIGCHLD {
                if let Some(ended) = self.reap(signals) {
                    return ended;
                }
            } else if self.needs_telling(arrived) {
                if signals::may_end(arrived.signal)
                    && let Some(last_words) = last_words.take()
                {
                    last_words();
                }
                self.kill(arrived.signal);
            }
        }
    }

    /// Whether the child has not had this signal already.
    fn needs_telling(&self, arrived: Arrived) -> bool {
        if !arrived.by_kernel {
            // A program that signals its whole process group knows about it.
            return arrived.sender != self.pid;
        }
        // The terminal sends what its keys mean to every process of the group in the foreground: passing it on would
        // deliver Ctrl-C twice. A child that has moved to a group of its own has not got it.
        let group = nix::unistd::getpgid(Some(nix::unistd::Pid::from_raw(self.pid)));
        if group.is_ok_and(|group| group != nix::unistd::getpgrp()) {
            return true;
        }
        // A hangup is told to the session's leader alone.
        let leads_session = nix::unistd::getsid(None).is_ok_and(|session| session == nix::unistd::getpid());
        leads_session && matches!(arrived.signal, libc::SIGHUP | libc::SIGCONT)
    }

    /// Collects whoever has changed: the child, or an orphan that was handed to us as PID 1 or subreaper.
    fn reap(&self, signals: &Signals) -> Option<Ended> {
        let mut ended = None;
        loop {
            let mut status = 0;
            #[expect(unsafe_code, reason = "nix's waitpid fails on a death by real-time signal, and it has no wait4")]
            // SAFETY: the pointers are to live locals; rusage is a plain C struct for which zero is a valid value.
            let (pid, usage) = unsafe {
                let mut usage = std::mem::zeroed::<libc::rusage>();
                let pid = libc::wait4(-1, &mut status, libc::WNOHANG | libc::WUNTRACED, &mut usage);
                (pid, usage)
            };
            match pid {
                0 => return ended,
                pid if pid < 0 => {
                    if io::Error::last_os_error().raw_os_error() == Some(libc::EINTR) {
                        continue;
                    }
                    return ended;
                }
                pid if pid != self.pid => {}
                _ if libc::WIFEXITED(status) => {
                    ended = Some(now(ChildEnd::Exited(libc::WEXITSTATUS(status)), usage));
                }
                _ if libc::WIFSIGNALED(status) => {
                    ended = Some(now(ChildEnd::Killed(libc::WTERMSIG(status)), usage));
                }
                _ if libc::WIFSTOPPED(status) => self.stop_with_it(libc::WSTOPSIG(status), signals),
                _ => {}
            }
        }
    }

    /// The child has been stopped: a shell that waits for us must see us stopped too, or `fg` and `bg` would have
    /// nothing to continue.
    fn stop_with_it(&self, signal: i32, signals: &Signals) {
        if signals.stop_ourselves(signal) && self.is_stopped() {
            self.kill(libc::SIGCONT);
        }
    }

    fn is_stopped(&self) -> bool {
        // The state is the first word after the name, which stands in parentheses and may hold anything.
        std::fs::read_to_string(format!("/proc/{}/stat", self.pid))
            .is_ok_and(|stat| stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('T')))
    }

    fn kill(&self, signal: i32) {
        #[expect(unsafe_code, reason = "nix's kill knows no real-time signals")]
        // SAFETY: kill() touches no memory. The child has not been reaped, so its pid is still its own.
        unsafe {
            libc::kill(self.pid, signal)
        };
    }
}

fn now(end: ChildEnd, usage: libc::rusage) -> Ended {
    Ended { end, usage: usage.into(), at: SystemTime::now() }
}
