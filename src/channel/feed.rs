//! The queue from the draining thread to telemetry: whole records, and the beginnings and ends of the processes that wrote
//! them.
//!
//! The queue has a budget in bytes. When it is spent the draining thread stops emptying rings, so that it is the app's
//! bounded rings that fill, drop and count, and the launcher's memory stays bounded whatever the collector does.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;

use super::series::SeriesTable;
use super::tables::{CellTable, StringTable};
use crate::wire::ProcessId;

/// The bytes of records that may wait for telemetry.
pub(crate) const BUDGET: usize = 64 * 1024 * 1024;

/// One message from the draining thread.
#[derive(Debug)]
pub(crate) enum Feed {
    /// A process has sent its region. The tables stay readable for as long as their handles live, even after the
    /// process has exited.
    Attached {
        /// Its number.
        process: ProcessId,
        /// Its pid, as seen by the launcher.
        pid: u32,
        /// Its counters.
        cells: CellTable,
        /// Its interned strings.
        strings: StringTable,
        /// Its instruments and their series.
        series: SeriesTable,
    },
    /// Whole records of one ring, in the order in which they were written, padding included; a portion of what waited.
    Records {
        /// Whose they are.
        process: ProcessId,
        /// The records. Dropping the chunk gives its bytes back to the budget.
        bytes: Chunk,
    },
    /// Every ring of this process has been read since the last `PassDone`.
    PassDone {
        /// Which process.
        process: ProcessId,
    },
    /// A process has exited and all that it had written has been sent.
    Exited {
        /// Which process.
        process: ProcessId,
        /// The records that it had to drop, over its whole life.
        dropped: u64,
        /// When it was last known to be alive, in nanoseconds since 1970.
        last_seen_unix_ns: u64,
    },
    /// A process's region is corrupt, so nothing more is read from it. `Exited` does not follow. `Attached` may not have
    /// come before: a process may be refused at its first message.
    Poisoned {
        /// Which process.
        process: ProcessId,
        /// Its pid.
        pid: u32,
        /// The cause, for a warning.
        reason: String,
    },
    /// The launcher has no descriptor left for a process that connects. Sent once; the process is not read.
    TooManyProcesses,
    /// A process has forked children that could not attach. Sent once.
    Unattached {
        /// The parent's pid.
        pid: u32,
        /// The cause for the last of them.
        reason: String,
    },
    /// The program has ended and all has been sent.
    Closed,
}

/// Bytes on their way to telemetry, counted until they are dropped.
#[derive(Debug)]
pub(crate) struct Chunk {
    bytes: Vec<u8>,
    waiting: Arc<AtomicUsize>,
}

impl Deref for Chunk {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        self.waiting.fetch_sub(self.bytes.len(), Ordering::Relaxed);
    }
}

/// The draining thread's end.
#[derive(Debug)]
pub(crate) struct Sender {
    messages: mpsc::UnboundedSender<Feed>,
    waiting: Arc<AtomicUsize>,
    budget: usize,
}

impl Sender {
    /// Bounds the bytes that may wait, where that is to be less than [`BUDGET`].
    pub(crate) fn limit_to(&mut self, bytes: usize) {
        self.budget = self.budget.min(bytes);
    }

    /// Whether `more` bytes fit into the budget. A single chunk always fits into an empty queue.
    pub(crate) fn has_room(&self, more: usize) -> bool {
        let waiting = self.waiting.load(Ordering::Relaxed);
        waiting == 0 || waiting.saturating_add(more) <= self.budget
    }

    /// Sends records.
    pub(crate) fn records(&self, process: ProcessId, bytes: Vec<u8>) {
        self.waiting.fetch_add(bytes.len(), Ordering::Relaxed);
        self.send(Feed::Records { process, bytes: Chunk { bytes, waiting: Arc::clone(&self.waiting) } });
    }

    /// Sends a message. A receiver that was dropped is no error: the message is lost then, and the rings must still be
    /// emptied for the processes that wait for room in them.
    pub(crate) fn send(&self, message: Feed) {
        let _ = self.messages.send(message);
    }
}

/// Telemetry's end.
#[derive(Debug)]
pub(crate) struct Receiver {
    messages: mpsc::UnboundedReceiver<Feed>,
    waiting: Arc<AtomicUsize>,
}

impl Receiver {
    /// The next message; `None` when the draining thread has ended without `Closed`. Nothing is lost when the future is
    /// dropped before it is ready.
    pub(crate) async fn recv(&mut self) -> Option<Feed> {
        self.messages.recv().await
    }

    /// The bytes of records that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// A message that is already there.
    pub(crate) fn try_recv(&mut self) -> Option<Feed> {
        self.messages.try_recv().ok()
    }
}

/// Makes a queue. Its messages have no bound in number, since few messages come without records; its bytes have one.
pub(crate) fn queue() -> (Sender, Receiver) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let waiting = Arc::<AtomicUsize>::default();
    let sender = Sender { messages: sender, waiting: Arc::clone(&waiting), budget: BUDGET };
    (sender, Receiver { messages: receiver, waiting })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_chunk_gives_its_bytes_back() {
        let (sender, mut receiver) = queue();
        sender.records(ProcessId(1), vec![0; BUDGET]);
        assert!(!sender.has_room(1));
        drop(receiver.try_recv());
        assert!(sender.has_room(1));
    }

    #[test]
    fn a_smaller_budget_replaces_the_larger_one() {
        let (mut sender, receiver) = queue();
        sender.limit_to(100);
        sender.records(ProcessId(1), vec![0; 60]);
        assert!(sender.has_room(40) && !sender.has_room(41));
        assert_eq!(receiver.waiting(), 60);
        sender.limit_to(2 * BUDGET);
        assert!(!sender.has_room(41), "a larger limit changes nothing");
    }

    #[test]
    fn a_dropped_receiver_gives_all_bytes_back() {
        let (sender, receiver) = queue();
        sender.records(ProcessId(1), vec![0; BUDGET]);
        drop(receiver);
        assert!(sender.has_room(1));
        sender.records(ProcessId(1), vec![0; BUDGET]);
        assert!(sender.has_room(1));
    }

    #[test]
    fn a_waiting_receiver_is_woken_by_a_message_and_by_the_end() {
        let (sender, mut receiver) = queue();
        let runtime = tokio_runtime();
        let consumer = std::thread::spawn(move || {
            runtime.block_on(async { (receiver.recv().await.is_some(), receiver.recv().await.is_none()) })
        });
        std::thread::sleep(std::time::Duration::from_millis(20));
        sender.send(Feed::Closed);
        std::thread::sleep(std::time::Duration::from_millis(20));
        drop(sender);
        assert_eq!(consumer.join().unwrap(), (true, true));
    }

    fn tokio_runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().build().unwrap()
    }

    #[test]
    fn a_chunk_larger_than_the_budget_passes_an_empty_queue() {
        assert!(queue().0.has_room(2 * BUDGET));
    }
}
