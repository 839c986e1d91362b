//! Instruments: described once for each identity, measured from anywhere.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};

use super::count::count;
use super::description::{self, Description, Owner, MOST_ATTRIBUTES};
use super::find::{AppendOnlyTable, Canonical, SeriesTable};
use super::set::{self, AttributeSet, SetFingerprint};
use super::{add_fraction, bounds, invalid, lower, InstrumentKind, Number, NumberKind};
use crate::attach;
use crate::attribute::{self, key, Key, Value};
use crate::region::{EntryPlace, Region, RegionEntry};
use crate::wire::series::what;
use crate::{settings, wire};

/// The specification's own bounds, for histograms that advise none.
const DEFAULT_BOUNDARIES: [f64; 15] =
    [0.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1000.0, 2500.0, 5000.0, 7500.0, 10000.0];

/// An instrument with its series, for ever.
pub(super) struct Core {
    pub(super) kind: InstrumentKind,
    number: NumberKind,
    pub(super) bounds: Box<[f64]>,
    place: EntryPlace,
    /// The overflow series, for attributes beyond the limit.
    overflow: EntryPlace,
    overflow_is_shown: AtomicBool,
    series_count: AtomicUsize,
    /// The unit of the series without attributes; 0 while there is none.
    without_attributes: AtomicU32,
    /// Whether there were attributes whose words do not identify them: trying words alone is not worth it then.
    has_other: AtomicBool,
    found: SeriesTable,
}

/// An instrument by its identity.
struct KnownInstrument {
    identity: Box<[u8]>,
    core: Core,
}

/// Most instruments: as many as the region has room for.
static KNOWN: AppendOnlyTable<KnownInstrument> = AppendOnlyTable::new();

/// Longest attributes of a series. Others would soon have no room.
const MOST_CONTENT: usize = 64 << 10;

/// An instrument, or nothing: where metrics are not exported, measuring does nothing.
#[derive(Clone, Copy)]
pub struct Instrument(pub(super) Option<&'static Core>);

impl fmt::Debug for Instrument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Instrument").field(&self.0.map(|core| core.kind)).finish()
    }
}

/// One time series of an instrument, or nothing.
#[derive(Clone, Copy)]
pub struct Series(pub(super) Option<(&'static Core, u32)>);

impl fmt::Debug for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Series").field(&self.0.map(|(core, _)| core.kind)).finish()
    }
}

/// The instrument of that description: the same one for the same scope, name, kind, type of number and unit. Nothing
/// when metrics are not exported or the description is not allowed, of which the launcher warns.
pub fn instrument(description: &Description<'_>) -> Instrument {
    if !super::enabled() {
        return Instrument(None);
    }
    if let Owner::Layer(scope) = description.owner {
        if !scope.enabled() {
            return Instrument(None);
        }
    }
    let Some(region) = attach::region() else { return Instrument(None) };
    if !description::is_allowed(description) {
        invalid::note(region, description);
        return Instrument(None);
    }
    let Some(identity) = description::identity(description) else {
        region.count_without_room();
        return Instrument(None);
    };
    let hash = set::hash(&identity);
    let fits = |known: &KnownInstrument| *known.identity == *identity;
    if let Some(known) = KNOWN.find(hash, fits) {
        return Instrument(Some(&known.core));
    }
    let Some(core) = Core::new(region, description) else {
        region.count_without_room();
        return Instrument(None);
    };
    let place = core.place;
    let known = KNOWN.add(hash, KnownInstrument { identity: identity.clone().into(), core }, fits);
    // Unless another thread was faster.
    if known.core.place == place {
        region.show(place);
    }
    Instrument(Some(&known.core))
}

