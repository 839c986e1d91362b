//! Bytes of a request's body and its response's: counted where it passes, recorded when both are over.
//!
//! A body is written in one place, read in another, and dropped in a third: HTTP/2 has a task for each. They share a
//! [`Transfer`]. What they share lives in a fixed table, so that nothing is allocated; only when more requests are open at
//! once than it has places, it lives on the heap.

use std::cell::Cell;
use std::sync::atomic::{AtomicPtr, AtomicU16, AtomicU32, AtomicU64, AtomicU8, AtomicUsize, Ordering};
use std::sync::Arc;

use super::host::{method_name, ConnectionState};
use crate::attach::active;
use crate::attribute::{key, Value};
use crate::{ring, wire};

const SLOTS: usize = 1024;
/// How many of them are looked at for a free one.
const PROBES: usize = 8;

const VERSIONS: [&str; 4] = ["", "1.0", "1.1", "2"];
/// Values of `error.type` for a request that was sent.
const FAILURES: [&str; 6] = ["", "timeout", "connection_closed", "invalid_response", "body_error", "stream_reset"];

/// What the handles of one transfer share.
#[derive(Debug)]
struct TransferSlot {
    /// `FREE`, or the number of handles and one: the one is taken away when the last handle has cleaned up.
    handles: AtomicU32,
    /// Bytes of the body that came in: of the request at a server, of the response at a client.
    received: AtomicU64,
    /// Bytes of the body that went out.
    sent: AtomicU64,
    /// Of a client, owned: an `Arc` as it is when raw.
    connection: AtomicPtr<ConnectionState>,
    method: AtomicU8,
    /// Whether a measurement is written at its end.
    is_recorded: AtomicU8,
    /// Whether the request was sent.
    begun: AtomicU8,
    version: AtomicU8,
    status: AtomicU16,
    failure: AtomicU8,
}

const FREE: u32 = 0;
const FIRST: u32 = 2;

impl TransferSlot {
    const fn new() -> TransferSlot {
        TransferSlot {
            handles: AtomicU32::new(FREE),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            connection: AtomicPtr::new(std::ptr::null_mut()),
            method: AtomicU8::new(0),
            is_recorded: AtomicU8::new(0),
            begun: AtomicU8::new(0),
            version: AtomicU8::new(0),
            status: AtomicU16::new(0),
            failure: AtomicU8::new(0),
        }
    }

