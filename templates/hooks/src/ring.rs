//! Records into rings: size first, then one reservation under a try-lock, then bytes in place, then `head`.
//!
//! The rings are shared by all threads and try-locked: a thread that finds its usual ring taken goes to the next. Rings of
//! one thread each would lose the records of threads that come and go; one ring for all would show a hole when a writer
//! is killed in the middle.

use std::cell::Cell;

use crate::attribute::{self, key, Attribute, Key, Value};
use crate::region::{Region, Ring};
use crate::scope::Scope;
use crate::wire::{self, record};
use crate::writer::Writer;
use crate::{attach, metrics};

thread_local! {
    /// The ring this thread used last.
    static STICKY: Cell<u32> = const { Cell::new(u32::MAX) };
}

/// What is fixed in a start record.
pub(crate) struct SpanStart<'a> {
    pub(crate) trace: [u8; 16],
    pub(crate) span: [u8; 8],
    pub(crate) parent: [u8; 8],
    pub(crate) time: u64,
    pub(crate) domain: u8,
    pub(crate) flags: u8,
    pub(crate) parent_remote: bool,
    pub(crate) trace_state: &'a [u8],
    pub(crate) baggage: &'a [u8],
}

/// `written` are attributes that are written already, and how many they are; they come first.
pub(crate) fn write_start(
    scope: &'static Scope,
    start: &SpanStart<'_>,
    written: [(&[u8], u16); 2],
    attributes: &[Attribute<'_>],
) {
    let [(first, first_count), (second, second_count)] = written;
    let (scope_id, marker) = scope_attribute(scope);
    let count = first_count + second_count;
    let [trace, trace_end] = halves(start.trace);
    let about = [start.domain, start.flags, u8::from(start.parent_remote), 0];
    let about = u64::from(scope_id) | u64::from(u32::from_le_bytes(about)) << 32;
    let (span, parent) = (u64::from_le_bytes(start.span), u64::from_le_bytes(start.parent));
    let record = Record { kind: wire::kind::SPAN_START, words: [trace, trace_end, span, parent, start.time, about] };
    let length = first.len() + second.len();
    let write_first = |to: &mut Writer<'_>| {
        to.bytes(first);
        if !second.is_empty() {
            to.bytes(second);
        }
    };
    // Most spans have neither a tracestate nor baggage.
    if scope_id != 0 && start.trace_state.is_empty() && start.baggage.is_empty() {
        if attributes.is_empty() {
            return record.put(length, count, write_first);
        }
        return record.write((length, count), &[], attributes, write_first);
    }
    let named = [marker, carried(key::TRACE_STATE, start.trace_state), carried(key::BAGGAGE, start.baggage)];
    record.write((length, count), &named, attributes, write_first);
}

pub(crate) fn write_span(kind: u8, span: [u8; 8], time: u64, attributes: &[Attribute<'_>]) {
    let record = Record { kind, words: [u64::from_le_bytes(span), time] };
    // Most spans end without attributes.
    if attributes.is_empty() {
        return record.put(0, 0, |_| {});
    }
    record.write((0, 0), &[], attributes, |_| {});
}

/// An update with attributes that are written already, and how many they are.
pub(crate) fn write_update(span: [u8; 8], time: u64, encoded: (&[u8], u16), attributes: &[Attribute<'_>]) {
    let (bytes, count) = encoded;
    let record = Record { kind: wire::kind::SPAN_UPDATE, words: [u64::from_le_bytes(span), time] };
    record.write((bytes.len(), count), &[], attributes, |to| to.bytes(bytes));
}

/// A log record.
pub(crate) struct LogRecord<'a> {
    pub(crate) trace: [u8; 16],
    pub(crate) span: [u8; 8],
    pub(crate) flags: u8,
    pub(crate) time: u64,
    pub(crate) severity: u8,
    pub(crate) dropped: u8,
    /// Attributes that are written already, and how many they are.
    pub(crate) attributes: &'a [u8],
    pub(crate) count: u16,
    pub(crate) baggage: &'a [u8],
}

pub(crate) fn write_log(scope: &'static Scope, log: &LogRecord<'_>) {
    let (scope_id, marker) = scope_attribute(scope);
    let baggage = [carried(key::BAGGAGE, log.baggage)];
    let [trace, trace_end] = halves(log.trace);
    let about = u32::from_le_bytes([log.flags, log.severity, log.dropped, 0]);
    let about = u64::from(scope_id) | u64::from(about) << 32;
    let span = u64::from_le_bytes(log.span);
    let record = Record { kind: wire::kind::LOG, words: [trace, trace_end, span, log.time, about] };
    record.write((log.attributes.len(), log.count), &[marker], &baggage, |to| to.bytes(log.attributes));
}

/// `about` is one of `wire::measure`.
pub(crate) fn write_measure(scope: &'static Scope, about: u8, attributes: &[Attribute<'_>]) {
    let (scope_id, marker) = scope_attribute(scope);
    let about = u64::from(scope_id) | u64::from(about) << 32;
    let record = Record { kind: wire::kind::MEASURE, words: [about] };
    record.write((0, 0), &[marker], attributes, |_| {});
}