impl Core {
    #[cold]
    fn new(region: &Region, description: &Description<'_>) -> Option<Core> {
        let (bounds, advised) = match (description.kind, description.boundaries) {
            (InstrumentKind::Histogram, Some(bounds)) if description.is_observed => (bounds.into(), Vec::new()),
            (InstrumentKind::Histogram, bounds) => bounds::between(bounds.unwrap_or(&DEFAULT_BOUNDARIES)),
            _ => Default::default(),
        };
        let mut described = description::attributes(description);
        if !advised.is_empty() {
            described.push((key::METRIC_ADVISED, advised.as_slice().into()));
        }
        let (mut bytes, mut count) = attribute::encoded(&described);
        if let Owner::Named { attributes, .. } = description.owner {
            let (own, own_count) = set::canonical(attributes);
            bytes.extend(own);
            count += own_count;
        }
        let buckets = if description.kind == InstrumentKind::Histogram { bounds.len() as u16 + 1 } else { 0 };
        let (kind, number) = (description.kind as u8, description.number as u8);
        let mut entry = RegionEntry {
            what: what::INSTRUMENT,
            kind,
            number,
            is_overflow: false,
            instrument: 0,
            buckets,
            attributes: &bytes,
            count,
        };
        let place = region.write_entry(&entry)?;
        for (index, bound) in bounds.iter().enumerate() {
            region.word(place.unit, wire::series::BUCKETS + index * 8).store(bound.to_bits(), Relaxed);
        }
        let overflow = [(Key::Named("otel.metric.overflow"), Value::Bool(true))];
        let (bytes, count) = attribute::encoded(&overflow);
        entry = RegionEntry {
            what: what::SERIES,
            is_overflow: true,
            instrument: place.slot,
            attributes: &bytes,
            count,
            ..entry
        };
        Some(Core {
            kind: description.kind,
            number: description.number,
            bounds,
            place,
            overflow: region.write_entry(&entry)?,
            overflow_is_shown: AtomicBool::new(false),
            series_count: AtomicUsize::new(0),
            without_attributes: AtomicU32::new(0),
            has_other: AtomicBool::new(false),
            found: SeriesTable::new(),
        })
    }

    /// The series of these attributes, which is made when it is new.
    #[inline(always)]
    pub(super) fn series(&self, region: &Region, set: &(impl AttributeSet + ?Sized)) -> u32 {
        if set.count() == 0 {
            let unit = self.without_attributes.load(Relaxed);
            if unit != 0 {
                return unit;
            }
        }
        self.given_series(region, set)
    }

    /// Not inlined: measurements without attributes then save no registers, and all number types share this code.
    #[inline(never)]
    fn given_series(&self, region: &Region, set: &(impl AttributeSet + ?Sized)) -> u32 {
        match set.count() {
            1 => self.whole_series::<1>(region, set),
            2 => self.whole_series::<2>(region, set),
            3 => self.whole_series::<3>(region, set),
            4 => self.whole_series::<4>(region, set),
            5 => self.whole_series::<5>(region, set),
            6 => self.whole_series::<6>(region, set),
            7 => self.other_series::<7>(region, set),
            8 => self.other_series::<8>(region, set),
            _ => self.new_series(region, set, None),
        }
    }

    #[inline(always)]
    fn whole_series<const N: usize>(&self, region: &Region, set: &(impl AttributeSet + ?Sized)) -> u32 {
        if !self.has_other.load(Relaxed) {
            if let Some(place) =
                SetFingerprint::<N>::whole(set).and_then(|fingerprint| self.found.alias(&fingerprint, set))
            {
                return place.unit;
            }
        }
        self.other_series::<N>(region, set)
    }

    #[inline(never)]
    fn other_series<const N: usize>(&self, region: &Region, set: &(impl AttributeSet + ?Sized)) -> u32 {
        let fingerprint = SetFingerprint::<N>::new(set);
        match fingerprint.as_ref().and_then(|fingerprint| self.found.alias(fingerprint, set)) {
            Some(place) => place.unit,
            None => self.new_series(region, set, fingerprint.map(|fingerprint| fingerprint.hash)),
        }
    }

    /// `hash` is that of the set's fingerprint, where it has one.
    #[cold]
    #[inline(never)]
    fn new_series(&self, region: &Region, set: &(impl AttributeSet + ?Sized), hash: Option<u64>) -> u32 {
        super::look_for_threads();
        let limit = settings::series_limit();
        if set.count() > MOST_ATTRIBUTES {
            return self.overflow(region);
        }
        let (bytes, count) = set::canonical(set);
        let content = set::hash(&bytes);
        let fits = |known: &Canonical| *known.bytes == *bytes;
        let place = match self.found.series.find(content, fits) {
            Some(known) => known.place,
            None => {
                // One series is reserved for the overflow.
                let more = |count: usize| Some(count + 1).filter(|count| *count < limit);
                let is_within =
                    bytes.len() <= MOST_CONTENT && self.series_count.fetch_update(Relaxed, Relaxed, more).is_ok();
                let made = if is_within { self.write_series(region, &bytes, count) } else { None };
                let Some(place) = made else { return self.overflow(region) };
                let known = self.found.series.add(content, Canonical { bytes: bytes.clone().into(), place }, fits);
                if known.place == place {
                    region.show(place);
                }
                known.place
            }
        };
        if set.count() == 0 {
            self.without_attributes.store(place.unit, Relaxed);
        } else if let Some(hash) = hash {
            if (0..set.count()).any(|index| set.words(index).is_none()) {
                self.has_other.store(true, Relaxed);
            }
            self.found.add_alias(hash, set, place, limit.saturating_mul(4));
        }
        place.unit
    }

