//! The draining thread: accepts processes, empties their rings, detects their ends. It does no other I/O, so that no
//! collector, however slow, makes a ring overflow while there is room in the queue.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::feed::{Feed, Sender};
use super::filter;
use super::listener::Token;
use super::peer::{Hello, Peer, PeerError};
use super::region::{PORTION, Region, RegionError};
use super::series::SeriesTable;
use super::tables::{CellTable, StringTable};
use crate::wire::ProcessId;

/// The longest time a record waits in a ring. The data lies in shared memory, so a long wait costs latency and nothing
/// else; a ring that is half full rings the doorbell.
const TURN_MS: u8 = 100;
/// The longest wait while telemetry has no room for the records in the rings.
const STALLED_TURN_MS: u8 = 5;
/// The longest wait while some process cannot ring the doorbell: it filters system calls, or has closed its socket.
const SILENT_TURN_MS: u8 = 20;
/// How many processes are checked for system call filters in one turn.
const FILTER_CHECKS: usize = 16;
/// After how many checks the threads of a process are checked as well.
const CHECKS_PER_THREAD_CHECK: u32 = 10;
/// A process that was checked so often is checked once in so many turns while it writes nothing: a program that restricts
/// itself does so when it begins.
const CHECKS_OF_BEGINNING: u32 = 100;
const CALM: u32 = 10;
/// How many processes of other users may be connected without having shown the token, and for how long: anybody can
/// connect.
const MAX_FOREIGN: usize = 64;
const FOREIGN_TIMEOUT: Duration = Duration::from_secs(5);

/// A channel that is being drained.
#[derive(Debug)]
pub(crate) struct Draining {
    tally: Arc<Tally>,
    wake: Option<UnixStream>,
}

/// How many processes have connected.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Processes whose region is read, or was.
    pub(crate) attached: AtomicU64,
    /// Processes for which there was no descriptor left.
    pub(crate) refused: AtomicU64,
    /// Processes that still ran when the channel was closed.
    pub(crate) left_behind: AtomicU64,
}

impl Draining {
    pub(super) fn start(listeners: Vec<UnixListener>, token: Token, sender: Sender) -> io::Result<Draining> {
        let (wake, woken) = UnixStream::pair()?;
        let tally = Arc::<Tally>::default();
        let drain = Drain {
            listeners,
            token,
            tally: Arc::clone(&tally),
            spare: spare(),
            woken,
            sender,
            waiting: Vec::new(),
            processes: Vec::new(),
            next: 0,
            has_reported_unattached: false,
            turns: 0,
            ending: false,
        };
        std::thread::Builder::new().name("otel-rs-drain".into()).spawn(move || drain.run())?;
        Ok(Draining { tally, wake: Some(wake) })
    }

    /// How many processes have connected so far.
    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The program has ended: records that have been written until now are sent, then `Closed`. Processes that it left
    /// behind run on without telemetry. Does not wait.
    pub(crate) fn finish(&mut self) {
        // The thread wakes at the end of the stream.
        self.wake = None;
    }
}

/// A process whose region is read.
#[derive(Debug)]
struct AttachedProcess {
    id: ProcessId,
    peer: Peer,
    /// `false` once the socket has been closed.
    doorbell: bool,
    region: Arc<Region>,
    /// Our own: the tails in the region are for the app's writers.
    tails: Vec<u64>,
    ended: bool,
    /// Whether the last turn found records.
    busy: bool,
    /// How often it was checked for filters, and the turn of the last check.
    checks: u32,
    checked: u32,
    /// Whether it filters system calls.
    filtered: bool,
}

/// A descriptor that can be given up to accept, and count, a connection for which there is no other.
fn spare() -> Option<File> {
    File::open("/dev/null").ok()
}

struct Drain {
    listeners: Vec<UnixListener>,
    token: Token,
    tally: Arc<Tally>,
    spare: Option<File>,
    woken: UnixStream,
    sender: Sender,
    waiting: Vec<Peer>,
    processes: Vec<AttachedProcess>,
    next: u32,
    has_reported_unattached: bool,
    turns: u32,
    ending: bool,
}

impl Drain {
    fn run(mut self) {
        let mut stalled = false;
        loop {
            self.wait(self.turn(stalled));
            self.accept();
            self.receive_hellos();
            self.check_filters();
            if self.ending {
                // A process that has not sent its region by now is not part of this launch.
                self.waiting.clear();
            }
            stalled = self.empty_rings();
            if self.ending && self.processes.is_empty() {
                break;
            }
        }
        self.sender.send(Feed::Closed);
    }

