//! The child process: started with everything as the user left it, and watched until its end.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use nix::fcntl::OFlag;
use nix::libc;
use nix::unistd::{ForkResult, Pid};

use super::exporter::Exporter;
use super::found::found;
use super::image::Image;
use super::left::{self, Left};
use super::signals::{self, Arrived, Signals};
use super::{ChildEnd, Ended, Environment, shortage};
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
    /// 126 where a shell would blame the program, 125 where the system has no further process.
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

    /// Becomes the program, with variables of ours set or taken away. Returns only if that failed.
    pub(crate) fn exec(&self, environment: &Environment, ours: &[Variable]) -> SpawnError {
        let image = match Image::of(self, environment, ours) {
            Ok(image) => image,
            Err(source) => return self.failed(source),
        };
        let restored = found().restore();
        self.failed(restored.err().unwrap_or_else(|| image.exec()))
    }

    fn failed(&self, source: io::Error) -> SpawnError {
        SpawnError { file: self.file.clone(), source }
    }

    /// Forks the child, which waits until [`Waiting::start`] lets it become the program, with variables of ours set or
    /// taken away. To be called from the main thread: the child's "parent has died" signal belongs to the thread that
    /// forked it.
    pub(crate) fn fork(&self, environment: &Environment, ours: &[Variable]) -> io::Result<Waiting> {
        let mut image = Image::of(self, environment, ours)?;
        let (word, gate) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
        let (outcome, failure) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
        let launcher = nix::unistd::getpid();
        #[expect(unsafe_code, reason = "std's own way starts the program at once")]
        // SAFETY: this process has one thread, so that the child may do what it could do.
        match unsafe { nix::unistd::fork() }? {
            ForkResult::Child => {
                drop((gate, outcome));
                let error = become_program(&mut image, &word, launcher);
                let number = error.raw_os_error().unwrap_or(libc::EIO).to_ne_bytes();
                let _ = nix::unistd::write(&failure, &number);
                leave()
            }
            ForkResult::Parent { child } => {
                shortage::note_child(shortage::Child::Program, child.as_raw());
                Ok(Waiting { pid: child.as_raw(), gate, outcome, file: self.file.clone() })
            }
        }
    }
}

/// In the child: returns only if it did not become the program.
fn become_program(image: &mut Image, word: &OwnedFd, launcher: Pid) -> io::Error {
    shortage::enter(shortage::Phase::Other);
    // A killed launcher must not leave the app behind, unwatched and without telemetry. It may have been killed before
    // this took effect.
    let guarded = nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL);
    if guarded.is_err() || nix::unistd::getppid() != launcher {
        return io::Error::from_raw_os_error(libc::ESRCH);
    }
    let mut byte = [0];
    loop {
        match nix::unistd::read(word, &mut byte) {
            Ok(0) => leave(),
            Ok(_) => break,
            Err(nix::Error::EINTR) => {}
            Err(error) => return error.into(),
        }
    }
    image.name_process(launcher, nix::unistd::getpid());
    if let Err(error) = found().restore() {
        return error;
    }
    image.exec()
}

#[expect(unsafe_code, reason = "what was registered for the launcher's exit is not the child's")]
fn leave() -> ! {
    // SAFETY: takes a number.
    unsafe { libc::_exit(127) }
}

/// A child that waits for the word to become the program.
#[derive(Debug)]
pub(crate) struct Waiting {
    pid: i32,
    gate: OwnedFd,
    outcome: OwnedFd,
    file: PathBuf,
}

impl Waiting {
    /// Lets it become the program.
    pub(crate) fn start(self) -> Result<RunningChild, SpawnError> {
        let failed = |source| SpawnError { file: self.file.clone(), source };
        nix::unistd::write(&self.gate, b"!").map_err(|error| failed(error.into()))?;
        // The other end is closed by exec.
        let mut error = [0; 4];
        loop {
            match nix::unistd::read(&self.outcome, &mut error) {
                Err(nix::Error::EINTR) => {}
                Ok(4) => {
                    reap(self.pid);
                    return Err(failed(io::Error::from_raw_os_error(i32::from_ne_bytes(error))));
                }
                _ => break,
            }
        }
        shortage::enter(shortage::Phase::Watching);
        // From here on `wait4(-1)` in `wait` is the only place where anything is reaped.
        Ok(RunningChild { pid: self.pid })
    }

    /// Kills the child instead.
    pub(crate) fn cancel(self) {
        left::kill(self.pid, libc::SIGKILL);
        reap(self.pid);
    }
}

