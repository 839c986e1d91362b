//! Spans while their records come in, spans that are whole, and records that are whole as they come.

use std::sync::Arc;

use opentelemetry::InstrumentationScope;

use super::within::Surrounding;
use crate::bounds::budget::{Budget, Charge};
use crate::records::facts::{FactBuffer, Facts};
use crate::records::record::{FactBlock, FactReader, SpanStart};
use crate::records::value::FactValue;
use crate::resource::Source;

/// Bytes of attributes that one span may gather.
pub(super) const MAX_FACT_BYTES: usize = 64 << 10;
/// Events, and as many links, that one span may gather, whatever its limits allow.
const MAX_EVENTS: usize = 4096;
/// How much memory of one span or record is kept for others.
pub(super) const MAX_SPARE_BYTES: usize = 2048;
const MAX_SPARE_PLACES: usize = 16;

/// A span whose end is known.
#[derive(Debug)]
pub(crate) struct FinishedSpan {
    pub(crate) source: Source,
    pub(crate) start: SpanStart,
    /// Nanoseconds since 1970.
    pub(crate) end: u64,
    pub(crate) scope: Arc<InstrumentationScope>,
    pub(crate) dropped_attributes: u32,
    pub(crate) dropped_events: u32,
    pub(crate) dropped_links: u32,
    /// Why the span did not end by itself, as a value of `error.type`.
    pub(crate) cut: Option<String>,
    pub(super) records: Box<OpenSpan>,
}

impl FinishedSpan {
    /// The facts about the span, in the order in which they were recorded.
    pub(crate) fn facts(&self) -> Facts<'_> {
        self.facts_in(FactBuffer::default())
    }

    /// The same in the memory of others that are no longer needed.
    pub(crate) fn facts_in(&self, buffer: FactBuffer) -> Facts<'_> {
        Facts::gather(buffer, self.records.parts.iter().flat_map(|(_, part)| self.attributes(*part)))
    }

    /// The events with their times.
    pub(crate) fn events(&self) -> &[(u64, FactRange)] {
        &self.records.events
    }

    /// The links with their times.
    pub(crate) fn links(&self) -> &[(u64, FactRange)] {
        &self.records.links
    }

    /// The attributes of one record.
    pub(crate) fn attributes(&self, part: FactRange) -> FactReader<'_> {
        part.read(&self.records.bytes)
    }
}

/// A record that is complete as it comes: a log record or a measurement.
#[derive(Debug)]
pub(crate) struct CompleteRecord<T> {
    pub(crate) source: Source,
    pub(crate) header: T,
    /// The scope of the layer that recorded it.
    pub(crate) scope: Arc<InstrumentationScope>,
    pub(super) bytes: Vec<u8>,
    pub(super) count: u16,
    pub(super) around: Surrounding,
}

impl<T> CompleteRecord<T> {
    /// The facts in the record.
    pub(crate) fn facts(&self) -> Facts<'_> {
        self.facts_in(FactBuffer::default())
    }

    /// The same in the memory of others that are no longer needed.
    pub(crate) fn facts_in(&self, buffer: FactBuffer) -> Facts<'_> {
        Facts::gather(buffer, FactReader::new(&self.bytes, self.count.into()))
    }

    /// Fields of the spans around a log record, if they are wanted.
    pub(crate) fn span_fields(&self) -> Vec<(String, FactValue<'_>)> {
        self.around.fields()
    }
}

/// The facts of one record within all facts about a span.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FactRange {
    pub(super) from: u32,
    pub(super) to: u32,
    pub(super) count: u16,
}

impl FactRange {
    /// The facts of that range of `bytes`.
    pub(super) fn read(self, bytes: &[u8]) -> FactReader<'_> {
        FactReader::new(bytes.get(self.from as usize..self.to as usize).unwrap_or_default(), self.count.into())
    }
}

/// A span whose records come in.
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

    /// Makes it ready for another span; whether it is worth that.
    pub(super) fn clear(&mut self) -> bool {
        let OpenSpan { charge, bytes, parts, events, links, .. } = self;
        charge.set(0);
        let is_small = bytes.capacity() <= MAX_SPARE_BYTES;
        for places in [parts, events, links] {
            places.clear();
            if places.capacity() > MAX_SPARE_PLACES {
                *places = Vec::new();
            }
        }
        bytes.clear();
        (self.start, self.end, self.ended_in) = (None, None, None);
        (self.dropped_attributes, self.dropped_events, self.dropped_links) = (0, 0, 0);
        is_small
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

    /// Takes the facts of the start, which stand in several places and are one part.
    pub(super) fn begin(&mut self, time: u64, blocks: [FactBlock<'_>; 2]) {
        let from = self.bytes.len();
        let mut count = 0_u16;
        for block in blocks {
            match self.keep(block) {
                Some(_) => count = block.count.saturating_add(count),
                None => self.dropped_attributes += u32::from(block.count),
            }
        }
        if count > 0 {
            self.parts.push((time, FactRange { from: from as u32, to: self.bytes.len() as u32, count }));
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
