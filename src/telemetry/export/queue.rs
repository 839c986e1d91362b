//! Spans or log records on their way to a collector: gathered into batches, several on the way at once, the rest waiting
//! within bounds.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::complaints::{Complaints, Failure, Place};
use super::{Backend, Delivered, Item};
use crate::config::Batch;

/// Bytes that those that wait may take.
const MAX_WAITING_BYTES: usize = 128 << 20;
/// Exports on the way at once; more when they pile up, since a collector that answers slowly may still take many.
const IN_FLIGHT: usize = 8;
/// Waiting items that allow for one more.
const PILE: usize = 4096;
/// Longest pause before a silent collector is tried again.
const MAX_PAUSE: Duration = Duration::from_secs(5);

type Sent = Pin<Box<dyn Future<Output = Result<u64, Failure>> + Send>>;

/// Sends a batch; says how many of it the collector sent back.
pub(crate) type SendBatch<T> = Box<dyn Fn(Vec<T>) -> Sent + Send>;

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

struct Outcome<T> {
    count: usize,
    /// The batch, kept while it was uncertain that it would arrive.
    kept: Vec<T>,
    result: Result<u64, Failure>,
}

/// A collector that takes spans or log records.
pub(crate) struct Queue<T> {
    send: SendBatch<T>,
    place: Place,
    complaints: Arc<Complaints>,
    wake: Arc<Notify>,
    batch: Batch,
    waiting: VecDeque<T>,
    waiting_bytes: usize,
    /// When the oldest waiting one came.
    since: Option<Instant>,
    in_flight: JoinSet<Outcome<T>>,
    in_flight_count: usize,
    health: Health,
    flushing: bool,
    delivered: Delivered,
}

impl<T: Item> Queue<T> {
    pub(crate) fn new(
        send: SendBatch<T>,
        place: Place,
        batch: Batch,
        complaints: &Arc<Complaints>,
        wake: &Arc<Notify>,
    ) -> Queue<T> {
        Queue {
            send,
            place,
            complaints: Arc::clone(complaints),
            wake: Arc::clone(wake),
            batch,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            since: None,
            in_flight: JoinSet::new(),
            in_flight_count: 0,
            health: Health::Unknown,
            flushing: false,
            delivered: Delivered::default(),
        }
    }

    fn landed(&mut self, outcome: Outcome<T>, now: Instant) {
        self.in_flight_count = self.in_flight_count.saturating_sub(outcome.count);
        let count = outcome.count as u64;
        let failure = match outcome.result {
            Ok(rejected) => {
                let rejected = rejected.min(count);
                self.delivered.exported += count - rejected;
                self.delivered.lost += rejected;
                self.health = Health::Good;
                if rejected == 0 {
                    self.complaints.arrived(T::MANY, &self.place);
                } else {
                    let failure = Failure::Refused(format!("the collector rejected {rejected} of {count} {}", T::MANY));
                    self.complaints.failed(T::MANY, &self.place, &failure);
                }
                return;
            }
            Err(failure) => failure,
        };
        self.complaints.failed(T::MANY, &self.place, &failure);
        if !failure.may_pass() {
            self.delivered.lost += count;
            return;
        }
        let pause = match self.health {
            Health::Bad { pause, .. } => (pause * 2).min(MAX_PAUSE),
            _ => Duration::from_secs(1),
        };
        self.health = Health::Bad { again: now + pause, pause };
        if self.flushing || outcome.kept.len() + self.waiting.len() > self.batch.queue {
            self.delivered.lost += count;
            if self.flushing {
                // It has had its retries; everything else would fail in the same way, only later.
                self.give_up_waiting();
            }
        } else if outcome.kept.is_empty() {
            self.delivered.lost += count;
        } else {
            self.since.get_or_insert(now);
            self.waiting_bytes += outcome.kept.iter().map(T::weight).sum::<usize>();
            outcome.kept.into_iter().rev().for_each(|item| self.waiting.push_front(item));
        }
    }

    fn give_up_waiting(&mut self) {
        self.delivered.lost += self.waiting.len() as u64;
        self.waiting.clear();
        self.waiting_bytes = 0;
        self.since = None;
    }

    fn is_due(&self, now: Instant) -> bool {
        let old = self.since.is_some_and(|since| now.duration_since(since) >= self.batch.delay);
        let due = self.waiting.len() >= self.batch.size.min(self.batch.queue)
            || (!self.waiting.is_empty() && (old || self.flushing));
        let most = IN_FLIGHT + self.waiting.len() / PILE;
        let limit = match self.health {
            _ if self.flushing => most,
            Health::Good => most,
            Health::Unknown => 1,
            Health::Bad { again, .. } => usize::from(now >= again),
        };
        due && self.in_flight.len() < limit
    }

    fn launch(&mut self, now: Instant) {
        let count = self.waiting.len().min(self.batch.size);
        let items: Vec<T> = self.waiting.drain(..count).collect();
        self.waiting_bytes = self.waiting_bytes.saturating_sub(items.iter().map(T::weight).sum());
        self.since = (!self.waiting.is_empty()).then_some(now);
        // A copy costs time; it is only made while there is doubt.
        let kept = if self.health == Health::Good || self.flushing { Vec::new() } else { items.clone() };
        self.in_flight_count += count;
        let sent = tokio::time::timeout(self.batch.timeout, (self.send)(items));
        let wake = Arc::clone(&self.wake);
        let limit = self.batch.timeout;
        self.in_flight.spawn(async move {
            let result = sent.await.unwrap_or_else(|_| Err(Failure::late(limit)));
            wake.notify_one();
            Outcome { count, kept, result }
        });
    }
}

