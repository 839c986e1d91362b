//! Spans or log records on their way to a collector. Each is gathered into a batch; a full or old batch is encoded once and
//! held as it will be sent, until the collector has accepted it or never will. Several are on their way at once.
//!
//! What waits is bounded: by the queue's length here, by bytes for all queues together ([`Backend::drop_oldest`]). Where
//! that is not enough the oldest batches are dropped, whole, and counted. A batch whose attempt timed out may have arrived
//! and is sent again: a collector gets everything at least once.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::body::Bytes;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::Backend;
use super::Delivered;
use super::Item;
use super::failure::Failure;
use super::notices::{ExportNotices, ExportTarget};
use crate::bounds::budget::{Budget, Charge};
use crate::bounds::losses::{Losses, Reason};
use crate::config::Batch;

/// Exports on the way at once; more when they pile up, since a collector that answers slowly may still take many.
const IN_FLIGHT: usize = 8;
/// Waiting items that allow for one more.
const PILE: usize = 4096;
/// The part of the memory that batches on their way may take. The rest is for those that can still be dropped.
const IN_FLIGHT_SHARE: usize = 4;
/// The part of a queue that one batch may hold, so that dropping one leaves the others.
const BATCH_SHARE: usize = 4;
/// Bytes in one batch: collectors accept 4 MiB in one message of gRPC, and a small memory limit wants small batches.
const MAX_BATCH_BYTES: usize = 2 << 20;
/// The part of the memory that one batch may take.
const BATCH_BYTES_SHARE: usize = 16;
/// The first pause before a silent collector is tried again; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Longest pause before a silent collector is tried again.
const MAX_PAUSE: Duration = Duration::from_secs(5);

/// The end of an attempt: how many items the collector rejected.
pub(crate) type Sent = Pin<Box<dyn Future<Output = Result<u64, Failure>> + Send>>;

/// How a batch becomes a request, and how that is sent.
pub(crate) struct Way<T> {
    pub(crate) encode: Box<dyn Fn(Vec<T>) -> Result<Bytes, Failure> + Send>,
    pub(crate) send: Box<dyn Fn(Bytes) -> Sent + Send>,
}

/// What is known about the collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    Unknown,
    Good,
    /// Silent or busy, to be tried again then.
    Bad {
        again: Instant,
        pause: Duration,
    },
}

impl Health {
    fn bad(now: Instant, pause: Duration) -> Health {
        Health::Bad { again: now + pause, pause }
    }
}

/// An encoded batch, until it is accepted or dropped.
struct Encoded {
    /// Counts up from batch to batch.
    number: u64,
    body: Bytes,
    count: usize,
    /// When its oldest item came.
    since: Instant,
    _charge: Charge,
}

/// Items that are not yet a batch.
struct Gathered<T> {
    items: Vec<T>,
    since: Instant,
    charge: Charge,
}

/// A collector that takes spans or log records.
pub(crate) struct Queue<T> {
    way: Way<T>,
    target: ExportTarget,
    notices: Arc<ExportNotices>,
    wake: Arc<Notify>,
    budget: Budget,
    batch: Batch,
    gathered: Option<Gathered<T>>,
    /// The oldest first.
    waiting: VecDeque<Encoded>,
    /// Items in `waiting`.
    waiting_count: usize,
    next_number: u64,
    in_flight: JoinSet<(Encoded, Result<u64, Failure>)>,
    in_flight_count: usize,
    in_flight_bytes: usize,
    health: Health,
    flushing: bool,
    exported: u64,
    lost: Losses,
}

impl<T: Item> Queue<T> {
    pub(crate) fn new(
        way: Way<T>,
        target: ExportTarget,
        batch: Batch,
        notices: &Arc<ExportNotices>,
        wake: &Arc<Notify>,
        budget: &Budget,
    ) -> Queue<T> {
        let size = batch.size.min((batch.queue / BATCH_SHARE).max(1));
        Queue {
            way,
            target,
            notices: Arc::clone(notices),
            wake: Arc::clone(wake),
            budget: budget.clone(),
            batch: Batch { size, ..batch },
            gathered: None,
            waiting: VecDeque::new(),
            waiting_count: 0,
            next_number: 0,
            in_flight: JoinSet::new(),
            in_flight_count: 0,
            in_flight_bytes: 0,
            health: Health::Unknown,
            flushing: false,
            exported: 0,
            lost: Losses::default(),
        }
    }

    /// Makes a batch of what is gathered.
    fn encode(&mut self) {
        let Some(Gathered { items, since, mut charge }) = self.gathered.take() else { return };
        let count = items.len();
        match (self.way.encode)(items) {
            Ok(body) => {
                charge.set(size_of::<Encoded>() + body.len());
                let number = self.next_number;
                self.next_number += 1;
                self.waiting.push_back(Encoded { number, body, count, since, _charge: charge });
                self.waiting_count += count;
            }
            Err(failure) => {
                self.notices.failed(T::MANY, &self.target, &failure);
                self.lost.add(Reason::Rejected, count as u64);
            }
        }
    }

    fn gathered_count(&self) -> usize {
        self.gathered.as_ref().map_or(0, |gathered| gathered.items.len())
    }

    /// Drops the oldest batches beyond the queue's length.
    fn keep_length(&mut self) {
        while self.waiting_count + self.gathered_count() > self.batch.queue && self.drop_oldest(Reason::Queue) {}
    }