fn reap(pid: i32) {
    shortage::note_child(shortage::Child::Program, 0);
    while nix::sys::wait::waitpid(Pid::from_raw(pid), None) == Err(nix::Error::EINTR) {}
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

    /// Passes signals on to the child until it has ended. Before the first one that may end it, the exporter has the
    /// chance to look up what only a living process can answer. Allocates nothing while nothing goes wrong.
    pub(crate) fn wait(&self, signals: &Signals, exporter: &mut Option<Exporter>) -> Ended {
        let mut has_asked = false;
        loop {
            let arrived = signals.wait();
            if arrived.signal == libc::SIGCONT {
                exporter.iter().for_each(Exporter::go_on);
            }
            if arrived.signal == libc::SIGCHLD {
                if let Some(ended) = self.reap(signals, exporter) {
                    return ended;
                }
            } else if self.needs_telling(arrived) {
                if signals::may_end(arrived.signal) && !std::mem::replace(&mut has_asked, true) {
                    exporter.iter().for_each(Exporter::observe);
                }
                self.kill(arrived.signal);
            }
        }
    }

    /// Stays after the end of the child until the processes that it left behind have ended, or until a key at the
    /// terminal requests an end.
    pub(crate) fn follow(&self, signals: &Signals, exporter: &mut Option<Exporter>) {
        let mut has_asked = false;
        while let Some(left) = Left::of_us(exporter.as_ref().map(Exporter::pid)) {
            let arrived = signals.wait();
            if arrived.signal == libc::SIGCONT {
                exporter.iter().for_each(Exporter::go_on);
            }
            if arrived.signal == libc::SIGCHLD {
                self.reap(signals, exporter);
            } else if signals::may_end(arrived.signal) {
                if !std::mem::replace(&mut has_asked, true) {
                    exporter.iter().for_each(Exporter::observe);
                }
                if arrived.by_kernel {
                    return;
                }
                left.each(|pid| left::kill(pid, arrived.signal));
            } else if !arrived.by_kernel {
                left.each(|pid| left::kill(pid, arrived.signal));
            }
            if exporter.is_none() {
                return;
            }
        }
    }

    /// Whether the signal must be passed on, since the child has not received it by itself.
    fn needs_telling(&self, arrived: Arrived) -> bool {
        if !arrived.by_kernel {
            // A program that signals its whole process group has received the signal, too.
            return arrived.sender != self.pid;
        }
        if !signals::is_of_terminal(arrived.signal) {
            // A limit that the launcher has reached concerns it alone. A timer was set before this process became the
            // launcher, so its signal is meant for the program.
            return !matches!(arrived.signal, libc::SIGXCPU | libc::SIGXFSZ);
        }
        // The terminal sends what its keys mean to every process of the group in the foreground: passing it on would
        // deliver Ctrl-C twice. A child that has moved to a group of its own has not got it.
        let group = nix::unistd::getpgid(Some(nix::unistd::Pid::from_raw(self.pid)));
        if group.is_ok_and(|group| group != nix::unistd::getpgrp()) {
            return true;
        }
        // A hangup is sent to the session's leader alone.
        let leads_session = nix::unistd::getsid(None).is_ok_and(|session| session == nix::unistd::getpid());
        leads_session && matches!(arrived.signal, libc::SIGHUP | libc::SIGCONT)
    }

    /// Reaps every process that has changed its state: the child, the exporter, or an orphan that was handed to us as
    /// PID 1 or subreaper.
    fn reap(&self, signals: &Signals, exporter: &mut Option<Exporter>) -> Option<Ended> {
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
            let is_over = libc::WIFEXITED(status) || libc::WIFSIGNALED(status);
            match pid {
                0 => return ended,
                pid if pid < 0 => {
                    if io::Error::last_os_error().raw_os_error() == Some(libc::EINTR) {
                        continue;
                    }
                    return ended;
                }
                pid if pid != self.pid => {
                    if is_over && let Some(gone) = exporter.take_if(|exporter| exporter.pid() == pid) {
                        gone.has_ended(ChildEnd::of(status));
                    }
                    // It stops itself while the launcher is stopped, and may do so too late.
                    let stopped = exporter.iter().filter(|exporter| libc::WIFSTOPPED(status) && exporter.pid() == pid);
                    stopped.for_each(Exporter::go_on);
                }
                _ if is_over => {
                    shortage::note_status(status);
                    ended = Some(now(ChildEnd::of(status), usage));
                }
                _ if libc::WIFSTOPPED(status) => self.stop_with_it(libc::WSTOPSIG(status), signals, exporter),
                _ => {}
            }
        }
    }

    /// The child has been stopped: a shell that waits for us must see us stopped too, or `fg` and `bg` would have
    /// nothing to continue.
    fn stop_with_it(&self, signal: i32, signals: &Signals, exporter: &Option<Exporter>) {
        let continued = signals.stop_ourselves(signal);
        // The signal that continued us has been taken.
        exporter.iter().for_each(Exporter::go_on);
        if continued && self.is_stopped() {
            self.kill(libc::SIGCONT);
        }
    }

    fn is_stopped(&self) -> bool {
        left::state(self.pid) == Some(b'T')
    }

    fn kill(&self, signal: i32) {
        // It has not been reaped, so its pid is still its own.
        left::kill(self.pid, signal);
    }
}

fn now(end: ChildEnd, usage: libc::rusage) -> Ended {
    Ended { end, usage: usage.into(), at: SystemTime::now() }
}
