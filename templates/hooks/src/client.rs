//! What is counted of an HTTP client: its requests and its connections, by the server they go to.
//!
//! Servers are not known before the program runs. The first `MAX_HOSTS` of them get cells of their own, which are made
//! once and stay; what goes to others is counted together, under `otel.metric.overflow`.

use std::cell::Cell as Local;
use std::fmt;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};
use std::sync::Arc;

use crate::attribute::{key, Attribute, Key, Value};
use crate::cells::{self, CellKind, Place};
use crate::span::{self, Scope};
use crate::transfer::Transfer;
use crate::{current, ring, wire};

/// Servers that are told apart.
const MAX_HOSTS: usize = 64;

// Used only to fill the table.
#[allow(clippy::declare_interior_mutable_const)]
const NONE: AtomicPtr<Host> = AtomicPtr::new(std::ptr::null_mut());
static HOSTS: [AtomicPtr<Host>; MAX_HOSTS] = [NONE; MAX_HOSTS];
/// All that found no place in the table.
static OTHERS: AtomicPtr<Host> = NONE;

/// Methods that are told apart; the last stands for all others.
const METHODS: [&str; 11] =
    ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY", "_OTHER"];
const VERSIONS: [&str; 2] = ["1.1", "2"];
const STATES: [&str; 2] = ["idle", "active"];
const IDLE: usize = 0;
const ACTIVE: usize = 1;

/// A server that the program talks to. Lives for ever.
pub struct Host {
    scope: &'static Scope,
    /// `None` stands for all servers without a place of their own.
    server: Option<(Box<str>, u16)>,
    active_requests: [Place; METHODS.len()],
    open_connections: [[Place; STATES.len()]; VERSIONS.len()],
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Host").field(&self.server).finish()
    }
}

impl Host {
    /// The server of that name or address, as the library of `scope` knows it. Allocates for a new one only.
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
                // Who lost the race leaves its own where it is, rather than having none.
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

    /// What is said of it, in measurements and of cells.
    pub(crate) fn attributes(&self) -> [Attribute<'_>; 2] {
        match &self.server {
            Some((address, port)) => [(key::SERVER_ADDRESS, (&**address).into()), (key::SERVER_PORT, (*port).into())],
            None => [(Key::Named("otel.metric.overflow"), true.into()), (key::SERVER_PORT, Value::None)],
        }
    }

    pub(crate) fn scope(&self) -> &'static Scope {
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

