//! Attributes that a program records at a place of its own, which its records name by an id.

use super::{FastMap, StringLookup};
use crate::records::record::FactBlock;
use crate::wire::{self, key};

/// Bytes of places that are remembered for one process. Others are looked up each time.
const MAX_BYTES: usize = 1 << 20;
/// What each takes in the table.
const ENTRY: usize = 64;

/// The places of one process that are known.
#[derive(Default)]
pub(super) struct Places {
    known: FastMap<u32, Place>,
    bytes: usize,
    /// One that is not remembered.
    other: Option<Place>,
}

struct Place {
    bytes: Vec<u8>,
    count: u16,
}

impl Place {
    /// `entry` is one of the string table: `u16` how many attributes, then they.
    fn read(entry: Option<Vec<u8>>) -> Place {
        let mut bytes = entry.unwrap_or_default();
        let count = bytes.first_chunk().map_or(0, |count| u16::from_le_bytes(*count));
        bytes.drain(..bytes.len().min(2));
        Place { bytes, count }
    }

    fn block(&self) -> FactBlock<'_> {
        FactBlock { bytes: &self.bytes, count: self.count }
    }
}

impl Places {
    /// The facts that the first one of `facts` stands for, and the others.
    pub(super) fn of<'a>(&'a mut self, facts: FactBlock<'a>, strings: &StringLookup) -> [FactBlock<'a>; 2] {
        let Some((id, rest)) = named(facts) else { return [FactBlock { bytes: &[], count: 0 }, facts] };
        if !self.known.contains_key(&id) {
            let place = Place::read(strings(id));
            let bytes = self.bytes + place.bytes.len() + ENTRY;
            if bytes > MAX_BYTES {
                return [self.other.insert(place).block(), rest];
            }
            self.bytes = bytes;
            self.known.insert(id, place);
        }
        [self.known.get(&id).map_or(FactBlock { bytes: &[], count: 0 }, Place::block), rest]
    }
}

/// The id of the place that stands first among the facts, and the other facts.
fn named(facts: FactBlock<'_>) -> Option<(u32, FactBlock<'_>)> {
    let header = u64::from(key::PLACE) | u64::from(wire::value::INT) << 16 | 8 << 32;
    let (first, rest) = facts.bytes.split_at_checked(wire::ATTRIBUTE_HEADER)?;
    let (id, rest) = rest.split_first_chunk::<8>()?;
    let count = facts.count.checked_sub(1).filter(|_| first == header.to_le_bytes())?;
    Some((u32::try_from(u64::from_le_bytes(*id)).ok()?, FactBlock { bytes: rest, count }))
}
