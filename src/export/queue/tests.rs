//! What becomes of batches when collectors fail, are silent or come back.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry_sdk::trace::SpanData;

use super::*;
use crate::export::delivery::{RequestSink, Sending};
use crate::export::notices::ExportTarget;
use crate::signals::Signal;
use crate::signals::traces::data::testing::span;

const QUEUE: usize = 65_536;

/// A queue whose collector fails on command.
struct Fake {
    queue: Queue<Whole<SpanData>>,
    /// Batches that it accepted: the numbers that their spans have as names.
    accepted: Arc<Mutex<Vec<Vec<u32>>>>,
    /// Whether it fails every attempt.
    down: Arc<AtomicBool>,
    /// Whether it leaves every attempt without an answer.
    silent: Arc<AtomicBool>,
    pushed: u32,
}

/// The collector itself.
struct FakeSink {
    failure: Failure,
    accepted: Arc<Mutex<Vec<Vec<u32>>>>,
    down: Arc<AtomicBool>,
    silent: Arc<AtomicBool>,
}

impl RequestSink for FakeSink {
    fn target(&self) -> ExportTarget {
        let origin = crate::config::SettingOrigin::default();
        ExportTarget { name: "http://test:1/".into(), origin, proxy: None }
    }

    fn send(self: Arc<Self>, request: Bytes) -> Sending {
        Box::pin(async move {
            if self.silent.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
            if self.down.load(Ordering::Relaxed) {
                return Err(self.failure.clone());
            }
            let numbers = request.chunks(4).map(|bytes| u32::from_be_bytes(bytes.try_into().unwrap()));
            self.accepted.lock().unwrap().push(numbers.collect());
            Ok(0)
        })
    }
}

fn batch(queue: usize) -> Batch {
    Batch { delay: Duration::from_secs(5), timeout: Duration::from_secs(30), queue, size: 512 }
}

fn busy() -> Failure {
    Failure::http(http::StatusCode::SERVICE_UNAVAILABLE, "")
}

fn unreachable(kind: ErrorKind) -> Failure {
    Failure::transport(&std::io::Error::from(kind))
}

fn fake(failure: Failure) -> Fake {
    fake_of(failure, batch(QUEUE), &Budget::new(64_000_000))
}

