//! One connected process, from its first message on.

use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Instant;

use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, UnixCredentials, getsockopt, sockopt};
// rustix instead of nix, which leaks the descriptors of a message that was cut short.
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, recvmsg};

use super::listener::Token;
use super::region::{Region, RegionError};
use crate::wire;

/// As many as the kernel lets one message carry (`SCM_MAX_FD`).
const MAX_DESCRIPTORS: usize = 253;
/// The bytes that the first message has in every version.
const SHORTEST: usize = 16;

/// A process that has connected and has not yet sent its first message.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) socket: UnixStream,
    pub(super) pid: u32,
    /// Whether it belongs to another user. Such a process is trusted once it has sent the token.
    pub(super) is_foreign: bool,
    pub(super) since: Instant,
    /// Becomes readable at its end. The socket is not enough: forked children hold it open.
    pub(super) pidfd: Option<OwnedFd>,
}

/// Why a process is not read.
#[derive(Debug, thiserror::Error)]
pub(super) enum PeerError {
    #[error("it has no valid token")]
    Stranger,
    #[error("it has no room for shared memory: {0}")]
    NoRegion(nix::Error),
    #[error("it has wire version {0}, expected {expected}: it was woven by another otel-rs", expected = wire::VERSION)]
    Version(u32),
    #[error("its first message is not one of ours")]
    Hello,
    #[error("the launcher has no descriptor left for its shared memory")]
    NoDescriptor,
    #[error(transparent)]
    Region(#[from] RegionError),
}

/// The first message of a peer, as far as it has come.
pub(super) enum Hello {
    /// Nothing yet.
    Waiting,
    /// The connection was closed without a message.
    Left,
    /// Its region.
    Region(Region),
}

impl Peer {
    /// Wraps an accepted connection.
    pub(super) fn new(socket: UnixStream) -> Peer {
        let credentials = getsockopt(&socket, sockopt::PeerCredentials).ok();
        let pid = credentials.map_or(0, |who: UnixCredentials| who.pid().max(0));
        let uid = credentials.map_or(u32::MAX, |who| who.uid());
        let is_foreign = uid != nix::unistd::geteuid().as_raw() && uid != 0;
        Peer { socket, pid: pid as u32, is_foreign, since: Instant::now(), pidfd: pidfd(pid) }
    }

    /// Whether its process still runs. A process that had ended before it was accepted has closed its socket.
    pub(super) fn is_running(&self) -> bool {
        let Some(pidfd) = &self.pidfd else { return self.quiet_doorbell() };
        let mut fds = [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::ZERO) != Ok(1)
    }

    /// Reads the one message, if it has come. A connection can be accepted before the message was sent, so its absence is
    /// no error.
    pub(super) fn hello(&self, token: &Token) -> Result<Hello, PeerError> {
        let mut bytes = [0; wire::HELLO_SIZE];
        let mut parts = [IoSliceMut::new(&mut bytes)];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
        let message = match recvmsg(&self.socket, &mut parts, &mut control, flags) {
            Ok(message) => message,
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => return Ok(Hello::Waiting),
            Err(_) => return Ok(Hello::Left),
        };
        let length = message.bytes;
        // Owning every descriptor that came closes the surplus ones.
        let mut fds: Vec<OwnedFd> = Vec::new();
        for part in control.drain() {
            if let RecvAncillaryMessage::ScmRights(received) = part {
                fds.extend(received);
            }
        }
        if length == 0 {
            return Ok(Hello::Left);
        }
        let number = |at: usize| bytes.get(at..at + 4).map_or(0, le_u32);
        if length < SHORTEST || !bytes.starts_with(&wire::MAGIC) {
            return Err(PeerError::Hello);
        }
        let is_known = length == wire::HELLO_SIZE && bytes.ends_with(token);
        match (number(8), number(12)) {
            (version, _) if version != wire::VERSION => Err(PeerError::Version(version)),
            _ if !is_known => Err(PeerError::Stranger),
            (_, 0) => {
                let is_cut = message.flags.contains(ReturnFlags::CTRUNC);
                let fd =
                    fds.into_iter().next().ok_or(if is_cut { PeerError::NoDescriptor } else { PeerError::Hello })?;
                Ok(Hello::Region(Region::map(fd)?))
            }
            (_, errno) => Err(PeerError::NoRegion(nix::Error::from_raw(errno as i32))),
        }
    }