    fn landed(&mut self, batch: Encoded, result: Result<u64, Failure>, now: Instant) {
        self.in_flight_count -= batch.count;
        self.in_flight_bytes -= batch.body.len();
        let count = batch.count as u64;
        let failure = match result {
            Ok(rejected) => {
                let rejected = rejected.min(count);
                self.exported += count - rejected;
                self.lost.add(Reason::Rejected, rejected);
                self.health = Health::Good;
                if rejected == 0 {
                    self.notices.arrived(T::MANY, &self.target);
                } else {
                    let failure = Failure::rejected(format_args!("{rejected} of {count} {}", T::MANY));
                    self.notices.failed(T::MANY, &self.target, &failure);
                }
                return;
            }
            Err(failure) => failure,
        };
        self.notices.failed(T::MANY, &self.target, &failure);
        if !failure.is_retryable() {
            self.lost.add(Reason::Rejected, count);
            return;
        }
        let was_good = self.health == Health::Good;
        self.health = match self.health {
            // Several fail at once; the pause grows with each failure after a pause.
            bad @ Health::Bad { again, .. } if now < again => bad,
            Health::Bad { pause, .. } => Health::bad(now, (pause * 2).min(MAX_PAUSE)),
            _ => Health::bad(now, FIRST_PAUSE),
        };
        // It was not the first: at the end, everything else would fail in the same way, only later.
        if self.flushing && !was_good {
            self.lost.add(Reason::Unanswered, count);
            self.give_up_waiting();
        } else {
            let place = self.waiting.partition_point(|other| other.number < batch.number);
            self.waiting_count += batch.count;
            self.waiting.insert(place, batch);
            self.keep_length();
        }
    }

    fn give_up_waiting(&mut self) {
        self.lost.add(Reason::Unanswered, (self.waiting_count + self.gathered_count()) as u64);
        self.waiting.clear();
        self.waiting_count = 0;
        self.gathered = None;
    }

    fn is_due(&self, now: Instant) -> bool {
        let Some(next) = self.waiting.front() else { return false };
        let most = IN_FLIGHT + self.waiting_count / PILE;
        let limit = match self.health {
            _ if self.flushing => most,
            Health::Good => most,
            Health::Unknown => 1,
            Health::Bad { again, .. } => usize::from(now >= again),
        };
        let fits = self.in_flight_bytes + next.body.len() <= self.budget.limit() / IN_FLIGHT_SHARE;
        self.in_flight.len() < limit && (fits || self.in_flight.is_empty())
    }

    fn launch(&mut self) {
        let Some(batch) = self.waiting.pop_front() else { return };
        self.waiting_count -= batch.count;
        self.in_flight_count += batch.count;
        self.in_flight_bytes += batch.body.len();
        let sent = tokio::time::timeout(self.batch.timeout, (self.way.send)(batch.body.clone()));
        let wake = Arc::clone(&self.wake);
        let limit = self.batch.timeout;
        self.in_flight.spawn(async move {
            let result = sent.await.unwrap_or_else(|_| Err(Failure::timeout(limit)));
            wake.notify_one();
            (batch, result)
        });
    }

    fn land_all(&mut self, now: Instant) {
        while let Some(joined) = self.in_flight.try_join_next() {
            // A panic within an export leaves its batch among those in flight, which count as lost at the end.
            if let Ok((batch, result)) = joined {
                self.landed(batch, result, now);
            }
        }
    }
}

impl<T: Item> Backend<T> for Queue<T> {
    fn push(&mut self, item: T) {
        let weight = item.weight();
        let gathered = self.gathered.get_or_insert_with(|| Gathered {
            items: Vec::new(),
            since: Instant::now(),
            charge: self.budget.charge(0),
        });
        let bytes = gathered.charge.bytes() + weight;
        gathered.charge.set(bytes);
        gathered.items.push(item);
        let most = MAX_BATCH_BYTES.min(self.budget.limit() / BATCH_BYTES_SHARE);
        if gathered.items.len() >= self.batch.size || bytes >= most {
            self.encode();
        }
        self.keep_length();
    }

    fn pump(&mut self, now: Instant, _: &dyn Fn([u8; 16]) -> bool) {
        self.land_all(now);
        let is_old = |gathered: &Gathered<T>| now.duration_since(gathered.since) >= self.batch.delay;
        if self.flushing || self.gathered.as_ref().is_some_and(is_old) {
            self.encode();
        }
        while self.is_due(now) {
            self.launch();
        }
    }

    fn flush(&mut self) {
        self.flushing = true;
    }

    fn is_done(&self) -> bool {
        self.gathered.is_none() && self.waiting.is_empty() && self.in_flight.is_empty()
    }

    fn is_unreachable(&self) -> bool {
        matches!(self.health, Health::Bad { .. })
    }

    fn oldest(&self) -> Option<Instant> {
        self.waiting.front().map(|batch| batch.since)
    }

    fn drop_oldest(&mut self, reason: Reason) -> bool {
        let Some(batch) = self.waiting.pop_front() else { return false };
        self.waiting_count -= batch.count;
        self.lost.add(reason, batch.count as u64);
        self.notices.dropping(T::MANY, T::QUEUE, &self.target, reason);
        true
    }

    fn finish(&mut self) -> Delivered {
        self.land_all(Instant::now());
        self.in_flight.abort_all();
        if !self.is_done() {
            let failure = Failure::closing();
            self.notices.failed(T::MANY, &self.target, &failure);
        }
        self.give_up_waiting();
        self.lost.add(Reason::Unanswered, self.in_flight_count as u64);
        self.in_flight_count = 0;
        Delivered { place: self.target.name.clone(), exported: self.exported, lost: std::mem::take(&mut self.lost) }
    }
}

#[cfg(test)]
mod tests;
