//! The launcher's second process, which holds the telemetry. Whatever becomes of it (no memory, a crash, a limit, the
//! kernel's choice when the machine is full) costs telemetry: the program's parent only watches, and ends as the
//! program does.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, socketpair};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid};

use super::end::signal_name;
use super::found::found;
use super::shortage::{self, OUT_OF_MEMORY, Phase};
use super::signals::{self, Signals};
use super::{ChildEnd, Ended, Usage};
use crate::ui;

/// How long telemetry may take to get ready.
const GETTING_READY: Duration = Duration::from_secs(10);
/// How long a signal that may end the program is held back for the program's callbacks.
const LAST_WORDS: Duration = Duration::from_millis(150);
/// The exporting process's first stack.
const STACK: usize = 8 << 20;
/// The numbers in an [`Ended`].
const NUMBERS: usize = 12;
/// No message is longer; an error's text is cut.
const MOST: usize = 4096;

const READY: u8 = b'R';
const FAILED: u8 = b'F';
const STARTED: u8 = b'S';
const OBSERVE: u8 = b'A';
const END: u8 = b'E';

/// Why the exporting process did not get ready.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotReady {
    /// The system has no process for it.
    #[error("cannot start a process for it")]
    Fork(#[source] io::Error),
    /// It has an error to report.
    #[error("{message}")]
    Failed {
        /// The error and what caused it.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// It ended.
    #[error("{0}")]
    Ended(String),
    /// It took too long.
    #[error("it was not ready within {} s", GETTING_READY.as_secs())]
    Late,
}

/// The exporting process, as its parent has it.
#[derive(Debug)]
pub(crate) struct Exporter {
    pid: i32,
    socket: OwnedFd,
}

/// The orders of the parent, as the exporting process receives them.
#[derive(Debug)]
pub(crate) struct Orders {
    socket: OwnedFd,
}

/// One order of the parent.
#[derive(Debug)]
pub(crate) enum Order {
    /// The program runs, as this process.
    Started(u32),
    /// A signal is about to end the program.
    Observe,
    /// The program has ended.
    End(Ended),
    /// The parent is gone, or has given telemetry up.
    Gone,
}

impl Exporter {
    /// Starts a process for `work` and waits until that is ready. This process must have one thread.
    ///
    /// The process is a child of a second thread, which does nothing else. So the program is the main thread's only
    /// child, unless it leaves processes behind, and tools that look for it from outside find it there.
    pub(crate) fn start(work: impl FnOnce(&Orders) + Send + 'static) -> Result<Exporter, NotReady> {
        let pair = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC);
        let (socket, theirs) = pair.map_err(|error| NotReady::Fork(error.into()))?;
        let ours = socket.as_raw_fd();
        let (sender, forked) = mpsc::sync_channel(1);
        let fork = move || {
            #[expect(unsafe_code, reason = "there is no safe way to fork")]
            // SAFETY: the only other thread waits for this one and holds no lock, so that the child may do what this
            // process could do.
            match unsafe { nix::unistd::fork() } {
                Ok(ForkResult::Child) => {
                    #[expect(unsafe_code, reason = "the other end is owned by a thread that is not in this process")]
                    // SAFETY: takes a number; the descriptor is not used in this process.
                    unsafe {
                        libc::close(ours)
                    };
                    prepare();
                    work(&Orders { socket: theirs });
                    ui::finish();
                    #[expect(unsafe_code, reason = "what was registered for the launcher's exit is not the child's")]
                    // SAFETY: takes a number.
                    unsafe {
                        libc::_exit(0)
                    }
                }
                Ok(ForkResult::Parent { child }) => {
                    drop((work, theirs));
                    let _ = sender.send(Ok(child.as_raw()));
                    // Without this thread its child would become the main thread's.
                    loop {
                        std::thread::park();
                    }
                }
                Err(error) => _ = sender.send(Err(io::Error::from(error))),
            }
        };
        std::thread::Builder::new().stack_size(STACK).spawn(fork).map_err(NotReady::Fork)?;
        let forked = forked.recv().map_err(|_| NotReady::Late)?;
        let pid = forked.map_err(NotReady::Fork)?;
        shortage::note_child(shortage::Child::Exporter, pid);
        Exporter { pid, socket }.until_ready()
    }

    fn until_ready(self) -> Result<Exporter, NotReady> {
        let deadline = Instant::now() + GETTING_READY;
        let mut bytes = [0; MOST];
        let answer = match self.wait_for_answer(deadline, &mut bytes) {
            Some([READY]) => return Ok(self),
            Some([FAILED, text @ ..]) => {
                let text = String::from_utf8_lossy(text);
                let (message, hint) = text.split_once('\0').unwrap_or((&text, ""));
                NotReady::Failed {
                    message: message.into(),
                    hint: Some(hint.into()).filter(|hint: &String| !hint.is_empty()),
                }
            }
            Some(_) => match waitpid(Pid::from_raw(self.pid), None).ok().and_then(end_of) {
                Some(end) => {
                    shortage::note_child(shortage::Child::Exporter, 0);
                    return Err(NotReady::Ended(why(end)));
                }
                None => NotReady::Late,
            },
            None => NotReady::Late,
        };
        self.kill();
        Err(answer)
    }

    /// A message, which is empty when the other end is gone.
    fn wait_for_answer<'a>(&self, deadline: Instant, bytes: &'a mut [u8]) -> Option<&'a [u8]> {
        receive(&self.socket, deadline.saturating_duration_since(Instant::now()), bytes)
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> i32 {
        self.pid
    }

    /// The program runs, as this process.
    pub(crate) fn started(&self, pid: u32) {
        let mut message = [STARTED; 5];
        message[1..].copy_from_slice(&pid.to_ne_bytes());
        self.send(&message);
    }

    /// Continues the exporting process after the launcher has been stopped and continued. Allocates nothing.
    pub(super) fn go_on(&self) {
        super::left::kill(self.pid, libc::SIGCONT);
    }

    /// Requests that the program's callbacks observe while it still runs; waits a little for that. Allocates nothing.
    pub(crate) fn observe(&self) {
        self.send(&[OBSERVE]);
        self.wait_for_answer(Instant::now() + LAST_WORDS, &mut [0; 1]);
    }

    /// It has been reaped while the program runs.
    pub(super) fn has_ended(self, end: ChildEnd) {
        shortage::note_child(shortage::Child::Exporter, 0);
        let hint = "please report this; the program itself is not affected";
        let hint = (end != ChildEnd::Exited(OUT_OF_MEMORY) && end != ChildEnd::Killed(libc::SIGKILL)).then_some(hint);
        ui::warning("telemetry has stopped, the program runs on", &[why(end)], hint);
        ui::retry();
    }

    /// Has it export what the program has written, and waits for its end: as long as `limit`, and until a signal requests
    /// the end of the launcher. Signals from before the call do not count: they were meant for the child. Whether it ended
    /// by itself.
    pub(crate) fn finish(self, ended: &Ended, limit: Duration, signals: &Signals) -> bool {
        signals.forget();
        self.send(&encode(ended));
        let deadline = Instant::now() + limit;
        loop {
            if self.is_over() {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let why = match signals.wait_for(left.min(Duration::from_millis(100))) {
                Some(arrived) if signals::may_end(arrived.signal) => {
                    Some(format!("the last export was cut short by {}", signal_name(arrived.signal)))
                }
                None if left.is_zero() => Some("the last export did not end in time".to_owned()),
                _ => None,
            };
            if let Some(why) = why {
                if self.is_over() {
                    return true;
                }
                ui::warning(format!("{why}; what it had not exported is lost"), &[], None);
                self.kill();
                return false;
            }
        }
    }

    /// Whether it has ended after the program; warns if that was not by itself. One that has stopped itself too late, when
    /// the launcher had been continued already, is continued.
    fn is_over(&self) -> bool {
        match waitpid(Pid::from_raw(self.pid), Some(WaitPidFlag::WNOHANG | WaitPidFlag::WUNTRACED)) {
            Ok(WaitStatus::Stopped(..)) => {
                self.go_on();
                false
            }
            Ok(status) => match end_of(status) {
                None => false,
                Some(ChildEnd::Exited(0)) => true,
                Some(end) => {
                    ui::warning("telemetry has stopped before all of it was exported", &[why(end)], None);
                    true
                }
            },
            Err(nix::Error::EINTR) => false,
            Err(_) => true,
        }
    }

    /// Kills the exporting process: there will be no more telemetry.
    pub(crate) fn kill(self) {
        super::left::kill(self.pid, libc::SIGKILL);
        while waitpid(Pid::from_raw(self.pid), None) == Err(nix::Error::EINTR) {}
        shortage::note_child(shortage::Child::Exporter, 0);
    }

    fn send(&self, message: &[u8]) {
        // An exporting process that does not read any more is noticed by its end.
        let _ = send(self.socket.as_raw_fd(), message, MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL);
    }
}

