//! Series that were measured before: found by the bytes of their attributes, without an allocation and without the SDK's
//! own lookup.

use std::collections::HashMap;
use std::sync::Arc;

use opentelemetry::metrics::{BoundCounter, BoundHistogram};
use opentelemetry::{InstrumentationScope, KeyValue};

use crate::attributes::attribute::{Attribute, AttributeValue, Name};
use crate::conventions::Selection;
use crate::conventions::catalog::Metric;

/// Series that are remembered, and their bytes. Beyond that all are forgotten, and found anew as they are measured.
const MAX_SERIES: usize = 4096;
const MAX_BYTES: usize = 1 << 20;

/// A series of all streams of an instrument.
pub(super) struct BoundSeries {
    pub(super) metric: &'static Metric,
    pub(super) instruments: Vec<BoundInstrument>,
    /// The number of its exemplars in each stream, and the attributes that the stream does not keep.
    pub(super) exemplars: Vec<(usize, Vec<KeyValue>)>,
}

/// The series that have the same attributes.
struct SameAttributes {
    series: Vec<BoundSeries>,
    /// A key holds the address of its scope, which nothing else may take.
    _scope: Arc<InstrumentationScope>,
}

/// An instrument of the SDK with the attributes of a series.
pub(super) enum BoundInstrument {
    Histogram(BoundHistogram<f64>),
    Counter(BoundCounter<u64>),
}

impl BoundInstrument {
    pub(super) fn record(&self, value: f64) {
        match self {
            BoundInstrument::Histogram(histogram) => histogram.record(value),
            BoundInstrument::Counter(counter) => counter.add(value as u64),
        }
    }
}

/// Series by their scope and attributes.
#[derive(Default)]
pub(super) struct BoundCache {
    by_attributes: HashMap<Box<[u8]>, usize, foldhash::fast::RandomState>,
    all: Vec<SameAttributes>,
    bytes: usize,
    /// The key that is looked for.
    key: Vec<u8>,
}

/// The place of attributes that cannot be remembered.
const NOWHERE: usize = usize::MAX;

impl BoundCache {
    /// The place of all series with these attributes, until the next call.
    pub(super) fn find(
        &mut self,
        scope: &Arc<InstrumentationScope>,
        selected: Selection,
        attributes: &[Attribute<'_>],
    ) -> usize {
        self.key.clear();
        self.key.extend((Arc::as_ptr(scope) as usize).to_ne_bytes());
        for attribute in selected.of(attributes) {
            if !put(&mut self.key, attribute) {
                return NOWHERE;
            }
        }
        if let Some(known) = self.by_attributes.get(self.key.as_slice()) {
            return *known;
        }
        if self.key.len() > MAX_BYTES {
            return NOWHERE;
        }
        if self.all.len() >= MAX_SERIES || self.bytes + self.key.len() > MAX_BYTES {
            self.clear();
        }
        self.bytes += self.key.len();
        self.by_attributes.insert(self.key.as_slice().into(), self.all.len());
        self.all.push(SameAttributes { series: Vec::new(), _scope: Arc::clone(scope) });
        self.all.len() - 1
    }

    /// The series of a metric at a place, if it was measured before.
    pub(super) fn series(&self, place: usize, metric: &'static Metric) -> Option<&BoundSeries> {
        self.all.get(place)?.series.iter().find(|series| std::ptr::eq(series.metric, metric))
    }

    /// Remembers a series.
    pub(super) fn insert(&mut self, place: usize, series: BoundSeries) {
        if let Some(known) = self.all.get_mut(place) {
            known.series.push(series);
        }
    }

    /// Forgets all: the SDK keeps what it has added up, and may give up series in which nothing was measured.
    pub(super) fn clear(&mut self) {
        self.by_attributes.clear();
        self.all.clear();
        self.bytes = 0;
    }
}

/// Appends an attribute; whether it can be part of a key.
fn put(key: &mut Vec<u8>, attribute: &Attribute<'_>) -> bool {
    // The names of the conventions do not move.
    let Name::Known(name) = attribute.name else { return false };
    key.extend((name.as_ptr() as usize).to_ne_bytes());
    key.push(name.len() as u8);
    match &attribute.value {
        AttributeValue::Text(text) => {
            key.push(0);
            key.extend((text.len() as u32).to_ne_bytes());
            key.extend_from_slice(text.as_bytes());
        }
        AttributeValue::Int(number) => {
            key.push(1);
            key.extend(number.to_ne_bytes());
        }
        AttributeValue::Float(number) => {
            key.push(2);
            key.extend(number.to_bits().to_ne_bytes());
        }
        AttributeValue::Bool(truth) => key.extend([3, u8::from(*truth)]),
        AttributeValue::List(_) => return false,
    }
    true
}
