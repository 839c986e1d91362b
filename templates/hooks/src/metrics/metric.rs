//! Instruments of instrumentations: described by statics, made when they are first measured.

use std::sync::atomic::AtomicPtr;
use std::sync::atomic::Ordering::{Acquire, Release};

use super::description::{Description, Owner};
use super::instrument::{instrument, Core, Instrument, Series};
use super::set::AttributeValue;
use super::{InstrumentKind, Number, NumberKind};
use crate::scope::Scope;

/// An instrument of an instrumentation; a static of the woven crate.
#[derive(Debug)]
pub struct Metric {
    scope: &'static Scope,
    kind: InstrumentKind,
    number: NumberKind,
    name: &'static str,
    unit: &'static str,
    description: &'static str,
    boundaries: Option<&'static [f64]>,
    /// Null before the first use.
    core: AtomicPtr<Core>,
}

impl Metric {
    /// Describes an instrument.
    pub const fn new(
        scope: &'static Scope,
        kind: InstrumentKind,
        number: NumberKind,
        name: &'static str,
        unit: &'static str,
        description: &'static str,
    ) -> Metric {
        let core = AtomicPtr::new(std::ptr::null_mut());
        Metric { scope, kind, number, name, unit, description, boundaries: None, core }
    }

    /// The same with upper bounds for a histogram's buckets.
    pub const fn with_boundaries(self, boundaries: &'static [f64]) -> Metric {
        let Metric { scope, kind, number, name, unit, description, .. } = self;
        let core = AtomicPtr::new(std::ptr::null_mut());
        Metric { scope, kind, number, name, unit, description, boundaries: Some(boundaries), core }
    }

    /// The instrument, or nothing while its instrumentation is disabled.
    #[inline]
    pub fn instrument(&self) -> Instrument {
        if !self.scope.enabled() {
            return Instrument(None);
        }
        // SAFETY: null, or an instrument, which lives for ever.
        match unsafe { self.core.load(Acquire).as_ref() } {
            Some(core) => Instrument(Some(core)),
            None => self.register(),
        }
    }

    #[cold]
    fn register(&self) -> Instrument {
        let Metric { kind, number, name, unit, description, boundaries, .. } = *self;
        let owner = Owner::Layer(self.scope);
        let is_observed = false;
        let made = instrument(&Description { owner, kind, number, name, unit, description, boundaries, is_observed });
        if let Instrument(Some(core)) = made {
            self.core.store(core as *const Core as *mut Core, Release);
        }
        made
    }

    /// As [`Instrument::measure`].
    #[inline]
    pub fn measure(&self, number: impl Into<Number>, attributes: &[(&'static str, AttributeValue<'_>)]) {
        self.instrument().measure(number, attributes);
    }

    /// As [`Instrument::bind`].
    pub fn bind(&self, attributes: &[(&'static str, AttributeValue<'_>)]) -> Series {
        self.instrument().bind(attributes)
    }
}