impl Orders {
    /// Telemetry is ready.
    pub(crate) fn ready(&self) {
        self.send(&[READY]);
    }

    /// It cannot be made ready.
    pub(crate) fn failed(&self, message: &str, hint: Option<&str>) {
        let mut text = format!("\0{message}\0{}", hint.unwrap_or_default()).into_bytes();
        text[0] = FAILED;
        text.truncate(MOST);
        self.send(&text);
    }

    /// The order has been carried out.
    pub(crate) fn answered(&self) {
        self.send(&[OBSERVE]);
    }

    /// The next order; `None` if none comes in time. Stops while the launcher is stopped: so does the rest of the job.
    pub(crate) fn next(&self, limit: Duration) -> Option<Order> {
        if super::left::state(nix::unistd::getppid().as_raw()) == Some(b'T') {
            let _ = nix::sys::signal::raise(nix::sys::signal::Signal::SIGSTOP);
        }
        let mut bytes = [0; MOST];
        let order = match receive(&self.socket, limit, &mut bytes)? {
            [STARTED, pid @ ..] => Order::Started(pid.try_into().map_or(0, u32::from_ne_bytes)),
            [OBSERVE] => Order::Observe,
            [END, numbers @ ..] => Order::End(decode(numbers)),
            _ => Order::Gone,
        };
        Some(order)
    }

