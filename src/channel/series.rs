//! A process's instruments and their time series, read where it counts them.

use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use std::time::{Duration, Instant};

use super::region::Region;
use crate::wire::{self, header, series};

/// The instruments and series of one process, readable at any time.
#[derive(Debug, Clone)]
pub(crate) struct SeriesTable(Arc<Region>);

/// An instrument, one of its series, or a note. Its attributes do not change: read them once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SeriesEntry {
    at: usize,
    buckets: usize,
    /// A `wire::series::what`.
    pub(crate) what: u8,
    /// A `wire::series::instrument_kind`, or a note's kind.
    pub(crate) kind: u8,
    /// A `wire::series::number`.
    pub(crate) number: u8,
    /// A series' instrument.
    pub(crate) instrument: u32,
    /// The number of attributes in `bytes`.
    pub(crate) attributes: u16,
    /// Attributes as in a record.
    pub(crate) bytes: Vec<u8>,
}

/// What a series has counted so far.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Numbers {
    /// The bits of a sum or a last value.
    pub(crate) value: u64,
    /// How often the value was set, where that is what happens to it.
    pub(crate) times: u64,
    /// The smallest value of a histogram.
    pub(crate) min: f64,
    /// The largest value of a histogram.
    pub(crate) max: f64,
    /// Values in each bucket of a histogram.
    pub(crate) buckets: Vec<u64>,
}

/// How often something went wrong with the process's metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct MetricFaults {
    /// Instruments that found no room.
    pub(crate) without_room: u64,
    /// Measurements that no sum can take.
    pub(crate) refused: u64,
    /// Callbacks that did not return in time.
    pub(crate) stuck: u32,
    /// Callbacks that panicked.
    pub(crate) panicked: u32,
}

impl SeriesTable {
    /// The series of a region.
    pub(crate) fn new(region: &Arc<Region>) -> SeriesTable {
        SeriesTable(Arc::clone(region))
    }

    /// The number of slots in use, published or not.
    pub(crate) fn slots(&self) -> u32 {
        self.0.memory.u32(header::SERIES_COUNT).load(Acquire).min(wire::SERIES_SLOTS as u32)
    }

    /// The size of the part that holds the entries. All entries together have no more bytes.
    pub(crate) fn size(&self) -> usize {
        self.0.geometry.series_size
    }

    /// The entry of a slot, once it is published. `None` as well for a corrupt one.
    pub(crate) fn entry(&self, slot: u32) -> Option<SeriesEntry> {
        let Region { memory, geometry, .. } = &*self.0;
        if slot >= self.slots() {
            return None;
        }
        let unit = memory.u32(geometry.series + slot as usize * 4).load(Acquire) as usize;
        let offset = unit * wire::SERIES_UNIT;
        if offset < wire::SERIES_SLOTS * 4 || offset + series::BUCKETS > geometry.series_size {
            return None;
        }
        let at = geometry.series + offset;
        let number = |field: usize| memory.u32(at + field).load(Relaxed);
        let length = number(series::LEN) as usize;
        let [what, kind, number_kind, _] = number(series::WHAT).to_le_bytes();
        let [a, b, c, d] = number(series::BUCKET_COUNT).to_le_bytes();
        let (buckets, attributes) = (usize::from(u16::from_le_bytes([a, b])), u16::from_le_bytes([c, d]));
        let (from, size) = (number(series::ATTRIBUTES_AT) as usize, number(series::ATTRIBUTES_LEN) as usize);
        let fits = length <= geometry.series_size - offset
            && buckets <= wire::MAX_BOUNDS + 1
            && series::BUCKETS + buckets * 8 <= from
            && from.checked_add(size).is_some_and(|end| end <= length);
        fits.then(|| {
            let (instrument, bytes) = (number(series::INSTRUMENT), memory.copy(at + from, size));
            SeriesEntry { at, buckets, what, kind, number: number_kind, instrument, attributes, bytes }
        })
    }

    /// What the series of an entry has counted.
    pub(crate) fn numbers(&self, entry: &SeriesEntry) -> Numbers {
        let word = |offset: usize| self.0.memory.u64(entry.at + offset).load(Relaxed);
        // Times are read first, and buckets before the sum: a measurement that comes in between is read the next time.
        Numbers {
            times: word(series::TIMES),
            buckets: (0..entry.buckets).map(|index| word(series::BUCKETS + index * 8)).collect(),
            value: match (entry.kind, entry.number) {
                (series::instrument_kind::COUNTER, series::number::U64) => {
                    word(series::VALUE).wrapping_add(word(series::OWN))
                }
                _ => word(series::VALUE),
            },
            min: f64::from_bits(word(series::MIN)),
            max: f64::from_bits(word(series::MAX)),
        }
    }

    /// The bounds of a histogram's buckets, of its instrument's entry.
    pub(crate) fn bounds(&self, entry: &SeriesEntry) -> Vec<f64> {
        let bound = |index| self.0.memory.u64(entry.at + series::BUCKETS + index * 8).load(Relaxed);
        (0..entry.buckets.saturating_sub(1)).map(|index| f64::from_bits(bound(index))).collect()
    }