fn halves(id: [u8; 16]) -> [u64; 2] {
    let id = u128::from_le_bytes(id);
    [id as u64, (id >> 64) as u64]
}

/// What travels with the work, as an attribute if there is any.
fn carried<'a>(key: Key<'static>, text: &'a [u8]) -> Attribute<'a> {
    (key, if text.is_empty() { Value::None } else { text.into() })
}

/// A scope's id, and the attribute that stands for it otherwise: the id is 0 while another thread is adding to the string table.
fn scope_attribute(scope: &'static Scope) -> (u32, Attribute<'static>) {
    let id = scope.id();
    (id, (key::SCOPE, if id == 0 { scope.marker().into() } else { Value::None }))
}

/// A record's kind and its fixed part, which is a multiple of eight bytes.
struct Record<const WORDS: usize> {
    kind: u8,
    words: [u64; WORDS],
}

impl<const WORDS: usize> Record<WORDS> {
    /// Writes it with attributes. `write_more` writes some that come before them: so many bytes, and attributes.
    #[inline(never)]
    fn write(
        self,
        (length, count): (usize, u16),
        first: &[Attribute<'_>],
        rest: &[Attribute<'_>],
        write_more: impl FnOnce(&mut Writer<'_>),
    ) {
        let (first_bytes, first_count) = attribute::size(first);
        let (rest_bytes, rest_count) = attribute::size(rest);
        self.put(length + first_bytes + rest_bytes, count + first_count + rest_count, |to| {
            write_more(to);
            attribute::write(to, first);
            attribute::write(to, rest);
        });
    }

    /// Writes it with `count` attributes, for which `write` has `length` bytes.
    #[inline(always)]
    fn put(self, length: usize, count: u16, write: impl FnOnce(&mut Writer<'_>)) {
        let Some(region) = attach::region() else { return };
        let length = (record::HEADER + WORDS * 8 + length + 7) & !7;
        if length > record::MAX {
            region.count_dropped();
            return;
        }
        let Some(ring) = lock(region) else {
            region.count_dropped();
            return;
        };
        let is_half_full = match ring.reserve(length) {
            Some((mut to, is_half_full)) => {
                to.words([length as u64 | u64::from(self.kind) << 32 | u64::from(count) << 48]);
                to.words(self.words);
                write(&mut to);
                ring.publish(length);
                is_half_full
            }
            None => {
                ring.count_dropped();
                true
            }
        };
        ring.unlock();
        if is_half_full {
            region.wake_launcher();
        }
    }
}

/// Some ring, locked: most often the one that this thread used last.
#[inline(always)]
fn lock(region: &Region) -> Option<Ring<'_>> {
    let usual = STICKY.try_with(Cell::get).unwrap_or(0);
    match region.try_lock(usual) {
        Some(ring) => Some(ring),
        None => lock_any(region, usual),
    }
}

/// A few rounds over all of them: a holder is never away for long unless it is preempted, and then another ring is free.
#[cold]
fn lock_any(region: &Region, usual: u32) -> Option<Ring<'_>> {
    let count = region.rings();
    let usual = if usual < count { usual } else { first_ring(count) };
    for round in 0..64_u32 {
        let index = usual.wrapping_add(round) % count;
        if let Some(ring) = region.try_lock(index) {
            if round > 0 {
                let _ = STICKY.try_with(|sticky| sticky.set(index));
            }
            return Some(ring);
        }
        std::hint::spin_loop();
    }
    None
}

/// Spreads threads over the rings by the address of a thread-local.
#[cold]
fn first_ring(count: u32) -> u32 {
    // A thread that is new here: the program may have had one until now.
    metrics::catch_up();
    let address = STICKY.try_with(|sticky| sticky as *const _ as usize).unwrap_or(0);
    let first = ((address >> 12).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32 % count;
    let _ = STICKY.try_with(|sticky| sticky.set(first));
    first
}

#[cfg(test)]
mod tests {
    use crate::wire::record;

    #[test]
    fn fixed_parts_are_as_long_as_the_launcher_reads_them() {
        let words = [record::START, record::SPAN, record::LOG, record::MEASURE].map(|bytes| bytes / 8);
        assert_eq!(words, [6, 2, 5, 1]);
        assert!([record::START, record::SPAN, record::LOG, record::MEASURE].iter().all(|bytes| bytes % 8 == 0));
    }
}
