//! Connections of an HTTP client, and requests that are handed over to them.

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::Arc;

use super::host::{self, ConnectionState, ACTIVE, CLOSED, IDLE, VERSIONS};
use super::transfer::{self, Transfer};
use crate::attach::active;
use crate::attribute::key;
use crate::context::current;
use crate::{clock, ring, wire};

pub use super::host::{ActiveRequest, Host};

/// A connection of a client: idle, or active while requests use it. Clones are the same connection.
#[derive(Clone, Debug)]
pub struct Connection(Option<Arc<ConnectionState>>);

impl Connection {
    /// A connection that is not recorded.
    pub const NONE: Connection = Connection(None);

    /// A connection has been made. It counts as open until the [`OpenConnection`] is dropped.
    pub fn opened(host: Option<&'static Host>, is_http2: bool) -> (Connection, OpenConnection) {
        let Some(host) = host else { return (Connection::NONE, OpenConnection(None)) };
        let version = usize::from(is_http2);
        let state = Arc::new(ConnectionState { host, version, opened: clock::now(), uses: AtomicU32::new(0) });
        host.count_connection(version, IDLE, 1);
        (Connection(Some(Arc::clone(&state))), OpenConnection(Some(state)))
    }

    /// A request is handed over to this connection while the guard lives: the code that takes it gets its transfer by
    /// [`Transfer::of_sending`], and leaves its span to the pool; see [`is_pooled`].
    pub fn sending(&self, method: &str) -> Sending {
        if active() {
            self.hand_over(method)
        } else {
            Sending { outer: None, handed: false }
        }
    }

    fn hand_over(&self, method: &str) -> Sending {
        let outer = POOLED.try_with(|pooled| pooled.replace(true)).ok();
        let Some(state) = &self.0 else { return Sending { outer, handed: false } };
        // Requests that are not recorded use their connection, too.
        let is_recorded = current().is_request_sent();
        let transfer = Transfer::sent_over(Arc::clone(state), host::method_number(method), is_recorded);
        transfer::offer(transfer);
        Sending { outer, handed: true }
    }
}

/// Keeps a connection open; see [`Connection::opened`].
#[derive(Debug)]
#[must_use = "the connection is closed as soon as this is dropped"]
pub struct OpenConnection(Option<Arc<ConnectionState>>);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        let Some(state) = self.0.take() else { return };
        let before = state.uses.fetch_or(CLOSED, Ordering::AcqRel);
        let (host, version) = (state.host, state.version);
        host.count_connection(version, if before == 0 { IDLE } else { ACTIVE }, -1);
        let seconds = clock::now().saturating_sub(state.opened) as f64 / 1e9;
        let [address, port] = host.attributes();
        let version = (key::HTTP_VERSION, VERSIONS.get(version).copied().into());
        let attributes = [address, port, version, (key::METRIC_VALUE, seconds.into())];
        ring::write_measure(host.scope(), wire::measure::HTTP_CLIENT_CONNECTION, &attributes);
    }
}

thread_local! {
    static POOLED: Cell<bool> = const { Cell::new(false) };
}

/// Whether a pool of connections is handing a request over: it has made the request's span, or has its reasons for none.
pub fn is_pooled() -> bool {
    POOLED.try_with(Cell::get).unwrap_or(false)
}

/// While this lives, a request is being handed over; see [`Connection::sending`].
#[derive(Debug)]
#[must_use = "the request counts as handed over as soon as this is dropped"]
pub struct Sending {
    /// Whether another request was being handed over before; `None` while dormant.
    outer: Option<bool>,
    handed: bool,
}

impl Drop for Sending {
    fn drop(&mut self) {
        if let Some(outer) = self.outer {
            let _ = POOLED.try_with(|pooled| pooled.set(outer));
        }
        if self.handed {
            drop(transfer::take_offered());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scope::Scope;

    static SCOPE: Scope = Scope::new("otel-rs:layer:1|client|1.0.0|0.1.0|\n");

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
    fn a_transfer_that_was_not_taken_is_dropped_with_the_guard() {
        let (connection, _open) = Connection::opened(Some(Host::of(&SCOPE, "guard.test", 1)), false);
        drop(connection.hand_over("GET"));
        assert!(transfer::take_offered().is_none());
        let sending = connection.hand_over("GET");
        assert!(transfer::take_offered().is_some() && transfer::take_offered().is_none());
        drop(sending);
    }

    #[test]
    fn a_request_belongs_to_the_pool_while_it_is_handed_over() {
        let (connection, _open) = Connection::opened(Some(Host::of(&SCOPE, "pool.test", 1)), false);
        for connection in [connection, Connection::NONE] {
            assert!(!is_pooled());
            let sending = connection.hand_over("GET");
            drop(connection.hand_over("GET"));
            assert!(is_pooled(), "one within another ends alone");
            drop(sending);
            assert!(!is_pooled());
        }
    }
}