    fn claim(&self) -> bool {
        self.handles.compare_exchange(FREE, FIRST, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// The last handle is gone: records what a client's request has transferred, and frees the slot.
    fn finish(&self) {
        let connection = self.connection.swap(std::ptr::null_mut(), Ordering::AcqRel);
        if !connection.is_null() {
            // SAFETY: made by `Arc::into_raw` in `sent_over`, and taken out only here.
            let connection = unsafe { Arc::from_raw(connection) };
            if self.is_recorded.load(Ordering::Relaxed) == 1 && self.begun.load(Ordering::Relaxed) == 1 {
                self.record(&connection);
            }
            connection.leave();
        }
        self.received.store(0, Ordering::Relaxed);
        self.sent.store(0, Ordering::Relaxed);
        for field in [&self.begun, &self.version, &self.failure] {
            field.store(0, Ordering::Relaxed);
        }
        self.status.store(0, Ordering::Relaxed);
        self.handles.store(FREE, Ordering::Release);
    }

    fn record(&self, connection: &ConnectionState) {
        let [address, port] = connection.host.attributes();
        let status = Some(self.status.load(Ordering::Relaxed)).filter(|status| *status != 0);
        let failure = match (FAILURES.get(usize::from(self.failure.load(Ordering::Relaxed))), status) {
            (None | Some(&""), Some(_)) => None,
            (None | Some(&""), None) => Some("cancelled"),
            (Some(failure), _) => Some(*failure),
        };
        let version = VERSIONS.get(usize::from(self.version.load(Ordering::Relaxed))).filter(|known| !known.is_empty());
        let size = |bytes: &AtomicU64| Value::from(bytes.load(Ordering::Relaxed));
        let attributes = [
            (key::HTTP_METHOD, method_name(self.method.load(Ordering::Relaxed).into()).into()),
            address,
            port,
            (key::HTTP_VERSION, version.copied().into()),
            (key::HTTP_STATUS, status.into()),
            (key::ERROR_TYPE, failure.into()),
            (key::HTTP_REQUEST_BODY_SIZE, size(&self.sent)),
            (key::HTTP_RESPONSE_BODY_SIZE, size(&self.received)),
        ];
        ring::write_measure(connection.host.scope(), wire::measure::HTTP_CLIENT_TRANSFER, &attributes);
    }
}

// Used only to fill the table.
#[allow(clippy::declare_interior_mutable_const)]
const EMPTY: TransferSlot = TransferSlot::new();
static TABLE: [TransferSlot; SLOTS] = [EMPTY; SLOTS];
/// Where the next one is looked for.
static NEXT: AtomicUsize = AtomicUsize::new(0);

#[derive(Debug)]
enum Handle {
    Table(&'static TransferSlot),
    Heap(Arc<TransferSlot>),
}

impl Handle {
    fn claim() -> Handle {
        let start = NEXT.fetch_add(1, Ordering::Relaxed);
        let free =
            (0..PROBES).find_map(|probe| TABLE.get(start.wrapping_add(probe) % SLOTS).filter(|slot| slot.claim()));
        free.map_or_else(
            || {
                let slot = TransferSlot::new();
                let _ = slot.claim();
                Handle::Heap(Arc::new(slot))
            },
            Handle::Table,
        )
    }

    fn slot(&self) -> &TransferSlot {
        match self {
            Handle::Table(slot) => slot,
            Handle::Heap(slot) => slot,
        }
    }
}

/// The bodies of one request and its response, as far as they have passed. Clones are the same transfer; it is over when
/// the last of them is dropped.
#[derive(Debug)]
pub struct Transfer(Option<Handle>);

impl Transfer {
    /// A transfer that counts nothing: there is no request, or it is not recorded.
    pub const NONE: Transfer = Transfer(None);

    /// The transfer of a request that is being served. The server's advice records the [`sizes`](Self::sizes).
    #[inline]
    pub fn served() -> Transfer {
        Transfer(if active() { Some(Handle::claim()) } else { None })
    }

    /// The transfer of a client's request over `connection`; it is recorded when it ends.
    pub(super) fn sent_over(connection: Arc<ConnectionState>, method: usize, is_recorded: bool) -> Transfer {
        connection.enter();
        let handle = Handle::claim();
        let slot = handle.slot();
        slot.method.store(method as u8, Ordering::Relaxed);
        slot.is_recorded.store(u8::from(is_recorded), Ordering::Relaxed);
        slot.connection.store(Arc::into_raw(connection) as *mut ConnectionState, Ordering::Release);
        Transfer(Some(handle))
    }

    /// The transfer of the client's request that this thread is handing over to its connection; see
    /// [`Connection::sending`](crate::http::client::Connection::sending).
    #[inline]
    pub fn of_sending() -> Transfer {
        if active() {
            take_offered().unwrap_or(Transfer::NONE)
        } else {
            Transfer::NONE
        }
    }

    fn slot(&self) -> Option<&TransferSlot> {
        self.0.as_ref().map(Handle::slot)
    }

    /// The request is going out now. One that never does is not recorded.
    pub fn begin(&self) {
        if let Some(slot) = self.slot() {
            slot.begun.store(1, Ordering::Relaxed);
        }
    }

    /// Bytes of the incoming body have passed.
    #[inline]
    pub fn received(&self, bytes: usize) {
        if let Some(slot) = self.slot() {
            slot.received.fetch_add(bytes as u64, Ordering::Relaxed);
        }
    }

    /// Bytes of the outgoing body have passed.
    #[inline]
    pub fn sent(&self, bytes: usize) {
        if let Some(slot) = self.slot() {
            slot.sent.fetch_add(bytes as u64, Ordering::Relaxed);
        }
    }

    /// The head of the response is there; `version` is HTTP's: `1.0`, `1.1` or `2`.
    pub fn head(&self, status: u16, version: &str) {
        if let Some(slot) = self.slot() {
            slot.status.store(status, Ordering::Relaxed);
            slot.version.store(index(&VERSIONS, version), Ordering::Relaxed);
        }
    }

    /// Whether the head of the response is there.
    #[inline]
    pub fn has_head(&self) -> bool {
        self.slot().map_or(false, |slot| slot.status.load(Ordering::Relaxed) != 0)
    }

    /// The transfer has failed: `class` is one of `timeout`, `connection_closed`, `invalid_response`,
    /// `body_error` and `stream_reset`.
    pub fn failed(&self, class: &str) {
        if let Some(slot) = self.slot() {
            slot.failure.store(index(&FAILURES, class), Ordering::Relaxed);
        }
    }

    /// Whether the end was reported by `failed`.
    #[inline]
    pub fn has_failed(&self) -> bool {
        self.slot().map_or(false, |slot| slot.failure.load(Ordering::Relaxed) != 0)
    }

    /// Bytes received and sent so far.
    pub fn sizes(&self) -> Option<(u64, u64)> {
        self.slot().map(|slot| (slot.received.load(Ordering::Relaxed), slot.sent.load(Ordering::Relaxed)))
    }
}

thread_local! {
    static OFFERED: Cell<Option<Transfer>> = const { Cell::new(None) };
}

/// Keeps the transfer of the request that this thread is handing over, for the connection that takes the request.
pub(super) fn offer(transfer: Transfer) {
    let _ = OFFERED.try_with(|offered| offered.set(Some(transfer)));
}

/// Takes the transfer of the request that this thread is handing over.
pub(super) fn take_offered() -> Option<Transfer> {
    OFFERED.try_with(Cell::take).ok().flatten()
}

fn index(known: &[&str], name: &str) -> u8 {
    known.iter().position(|known| *known == name).unwrap_or(0) as u8
}

impl Clone for Transfer {
    #[inline]
    fn clone(&self) -> Transfer {
        let Some(handle) = &self.0 else { return Transfer::NONE };
        handle.slot().handles.fetch_add(1, Ordering::Relaxed);
        Transfer(Some(match handle {
            Handle::Table(slot) => Handle::Table(slot),
            Handle::Heap(slot) => Handle::Heap(Arc::clone(slot)),
        }))
    }
}

impl Drop for Transfer {
    #[inline]
    fn drop(&mut self) {
        if let Some(slot) = self.slot() {
            if slot.handles.fetch_sub(1, Ordering::AcqRel) == FIRST {
                slot.finish();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claimed() -> Transfer {
        Transfer(Some(Handle::claim()))
    }

    #[test]
    fn clones_count_together_and_the_next_starts_at_nothing() {
        let first = claimed();
        let second = first.clone();
        first.received(3);
        second.received(4);
        second.sent(5);
        drop(first);
        assert_eq!(second.sizes(), Some((7, 5)));
        drop(second);
        for _ in 0..2 * SLOTS {
            assert_eq!(claimed().sizes(), Some((0, 0)));
        }
    }

    #[test]
    fn transfers_beyond_the_table_are_counted_too() {
        let all: Vec<_> = (0..2 * SLOTS).map(|_| claimed()).collect();
        all.iter().enumerate().for_each(|(number, transfer)| transfer.sent(number));
        assert!(all.iter().any(|transfer| matches!(transfer.0, Some(Handle::Heap(_)))));
        for (number, transfer) in all.iter().enumerate() {
            assert_eq!(transfer.sizes(), Some((0, number as u64)));
        }
    }

    #[test]
    fn threads_that_share_one_lose_nothing() {
        let transfer = claimed();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let mine = transfer.clone();
                scope.spawn(move || (0..10_000).for_each(|_| mine.clone().sent(1)));
            }
        });
        assert_eq!(transfer.sizes(), Some((0, 40_000)));
    }
}
