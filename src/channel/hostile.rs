//! The reader against regions that are corrupt in random ways.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::region::{Region, RegionError};
use super::series::SeriesTable;
use super::tables::{CellTable, StringTable};
use super::testing::{FakeEntry, FakeRegion, RING_SHIFT, SERIES, SIZE};
use crate::wire;

/// Not a proof, but ten thousands of corruptions, while another thread changes the bytes that are being read.
#[test]
fn a_hostile_region_ends_in_an_error_and_never_in_a_panic() {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % below as u64) as usize
    };
    // The sensitive parts: the header, the rings' controls and first records, a cell, a string, series and their slots; and
    // anywhere.
    let place = |random: &mut dyn FnMut(usize) -> usize| {
        let (cells, controls) = (2 * wire::HEADER_SIZE, SIZE - (2 << RING_SHIFT) - 2 * wire::RING_CONTROL_SIZE);
        let data = SIZE - (2 << RING_SHIFT);
        let entries = SERIES + wire::SERIES_SLOTS * 4;
        let from = [0, controls, data, cells, wire::HEADER_SIZE, SERIES, entries, random(SIZE - 300)][random(8)];
        (from + random(260)) & !7
    };
    let end = std::time::Instant::now() + std::time::Duration::from_secs(3);
    let (mut refused, mut poisoned, mut survived) = (0, 0, 0);
    while std::time::Instant::now() < end {
        let mut fake = FakeRegion::new();
        for ring in [0, 1, 0] {
            fake.record(ring, 8 * (1 + random(60)), 1);
        }
        let histogram =
            FakeEntry { what: 2, kind: 3, number: 3, buckets: &[1, 2, 3], attributes: b"x", ..FakeEntry::default() };
        (0..4).for_each(|slot| fake.entry(slot, 2 * slot, &histogram));
        let corrupt = |fake: &FakeRegion, random: &mut dyn FnMut(usize) -> usize| {
            let at = place(random);
            let value = [0, 1, u64::MAX, random(SIZE) as u64, random(usize::MAX) as u64][random(5)];
            fake.put(at, &value.to_le_bytes()[..4 + 4 * random(2)]);
        };
        (0..random(4)).for_each(|_| corrupt(&fake, &mut random));
        let Ok(region) = Region::map(fake.sealed()) else {
            refused += 1;
            continue;
        };
        let region = Arc::new(region);
        let stop = std::sync::atomic::AtomicBool::new(false);
        let changes: Vec<_> = (0..32).map(|_| (place(&mut random), random(usize::MAX) as u64)).collect();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Relaxed) {
                    changes.iter().for_each(|(at, value)| fake.put(*at, &value.to_le_bytes()));
                }
            });
            let mut tails = vec![0; region.rings()];
            let outcome = (0..20).try_for_each(|_| {
                for (ring, tail) in tails.iter_mut().enumerate() {
                    let waiting = region.waiting(ring, *tail)?;
                    if waiting > 0 {
                        *tail += region.take(ring, *tail, waiting)?.len() as u64;
                    }
                    region.release(ring, *tail);
                }
                Ok::<_, RegionError>(())
            });
            if outcome.is_err() {
                poisoned += 1
            } else {
                survived += 1
            }
            let (cells, strings) = (CellTable::new(&region), StringTable::new(&region));
            (0..cells.len() + 1).for_each(|index| _ = (cells.description(index), cells.value(index)));
            (0..64).for_each(|id| _ = strings.get(id * 4));
            let _ = strings.introduction();
            let series = SeriesTable::new(&region);
            for slot in (0..series.slots()).take(64) {
                if let Some(entry) = series.entry(slot) {
                    series.numbers(&entry);
                    series.bounds(&entry);
                }
            }
            let _ = (region.dropped(), series.faults());
            stop.store(true, Relaxed);
        });
    }
    assert!(refused > 10 && poisoned > 10 && survived > 10, "{refused} {poisoned} {survived}");
}

/// Reads all that is ever read of a region.
fn read_all(region: &Arc<Region>) {
    for ring in 0..region.rings() {
        if let Ok(waiting @ 1..) = region.waiting(ring, 0) {
            let _ = region.take(ring, 0, waiting);
        }
    }
    let (cells, strings, series) = (CellTable::new(region), StringTable::new(region), SeriesTable::new(region));
    (0..cells.len()).for_each(|index| _ = (cells.description(index), cells.value(index)));
    (0..64).chain([u32::MAX / 4]).for_each(|id| _ = strings.get(id * 4));
    for entry in (0..series.slots()).chain([u32::MAX]).filter_map(|slot| series.entry(slot)) {
        assert!(entry.bytes.len() <= series.size());
        series.numbers(&entry);
        series.bounds(&entry);
    }
    let _ = (region.dropped(), region.unattached(), series.faults(), series.request_observation());
}

/// Counts, lengths and offsets that are as large as can be, or point to themselves, one at a time.
#[test]
fn extreme_numbers_are_survived_in_every_field() {
    let entries = SERIES + wire::SERIES_SLOTS * 4;
    let controls = SIZE - (2 << RING_SHIFT) - 2 * wire::RING_CONTROL_SIZE;
    let cells = 2 * wire::HEADER_SIZE;
    let fields = (0..600).step_by(4).map(|field| (field, true));
    let fields = fields.chain((0..2 * wire::RING_CONTROL_SIZE).step_by(4).map(|field| (controls + field, false)));
    let fields = fields.chain((0..64).step_by(4).flat_map(|field| [(cells + field, false), (SERIES + field, false)]));
    let fields = fields
        .chain((0..64).step_by(4).flat_map(|field| [(entries + field, false), (wire::HEADER_SIZE + field, false)]));
    for (field, is_header) in fields {
        for value in [u64::MAX, i64::MAX as u64, 1 << 63, u64::from(u32::MAX), 1 << 31, u64::MAX - 63, 0] {
            let mut fake = FakeRegion::new();
            fake.record(0, 64, 1);
            fake.string(wire::FIRST_STRING, "a crate");
            fake.cell(0, 1, b"x");
            let good =
                FakeEntry { what: 2, kind: 3, number: 3, buckets: &[1, 2], attributes: b"x", ..FakeEntry::default() };
            fake.entry(0, 0, &good);
            // Before it is mapped, and after.
            if is_header {
                let before = FakeRegion::new();
                before.put(field, &value.to_le_bytes()[..4]);
                if let Ok(region) = Region::map(before.sealed()) {
                    read_all(&Arc::new(region));
                }
            }
            let region = Arc::new(Region::map(fake.sealed()).unwrap());
            fake.put(field, &value.to_le_bytes());
            read_all(&region);
        }
    }
}
