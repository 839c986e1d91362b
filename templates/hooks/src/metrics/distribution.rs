//! Histograms that something else has added up, recorded as a whole: an observable instrument sets its value likewise.

use std::sync::atomic::Ordering::Relaxed;

use super::instrument::{Core, Instrument, Series};
use super::set::AttributeSet;
use super::{add_fraction, InstrumentKind};
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

impl Distribution<'_> {
    /// Whether a histogram can take it.
    fn fits(&self, core: &Core) -> bool {
        core.kind == InstrumentKind::Histogram
            && *core.bounds == *self.bounds
            && self.counts.len() == self.bounds.len() + 1
            && self.sum.is_finite()
    }
}

impl Instrument {
    /// Upper bounds of its buckets, which may be more than it was described with: whatever readers need. None for what is
    /// no histogram, or is not read.
    pub fn bounds(&self) -> &'static [f64] {
        self.0.map_or(&[], |core| &core.bounds)
    }

    /// Sets a series of a histogram, of fractions, to what was counted elsewhere; nothing measures the same series. Its
    /// smallest and largest value are not known. One with other bounds than the instrument's, or without a sum (NaN, an
    /// infinity), is left out and counted as refused.
    pub fn observe(&self, known: &Distribution<'_>, attributes: &(impl AttributeSet + ?Sized)) {
        let (Some(core), Some(region)) = (self.0, attach::region()) else { return };
        if !known.fits(core) {
            return region.count_refused();
        }
        let unit = core.series(region, attributes);
        region.word(unit, wire::series::VALUE).store(known.sum.to_bits(), Relaxed);
        for (bucket, count) in known.counts.iter().enumerate() {
            region.word(unit, wire::series::BUCKETS + bucket * 8).store(*count, Relaxed);
        }
    }
}

impl Series {
    /// Adds to a series of a histogram, of fractions, what was counted elsewhere since the last time; others may measure
    /// the same series. Neither its smallest nor its largest value takes part. What [`Instrument::observe`] would leave
    /// out is left out.
    pub fn add(&self, more: &Distribution<'_>) {
        let (Some((core, unit)), Some(region)) = (self.0, attach::region()) else { return };
        if !more.fits(core) {
            return region.count_refused();
        }
        add_fraction(region.word(unit, wire::series::VALUE), more.sum);
        for (bucket, count) in more.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            region.word(unit, wire::series::BUCKETS + bucket * 8).fetch_add(*count, Relaxed);
        }
    }
}
