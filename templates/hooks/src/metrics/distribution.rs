//! Histograms that something else has added up: told as a whole, as an observable instrument tells its value.

use std::sync::atomic::Ordering::Relaxed;

use super::instrument::Instrument;
use super::set::AttributeSet;
use crate::{attach, wire};

/// Values by their size, as something else has counted them since the start.
#[derive(Clone, Copy, Debug)]
pub struct Distribution<'a> {
    /// Upper bounds of the buckets, rising and finite: those that the instrument was described with.
    pub bounds: &'a [f64],
    /// How many values are in each bucket and in no smaller one; one more than there are bounds.
    pub counts: &'a [u64],
    /// The sum of all values.
    pub sum: f64,
}

impl Instrument {
    /// Sets a series of a histogram, of fractions, to what was counted elsewhere; nothing measures the same series. Its
    /// smallest and largest value are not known. One with other bounds than the instrument's, or without a sum (NaN, an
    /// infinity), is left out and counted as refused.
    pub fn observe(&self, known: &Distribution<'_>, attributes: &(impl AttributeSet + ?Sized)) {
        let (Some(core), Some(region)) = (self.0, attach::region()) else { return };
        let Distribution { bounds, counts, sum } = *known;
        if *core.bounds != *bounds || counts.len() != bounds.len() + 1 || !sum.is_finite() {
            return region.count_refused();
        }
        let unit = core.series(region, attributes);
        region.word(unit, wire::series::VALUE).store(sum.to_bits(), Relaxed);
        for (bucket, count) in counts.iter().enumerate() {
            region.word(unit, wire::series::BUCKETS + bucket * 8).store(*count, Relaxed);
        }
    }
}
