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
    let fixed = record::START + first.len() + second.len();
    let (scope_id, marker) = scope_attribute(scope);
    let count = first_count + second_count;
    let write_fixed = |to: &mut Writer<'_>| {
        to.array(start.trace);
        to.array(start.span);
        to.array(start.parent);
        to.array(start.time.to_le_bytes());
        to.array(scope_id.to_le_bytes());
        to.array([start.domain, start.flags, u8::from(start.parent_remote), 0]);
        to.bytes(first);
        to.bytes(second);
    };
    // Most spans have neither.
    if scope_id != 0 && start.trace_state.is_empty() && start.baggage.is_empty() {
        return write(wire::kind::SPAN_START, fixed, count, &[], attributes, write_fixed);
    }
    let named = [marker, carried(key::TRACE_STATE, start.trace_state), carried(key::BAGGAGE, start.baggage)];
    write(wire::kind::SPAN_START, fixed, count, &named, attributes, write_fixed);
}

pub(crate) fn write_span(kind: u8, span: [u8; 8], time: u64, attributes: &[Attribute<'_>]) {
    write(kind, record::SPAN, 0, &[], attributes, |to| {
        to.array(span);
        to.array(time.to_le_bytes());
    });
}

/// An update with attributes that are written already, and how many they are.
pub(crate) fn write_update(span: [u8; 8], time: u64, encoded: (&[u8], u16), attributes: &[Attribute<'_>]) {
    let (bytes, count) = encoded;
    write(wire::kind::SPAN_UPDATE, record::SPAN + bytes.len(), count, &[], attributes, |to| {
        to.array(span);
        to.array(time.to_le_bytes());
        to.bytes(bytes);
    });
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
    write(wire::kind::LOG, record::LOG + log.attributes.len(), log.count, &[marker], &baggage, |to| {
        to.array(log.trace);
        to.array(log.span);
        to.array(log.time.to_le_bytes());
        to.array(scope_id.to_le_bytes());
        to.array([log.flags, log.severity, log.dropped, 0]);
        to.bytes(log.attributes);
    });
}

/// `about` is one of `wire::measure`.
pub(crate) fn write_measure(scope: &'static Scope, about: u8, attributes: &[Attribute<'_>]) {
    let (scope_id, marker) = scope_attribute(scope);
    write(wire::kind::MEASURE, record::MEASURE, 0, &[marker], attributes, |to| {
        to.array(scope_id.to_le_bytes());
        to.array([about, 0, 0, 0]);
    });
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

/// `write_fixed` writes `fixed` bytes, which hold `fixed_count` attributes at their end.
fn write(
    kind: u8,
    fixed: usize,
    fixed_count: u16,
    first: &[Attribute<'_>],
    rest: &[Attribute<'_>],
    write_fixed: impl FnOnce(&mut Writer<'_>),
) {
    let Some(region) = attach::region() else { return };
    let (first_bytes, first_count) = attribute::size(first);
    let (rest_bytes, rest_count) = attribute::size(rest);
    let length = (record::HEADER + fixed + first_bytes + rest_bytes + 7) & !7;
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
            let count = u64::from(fixed_count + first_count + rest_count);
            to.array((length as u64 | u64::from(kind) << 32 | count << 48).to_le_bytes());
            write_fixed(&mut to);
            attribute::write(&mut to, first);
            attribute::write(&mut to, rest);
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

/// Some ring, locked. A few rounds over all of them: a holder is never away for long unless it is preempted, and then
/// another ring is free.
fn lock(region: &Region) -> Option<Ring<'_>> {
    let count = region.rings();
    let usual = STICKY.try_with(Cell::get).unwrap_or(0);
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
