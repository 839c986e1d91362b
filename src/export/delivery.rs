//! The delivery of encoded requests, for all signals: each attempt within the time of an export, its outcome counted and
//! warned about in one place.
//!
//! What is repeated differs: batches of spans and log records by their queue, metrics by the exports of their reader.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Bytes;

use super::failure::Failure;
use super::notices::{ExportNotices, ExportTarget};
use crate::bounds::losses::Reason;
use crate::signals::Signal;

/// An attempt under way: how many items the collector will have rejected.
pub(crate) type Sending = Pin<Box<dyn Future<Output = Result<u64, Failure>> + Send>>;

/// Something that accepts encoded requests.
pub(crate) trait RequestSink: Send + Sync {
    /// Where they go.
    fn target(&self) -> ExportTarget;

    /// Sends a request.
    fn send(self: Arc<Self>, request: Bytes) -> Sending;
}

/// Delivers the requests of one signal to one target.
pub(crate) struct Delivery {
    sink: Arc<dyn RequestSink>,
    target: ExportTarget,
    signal: Signal,
    /// The time that one attempt may take, retries within it included.
    timeout: Duration,
    notices: Arc<ExportNotices>,
}

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Accepted, but for so many items.
    Accepted { rejected: u64 },
    /// It will never be accepted.
    Rejected,
    /// It may be accepted later.
    Failed,
}

impl Delivery {
    pub(crate) fn new(
        sink: Arc<dyn RequestSink>,
        signal: Signal,
        timeout: Duration,
        notices: &Arc<ExportNotices>,
    ) -> Arc<Delivery> {
        let target = sink.target();
        Arc::new(Delivery { sink, target, signal, timeout, notices: Arc::clone(notices) })
    }

    /// Where requests go.
    pub(crate) fn target(&self) -> &ExportTarget {
        &self.target
    }

    /// Makes one attempt to deliver a request of `count` items.
    pub(crate) async fn attempt(&self, request: Bytes, count: u64) -> Outcome {
        let sending = tokio::time::timeout(self.timeout, Arc::clone(&self.sink).send(request));
        match sending.await.unwrap_or_else(|_| Err(Failure::timeout(self.timeout))) {
            Ok(0) => {
                self.notices.arrived(self.signal.many(), &self.target);
                Outcome::Accepted { rejected: 0 }
            }
            Ok(rejected) => {
                let rejection = match self.signal {
                    Signal::Metrics => Failure::rejected(format_args!("{rejected} points of metrics")),
                    signal => Failure::rejected(format_args!("{rejected} of {count} {}", signal.many())),
                };
                self.failed(&rejection);
                Outcome::Accepted { rejected }
            }
            Err(failure) => {
                self.failed(&failure);
                if failure.is_retryable() { Outcome::Failed } else { Outcome::Rejected }
            }
        }
    }

    /// Warns of a failure, of each kind once.
    pub(crate) fn failed(&self, failure: &Failure) {
        self.notices.failed(self.signal.many(), &self.target, failure);
    }

    /// Warns that items are dropped that might have been accepted later; `queue` is the variable that bounds their queue.
    pub(crate) fn dropping(&self, queue: &str, reason: Reason) {
        self.notices.dropping(self.signal.many(), queue, &self.target, reason);
    }

    /// Warns that the end of the program came before an answer.
    pub(crate) fn unfinished(&self) {
        self.failed(&Failure::closing());
    }
}

/// The pause between attempts to deliver the same request: 1 s at first, twice as long each time, 5 s at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RetryPause(Duration);

impl RetryPause {
    const LONGEST: Duration = Duration::from_secs(5);

    /// The first pause.
    pub(crate) fn first() -> RetryPause {
        RetryPause(Duration::from_secs(1))
    }

    /// The pause after one more failure.
    pub(crate) fn next(self) -> RetryPause {
        RetryPause((self.0 * 2).min(Self::LONGEST))
    }

    /// How long it is.
    pub(crate) fn duration(self) -> Duration {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_five_seconds() {
        let pauses = std::iter::successors(Some(RetryPause::first()), |pause| Some(pause.next()));
        assert_eq!(pauses.take(5).map(|pause| pause.duration().as_secs()).collect::<Vec<_>>(), [1, 2, 4, 5, 5]);
    }
}
