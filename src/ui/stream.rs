//! stdout and stderr, written to without ever waiting for long.
//!
//! Both streams are shared with the program. A full pipe or a stopped terminal may block the program, but not the
//! launcher. The descriptor cannot be made non-blocking either: that flag belongs to the open file description, which
//! the program shares.

use std::collections::VecDeque;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use nix::libc;

/// Bytes that may wait for a reader; what is more is dropped and counted.
const BACKLOG: usize = 1 << 20;
/// What fits where `poll` sees room.
const PORTION: usize = 4096;

/// A descriptor and what waits for room in it.
#[derive(Debug)]
pub(super) struct Stream {
    fd: RawFd,
    /// How long a write may wait in total until some bytes pass again.
    patience: Duration,
    left: Duration,
    backlog: VecDeque<u8>,
    dropped: u64,
}

enum Wrote {
    Bytes(usize),
    /// No room now.
    Full,
    /// The reader is gone for good.
    Gone,
}

impl Stream {
    pub(super) const fn new(fd: RawFd, patience: Duration) -> Stream {
        Stream { fd, patience, left: patience, backlog: VecDeque::new(), dropped: 0 }
    }

    /// Writes what fits and keeps the rest; `false` if it was dropped, since too much waits already.
    pub(super) fn write(&mut self, bytes: &[u8]) -> bool {
        self.flush();
        if !self.backlog.is_empty() && self.backlog.len() + bytes.len() > BACKLOG {
            self.dropped += 1;
            return false;
        }
        self.backlog.extend(bytes);
        self.flush();
        true
    }

    /// Keeps it for later.
    pub(super) fn keep(&mut self, bytes: &[u8]) {
        self.backlog.extend(bytes);
    }

    /// Writes what waits, as far as there is room or comes to be room in time; whether all is out.
    pub(super) fn flush(&mut self) -> bool {
        self.flush_within(self.left)
    }

    /// The same without waiting.
    pub(super) fn try_flush(&mut self) -> bool {
        self.flush_within(Duration::ZERO)
    }

    fn flush_within(&mut self, mut left: Duration) -> bool {
        while !self.backlog.is_empty() {
            match write_some(self.fd, self.backlog.make_contiguous()) {
                Wrote::Bytes(count) => {
                    self.backlog.drain(..count);
                    self.left = self.patience;
                }
                Wrote::Full if left.is_zero() => return false,
                Wrote::Full => {
                    let before = Instant::now();
                    wait_for_room(self.fd, left);
                    // A poll that returns at once must not become a busy loop.
                    let waited = before.elapsed().max(Duration::from_millis(1));
                    left = left.saturating_sub(waited);
                    self.left = self.left.saturating_sub(waited);
                }
                Wrote::Gone => self.backlog.clear(),
            }
        }
        true
    }

    /// Discards the backlog: another process writes it.
    pub(super) fn forget(&mut self) {
        self.backlog.clear();
    }

    /// How much was dropped since the last call, once there is room for the message.
    pub(super) fn take_dropped(&mut self) -> u64 {
        if self.backlog.is_empty() { std::mem::take(&mut self.dropped) } else { 0 }
    }
}

