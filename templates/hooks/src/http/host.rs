//! Servers that an HTTP client sends requests to, and what is counted of them: active requests and open connections.
//!
//! Servers are not known before the program runs. The first `MAX_HOSTS` of them get cells of their own, which are made
//! once and stay; what goes to others is counted together, under `otel.metric.overflow`.

use std::fmt;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use crate::attribute::{key, Attribute, Key, Value};
use crate::cells::{self, CellKind, CellSlot};
use crate::scope::Scope;

/// Servers that are counted separately.
const MAX_HOSTS: usize = 64;

// Used only to fill the table.
#[allow(clippy::declare_interior_mutable_const)]
const NONE: AtomicPtr<Host> = AtomicPtr::new(std::ptr::null_mut());
static HOSTS: [AtomicPtr<Host>; MAX_HOSTS] = [NONE; MAX_HOSTS];
/// The host that stands for all servers without an entry in the table.
static OTHERS: AtomicPtr<Host> = NONE;

/// Methods that are counted separately; the last stands for all others.
const METHODS: [&str; 11] =
    ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY", "_OTHER"];
/// How many methods are counted separately, all others as one.
pub(crate) const METHODS_COUNT: usize = METHODS.len();
pub(super) const VERSIONS: [&str; 2] = ["1.1", "2"];
const STATES: [&str; 2] = ["idle", "active"];
pub(super) const IDLE: usize = 0;
pub(super) const ACTIVE: usize = 1;

/// A server that the program talks to. Lives for ever.
pub struct Host {
    scope: &'static Scope,
    /// `None` stands for all servers without a place of their own.
    server: Option<(Box<str>, u16)>,
    active_requests: [CellSlot; METHODS.len()],
    open_connections: [[CellSlot; STATES.len()]; VERSIONS.len()],
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Host").field(&self.server).finish()
    }
}

impl Host {
    /// The server of that name or address, as the library of `scope` names it. Allocates for a new one only.
    pub fn of(scope: &'static Scope, address: &str, port: u16) -> &'static Host {
        let start = hash(address, port);
        let mut new = None;
        for probe in 0..MAX_HOSTS {
            let Some(place) = HOSTS.get(start.wrapping_add(probe) % MAX_HOSTS) else { break };
            let mut known = get(place);
            if known.is_none() {
                let host = new.take().unwrap_or_else(|| Host::new(scope, Some((address.into(), port))));
                known = match put(place, host) {
                    Ok(host) => return host,
                    Err((first, host)) => {
                        new = Some(host);
                        first
                    }
                };
            }
            match known {
                Some(host) if host.is(address, port) => return host,
                _ => {}
            }
        }
        match get(&OTHERS) {
            Some(others) => others,
            None => match put(&OTHERS, Host::new(scope, None)) {
                Ok(others) => others,
                // A thread that lost the race leaks its own, rather than having none.
                Err((first, own)) => first.unwrap_or_else(|| Box::leak(own)),
            },
        }
    }

    fn new(scope: &'static Scope, server: Option<(Box<str>, u16)>) -> Box<Host> {
        let (active_requests, open_connections) = Default::default();
        Box::new(Host { scope, server, active_requests, open_connections })
    }

    fn is(&self, address: &str, port: u16) -> bool {
        self.server.as_ref().map_or(false, |(own, own_port)| &**own == address && *own_port == port)
    }

    /// Its attributes in measurements and of cells.
    pub(super) fn attributes(&self) -> [Attribute<'_>; 2] {
        match &self.server {
            Some((address, port)) => [(key::SERVER_ADDRESS, (&**address).into()), (key::SERVER_PORT, (*port).into())],
            None => [(Key::Named("otel.metric.overflow"), true.into()), (key::SERVER_PORT, Value::None)],
        }
    }

    pub(super) fn scope(&self) -> &'static Scope {
        self.scope
    }

    /// Counts a request among the active ones until the guard is dropped.
    pub fn active_request(&'static self, method: &str) -> ActiveRequest {
        let method = method_number(method);
        self.count_request(method, 1);
        ActiveRequest { host: self, method }
    }

    fn count_request(&self, method: usize, by: i64) {
        let Some(place) = self.active_requests.get(method) else { return };
        self.count(place, by, "http.client.active_requests", [(key::HTTP_METHOD, method_name(method).into()), NOTHING]);
    }

    pub(super) fn count_connection(&self, version: usize, state: usize, by: i64) {
        let place = self.open_connections.get(version).and_then(|states| states.get(state));
        let (Some(place), Some(state)) = (place, STATES.get(state)) else { return };
        let version = VERSIONS.get(version).copied();
        self.count(
            place,
            by,
            "http.client.open_connections",
            [
                (Key::Named("http.connection.state"), (*state).into()),
                (Key::Named("network.protocol.version"), version.into()),
            ],
        );
    }