    /// Reads the doorbells off the socket; whether its other end still exists.
    pub(super) fn quiet_doorbell(&self) -> bool {
        let mut bells = [0; 64];
        loop {
            match nix::sys::socket::recv(self.socket.as_raw_fd(), &mut bells, MsgFlags::MSG_DONTWAIT) {
                Ok(0) => return false,
                Ok(_) => {}
                Err(nix::Error::EAGAIN | nix::Error::EINTR) => return true,
                Err(_) => return false,
            }
        }
    }
}

fn le_u32(four: &[u8]) -> u32 {
    four.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

/// A descriptor that becomes readable when the process has ended. `None` if it has no number here, or the kernel has no
/// such call: then the end of the socket has to do.
fn pidfd(pid: i32) -> Option<OwnedFd> {
    if pid <= 0 {
        return None;
    }
    #[expect(unsafe_code, reason = "there is no wrapper for pidfd_open")]
    // SAFETY: the call touches no memory; the descriptor it returns (close-on-exec by itself) is ours alone.
    unsafe {
        let fd = libc::syscall(libc::SYS_pidfd_open, pid, 0);
        (fd >= 0).then(|| OwnedFd::from_raw_fd(fd as i32))
    }
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;

    use nix::sys::socket::{ControlMessage, sendmsg};

    use super::super::testing::FakeRegion;
    use super::*;

    const TOKEN: Token = [7; wire::TOKEN_SIZE];

    /// Greets with as many descriptors, of which the first is that of a region.
    fn greet(descriptors: usize, text: &[u8]) -> Result<Hello, PeerError> {
        let (app, launcher) = UnixStream::pair().unwrap();
        let memory = FakeRegion::new().sealed();
        let fds: Vec<_> = std::iter::repeat_n(memory.as_raw_fd(), descriptors).collect();
        let rights = [ControlMessage::ScmRights(&fds)];
        let control = if fds.is_empty() { &rights[..0] } else { &rights[..] };
        sendmsg::<()>(app.as_raw_fd(), &[IoSlice::new(text)], control, MsgFlags::empty(), None).unwrap();
        Peer::new(launcher).hello(&TOKEN)
    }

    fn hello() -> Vec<u8> {
        [&wire::MAGIC[..], &wire::VERSION.to_le_bytes(), &[0; 4], &TOKEN].concat()
    }

    /// How many descriptors of this process are of the memory of fake regions.
    fn regions_open() -> usize {
        let links = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
        links.filter(|fd| std::fs::read_link(fd.path()).is_ok_and(|to| to.ends_with("memfd:surplus (deleted)"))).count()
    }

    #[test]
    fn surplus_descriptors_are_closed() {
        use nix::sys::memfd::{MFdFlags, memfd_create};
        for count in [1, 2, 3, 5, 64, 253] {
            for text in [&hello()[..], b"x", b"nonsense of sixteen bytes and more"] {
                let (app, launcher) = UnixStream::pair().unwrap();
                let memory = memfd_create("surplus", MFdFlags::MFD_CLOEXEC).unwrap();
                let fds: Vec<_> = std::iter::repeat_n(memory.as_raw_fd(), count).collect();
                let rights = [ControlMessage::ScmRights(&fds)];
                sendmsg::<()>(app.as_raw_fd(), &[IoSlice::new(text)], &rights, MsgFlags::empty(), None).unwrap();
                let peer = Peer::new(launcher);
                assert!(peer.hello(&TOKEN).is_err());
                // Later messages only ring the doorbell: descriptors that come with them are closed.
                sendmsg::<()>(app.as_raw_fd(), &[IoSlice::new(b"!")], &rights, MsgFlags::empty(), None).unwrap();
                assert!(peer.quiet_doorbell());
                drop(memory);
                assert_eq!(regions_open(), 0, "{count} {text:?}");
            }
        }
    }

    #[test]
    fn the_first_descriptor_of_a_greeting_is_the_region() {
        for descriptors in [1, 2, 3, 253] {
            assert!(matches!(greet(descriptors, &hello()), Ok(Hello::Region(_))), "{descriptors}");
        }
        assert!(matches!(greet(0, &hello()), Err(PeerError::Hello)));
        assert!(matches!(greet(1, b"hello"), Err(PeerError::Hello)));
    }
}