impl<T: Item> Backend<T> for Queue<T> {
    fn push(&mut self, item: T) {
        let weight = item.weight();
        if self.waiting.len() >= self.batch.queue || self.waiting_bytes + weight > MAX_WAITING_BYTES {
            self.delivered.lost += 1;
            return;
        }
        self.waiting_bytes += weight;
        if self.since.is_none() {
            self.since = Some(Instant::now());
        }
        self.waiting.push_back(item);
    }

    fn pump(&mut self, now: Instant, _: &dyn Fn([u8; 16]) -> bool) {
        while let Some(joined) = self.in_flight.try_join_next() {
            // A panic within an export leaves its batch among those in flight, which count as lost at the end.
            if let Ok(outcome) = joined {
                self.landed(outcome, now);
            }
        }
        while self.is_due(now) {
            self.launch(now);
        }
    }

    fn flush(&mut self) {
        self.flushing = true;
    }

    fn is_done(&self) -> bool {
        self.waiting.is_empty() && self.in_flight.is_empty()
    }

    fn is_unreachable(&self) -> bool {
        matches!(self.health, Health::Bad { .. })
    }

    fn finish(&mut self) -> Delivered {
        self.in_flight.abort_all();
        if !self.is_done() {
            let failure = Failure::Unreachable("no answer before the program's end".into());
            self.complaints.failed(T::MANY, &self.place, &failure);
        }
        self.give_up_waiting();
        self.delivered.lost += self.in_flight_count as u64;
        self.in_flight_count = 0;
        self.delivered
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::span::testing::span;
    use opentelemetry_sdk::trace::SpanData;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, Ordering};

    const QUEUE: usize = 65_536;

    struct Fake {
        queue: Queue<SpanData>,
        sizes: Arc<Mutex<Vec<usize>>>,
        down: Arc<AtomicBool>,
    }

    fn fake(failure: Failure) -> Fake {
        let sizes = Arc::new(Mutex::new(Vec::new()));
        let down = Arc::new(AtomicBool::new(false));
        let (seen, is_down) = (Arc::clone(&sizes), Arc::clone(&down));
        let send: SendBatch<SpanData> = Box::new(move |spans| {
            let (seen, is_down, failure) = (Arc::clone(&seen), Arc::clone(&is_down), failure.clone());
            Box::pin(async move {
                if is_down.load(Ordering::Relaxed) {
                    return Err(failure);
                }
                seen.lock().unwrap().push(spans.len());
                Ok(0)
            })
        });
        let batch = Batch { delay: Duration::from_secs(5), timeout: Duration::from_secs(30), queue: QUEUE, size: 512 };
        let place = Place { name: "http://test:1/".into(), written: crate::config::Written::default() };
        let queue = Queue::new(send, place, batch, &Arc::default(), &Arc::default());
        Fake { queue, sizes, down }
    }

    fn run(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
    }

    async fn settle(queue: &mut Queue<SpanData>, now: Instant) {
        for _ in 0..50 {
            queue.pump(now, &|_| false);
            tokio::task::yield_now().await;
        }
    }

    #[test]
    fn batches_go_when_full_or_old() {
        run(async {
            let mut fake = fake(Failure::Busy("x".into()));
            (0..1100).for_each(|_| fake.queue.push(span(1, 0, "s")));
            let now = Instant::now();
            settle(&mut fake.queue, now).await;
            assert_eq!(*fake.sizes.lock().unwrap(), [512, 512]);
            settle(&mut fake.queue, now + Duration::from_secs(6)).await;
            assert_eq!(*fake.sizes.lock().unwrap(), [512, 512, 76]);
            assert_eq!(fake.queue.finish(), Delivered { exported: 1100, lost: 0 });
        });
    }

    #[test]
    fn an_outage_loses_nothing_that_fits_into_the_queue() {
        run(async {
            let mut fake = fake(Failure::Unreachable("refused".into()));
            fake.down.store(true, Ordering::Relaxed);
            let now = Instant::now();
            (0..5000).for_each(|_| fake.queue.push(span(1, 0, "s")));
            for second in 0..20 {
                settle(&mut fake.queue, now + Duration::from_secs(second)).await;
            }
            assert!(fake.queue.is_unreachable());
            fake.down.store(false, Ordering::Relaxed);
            settle(&mut fake.queue, now + Duration::from_secs(60)).await;
            fake.queue.flush();
            settle(&mut fake.queue, now + Duration::from_secs(61)).await;
            assert_eq!(fake.queue.finish(), Delivered { exported: 5000, lost: 0 });
        });
    }

    #[test]
    fn what_is_refused_or_does_not_fit_is_counted() {
        run(async {
            let mut fake = fake(Failure::Refused("400".into()));
            fake.down.store(true, Ordering::Relaxed);
            (0..QUEUE + 10).for_each(|_| fake.queue.push(span(1, 0, "s")));
            fake.queue.flush();
            for _ in 0..20 {
                settle(&mut fake.queue, Instant::now()).await;
            }
            assert!(fake.queue.is_done());
            assert_eq!(fake.queue.finish(), Delivered { exported: 0, lost: QUEUE as u64 + 10 });
        });
    }

    #[test]
    fn a_silent_collector_is_given_up_at_the_end() {
        run(async {
            let mut fake = fake(Failure::Unreachable("refused".into()));
            fake.down.store(true, Ordering::Relaxed);
            (0..20_000).for_each(|_| fake.queue.push(span(1, 0, "s")));
            fake.queue.flush();
            settle(&mut fake.queue, Instant::now()).await;
            assert!(fake.queue.is_done());
            assert_eq!(fake.queue.finish().lost, 20_000);
        });
    }
}