    fn count(&self, place: &CellSlot, by: i64, name: &str, [first, second]: [Attribute<'_>; 2]) {
        let [address, port] = self.attributes();
        place.add(by, || {
            cells::describe(self.scope, CellKind::UpDownCounter, [name, "", ""], &[address, port, first, second])
        });
    }
}

const NOTHING: Attribute<'static> = (key::SERVER_PORT, Value::None);

fn get(place: &AtomicPtr<Host>) -> Option<&'static Host> {
    // SAFETY: null, or leaked by `put`.
    unsafe { place.load(Ordering::Acquire).as_ref() }
}

/// Puts a host where there is none; otherwise returns the one that is there, and the new one.
#[allow(clippy::type_complexity)]
fn put(place: &AtomicPtr<Host>, host: Box<Host>) -> Result<&'static Host, (Option<&'static Host>, Box<Host>)> {
    let host = Box::into_raw(host);
    match place.compare_exchange(std::ptr::null_mut(), host, Ordering::AcqRel, Ordering::Acquire) {
        // SAFETY: just made, and never freed from now on.
        Ok(_) => Ok(unsafe { &*host }),
        // SAFETY: what is there was leaked by this function; `host` was just made, and no other thread has it.
        Err(first) => Err(unsafe { (first.as_ref(), Box::from_raw(host)) }),
    }
}

/// FNV-1a.
fn hash(address: &str, port: u16) -> usize {
    let bytes = address.bytes().chain(port.to_le_bytes());
    let hash = bytes
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    (hash ^ hash >> 32) as usize
}

/// The place of a method among those that are counted separately, or that of all others.
pub(crate) fn method_number(method: &str) -> usize {
    METHODS.iter().position(|known| *known == method).unwrap_or(METHODS.len() - 1)
}

/// The method at that place.
pub(crate) fn method_name(number: usize) -> &'static str {
    METHODS.get(number).copied().unwrap_or("_OTHER")
}

/// A request among the active ones, for as long as this lives.
#[derive(Debug)]
#[must_use = "the request is over as soon as this is dropped"]
pub struct ActiveRequest {
    host: &'static Host,
    method: usize,
}

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        self.host.count_request(self.method, -1);
    }
}

#[derive(Debug)]
pub(super) struct ConnectionState {
    pub(super) host: &'static Host,
    pub(super) version: usize,
    /// Nanoseconds since 1970.
    pub(super) opened: u64,
    /// How many requests use it, and whether it is [`CLOSED`]: each change of one reads the other.
    pub(super) uses: AtomicU32,
}

pub(super) const CLOSED: u32 = 1 << 31;

impl ConnectionState {
    /// One more request uses it.
    pub(super) fn enter(&self) {
        if self.uses.fetch_add(1, Ordering::AcqRel) == 0 {
            self.host.count_connection(self.version, IDLE, -1);
            self.host.count_connection(self.version, ACTIVE, 1);
        }
    }

    /// One less.
    pub(super) fn leave(&self) {
        if self.uses.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.host.count_connection(self.version, ACTIVE, -1);
            self.host.count_connection(self.version, IDLE, 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static SCOPE: Scope = Scope::new("otel-rs:layer:1|client|1.0.0|0.1.0|\n");

    // One test only, since the table is shared by all tests of the process.
    #[test]
    fn servers_are_counted_separately_until_the_table_is_full() {
        let first = Host::of(&SCOPE, "shop.test", 443);
        assert!(std::ptr::eq(first, Host::of(&SCOPE, "shop.test", 443)));
        assert!(!std::ptr::eq(first, Host::of(&SCOPE, "shop.test", 80)));
        assert!(!std::ptr::eq(first, Host::of(&SCOPE, "stock.test", 443)));
        let many: Vec<_> = (0..2000).map(|port| Host::of(&SCOPE, "many.test", port)).collect();
        let own = many.iter().filter(|host| host.server.is_some()).count();
        // Other tests have one or two of their own.
        assert!((MAX_HOSTS - 8..MAX_HOSTS).contains(&own), "{own}");
        let mut others = many.iter().filter(|host| host.server.is_none());
        let one = others.next().unwrap();
        assert!(others.all(|other| std::ptr::eq(*one, *other)));
        assert!(std::ptr::eq(first, Host::of(&SCOPE, "shop.test", 443)), "the first keeps its place");
    }
}
