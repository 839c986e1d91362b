//! Spans or log records on their way to a collector. Each is gathered into a batch, encoded or not; a full or old batch is
//! made a request once and held as it will be sent, until the collector has accepted it or never will. Several are on their way at once.
//!
//! What waits is bounded: by the queue's length here, by bytes for all queues together ([`Backend::drop_oldest`]). Where
//! that is not enough the oldest batches are dropped, whole, and counted. A batch whose attempt timed out may have arrived
//! and is sent again: a collector gets everything at least once.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use hyper::body::Bytes;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::delivery::{Delivery, Outcome, RetryPause};
use super::destinations::{Accepts, Backend, Delivered};
use super::failure::Failure;
use crate::bounds::budget::{Budget, Charge};
use crate::bounds::losses::{Losses, Reason};
use crate::config::Batch;
use crate::signals::BatchItem;
use crate::signals::direct::{EncodedBatch, EncodedItem};

/// Exports on the way at once; more when they pile up, since a collector that answers slowly may still take many.
const IN_FLIGHT: usize = 8;
/// The number of waiting items for which one more export may be on the way.
const PILE: usize = 4096;
/// The part of the memory that batches on their way may take. The rest is for those that can still be dropped.
const IN_FLIGHT_SHARE: usize = 4;
/// The part of a queue that one batch may hold, so that dropping one leaves the others.
const BATCH_SHARE: usize = 4;
/// Bytes in one batch: collectors accept 4 MiB in one message of gRPC, and a small memory limit requires small batches.
const MAX_BATCH_BYTES: usize = 2 << 20;
/// The part of the memory that one batch may take.
const BATCH_BYTES_SHARE: usize = 16;

/// Makes an encoded request of a batch.
pub(crate) type Encode<T> = Box<dyn Fn(Vec<T>) -> Result<Bytes, Failure> + Send>;

/// How the collector has answered so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    Unknown,
    Good,
    /// Silent or busy, to be tried again then.
    Bad {
        again: Instant,
        pause: RetryPause,
    },
}

impl Health {
    fn bad(now: Instant, pause: RetryPause) -> Health {
        Health::Bad { again: now + pause.duration(), pause }
    }
}

/// A batch as it is sent, until it is accepted or dropped.
struct Request {
    /// Counts up from batch to batch.
    number: u64,
    body: Bytes,
    count: usize,
    /// When its oldest item came.
    since: Instant,
    _charge: Charge,
}

/// Gathers the items of a batch.
pub(crate) trait Gather: Send {
    /// The request that holds all items; none are left.
    fn encode(&mut self) -> Result<Bytes, Failure>;
}

/// Items as the SDK holds them, encoded as a batch.
pub(crate) struct Whole<T> {
    items: Vec<T>,
    encode: Encode<T>,
}

impl<T: BatchItem> Gather for Whole<T> {
    fn encode(&mut self) -> Result<Bytes, Failure> {
        (self.encode)(std::mem::take(&mut self.items))
    }
}

/// Makes what is sent of a request's protobuf.
pub(crate) type Pack = Box<dyn Fn(Vec<u8>) -> Result<Bytes, Failure> + Send>;

/// Items that come encoded.
pub(crate) struct Encoded {
    batch: EncodedBatch,
    pack: Pack,
}

impl Gather for Encoded {
    fn encode(&mut self) -> Result<Bytes, Failure> {
        (self.pack)(self.batch.take())
    }
}

/// What is known of the items that are not yet a batch.
struct Gathered {
    count: usize,
    since: Instant,
    charge: Charge,
}

/// The queue before a collector of spans or log records.
pub(crate) struct Queue<G> {
    gather: G,
    /// The variable that bounds the queue.
    variable: &'static str,
    delivery: Arc<Delivery>,
    wake: Arc<Notify>,
    budget: Budget,
    batch: Batch,
    gathered: Option<Gathered>,
    /// The oldest first.
    waiting: VecDeque<Request>,
    /// Items in `waiting`.
    waiting_count: usize,
    next_number: u64,
    in_flight: JoinSet<(Request, Outcome)>,
    in_flight_count: usize,
    in_flight_bytes: usize,
    health: Health,
    flushing: bool,
    exported: u64,
    lost: Losses,
}

impl<T: BatchItem> Queue<Whole<T>> {
    /// A queue of items as the SDK holds them.
    pub(crate) fn new(
        encode: Encode<T>,
        delivery: Arc<Delivery>,
        batch: Batch,
        wake: &Arc<Notify>,
        budget: &Budget,
    ) -> Queue<Whole<T>> {
        Queue::of(Whole { items: Vec::new(), encode }, T::QUEUE, delivery, batch, wake, budget)
    }
}

impl Queue<Encoded> {
    /// A queue of items that come encoded, which the variable bounds.
    pub(crate) fn of_encoded(
        pack: Pack,
        variable: &'static str,
        delivery: Arc<Delivery>,
        batch: Batch,
        wake: &Arc<Notify>,
        budget: &Budget,
    ) -> Queue<Encoded> {
        Queue::of(Encoded { batch: EncodedBatch::default(), pack }, variable, delivery, batch, wake, budget)
    }

    /// Accepts an item.
    pub(crate) fn push(&mut self, item: &EncodedItem<'_>) {
        let weight = self.gather.batch.add(item);
        self.gathered_one(weight);
    }
}