    fn send(&self, message: &[u8]) {
        // A parent that is gone is noticed when the next order is read.
        let _ = send(self.socket.as_raw_fd(), message, MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL);
    }
}

/// A message, which is empty when the other end is gone; `None` if none comes in time.
fn receive<'a>(socket: &OwnedFd, limit: Duration, bytes: &'a mut [u8]) -> Option<&'a [u8]> {
    let limit = PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX);
    if poll(&mut [PollFd::new(socket.as_fd(), PollFlags::POLLIN)], limit) == Ok(0) {
        return None;
    }
    match recv(socket.as_raw_fd(), bytes, MsgFlags::MSG_DONTWAIT) {
        Ok(count) => bytes.get(..count),
        Err(nix::Error::EAGAIN | nix::Error::EINTR) => None,
        Err(_) => Some(&[]),
    }
}

/// In the exporting process, before anything else.
fn prepare() {
    shortage::enter(Phase::Exporting);
    // If this process is stopped when the launcher is killed, nothing else would continue it.
    let _ = nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGCONT);
    let _ = nix::sys::prctl::set_name(c"otel-rs-export");
    found().raise_descriptors();
    let_go_of_inherited();
    // A core dump of this process is of no use. Where cores are piped to a program, a limit of 1 stands for none.
    if let Ok((_, hard)) = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_CORE) {
        let _ = nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_CORE, hard.min(1), hard);
    }
}