    /// How long to sleep at most.
    fn turn(&self, stalled: bool) -> PollTimeout {
        let is_silent = |process: &AttachedProcess| process.filtered || !process.doorbell;
        PollTimeout::from(if stalled {
            STALLED_TURN_MS
        } else if self.processes.iter().any(is_silent) {
            SILENT_TURN_MS
        } else {
            TURN_MS
        })
    }

    /// Announces filters to processes that have begun to filter system calls, to some of them at each turn.
    fn check_filters(&mut self) {
        self.turns = self.turns.wrapping_add(1);
        let (turn, count) = (self.turns as usize, self.processes.len());
        let from = if count > FILTER_CHECKS { turn.wrapping_mul(FILTER_CHECKS) % count } else { 0 };
        let turns = self.turns;
        for offset in 0..count.min(FILTER_CHECKS) {
            let process = &mut self.processes[(from + offset) % count];
            let is_calm = !process.busy && process.checks > CHECKS_OF_BEGINNING;
            if !is_calm || turns.wrapping_sub(process.checked) >= CALM {
                process.checked = turns;
                process.check_filters();
            }
        }
    }

    /// Sleeps until something happens or the turn is over, and marks the processes that have ended.
    fn wait(&mut self, turn: PollTimeout) {
        let mut fds: Vec<_> =
            self.listeners.iter().map(|listener| PollFd::new(listener.as_fd(), PollFlags::POLLIN)).collect();
        if !self.ending {
            fds.push(PollFd::new(self.woken.as_fd(), PollFlags::POLLIN));
        }
        fds.extend(self.waiting.iter().map(|peer| PollFd::new(peer.socket.as_fd(), PollFlags::POLLIN)));
        for process in &self.processes {
            if process.doorbell {
                fds.push(PollFd::new(process.peer.socket.as_fd(), PollFlags::POLLIN));
            }
            if let (Some(pidfd), false) = (&process.peer.pidfd, process.ended) {
                fds.push(PollFd::new(pidfd.as_fd(), PollFlags::POLLIN));
            }
        }
        if poll(&mut fds, turn).is_err() {
            // Only a lack of memory, or a signal in a debugger, leads here; an immediate retry would not help.
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let happened = |fd: &PollFd<'_>| fd.revents().is_none_or(|events| !events.is_empty());
        let mut answers = fds.iter().skip(self.listeners.len()).map(happened).collect::<Vec<_>>().into_iter();
        let mut answer = || answers.next().unwrap_or(false);
        if !self.ending {
            self.ending = answer();
        }
        self.waiting.iter().for_each(|_| _ = answer());
        for process in &mut self.processes {
            if process.doorbell && answer() {
                process.doorbell = process.peer.quiet_doorbell();
                // A forked child may hold the socket open after its parent's end, and a program may close it without
                // ending: the socket's end counts only where the kernel offers no pidfd.
                process.ended |= !process.doorbell && process.peer.pidfd.is_none();
            }
            if process.peer.pidfd.is_some() && !process.ended {
                process.ended = answer();
            }
        }
    }

    /// Accepts the processes that have connected, which includes those that have since ended.
    fn accept(&mut self) {
        for index in 0..self.listeners.len() {
            while let Some(socket) = self.accept_at(index) {
                let peer = Peer::new(socket);
                if !peer.is_foreign || self.waiting.iter().filter(|peer| peer.is_foreign).count() < MAX_FOREIGN {
                    self.waiting.push(peer);
                }
            }
        }
    }

    fn accept_at(&mut self, index: usize) -> Option<UnixStream> {
        loop {
            match self.listeners.get(index)?.accept() {
                Ok((socket, _)) => return Some(socket),
                Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted) => {
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
                Err(_) if self.spare.take().is_some() => {
                    // Left in the backlog, the connection would make poll return at once for ever.
                    let refused = self.listeners.get(index)?.accept().is_ok();
                    self.spare = spare();
                    if refused && self.tally.refused.fetch_add(1, Relaxed) == 0 {
                        self.sender.send(Feed::TooManyProcesses);
                    }
                }
                Err(_) => {
                    std::thread::sleep(Duration::from_millis(20));
                    self.spare = spare();
                    return None;
                }
            }
        }
    }

    fn receive_hellos(&mut self) {
        for peer in std::mem::take(&mut self.waiting) {
            match peer.hello(&self.token) {
                Ok(Hello::Waiting) if peer.is_foreign && peer.since.elapsed() > FOREIGN_TIMEOUT => {}
                Ok(Hello::Waiting) => self.waiting.push(peer),
                Ok(Hello::Left) => {}
                Ok(Hello::Region(region)) => self.attach(peer, region),
                // A process of another user without the token does not belong to the program.
                Err(PeerError::Stranger | PeerError::Hello) if peer.is_foreign => {}
                Err(error) => self.refuse(&peer, &error),
            }
        }
    }

    fn attach(&mut self, peer: Peer, region: Region) {
        // A process that attaches again has replaced its program by another, and the old region has no writer left. Or a
        // library has its own copy of the hooks.
        for old in self.processes.iter_mut().filter(|old| old.peer.pid == peer.pid && peer.pid != 0) {
            old.doorbell = old.doorbell && old.peer.quiet_doorbell();
            old.ended |= !old.doorbell || !region_is_mapped(old.peer.pid, &old.region);
        }
        self.tally.attached.fetch_add(1, Relaxed);
        let region = Arc::new(region);
        let id = self.number();
        self.sender.send(Feed::Attached {
            process: id,
            pid: peer.pid,
            cells: CellTable::new(&region),
            strings: StringTable::new(&region),
            series: SeriesTable::new(&region),
        });
        let tails = vec![0; region.rings()];
        self.processes.push(AttachedProcess {
            id,
            peer,
            doorbell: true,
            region,
            tails,
            ended: false,
            busy: false,
            checks: 0,
            checked: 0,
            filtered: false,
        });
    }

    fn refuse(&mut self, peer: &Peer, error: &PeerError) {
        let process = self.number();
        self.sender.send(Feed::Poisoned { process, pid: peer.pid, reason: error.to_string() });
    }

    fn number(&mut self) -> ProcessId {
        self.next += 1;
        ProcessId(self.next)
    }

    /// Empties every ring of every process once; whether some were left because the queue is full.
    fn empty_rings(&mut self) -> bool {
        let (sender, ending) = (&self.sender, self.ending);
        let mut stalled = false;
        for process in self.processes.iter().filter(|_| !self.has_reported_unattached) {
            let (count, errno) = process.region.unattached();
            if count > 0 {
                self.has_reported_unattached = true;
                let reason = format!("it could not attach: {}", nix::Error::from_raw(errno));
                sender.send(Feed::Unattached { pid: process.peer.pid, reason });
                break;
            }
        }
        self.processes.retain_mut(|process| match process.empty_rings(sender) {
            Ok(true) if process.ended || ending => {
                // A process that attached in this very turn has not been polled yet.
                if !process.ended && process.peer.is_running() {
                    self.tally.left_behind.fetch_add(1, Relaxed);
                }
                process.report_exit(sender);
                false
            }
            Ok(complete) => {
                stalled |= !complete;
                true
            }
            Err(error) => {
                let (process, pid) = (process.id, process.peer.pid);
                sender.send(Feed::Poisoned { process, pid, reason: error.to_string() });
                false
            }
        });
        stalled
    }
}

/// Whether a process still has a region in its memory; where its maps cannot be read, it is assumed to.
fn region_is_mapped(pid: u32, region: &Region) -> bool {
    let Ok(maps) = std::fs::read(format!("/proc/{pid}/maps")) else { return true };
    let inode = format!(" {} ", region.inode());
    memchr::memmem::find(&maps, inode.as_bytes()).is_some()
}

impl AttachedProcess {
    fn check_filters(&mut self) {
        let pid = self.peer.pid;
        self.checks = self.checks.wrapping_add(1);
        let with_threads = self.checks.is_multiple_of(CHECKS_PER_THREAD_CHECK);
        if self.filtered || pid == 0 {
            return;
        }
        if filter::filters_more_than_we(pid) || (with_threads && filter::a_thread_filters_more_than_we(pid)) {
            self.filtered = true;
            self.region.announce_filter();
        }
    }

