//! Instruments and series as entries of the region, see [`wire::series`].

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::Region;
use crate::attribute::{self, Attribute};
use crate::wire::{self, header, series};
use crate::writer::Writer;

/// Where an entry is, or will be: its slot, and its offset in units. Valid in forked children too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EntryPlace {
    pub(crate) slot: u32,
    pub(crate) unit: u32,
}

/// What stands in an entry.
pub(crate) struct RegionEntry<'a> {
    pub(crate) what: u8,
    pub(crate) kind: u8,
    pub(crate) number: u8,
    pub(crate) is_overflow: bool,
    pub(crate) instrument: u32,
    /// As many words stand between head and attributes.
    pub(crate) buckets: u16,
    pub(crate) attributes: &'a [u8],
    pub(crate) count: u16,
}

const FIRST_UNIT: usize = wire::SERIES_SLOTS * 4 / wire::SERIES_UNIT;

impl Region {
    /// Writes an entry that the launcher does not see until it is shown; `None` when there is no room. What was claimed stays so.
    pub(crate) fn write_entry(&self, entry: &RegionEntry<'_>) -> Option<EntryPlace> {
        let attributes_at = series::BUCKETS + usize::from(entry.buckets) * 8;
        let length = attributes_at.checked_add(entry.attributes.len() + wire::SERIES_UNIT - 1)?;
        let (units, most) = (length / wire::SERIES_UNIT, self.series_units() as u64);
        let (relaxed, acquire) = (Ordering::Relaxed, Ordering::AcqRel);
        let more = |used: u64| used.checked_add(units as u64).filter(|used| *used <= most);
        let unit = self.series_used.fetch_update(acquire, relaxed, more).ok()? as u32;
        let more = |count: u32| Some(count + 1).filter(|count| *count <= wire::SERIES_SLOTS as u32);
        let slot = self.series_count.fetch_update(acquire, relaxed, more).ok()?;
        self.at::<AtomicU32>(header::SERIES_COUNT).fetch_max(slot + 1, acquire);
        let RegionEntry { what, kind, number, .. } = *entry;
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
        let place = EntryPlace { slot, unit };
        self.word(place.unit, series::MIN).store(f64::INFINITY.to_bits(), relaxed);
        self.word(place.unit, series::MAX).store(f64::NEG_INFINITY.to_bits(), relaxed);
        Some(place)
    }

    /// Shows an entry to the launcher.
    pub(crate) fn show(&self, place: EntryPlace) {
        if (place.slot as usize) < wire::SERIES_SLOTS {
            self.slot(place.slot).store(place.unit, Ordering::Release);
        }
    }

    /// Adds a note, of which the launcher warns the user.
    #[cold]
    pub(crate) fn note(&self, kind: u8, attributes: &[Attribute<'_>]) {
        let (bytes, count) = attribute::encoded(attributes);
        let what = series::what::NOTE;
        let note = RegionEntry {
            what,
            kind,
            number: 0,
            is_overflow: false,
            instrument: 0,
            buckets: 0,
            attributes: &bytes,
            count,
        };
        if let Some(place) = self.write_entry(&note) {
            self.show(place);
        }
    }

    /// A number of an entry. `unit` comes from [`write_entry`](Self::write_entry) and `offset` lies within what it wrote.
    #[inline(always)]
    pub(crate) fn word(&self, unit: u32, offset: usize) -> &AtomicU64 {
        // SAFETY: within the series' part (see above), aligned to 8, and atomics may be shared.
        unsafe { &*self.series().add(unit as usize * wire::SERIES_UNIT + offset).cast::<AtomicU64>() }
    }

    #[cold]
    pub(crate) fn count_without_room(&self) {
        self.at::<AtomicU64>(header::WITHOUT_ROOM).fetch_add(1, Ordering::Relaxed);
    }

    #[cold]
    pub(crate) fn count_refused(&self) {
        self.at::<AtomicU64>(header::REFUSED).fetch_add(1, Ordering::Relaxed);
    }

    /// For a forked child: the parent's instruments and series in their places, with nothing counted yet. How many there
    /// are is known for sure; their content is read as if any process had written it.
    pub(super) fn inherit_series(&self, parent: &Region) {
        let relaxed = Ordering::Relaxed;
        let slots = parent.series_count.load(Ordering::Acquire).min(wire::SERIES_SLOTS as u32);
        for index in 0..slots {
            self.slot(index).store(parent.slot(index).load(Ordering::Acquire), relaxed);
        }
        // Both parts are of one size.
        let most = self.series_units().min(parent.series_units());
        let used = (parent.series_used.load(Ordering::Acquire) as usize).clamp(FIRST_UNIT, most);
        let (from, length) = (FIRST_UNIT * wire::SERIES_UNIT, (used - FIRST_UNIT) * wire::SERIES_UNIT);
        // SAFETY: both parts hold as many units; ours is not shared yet.
        unsafe { std::ptr::copy_nonoverlapping(parent.series().add(from), self.series().add(from), length) };
        self.series_count.store(slots, relaxed);
        self.series_used.store(used as u64, relaxed);
        for index in 0..slots {
            let unit = self.slot(index).load(relaxed);
            if (unit as usize) < FIRST_UNIT || unit as usize >= used {
                continue;
            }
            let [_, _, _, _, what, ..] = self.word(unit, series::LEN).load(relaxed).to_le_bytes();
            let [.., low, high, _, _] = self.word(unit, series::INSTRUMENT).load(relaxed).to_le_bytes();
            let buckets = usize::from(u16::from_le_bytes([low, high])).min(wire::MAX_BOUNDS + 1);
            let end = unit as usize * wire::SERIES_UNIT + series::BUCKETS + buckets * 8;
            if what != series::what::SERIES || end > used * wire::SERIES_UNIT {
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

    /// `index` is below [`wire::SERIES_SLOTS`].
    fn slot(&self, index: u32) -> &AtomicU32 {
        // SAFETY: slots are at the start of the series' part, aligned, and atomics may be shared.
        unsafe { &*self.series().cast::<AtomicU32>().add(index as usize) }
    }
}
