//! A span whose end is not known yet, as it gathers its records.

use super::FactRange;
use crate::bounds::budget::{Budget, Charge};
use crate::records::record::{FactBlock, SpanStart};

/// Bytes of attributes that one span may gather.
pub(super) const MAX_FACT_BYTES: usize = 64 << 10;
/// Events, and as many links, that one span may gather, whatever its limits allow.
const MAX_EVENTS: usize = 4096;

#[derive(Debug)]
pub(super) struct OpenSpan {
    pub(super) charge: Charge,
    pub(super) start: Option<SpanStart>,
    pub(super) end: Option<u64>,
    /// The pass in which its end was read.
    pub(super) ended_in: Option<u64>,
    pub(super) bytes: Vec<u8>,
    pub(super) parts: Vec<(u64, FactRange)>,
    pub(super) events: Vec<(u64, FactRange)>,
    pub(super) links: Vec<(u64, FactRange)>,
    pub(super) dropped_attributes: u32,
    pub(super) dropped_events: u32,
    pub(super) dropped_links: u32,
}

impl OpenSpan {
    pub(super) fn new(budget: &Budget) -> Box<OpenSpan> {
        Box::new(OpenSpan {
            charge: budget.charge(0),
            start: None,
            end: None,
            ended_in: None,
            bytes: Vec::new(),
            parts: Vec::new(),
            events: Vec::new(),
            links: Vec::new(),
            dropped_attributes: 0,
            dropped_events: 0,
            dropped_links: 0,
        })
    }

    /// Bytes of memory that it takes, with its places in the tables.
    pub(super) fn weight(&self) -> usize {
        const TABLES: usize = 128;
        let parts = self.parts.capacity() + self.events.capacity() + self.links.capacity();
        size_of::<OpenSpan>() + TABLES + self.bytes.capacity() + parts * size_of::<(u64, FactRange)>()
    }

    /// Charges what it takes now; by how many bytes that is more than before.
    pub(super) fn charge_anew(&mut self) -> usize {
        let (before, now) = (self.charge.bytes(), self.weight());
        self.charge.set(now);
        now.saturating_sub(before)
    }

    fn keep(&mut self, block: FactBlock<'_>) -> Option<FactRange> {
        if self.bytes.len() + block.bytes.len() > MAX_FACT_BYTES {
            return None;
        }
        let from = self.bytes.len() as u32;
        // Most spans have facts at their start and end only.
        self.bytes.reserve_exact(block.bytes.len());
        self.bytes.extend_from_slice(block.bytes);
        Some(FactRange { from, to: self.bytes.len() as u32, count: block.count })
    }

    pub(super) fn add_facts(&mut self, time: u64, block: FactBlock<'_>) {
        if block.count == 0 {
            return;
        }
        match self.keep(block) {
            Some(part) => self.parts.push((time, part)),
            None => self.dropped_attributes += u32::from(block.count),
        }
    }

    pub(super) fn event(&mut self, time: u64, block: FactBlock<'_>) {
        match self.keep(block).filter(|_| self.events.len() < MAX_EVENTS) {
            Some(part) => self.events.push((time, part)),
            None => self.dropped_events += 1,
        }
    }

    pub(super) fn link(&mut self, time: u64, block: FactBlock<'_>) {
        match self.keep(block).filter(|_| self.links.len() < MAX_EVENTS) {
            Some(part) => self.links.push((time, part)),
            None => self.dropped_links += 1,
        }
    }
}
