//! Instruments and series as entries of the region, see [`wire::series`].

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::set;
use crate::attribute::Attribute;
use crate::region::Region;
use crate::ring::Writer;
use crate::wire::{self, header, series};

/// Where an entry is, or will be: its slot, and its offset in units. Valid in forked children too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) slot: u32,
    pub(super) unit: u32,
}

/// What an entry says of itself.
pub(super) struct Entry<'a> {
    pub(super) what: u8,
    pub(super) kind: u8,
    pub(super) number: u8,
    pub(super) is_overflow: bool,
    pub(super) instrument: u32,
    /// As many words stand between head and attributes.
    pub(super) buckets: u16,
    pub(super) attributes: &'a [u8],
    pub(super) count: u16,
}

const FIRST_UNIT: usize = wire::SERIES_SLOTS * 4 / wire::SERIES_UNIT;
const UNITS: usize = wire::SERIES_SIZE / wire::SERIES_UNIT;

impl Region {
    /// Writes an entry that nobody sees until it is shown; `None` when there is no room. What was claimed stays so.
    pub(super) fn write_entry(&self, entry: &Entry<'_>) -> Option<Place> {
        let attributes_at = series::BUCKETS + usize::from(entry.buckets) * 8;
        let length = attributes_at.checked_add(entry.attributes.len() + wire::SERIES_UNIT - 1)?;
        let units = length / wire::SERIES_UNIT;
        let (relaxed, acquire) = (Ordering::Relaxed, Ordering::AcqRel);
        let used = self.at::<AtomicU64>(header::SERIES_USED);
        let more = |used: u64| Some(used + units as u64).filter(|used| *used <= UNITS as u64);
        let unit = used.fetch_update(acquire, relaxed, more).ok()? as u32;
        let slots = self.at::<AtomicU32>(header::SERIES_COUNT);
        let more = |count: u32| Some(count + 1).filter(|count| *count <= wire::SERIES_SLOTS as u32);
        let slot = slots.fetch_update(acquire, relaxed, more).ok()?;
        let Entry { what, kind, number, .. } = *entry;
        let overflow = u8::from(entry.is_overflow);
        // SAFETY: these units were just claimed, so that they are ours alone, and they end within the series' part.
        unsafe {
            let start = self.series().add(unit as usize * wire::SERIES_UNIT);
            let mut to = Writer::new(start, series::VALUE);
            to.array(((units * wire::SERIES_UNIT) as u32).to_le_bytes());
            to.array([what, kind, number, overflow]);
            to.array(entry.instrument.to_le_bytes());
            to.array(entry.buckets.to_le_bytes());
            to.array(entry.count.to_le_bytes());
            to.array((attributes_at as u32).to_le_bytes());
            to.array((entry.attributes.len() as u32).to_le_bytes());
            Writer::new(start.add(attributes_at), entry.attributes.len()).bytes(entry.attributes);
        }
        let place = Place { slot, unit };
        self.word(place.unit, series::MIN).store(f64::INFINITY.to_bits(), relaxed);
        self.word(place.unit, series::MAX).store(f64::NEG_INFINITY.to_bits(), relaxed);
        Some(place)
    }

    /// Shows an entry to the launcher.
    pub(super) fn show(&self, place: Place) {
        if (place.slot as usize) < wire::SERIES_SLOTS {
            // SAFETY: slots are at the start of the series' part, aligned, and atomics may be shared.
            let slot = unsafe { &*self.series().cast::<AtomicU32>().add(place.slot as usize) };
            slot.store(place.unit, Ordering::Release);
        }
    }

    /// Tells the user something.
    #[cold]
    pub(super) fn note(&self, kind: u8, said: &[Attribute<'_>]) {
        let (bytes, count) = set::encoded(said);
        let what = series::what::NOTE;
        let note =
            Entry { what, kind, number: 0, is_overflow: false, instrument: 0, buckets: 0, attributes: &bytes, count };
        if let Some(place) = self.write_entry(&note) {
            self.show(place);
        }
    }

    /// A number of an entry. `unit` comes from [`write_entry`](Self::write_entry) and `offset` lies within what it wrote.
    #[inline(always)]
    pub(super) fn word(&self, unit: u32, offset: usize) -> &AtomicU64 {
        // SAFETY: within the series' part (see above), aligned to 8, and atomics may be shared.
        unsafe { &*self.series().add(unit as usize * wire::SERIES_UNIT + offset).cast::<AtomicU64>() }
    }

    #[cold]
    pub(super) fn count_without_room(&self) {
        self.at::<AtomicU64>(header::WITHOUT_ROOM).fetch_add(1, Ordering::Relaxed);
    }

    #[cold]
    pub(super) fn count_refused(&self) {
        self.at::<AtomicU64>(header::REFUSED).fetch_add(1, Ordering::Relaxed);
    }

    /// For a forked child: the parent's instruments and series in their places, with nothing counted yet.
    pub(crate) fn inherit_series(&self, parent: &Region) {
        let relaxed = Ordering::Relaxed;
        let slots = parent.at::<AtomicU32>(header::SERIES_COUNT).load(Ordering::Acquire);
        let slots = slots.min(wire::SERIES_SLOTS as u32);
        let slot = |region: &Region, index: u32| {
            // SAFETY: slots are at the start of the series' part, aligned, and atomics may be shared.
            unsafe { &*region.series().cast::<AtomicU32>().add(index as usize) as *const AtomicU32 }
        };
        for index in 0..slots {
            // SAFETY: points into the regions' mappings, which live as long as the process.
            unsafe { (*slot(self, index)).store((*slot(parent, index)).load(Ordering::Acquire), relaxed) };
        }
        // Read after the slots: whatever they show is complete and within what is used.
        let used = parent.at::<AtomicU64>(header::SERIES_USED).load(Ordering::Acquire);
        let used = (used as usize).clamp(FIRST_UNIT, UNITS);
        let (from, length) = (FIRST_UNIT * wire::SERIES_UNIT, (used - FIRST_UNIT) * wire::SERIES_UNIT);
        // SAFETY: both parts hold `SERIES_SIZE` bytes; ours is not shared yet.
        unsafe { std::ptr::copy_nonoverlapping(parent.series().add(from), self.series().add(from), length) };
        self.at::<AtomicU32>(header::SERIES_COUNT).store(slots, relaxed);
        self.at::<AtomicU64>(header::SERIES_USED).store(used as u64, relaxed);
        for index in 0..slots {
            // SAFETY: as above.
            let unit = unsafe { (*slot(self, index)).load(relaxed) };
            if (unit as usize) < FIRST_UNIT || unit as usize >= used {
                continue;
            }
            let [_, _, _, _, what, ..] = self.word(unit, series::LEN).load(relaxed).to_le_bytes();
            let [.., low, high, _, _] = self.word(unit, series::INSTRUMENT).load(relaxed).to_le_bytes();
            let buckets = usize::from(u16::from_le_bytes([low, high])).min(wire::MAX_BOUNDS + 1);
            if what != series::what::SERIES || unit as usize + 1 + buckets / 8 > used {
                continue;
            }
            [series::VALUE, series::TIMES, series::OWN]
                .iter()
                .for_each(|field| self.word(unit, *field).store(0, relaxed));
            self.word(unit, series::MIN).store(f64::INFINITY.to_bits(), relaxed);
            self.word(unit, series::MAX).store(f64::NEG_INFINITY.to_bits(), relaxed);
            (0..buckets).for_each(|bucket| self.word(unit, series::BUCKETS + bucket * 8).store(0, relaxed));
        }
    }
}