    /// What went wrong so far.
    pub(crate) fn faults(&self) -> MetricFaults {
        let memory = &self.0.memory;
        MetricFaults {
            without_room: memory.u64(header::WITHOUT_ROOM).load(Relaxed),
            refused: memory.u64(header::REFUSED).load(Relaxed),
            stuck: memory.u32(header::STUCK).load(Relaxed),
            panicked: memory.u32(header::PANICKED).load(Relaxed),
        }
    }

    /// Requests that the process runs its callbacks; the request to wait for. `None` when there are no callbacks, when the
    /// former request is not answered, or when a system call filter could end the process for answering.
    pub(crate) fn request_observation(&self) -> Option<u32> {
        let memory = &self.0.memory;
        let (requested, answered) = (memory.u32(header::REQUESTED_ROUND), memory.u32(header::FINISHED_ROUND));
        let is_filtered = memory.u32(header::FILTERED).load(Relaxed) != 0;
        if is_filtered
            || memory.u32(header::HAS_OBSERVER).load(Acquire) == 0
            || requested.load(Acquire) != answered.load(Acquire)
        {
            return None;
        }
        let request = requested.fetch_add(1, AcqRel).wrapping_add(1);
        memory.wake(header::REQUESTED_ROUND);
        Some(request)
    }

    /// Waits until a request is answered; whether that was before `deadline`.
    pub(crate) fn wait(&self, request: u32, deadline: Instant) -> bool {
        loop {
            let answered = self.0.memory.u32(header::FINISHED_ROUND).load(Acquire);
            let left = deadline.saturating_duration_since(Instant::now());
            if answered == request || left == Duration::ZERO {
                return answered == request;
            }
            self.0.memory.wait(header::FINISHED_ROUND, answered, left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{FakeEntry, FakeRegion};
    use super::*;

    fn table(fake: &FakeRegion) -> SeriesTable {
        SeriesTable::new(&Arc::new(Region::map(fake.sealed()).unwrap()))
    }

    #[test]
    fn a_histogram_is_read_whole() {
        let fake = FakeRegion::new();
        let bounds = [1.5_f64.to_bits(), 9.0_f64.to_bits(), 0];
        let (what, kind, number) = (1, series::instrument_kind::HISTOGRAM, series::number::F64);
        let base = FakeEntry { what, kind, number, ..FakeEntry::default() };
        fake.entry(0, 0, &FakeEntry { buckets: &bounds, attributes: b"name", ..base });
        let counted = FakeEntry { what: 2, value: 7.5_f64.to_bits(), buckets: &[1, 2, 3], ..base };
        fake.entry(1, 4, &FakeEntry { attributes: b"GET", instrument: 0, ..counted });
        let table = table(&fake);
        assert_eq!((table.slots(), table.entry(2)), (2, None));
        let instrument = table.entry(0).unwrap();
        assert_eq!((table.bounds(&instrument), &*instrument.bytes), (vec![1.5, 9.0], &b"name"[..]));
        let series = table.entry(1).unwrap();
        let numbers = table.numbers(&series);
        assert_eq!((series.what, &*series.bytes, numbers.buckets), (2, &b"GET"[..], vec![1, 2, 3]));
        assert_eq!(f64::from_bits(numbers.value), 7.5);
    }

    #[test]
    fn entries_beyond_the_bounds_are_ignored() {
        let fake = FakeRegion::new();
        let good = FakeEntry { what: 2, buckets: &[1], attributes: b"x", ..FakeEntry::default() };
        fake.entry(0, 0, &good);
        let table = table(&fake);
        let good = table.entry(0);
        assert!(good.is_some());
        let at = super::super::testing::SERIES + wire::SERIES_SLOTS * 4;
        for (field, value, before) in [
            (series::LEN, u32::MAX, 128),
            (series::LEN, 64, 128),
            (series::BUCKET_COUNT, 0x0001_ffff, 0x0001_0001),
            (series::ATTRIBUTES_AT, 0, 72),
            (series::ATTRIBUTES_AT, u32::MAX, 72),
            (series::ATTRIBUTES_LEN, u32::MAX, 1),
        ] {
            fake.put(at + field, &u32::to_le_bytes(value));
            assert_eq!(table.entry(0), None, "{field} {value}");
            fake.put(at + field, &u32::to_le_bytes(before));
            assert_eq!(table.entry(0), good, "{field}");
        }
        for unit in [1, u32::MAX, 1 << 20] {
            fake.put(super::super::testing::SERIES, &u32::to_le_bytes(unit));
            assert_eq!(table.entry(0), None, "{unit}");
        }
    }

    #[test]
    fn a_process_that_has_not_answered_gets_no_further_request() {
        let fake = FakeRegion::new();
        let table = table(&fake);
        assert_eq!(table.request_observation(), None);
        fake.put(header::HAS_OBSERVER, &[1]);
        let request = table.request_observation().unwrap();
        assert!(!table.wait(request, Instant::now() + Duration::from_millis(5)));
        assert_eq!(table.request_observation(), None);
        fake.put(header::FINISHED_ROUND, &request.to_le_bytes());
        assert!(table.wait(request, Instant::now()) && table.request_observation().is_some());
    }
}