impl<G: Gather> Queue<G> {
    fn of(
        gather: G,
        variable: &'static str,
        delivery: Arc<Delivery>,
        batch: Batch,
        wake: &Arc<Notify>,
        budget: &Budget,
    ) -> Queue<G> {
        let size = batch.size.min((batch.queue / BATCH_SHARE).max(1));
        Queue {
            gather,
            variable,
            delivery,
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
    fn close_batch(&mut self) {
        let Some(Gathered { count, since, mut charge }) = self.gathered.take() else { return };
        match self.gather.encode() {
            Ok(body) => {
                charge.set(size_of::<Request>() + body.len());
                let number = self.next_number;
                self.next_number += 1;
                self.waiting.push_back(Request { number, body, count, since, _charge: charge });
                self.waiting_count += count;
            }
            Err(failure) => {
                self.delivery.failed(&failure);
                self.lost.add(Reason::Rejected, count as u64);
            }
        }
    }

    /// One more item of so many bytes has been gathered.
    fn gathered_one(&mut self, weight: usize) {
        let budget = &self.budget;
        let gathered =
            self.gathered.get_or_insert_with(|| Gathered { count: 0, since: Instant::now(), charge: budget.charge(0) });
        let bytes = gathered.charge.bytes() + weight;
        gathered.charge.set(bytes);
        gathered.count += 1;
        let most = MAX_BATCH_BYTES.min(self.budget.limit() / BATCH_BYTES_SHARE);
        if gathered.count >= self.batch.size || bytes >= most {
            self.close_batch();
        }
        self.keep_length();
    }

    fn gathered_count(&self) -> usize {
        self.gathered.as_ref().map_or(0, |gathered| gathered.count)
    }

    /// Drops the oldest batches beyond the queue's length.
    fn keep_length(&mut self) {
        while self.waiting_count + self.gathered_count() > self.batch.queue && self.drop_oldest(Reason::Queue) {}
    }

    fn on_batch_done(&mut self, batch: Request, outcome: Outcome, now: Instant) {
        self.in_flight_count -= batch.count;
        self.in_flight_bytes -= batch.body.len();
        let count = batch.count as u64;
        match outcome {
            Outcome::Accepted { rejected } => {
                let rejected = rejected.min(count);
                self.exported += count - rejected;
                self.lost.add(Reason::Rejected, rejected);
                self.health = Health::Good;
            }
            Outcome::Rejected => self.lost.add(Reason::Rejected, count),
            Outcome::Failed => self.on_batch_failed(batch, now),
        }
    }

    /// Keeps a batch that may be accepted later.
    fn on_batch_failed(&mut self, batch: Request, now: Instant) {
        let was_good = self.health == Health::Good;
        self.health = match self.health {
            // Several fail at once; the pause grows with each failure after a pause.
            bad @ Health::Bad { again, .. } if now < again => bad,
            Health::Bad { pause, .. } => Health::bad(now, pause.next()),
            _ => Health::bad(now, RetryPause::first()),
        };
        // The collector was not healthy before either: at the end all further attempts would fail in the same way, only
        // later.
        if self.flushing && !was_good {
            self.lost.add(Reason::Unanswered, batch.count as u64);
            self.give_up_waiting();
        } else {
            let index = self.waiting.partition_point(|other| other.number < batch.number);
            self.waiting_count += batch.count;
            self.waiting.insert(index, batch);
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

    fn start_batch(&mut self) {
        let Some(batch) = self.waiting.pop_front() else { return };
        self.waiting_count -= batch.count;
        self.in_flight_count += batch.count;
        self.in_flight_bytes += batch.body.len();
        let (delivery, wake) = (Arc::clone(&self.delivery), Arc::clone(&self.wake));
        self.in_flight.spawn(async move {
            let outcome = delivery.attempt(batch.body.clone(), batch.count as u64).await;
            wake.notify_one();
            (batch, outcome)
        });
    }

    fn take_done_batches(&mut self, now: Instant) {
        while let Some(joined) = self.in_flight.try_join_next() {
            // A panic within an export leaves its batch among those in flight, which count as lost at the end.
            if let Ok((batch, outcome)) = joined {
                self.on_batch_done(batch, outcome, now);
            }
        }
    }
}

impl<T: BatchItem> Accepts<T> for Queue<Whole<T>> {
    fn push(&mut self, item: T) {
        let weight = item.weight();
        self.gather.items.push(item);
        self.gathered_one(weight);
    }
}

impl<G: Gather> Backend for Queue<G> {
    fn export_due(&mut self, now: Instant, _: &dyn Fn([u8; 16]) -> bool) {
        self.take_done_batches(now);
        let is_old = |gathered: &Gathered| now.duration_since(gathered.since) >= self.batch.delay;
        if self.flushing || self.gathered.as_ref().is_some_and(is_old) {
            self.close_batch();
        }
        while self.is_due(now) {
            self.start_batch();
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
        self.delivery.dropping(self.variable, reason);
        true
    }

    fn finish(&mut self) -> Delivered {
        self.take_done_batches(Instant::now());
        self.in_flight.abort_all();
        if !self.is_done() {
            self.delivery.unfinished();
        }
        self.give_up_waiting();
        self.lost.add(Reason::Unanswered, self.in_flight_count as u64);
        self.in_flight_count = 0;
        Delivered {
            target: self.delivery.target().name.clone(),
            exported: self.exported,
            lost: std::mem::take(&mut self.lost),
        }
    }
}

#[cfg(test)]
mod tests;