fn fake_of(failure: Failure, batch: Batch, budget: &Budget) -> Fake {
    let accepted = Arc::new(Mutex::new(Vec::new()));
    let (down, silent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (seen, is_down, is_silent) = (Arc::clone(&accepted), Arc::clone(&down), Arc::clone(&silent));
    let encode: Encode<SpanData> = Box::new(|spans| {
        let numbers = spans.iter().flat_map(|span| span.name.parse::<u32>().unwrap().to_be_bytes());
        Ok(numbers.collect::<Vec<u8>>().into())
    });
    let sink = FakeSink { failure, accepted: seen, down: is_down, silent: is_silent };
    let delivery = Delivery::new(Arc::new(sink), Signal::Traces, batch.timeout, &Arc::default());
    let queue = Queue::new(encode, delivery, batch, &Arc::default(), budget);
    Fake { queue, accepted, down, silent, pushed: 0 }
}

impl Fake {
    fn push(&mut self, count: usize) {
        for _ in 0..count {
            let mut span = span(1, 0, "");
            span.name = self.pushed.to_string().into();
            self.pushed += 1;
            self.queue.push(span);
        }
    }

    fn is_down(&self, down: bool) {
        self.down.store(down, Ordering::Relaxed);
    }

    fn sizes(&self) -> Vec<usize> {
        self.accepted.lock().unwrap().iter().map(Vec::len).collect()
    }

    fn numbers(&self) -> Vec<u32> {
        self.accepted.lock().unwrap().concat()
    }

    async fn run_until_idle(&mut self, now: Instant) {
        for _ in 0..50 {
            self.queue.export_due(now, &|_| false);
            tokio::task::yield_now().await;
        }
    }

    fn finish(&mut self) -> (u64, Losses) {
        let delivered = self.queue.finish();
        assert_eq!(delivered.exported + delivered.lost.total(), u64::from(self.pushed), "{delivered:?}");
        (delivered.exported, delivered.lost)
    }
}

fn lost(reason: Reason, count: u64) -> Losses {
    let mut losses = Losses::default();
    losses.add(reason, count);
    losses
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

#[test]
fn batches_go_when_full_or_old() {
    run(async {
        let mut fake = fake(busy());
        fake.push(1100);
        let now = Instant::now();
        fake.run_until_idle(now).await;
        assert_eq!(fake.sizes(), [512, 512]);
        fake.run_until_idle(now + Duration::from_secs(6)).await;
        assert_eq!(fake.sizes(), [512, 512, 76]);
        assert_eq!(fake.finish(), (1100, Losses::default()));
    });
}

#[test]
fn an_outage_loses_nothing_that_fits_into_the_queue() {
    run(async {
        let mut fake = fake(unreachable(ErrorKind::ConnectionRefused));
        fake.is_down(true);
        let now = Instant::now();
        fake.push(5000);
        for second in 0..20 {
            fake.run_until_idle(now + Duration::from_secs(second)).await;
        }
        assert!(fake.queue.is_unreachable());
        fake.is_down(false);
        fake.run_until_idle(now + Duration::from_secs(60)).await;
        fake.queue.flush();
        fake.run_until_idle(now + Duration::from_secs(61)).await;
        assert_eq!(fake.finish(), (5000, Losses::default()));
    });
}

#[test]
fn a_healthy_collector_that_vanishes_loses_no_batch_on_its_way() {
    for failure in [unreachable(ErrorKind::ConnectionReset), busy()] {
        run(async {
            let mut fake = fake(failure);
            fake.push(512);
            let now = Instant::now();
            fake.run_until_idle(now).await;
            assert_eq!(fake.sizes(), [512], "it is healthy");
            fake.is_down(true);
            fake.push(8 * 512);
            fake.run_until_idle(now).await;
            fake.is_down(false);
            fake.run_until_idle(now + Duration::from_secs(2)).await;
            let numbers = fake.numbers();
            assert!(numbers.is_sorted(), "what is older goes first");
            assert_eq!((numbers.len(), numbers.iter().collect::<HashSet<_>>().len()), (9 * 512, 9 * 512));
            assert_eq!(fake.finish(), (9 * 512, Losses::default()));
        });
    }
}

#[test]
fn an_attempt_that_times_out_is_made_again() {
    run(async {
        let short = Batch { timeout: Duration::from_millis(1), ..batch(QUEUE) };
        let mut fake = fake_of(busy(), short, &Budget::new(64_000_000));
        fake.push(512);
        let now = Instant::now();
        fake.run_until_idle(now).await;
        fake.silent.store(true, Ordering::Relaxed);
        fake.push(512);
        fake.run_until_idle(now).await;
        while !fake.queue.is_unreachable() {
            tokio::time::sleep(Duration::from_millis(1)).await;
            fake.run_until_idle(now).await;
        }
        fake.silent.store(false, Ordering::Relaxed);
        fake.run_until_idle(now + Duration::from_secs(2)).await;
        assert_eq!(fake.finish(), (1024, Losses::default()));
    });
}

#[test]
fn a_full_queue_drops_its_oldest_batches_and_counts_their_items() {
    run(async {
        let never_old = Batch { delay: Duration::from_secs(3600), ..batch(2048) };
        let mut fake = fake_of(unreachable(ErrorKind::ConnectionRefused), never_old, &Budget::new(64_000_000));
        fake.push(512);
        let now = Instant::now();
        fake.run_until_idle(now).await;
        fake.is_down(true);
        for second in 0..10 {
            fake.push(700);
            fake.run_until_idle(now + Duration::from_secs(second)).await;
        }
        fake.is_down(false);
        fake.queue.flush();
        fake.run_until_idle(now + Duration::from_secs(60)).await;
        let after: Vec<u32> = fake.numbers().into_iter().filter(|number| *number >= 512).collect();
        let first = after[0];
        assert_eq!(after, (first..7512).collect::<Vec<_>>(), "the newest, in order and without a gap");
        assert_eq!((first - 512) % 512, 0, "whole batches are dropped");
        assert!(after.len() <= 2048 && after.len() > 2048 - 512, "as many as fit: {}", after.len());
        assert_eq!(fake.finish(), (512 + after.len() as u64, lost(Reason::Queue, u64::from(first) - 512)));
    });
}

#[test]
fn a_short_queue_still_keeps_most_of_what_fits() {
    run(async {
        let mut fake = fake_of(busy(), batch(8), &Budget::new(64_000_000));
        fake.is_down(true);
        fake.push(101);
        fake.is_down(false);
        fake.queue.flush();
        fake.run_until_idle(Instant::now()).await;
        assert_eq!(fake.numbers(), (94..101).collect::<Vec<_>>());
        assert_eq!(fake.finish(), (7, lost(Reason::Queue, 94)));
    });
}

#[test]
fn batches_are_charged_until_they_are_accepted_or_dropped() {
    run(async {
        let budget = Budget::new(64_000_000);
        let free = |bytes: usize| !budget.is_exceeded_with(64_000_000 - bytes);
        let mut fake = fake_of(busy(), batch(QUEUE), &budget);
        fake.is_down(true);
        fake.push(2000);
        assert!(!free(2000 * 4));
        let oldest = fake.queue.oldest().unwrap();
        assert!(fake.queue.drop_oldest(Reason::Memory));
        assert!(fake.queue.oldest().unwrap() >= oldest);
        fake.is_down(false);
        fake.queue.flush();
        fake.run_until_idle(Instant::now()).await;
        assert_eq!(fake.queue.oldest(), None);
        assert!(!fake.queue.drop_oldest(Reason::Memory));
        assert_eq!(fake.finish(), (2000 - 512, lost(Reason::Memory, 512)));
        assert!(free(0));
    });
}

#[test]
fn a_small_memory_limit_makes_small_batches() {
    run(async {
        let mut fake = fake_of(busy(), batch(QUEUE), &Budget::new(1_000_000));
        fake.push(1000);
        fake.run_until_idle(Instant::now()).await;
        let sizes = fake.sizes();
        assert!(sizes.len() > 3 && sizes.iter().all(|size| *size < 512), "{sizes:?}");
    });
}

#[test]
fn rejected_items_and_items_that_do_not_fit_are_counted() {
    run(async {
        let mut fake = fake(Failure::http(http::StatusCode::BAD_REQUEST, ""));
        fake.is_down(true);
        fake.push(QUEUE + 10);
        fake.queue.flush();
        for _ in 0..20 {
            fake.run_until_idle(Instant::now()).await;
        }
        assert!(fake.queue.is_done());
        let mut expected = lost(Reason::Rejected, QUEUE as u64 + 10 - 512);
        expected.add(Reason::Queue, 512);
        assert_eq!(fake.finish(), (0, expected));
    });
}

#[test]
fn a_silent_collector_is_given_up_at_the_end() {
    run(async {
        let mut fake = fake(unreachable(ErrorKind::ConnectionRefused));
        fake.is_down(true);
        fake.push(20_000);
        fake.queue.flush();
        fake.run_until_idle(Instant::now()).await;
        assert!(fake.queue.is_done());
        assert_eq!(fake.finish(), (0, lost(Reason::Unanswered, 20_000)));
    });
}

#[test]
fn one_failed_attempt_at_the_end_costs_nothing_where_the_collector_was_healthy() {
    run(async {
        let mut fake = fake(unreachable(ErrorKind::ConnectionReset));
        fake.push(512);
        let now = Instant::now();
        fake.run_until_idle(now).await;
        fake.is_down(true);
        fake.push(300);
        fake.queue.flush();
        fake.queue.export_due(now, &|_| false);
        tokio::task::yield_now().await;
        fake.is_down(false);
        fake.run_until_idle(now).await;
        assert_eq!(fake.finish(), (812, Losses::default()));
    });
}

#[test]
fn items_in_flight_at_the_end_are_counted() {
    run(async {
        let mut fake = fake(busy());
        fake.silent.store(true, Ordering::Relaxed);
        fake.push(1000);
        fake.queue.flush();
        fake.run_until_idle(Instant::now()).await;
        assert!(!fake.queue.is_done());
        assert_eq!(fake.finish(), (0, lost(Reason::Unanswered, 1000)));
    });
}