/// Closes what was inherited for the program, and what only it may read: the other end of a pipe must see it closed
/// when the program closes it. Our own descriptors are all closed on exec, so they can be distinguished.
pub(crate) fn let_go_of_inherited() {
    for entry in std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten() {
        let Some(fd) = entry.file_name().to_str().and_then(|name| name.parse::<RawFd>().ok()) else { continue };
        if fd > 2 {
            #[expect(unsafe_code, reason = "inherited descriptors are plain numbers")]
            // SAFETY: takes numbers; what is not closed on exec was inherited, and is not used here.
            unsafe {
                let flags = libc::fcntl(fd, libc::F_GETFD);
                if flags >= 0 && flags & libc::FD_CLOEXEC == 0 {
                    libc::close(fd);
                }
            }
        }
    }
    replace_by_nothing(0);
}

/// Puts `/dev/null` in place of a descriptor that we do not use.
pub(crate) fn replace_by_nothing(fd: RawFd) {
    let Ok(null) = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null") else { return };
    #[expect(unsafe_code, reason = "stdin and stdout are plain numbers")]
    // SAFETY: takes numbers.
    unsafe {
        libc::dup2(null.as_raw_fd(), fd)
    };
}

/// Why a process is gone.
fn why(end: ChildEnd) -> String {
    match end {
        ChildEnd::Exited(OUT_OF_MEMORY) => "out of memory".into(),
        ChildEnd::Exited(status) => format!("its process exited with {status}"),
        ChildEnd::Killed(signal) => format!("its process was killed by {}", signal_name(signal)),
    }
}

fn end_of(status: WaitStatus) -> Option<ChildEnd> {
    match status {
        WaitStatus::Exited(_, code) => Some(ChildEnd::Exited(code)),
        WaitStatus::Signaled(_, signal, _) => Some(ChildEnd::Killed(signal as i32)),
        _ => None,
    }
}

fn encode(ended: &Ended) -> [u8; 1 + NUMBERS * 8] {
    let Ended { end, usage, at } = ended;
    let (how, number) = match *end {
        ChildEnd::Exited(status) => (0, status),
        ChildEnd::Killed(signal) => (1, signal),
    };
    let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let numbers: [u64; NUMBERS] = [
        how,
        u64::from(number.unsigned_abs()),
        nanos(usage.user),
        nanos(usage.system),
        usage.minor_faults,
        usage.major_faults,
        usage.bytes_read,
        usage.bytes_written,
        usage.voluntary_switches,
        usage.involuntary_switches,
        usage.most_memory,
        nanos(at.duration_since(UNIX_EPOCH).unwrap_or_default()),
    ];
    let mut bytes = [END; 1 + NUMBERS * 8];
    for (place, number) in bytes[1..].chunks_exact_mut(8).zip(numbers) {
        place.copy_from_slice(&number.to_ne_bytes());
    }
    bytes
}

fn decode(bytes: &[u8]) -> Ended {
    let mut numbers = bytes.chunks_exact(8).map(|eight| eight.try_into().map_or(0, u64::from_ne_bytes));
    let mut next = || numbers.next().unwrap_or(0);
    let (how, number) = (next(), next() as i32);
    Ended {
        end: if how == 0 { ChildEnd::Exited(number) } else { ChildEnd::Killed(number) },
        usage: Usage {
            user: Duration::from_nanos(next()),
            system: Duration::from_nanos(next()),
            minor_faults: next(),
            major_faults: next(),
            bytes_read: next(),
            bytes_written: next(),
            voluntary_switches: next(),
            involuntary_switches: next(),
            most_memory: next(),
        },
        at: SystemTime::UNIX_EPOCH + Duration::from_nanos(next()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoded_end_is_decoded_unchanged() {
        for end in [ChildEnd::Exited(7), ChildEnd::Killed(40)] {
            let usage = Usage { user: Duration::from_millis(3), most_memory: 4, major_faults: 5, ..Usage::default() };
            let ended = Ended { end, usage, at: SystemTime::now() };
            let bytes = encode(&ended);
            let decoded = decode(&bytes[1..]);
            assert_eq!((decoded.end, decoded.usage, decoded.at), (ended.end, ended.usage, ended.at));
        }
    }
}
