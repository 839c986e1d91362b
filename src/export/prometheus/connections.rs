//! The page's connections: at most so many, and the newest come first, so that idle connections never keep out one with a
//! request.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Connections at a time.
pub(super) const MOST: usize = 64;

/// Those that are open, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Connections(Mutex<VecDeque<Arc<State>>>);

#[derive(Debug, Default)]
struct State {
    /// Requests that are being answered.
    answering: AtomicUsize,
    displaced: Notify,
}

/// A connection that was admitted, until it is dropped.
#[derive(Debug)]
pub(super) struct Connection {
    state: Arc<State>,
    all: Arc<Connections>,
}

/// A request that is being answered, until it is dropped.
#[derive(Debug)]
pub(super) struct Answering(Arc<State>);

impl Connections {
    /// Admits a connection, in place of the oldest idle one if there are too many. `None` where all are being answered.
    pub(super) fn admit(all: &Arc<Connections>) -> Option<Connection> {
        let mut open = all.open();
        if open.len() >= MOST {
            let idle = open.iter().position(|state| state.answering.load(Relaxed) == 0)?;
            open.remove(idle)?.displaced.notify_one();
        }
        let state = Arc::<State>::default();
        open.push_back(Arc::clone(&state));
        drop(open);
        Some(Connection { state, all: Arc::clone(all) })
    }

    fn open(&self) -> MutexGuard<'_, VecDeque<Arc<State>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    /// A request has come.
    pub(super) fn answering(&self) -> Answering {
        self.state.answering.fetch_add(1, Relaxed);
        Answering(Arc::clone(&self.state))
    }

    /// Ends when another connection needs this one's place.
    pub(super) async fn displaced(&self) {
        self.state.displaced.notified().await;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.all.open().retain(|state| !Arc::ptr_eq(state, &self.state));
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.answering.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_displaced(connection: &Connection) -> bool {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        std::pin::pin!(connection.displaced()).poll(&mut context).is_ready()
    }

    #[test]
    fn the_oldest_idle_connection_makes_room() {
        let all = Arc::default();
        let mut open: Vec<_> = (0..MOST).map(|_| Connections::admit(&all).unwrap()).collect();
        let first = open[0].answering();
        open.push(Connections::admit(&all).unwrap());
        assert!(!is_displaced(&open[0]) && is_displaced(&open[1]) && !is_displaced(&open[2]));
        let answering: Vec<_> = open.iter().map(Connection::answering).collect();
        assert!(Connections::admit(&all).is_none(), "all are being answered");
        drop((first, answering));
        assert!(Connections::admit(&all).is_some());
        drop(open);
        assert_eq!(all.open().len(), 0);
    }
}
