//! Who is at the other end of a connection.
//!
//! An HTTP server deep inside a framework is generic over its connection and cannot ask for the peer. But it has always
//! just read from it: the socket that this thread read from last is the one the request came through, TLS or not.

use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::sys;

thread_local! {
    static LAST_READ: Cell<i32> = const { Cell::new(-1) };
}

/// Notes that this thread reads from the socket `fd`.
#[inline(always)]
pub fn reading(fd: i32) {
    if crate::active() {
        let _ = LAST_READ.try_with(|last| last.set(fd));
    }
}

/// The other end of the socket this thread read from last. A system call: ask once per connection.
pub fn peer() -> Option<SocketAddr> {
    if !crate::active() {
        return None;
    }
    let fd = LAST_READ.try_with(Cell::get).ok().filter(|fd| *fd >= 0)?;
    parse(&sys::peer_name(fd)?)
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
    fn the_longest_address_fits() {
        let ip: IpAddr = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe".parse().unwrap();
        assert_eq!(AddressText::of(ip).as_bytes(), ip.to_string().as_bytes());
    }
}