    /// Empties every ring once; whether none was left.
    fn empty_rings(&mut self, sender: &Sender) -> Result<bool, RegionError> {
        if !self.filtered {
            self.region.announce_sleep();
        }
        let (mut found, mut complete) = (false, true);
        for (ring, tail) in self.tails.iter_mut().enumerate() {
            // Records that come in the meantime are left: a busy ring must not delay the others.
            let mut waiting = self.region.waiting(ring, *tail)?;
            while waiting > 0 {
                if !sender.has_room(waiting.min(PORTION)) {
                    complete = false;
                    break;
                }
                let bytes = self.region.take(ring, *tail, waiting)?;
                waiting -= bytes.len();
                *tail += bytes.len() as u64;
                self.region.release(ring, *tail);
                sender.records(self.id, bytes);
                found = true;
            }
        }
        // One more pass is reported after the last records: a span waits for a whole pass after its end.
        if complete && (found || self.busy) {
            sender.send(Feed::PassDone { process: self.id });
            self.busy = found;
        }
        Ok(complete)
    }

    fn report_exit(&self, sender: &Sender) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
        let dropped = self.region.dropped();
        sender.send(Feed::Exited { process: self.id, dropped, last_seen_unix_ns: now });
        if self.ended {
            self.region.forget_rings();
        }
    }
}

#[cfg(test)]
mod tests;