#[expect(unsafe_code, reason = "std and nix have no write that does not wait")]
fn write_some(fd: RawFd, bytes: &[u8]) -> Wrote {
    // SAFETY: every call gets a live local or `bytes` with its true length, and numbers.
    unsafe {
        let mut kind = std::mem::zeroed::<libc::stat>();
        if libc::fstat(fd, &mut kind) != 0 {
            return Wrote::Gone;
        }
        match kind.st_mode & libc::S_IFMT {
            libc::S_IFSOCK => {
                let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
                return outcome(libc::send(fd, bytes.as_ptr().cast(), bytes.len(), flags));
            }
            libc::S_IFIFO => {}
            libc::S_IFCHR if libc::isatty(fd) == 1 => {}
            _ => return outcome(libc::write(fd, bytes.as_ptr().cast(), bytes.len())),
        }
        if !has_room(fd, 0) {
            return Wrote::Full;
        }
        let part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
        let at_the_end = -1_i64;
        // No wrapper of the C library's: musl has none.
        let count =
            libc::syscall(libc::SYS_pwritev2, fd as i64, &raw const part, 1_i64, at_the_end, at_the_end, RWF_NOWAIT);
        let count = count as isize;
        let error = std::io::Error::last_os_error().raw_os_error();
        if count >= 0 || !matches!(error, Some(libc::EOPNOTSUPP | libc::EINVAL | libc::ENOSYS | libc::ESPIPE)) {
            return outcome(count);
        }
        // Older kernels, and terminals: a description of our own may be non-blocking.
        let path = format!("/proc/self/fd/{fd}\0");
        let flags = libc::O_WRONLY | libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC;
        let own = libc::open(path.as_ptr().cast(), flags);
        if own >= 0 {
            let own = OwnedFd::from_raw_fd(own);
            return outcome(libc::write(own.as_raw_fd(), bytes.as_ptr().cast(), bytes.len()));
        }
        // Somebody else's pipe: where there is room, there is room for so much.
        outcome(libc::write(fd, bytes.as_ptr().cast(), bytes.len().min(PORTION)))
    }
}

const RWF_NOWAIT: i64 = 8;

fn outcome(count: isize) -> Wrote {
    if count > 0 {
        return Wrote::Bytes(count.unsigned_abs());
    }
    match std::io::Error::last_os_error().raw_os_error() {
        _ if count == 0 => Wrote::Full,
        Some(libc::EAGAIN | libc::EINTR) => Wrote::Full,
        _ => Wrote::Gone,
    }
}

fn wait_for_room(fd: RawFd, limit: Duration) {
    has_room(fd, i32::try_from(limit.as_millis()).unwrap_or(i32::MAX).max(1));
}

#[expect(unsafe_code, reason = "nix's poll takes descriptors that somebody owns")]
fn has_room(fd: RawFd, milliseconds: i32) -> bool {
    let mut poll = libc::pollfd { fd, events: libc::POLLOUT, revents: 0 };
    // SAFETY: one pollfd, and its count is given as one.
    unsafe { libc::poll(&mut poll, 1, milliseconds) > 0 }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::fd::AsFd;

    use super::*;

    fn patient(fd: &impl AsRawFd) -> Stream {
        Stream::new(fd.as_raw_fd(), Duration::from_millis(20))
    }

    /// What is in a pipe or socket.
    fn drain(from: OwnedFd) -> Vec<u8> {
        let mut bytes = Vec::new();
        std::fs::File::from(from).read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn a_full_pipe_or_socket_does_not_block_and_loses_nothing_that_fits_the_backlog() {
        let pipe = nix::unistd::pipe().unwrap();
        let socket = std::os::unix::net::UnixStream::pair().map(|(a, b)| (OwnedFd::from(a), OwnedFd::from(b))).unwrap();
        for (reader, writer) in [pipe, socket] {
            let mut stream = patient(&writer);
            let message = vec![b'x'; 100_000];
            let taken = (0..20).filter(|_| stream.write(&message)).count();
            assert!((10..20).contains(&taken), "{taken}");
            assert!(!stream.flush());
            assert_eq!(stream.take_dropped(), 0, "not while others wait");
            let flags = nix::fcntl::fcntl(writer.as_fd(), nix::fcntl::FcntlArg::F_GETFL).unwrap();
            assert_eq!(flags & libc::O_NONBLOCK, 0, "the program's descriptor stays as it is");
            let reading = std::thread::spawn(move || drain(reader));
            while !stream.flush() {
                std::thread::yield_now();
            }
            assert_eq!(stream.take_dropped(), 20 - taken as u64);
            drop(writer);
            assert_eq!(reading.join().unwrap().len(), taken * message.len());
        }
    }

    #[test]
    fn bytes_are_dropped_when_the_reader_is_gone() {
        let (reader, writer) = nix::unistd::pipe().unwrap();
        drop(reader);
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        for fd in [writer.as_raw_fd(), full.as_raw_fd(), 1 << 20] {
            let mut stream = Stream::new(fd, Duration::from_millis(20));
            assert!(stream.write(b"x") && stream.backlog.is_empty(), "{fd}");
        }
    }
}
