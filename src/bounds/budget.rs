//! One bound in bytes for all telemetry that the launcher holds: open spans, batches that wait, and those on their way.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Memory that all signals share. All clones share one account.
#[derive(Debug, Clone)]
pub(crate) struct Budget(Arc<Account>);

#[derive(Debug)]
struct Account {
    limit: usize,
    used: AtomicUsize,
}

impl Budget {
    /// A budget of so many bytes.
    pub(crate) fn new(limit: usize) -> Budget {
        Budget(Arc::new(Account { limit, used: AtomicUsize::new(0) }))
    }

    /// The size of the budget in bytes.
    pub(crate) fn limit(&self) -> usize {
        self.0.limit
    }

    /// Whether the limit is exceeded, with `more` bytes that were not charged.
    pub(crate) fn is_exceeded_with(&self, more: usize) -> bool {
        self.0.used.load(Relaxed).saturating_add(more) > self.0.limit
    }

    /// Takes bytes until the charge is dropped. That never fails: the caller makes room afterwards.
    pub(crate) fn charge(&self, bytes: usize) -> Charge {
        self.0.used.fetch_add(bytes, Relaxed);
        Charge { budget: self.clone(), bytes }
    }
}

/// Bytes of a budget that are in use.
#[derive(Debug)]
pub(crate) struct Charge {
    budget: Budget,
    bytes: usize,
}

impl Charge {
    /// The number of charged bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Changes the number of charged bytes.
    pub(crate) fn set(&mut self, bytes: usize) {
        let used = &self.budget.0.used;
        if bytes >= self.bytes {
            used.fetch_add(bytes - self.bytes, Relaxed);
        } else {
            used.fetch_sub(self.bytes - bytes, Relaxed);
        }
        self.bytes = bytes;
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_charge_gives_its_bytes_back() {
        let budget = Budget::new(100);
        let mut one = budget.charge(60);
        let other = budget.clone().charge(40);
        assert!(!budget.is_exceeded_with(0) && budget.is_exceeded_with(1));
        one.set(70);
        assert!(budget.is_exceeded_with(0));
        one.set(10);
        assert_eq!(one.bytes(), 10);
        drop(other);
        assert!(!budget.is_exceeded_with(90) && budget.is_exceeded_with(91));
    }
}