    fn count_connection(&self, version: usize, state: usize, by: i64) {
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

    fn count(&self, place: &Place, by: i64, name: &str, [first, second]: [Attribute<'_>; 2]) {
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

/// Puts a host where there is none; otherwise says which is there, and gives it back.
#[allow(clippy::type_complexity)]
fn put(place: &AtomicPtr<Host>, host: Box<Host>) -> Result<&'static Host, (Option<&'static Host>, Box<Host>)> {
    let host = Box::into_raw(host);
    match place.compare_exchange(std::ptr::null_mut(), host, Ordering::AcqRel, Ordering::Acquire) {
        // SAFETY: just made, and never freed from now on.
        Ok(_) => Ok(unsafe { &*host }),
        // SAFETY: what is there was leaked by this function; `host` was just made, and nobody else has it.
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

fn method_number(method: &str) -> usize {
    METHODS.iter().position(|known| *known == method).unwrap_or(METHODS.len() - 1)
}

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

/// A connection of a client: idle, or active while requests use it. Clones are the same connection.
#[derive(Clone, Debug)]
pub struct Connection(Option<Arc<State>>);

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) host: &'static Host,
    version: usize,
    /// Nanoseconds since 1970.
    opened: u64,
    /// How many requests use it, and whether it is [`CLOSED`]: each change of one knows the other.
    uses: AtomicU32,
}

const CLOSED: u32 = 1 << 31;

impl Connection {
    /// No connection that is told of.
    pub const NONE: Connection = Connection(None);

    /// A connection has been made. It counts as open until the [`Open`] is dropped.
    pub fn opened(host: Option<&'static Host>, is_http2: bool) -> (Connection, Open) {
        let Some(host) = host else { return (Connection::NONE, Open(None)) };
        let version = usize::from(is_http2);
        let state = Arc::new(State { host, version, opened: span::now(), uses: AtomicU32::new(0) });
        host.count_connection(version, IDLE, 1);
        (Connection(Some(Arc::clone(&state))), Open(Some(state)))
    }

    /// A request is handed over to this connection while the guard lives: whoever takes it gets at what it transfers by
    /// [`Transfer::of_sending`], and leaves its span to the pool; see [`is_pooled`].
    pub fn sending(&self, method: &str) -> Sending {
        if crate::active() {
            self.hand_over(method)
        } else {
            Sending { outer: None, handed: false }
        }
    }

    fn hand_over(&self, method: &str) -> Sending {
        let outer = POOLED.try_with(|pooled| pooled.replace(true)).ok();
        let Some(state) = &self.0 else { return Sending { outer, handed: false } };
        // Requests that are not told of use their connection, too.
        let told = current().is_request_sent();
        let transfer = Transfer::sent_over(Arc::clone(state), method_number(method), told);
        let _ = NEXT.try_with(|next| next.set(Some(transfer)));
        Sending { outer, handed: true }
    }
}

/// Keeps a connection open; see [`Connection::opened`].
#[derive(Debug)]
#[must_use = "the connection is closed as soon as this is dropped"]
pub struct Open(Option<Arc<State>>);

impl Drop for Open {
    fn drop(&mut self) {
        let Some(state) = self.0.take() else { return };
        let before = state.uses.fetch_or(CLOSED, Ordering::AcqRel);
        let (host, version) = (state.host, state.version);
        host.count_connection(version, if before == 0 { IDLE } else { ACTIVE }, -1);
        let seconds = span::now().saturating_sub(state.opened) as f64 / 1e9;
        let [address, port] = host.attributes();
        let version = (key::HTTP_VERSION, VERSIONS.get(version).copied().into());
        let said = [address, port, version, (key::METRIC_VALUE, seconds.into())];
        ring::write_measure(host.scope, wire::measure::HTTP_CLIENT_CONNECTION, &said);
    }
}

impl State {
    /// One more request uses it.
    pub(crate) fn enter(&self) {
        if self.uses.fetch_add(1, Ordering::AcqRel) == 0 {
            self.host.count_connection(self.version, IDLE, -1);
            self.host.count_connection(self.version, ACTIVE, 1);
        }
    }

    /// One less.
    pub(crate) fn leave(&self) {
        if self.uses.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.host.count_connection(self.version, ACTIVE, -1);
            self.host.count_connection(self.version, IDLE, 1);
        }
    }
}

thread_local! {
    static NEXT: Local<Option<Transfer>> = const { Local::new(None) };
    static POOLED: Local<bool> = const { Local::new(false) };
}

/// Whether a pool of connections is handing a request over: it has made the request's span, or has its reasons for none.
pub fn is_pooled() -> bool {
    POOLED.try_with(Local::get).unwrap_or(false)
}

/// While this lives, a request is being handed over; see [`Connection::sending`].
#[derive(Debug)]
#[must_use = "the request counts as handed over as soon as this is dropped"]
pub struct Sending {
    /// Whether another request was being handed over before; `None` if nobody listens.
    outer: Option<bool>,
    handed: bool,
}

impl Drop for Sending {
    fn drop(&mut self) {
        if let Some(outer) = self.outer {
            let _ = POOLED.try_with(|pooled| pooled.set(outer));
        }
        if self.handed {
            drop(taken());
        }
    }
}

/// What the request that this thread is handing over will transfer.
pub(crate) fn taken() -> Option<Transfer> {
    NEXT.try_with(Local::take).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    static SCOPE: Scope = Scope::new("otel-rs:layer:1|client|1.0.0|0.1.0|\n");

    // One test, since there is one table.
    #[test]
    fn servers_are_told_apart_until_the_table_is_full() {
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
        assert!(std::ptr::eq(first, Host::of(&SCOPE, "shop.test", 443)), "who came first keeps its place");
    }

    #[test]
    fn a_connection_is_active_while_anything_uses_it() {
        let host = Host::of(&SCOPE, "uses.test", 1);
        let (connection, open) = Connection::opened(Some(host), true);
        let state = connection.0.clone().unwrap();
        let uses = || state.uses.load(Ordering::Relaxed);
        let first = Transfer::sent_over(Arc::clone(&state), 0, false);
        let (shared, second) = (first.clone(), Transfer::sent_over(Arc::clone(&state), 0, false));
        assert_eq!(uses(), 2);
        drop((first, open));
        assert_eq!(uses(), CLOSED | 2);
        drop((shared, second));
        assert_eq!(uses(), CLOSED);
    }

    #[test]
    fn what_nobody_took_is_gone_with_the_guard() {
        let (connection, _open) = Connection::opened(Some(Host::of(&SCOPE, "guard.test", 1)), false);
        drop(connection.hand_over("GET"));
        assert!(taken().is_none());
        let sending = connection.hand_over("GET");
        assert!(taken().is_some() && taken().is_none());
        drop(sending);
    }

    #[test]
    fn a_request_is_a_pools_while_it_is_handed_over() {
        let (told, _open) = Connection::opened(Some(Host::of(&SCOPE, "pool.test", 1)), false);
        for connection in [told, Connection::NONE] {
            assert!(!is_pooled());
            let sending = connection.hand_over("GET");
            drop(connection.hand_over("GET"));
            assert!(is_pooled(), "one within another ends alone");
            drop(sending);
            assert!(!is_pooled());
        }
    }
}
