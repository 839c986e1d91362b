//! The peer at the other end of a connection.
//!
//! An HTTP server deep inside a framework is generic over its connection and has no access to the peer. But while it reads
//! from its connection or writes to it, and does nothing else, only the sockets below that connection are used, TLS or
//! not. Where none is used (a Unix socket, a pipe in memory) or more than one, the peer is not known.

use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::attach::{self, active};
use crate::sys;

/// The sockets that were used during a watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sockets(i32);

impl Sockets {
    /// None so far.
    pub const NONE: Sockets = Sockets(-1);
    const SEVERAL: Sockets = Sockets(-2);
    /// No watch is running.
    const UNWATCHED: Sockets = Sockets(-3);

    /// These and those.
    #[inline]
    #[must_use]
    pub fn and(self, others: Sockets) -> Sockets {
        match (self, others) {
            (Sockets::NONE, others) => others,
            (known, Sockets::NONE) => known,
            (known, others) if known == others => known,
            _ => Sockets::SEVERAL,
        }
    }

    /// The other end, if exactly one socket was used; it must still be open. A system call: call it once per connection.
    pub fn peer(self) -> Option<SocketAddr> {
        if self.is_one() && !attach::is_filtered() {
            parse(&sys::peer_name(self.0)?)
        } else {
            None
        }
    }

    /// Whether exactly one socket was used.
    #[inline]
    pub fn is_one(self) -> bool {
        self.0 >= 0
    }
}

thread_local! {
    static USED: Cell<Sockets> = const { Cell::new(Sockets::UNWATCHED) };
}

/// Notes that this thread reads from the socket `fd`, or writes to it.
#[inline(always)]
pub fn using(fd: i32) {
    if active() {
        note(fd);
    }
}

fn note(fd: i32) {
    let _ = USED.try_with(|used| match used.get() {
        Sockets::UNWATCHED => {}
        known => used.set(known.and(Sockets(fd))),
    });
}

/// Runs `io`, which reads from one connection or writes to it and does nothing else: which sockets it used.
#[inline]
pub fn watch<R>(io: impl FnOnce() -> R) -> (R, Sockets) {
    if active() {
        watched(io)
    } else {
        (io(), Sockets::NONE)
    }
}

fn watched<R>(io: impl FnOnce() -> R) -> (R, Sockets) {
    let outer = USED.try_with(|used| used.replace(Sockets::NONE)).unwrap_or(Sockets::UNWATCHED);
    let restore = Restore(outer);
    let result = io();
    let used = USED.try_with(Cell::get).unwrap_or(Sockets::NONE);
    drop(restore);
    (result, used)
}

/// Lets the outer watch go on, after a panic too. What is used below a connection that lies in another is used by both.
struct Restore(Sockets);

impl Drop for Restore {
    #[inline]
    fn drop(&mut self) {
        let outer = self.0;
        let _ = USED.try_with(|used| match outer {
            Sockets::UNWATCHED => used.set(outer),
            known => used.set(known.and(used.get())),
        });
    }
}

/// `sockaddr_in` or `sockaddr_in6`: family in host order, port and address in network order.
fn parse(address: &[u8; 28]) -> Option<SocketAddr> {
    const AF_INET: u16 = 2;
    const AF_INET6: u16 = 10;
    let [f0, f1, p0, p1, rest @ ..] = address;
    let port = u16::from_be_bytes([*p0, *p1]);
    let ip = match u16::from_le_bytes([*f0, *f1]) {
        AF_INET => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(rest.get(..4)?).ok()?)),
        AF_INET6 => {
            let ip = Ipv6Addr::from(<[u8; 16]>::try_from(rest.get(4..20)?).ok()?);
            // A dual-stack listener shows IPv4 peers as ::ffff:a.b.c.d.
            ip.to_ipv4_mapped().map_or(IpAddr::V6(ip), IpAddr::V4)
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// Text of an address, on the stack: an attribute borrows it.
#[derive(Clone, Copy, Debug)]
pub struct AddressText {
    bytes: [u8; 46],
    len: usize,
}

impl AddressText {
    /// Formats an address without its port.
    pub fn of(ip: IpAddr) -> AddressText {
        use std::io::Write;
        let mut bytes = [0; 46];
        let room = bytes.len();
        let mut rest = &mut bytes[..];
        let _ = write!(rest, "{ip}");
        let len = room - rest.len();
        AddressText { bytes, len }
    }

    /// The text.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_addresses_are_read() {
        let mut v4 = [0; 28];
        v4[..8].copy_from_slice(&[2, 0, 0x1f, 0x90, 127, 0, 0, 1]);
        assert_eq!(parse(&v4), Some("127.0.0.1:8080".parse().unwrap()));
        let mut mapped = [0; 28];
        mapped[..4].copy_from_slice(&[10, 0, 0, 80]);
        mapped[18..24].copy_from_slice(&[0xff, 0xff, 10, 0, 0, 7]);
        assert_eq!(parse(&mapped), Some("10.0.0.7:80".parse().unwrap()));
        assert_eq!(parse(&[0; 28]), None);
    }

    #[test]
    fn only_sockets_used_during_a_watch_count() {
        note(7);
        assert_eq!(watched(|| {}), ((), Sockets::NONE), "what was read before belongs to no watch");
        assert_eq!(watched(|| note(3)).1, Sockets(3));
        assert_eq!(watched(|| [3, 3].map(note)).1, Sockets(3));
        assert_eq!(watched(|| [3, 4, 3].map(note)).1, Sockets::SEVERAL);
        note(8);
        assert_eq!(watched(|| {}).1, Sockets::NONE);
    }

    #[test]
    fn a_connection_within_a_connection_uses_the_sockets_of_both() {
        let (inner, outer) = watched(|| watched(|| note(3)).1);
        assert_eq!((inner, outer), (Sockets(3), Sockets(3)));
        let (inner, outer) = watched(|| {
            note(4);
            watched(|| note(3)).1
        });
        assert_eq!((inner, outer), (Sockets(3), Sockets::SEVERAL));
    }

    #[test]
    fn a_watch_ends_with_a_panic() {
        let panicked = std::panic::catch_unwind(|| watched(|| std::panic::panic_any(())));
        assert!(panicked.is_err());
        note(7);
        assert_eq!(USED.with(Cell::get), Sockets::UNWATCHED);
    }

    #[test]
    fn only_a_single_socket_has_a_peer() {
        for sockets in [Sockets::NONE, Sockets::SEVERAL, Sockets::UNWATCHED] {
            assert!(!sockets.is_one() && sockets.peer().is_none(), "{sockets:?}");
        }
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        let fd = std::os::unix::io::AsRawFd::as_raw_fd(&server);
        assert_eq!(watched(|| note(fd)).1.peer(), Some(client.local_addr().unwrap()));
    }

    #[test]
    fn the_longest_address_fits() {
        let ip: IpAddr = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe".parse().unwrap();
        assert_eq!(AddressText::of(ip).as_bytes(), ip.to_string().as_bytes());
    }
}