    /// The overflow series, for attributes that are beyond the limit or too long.
    fn overflow(&self, region: &Region) -> u32 {
        if !self.overflow_is_shown.swap(true, Relaxed) {
            region.show(self.overflow);
        }
        self.overflow.unit
    }

    fn write_series(&self, region: &Region, attributes: &[u8], count: u16) -> Option<EntryPlace> {
        let buckets = if self.kind == InstrumentKind::Histogram { self.bounds.len() as u16 + 1 } else { 0 };
        region.write_entry(&RegionEntry {
            what: what::SERIES,
            kind: self.kind as u8,
            number: self.number as u8,
            is_overflow: false,
            instrument: self.place.slot,
            buckets,
            attributes,
            count,
        })
    }

    #[inline(always)]
    fn measure(&self, region: &Region, unit: u32, number: Number) {
        let value = region.word(unit, wire::series::VALUE);
        match self.kind {
            InstrumentKind::Counter if self.number == NumberKind::U64 => {
                if !self.can_add(number) {
                    return region.count_refused();
                }
                count(region, unit, number.bits(NumberKind::U64));
            }
            InstrumentKind::Counter | InstrumentKind::UpDownCounter => {
                if !self.can_add(number) {
                    return region.count_refused();
                }
                add(value, number, self.number);
            }
            InstrumentKind::Histogram => {
                let float = number.to_f64();
                if !float.is_finite() {
                    return region.count_refused();
                }
                add(value, number, self.number);
                lower(region.word(unit, wire::series::MIN), float, |known| float < known);
                lower(region.word(unit, wire::series::MAX), float, |known| float > known);
                // Last, since the number of values is that of all buckets.
                let bucket = self.bounds.partition_point(|bound| *bound < float);
                region.word(unit, wire::series::BUCKETS + bucket * 8).fetch_add(1, Relaxed);
            }
            // NaN and infinities do not change a gauge: it keeps its last value, as with the SDK.
            _ if !number.to_f64().is_finite() => {}
            _ => {
                value.store(number.bits(self.number), Relaxed);
                region.word(unit, wire::series::TIMES).fetch_add(1, Relaxed);
            }
        }
    }

    #[inline(always)]
    fn can_add(&self, number: Number) -> bool {
        let may_fall = self.kind == InstrumentKind::UpDownCounter;
        match number {
            Number::U64(_) => true,
            Number::I64(number) => may_fall || number >= 0,
            Number::F64(number) => number.is_finite() && (may_fall || number >= 0.0),
        }
    }
}

#[inline(always)]
fn add(to: &AtomicU64, number: Number, kind: NumberKind) {
    let bits = number.bits(kind);
    if kind == NumberKind::F64 {
        add_fraction(to, f64::from_bits(bits));
    } else {
        // Two's complement: an unsigned addition is right for signed numbers as well.
        to.fetch_add(bits, Relaxed);
    }
}

impl Instrument {
    /// An instrument that records nothing.
    pub const NONE: Instrument = Instrument(None);

    /// Whether it records anything.
    pub fn is_read(&self) -> bool {
        self.0.is_some()
    }

    /// Adds to a sum, counts a value in a histogram, or sets the value of a gauge or of an observable instrument.
    #[inline]
    pub fn measure(&self, number: impl Into<Number>, attributes: &(impl AttributeSet + ?Sized)) {
        let Some(core) = self.0 else { return };
        let Some(region) = attach::region() else { return };
        super::catch_up();
        core.measure(region, core.series(region, attributes), number.into());
    }

    /// The series of these attributes, which spares looking for it.
    pub fn bind(&self, attributes: &(impl AttributeSet + ?Sized)) -> Series {
        let found = self.0.and_then(|core| Some((core, core.series(attach::region()?, attributes))));
        Series(found)
    }
}

impl Series {
    /// A series that records nothing.
    pub const NONE: Series = Series(None);

    /// Whether it is the one that stands for all beyond the limit.
    pub fn is_overflow(&self) -> bool {
        self.0.map_or(false, |(core, unit)| unit == core.overflow.unit)
    }

    /// As [`Instrument::measure`].
    #[inline]
    pub fn measure(&self, number: impl Into<Number>) {
        let Some((core, unit)) = self.0 else { return };
        let Some(region) = attach::region() else { return };
        core.measure(region, unit, number.into());
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core").field("kind", &self.kind).finish()
    }
}
