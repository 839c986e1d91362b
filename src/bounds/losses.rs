//! Losses: how many items did not arrive, by reason.

use std::collections::BTreeMap;
use std::fmt;

/// Why an item was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reason {
    /// More waited than the signal's queue may hold.
    Queue,
    /// More was held than OTEL_RS_MEMORY_LIMIT allows.
    Memory,
    /// The collector has rejected it, or the file cannot be written.
    Rejected,
    /// No collector had accepted it when the time for the last export was over.
    Unanswered,
    /// A span that was open when open spans took more than their share of the memory.
    Open,
    /// A span whose end was read and whose start was not: the program's ring was full.
    Headless,
    /// Records that had not been read when time was up.
    Unread,
}

impl Reason {
    fn phrase(self) -> &'static str {
        match self {
            Reason::Queue => "dropped from the full queue",
            Reason::Memory => "dropped at the memory limit",
            Reason::Rejected => "rejected",
            Reason::Unanswered => "not accepted by any collector before the end",
            Reason::Open => "dropped at the memory limit while open",
            Reason::Headless => "read without a start",
            Reason::Unread => "not read before the end",
        }
    }
}

/// How many items of one signal did not arrive, by reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Losses(BTreeMap<Reason, u64>);

impl Losses {
    /// Counts some more.
    pub(crate) fn add(&mut self, reason: Reason, count: u64) {
        if count > 0 {
            *self.0.entry(reason).or_default() += count;
        }
    }

    /// Counts all of `others` as well.
    pub(crate) fn add_all(&mut self, others: &Losses) {
        others.0.iter().for_each(|(reason, count)| self.add(*reason, *count));
    }

    /// The number of all lost items.
    pub(crate) fn total(&self) -> u64 {
        self.0.values().sum()
    }

    #[cfg(test)]
    pub(crate) fn of(&self, reason: Reason) -> u64 {
        self.0.get(&reason).copied().unwrap_or(0)
    }
}

/// `60 dropped from the full queue, 3 rejected`
impl fmt::Display for Losses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (reason, count)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{count} {}", reason.phrase())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_add_up_and_name_their_reasons() {
        let mut losses = Losses::default();
        losses.add(Reason::Rejected, 3);
        losses.add(Reason::Queue, 60);
        losses.add(Reason::Open, 0);
        let mut all = losses.clone();
        all.add_all(&losses);
        assert_eq!((losses.total(), all.total(), all.of(Reason::Queue)), (63, 126, 120));
        assert_eq!(losses.to_string(), "60 dropped from the full queue, 3 rejected");
        assert_eq!(Losses::default().to_string(), "");
    }
}
