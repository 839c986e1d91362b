//! Instruments that are not allowed. The launcher names some of them; a program may make any number, and of the others
//! nothing is kept.

use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::description::{self, Description, Owner};
use super::find::AppendOnlyTable;
use super::set;
use crate::attribute::Value;
use crate::region::Region;
use crate::wire::series::note;

/// As many are noted.
const MOST: usize = 32;
/// Longest text of one in a note.
const MOST_TEXT: usize = 256;

/// Those that were noted, by their hash alone.
static NOTED: AppendOnlyTable<()> = AppendOnlyTable::new();

/// Notes an instrument that is not allowed, unless it was noted before; counts it if there are too many.
#[cold]
pub(super) fn note(region: &Region, description: &Description<'_>) {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let short = shortened(description);
    let noted = description::attributes(&short);
    let mut hasher = Bytes(vec![short.kind as u8, short.number as u8]);
    noted.iter().for_each(|(_, value)| {
        if let Value::Bytes(bytes) = value {
            bytes.hash(&mut hasher)
        }
    });
    let hash = set::hash(&hasher.0);
    if NOTED.find(hash, |()| true).is_some() {
        return;
    }
    let more = |count| Some(count + 1).filter(|count| *count <= MOST);
    if COUNT.fetch_update(Relaxed, Relaxed, more).is_err() {
        return region.count_without_room();
    }
    NOTED.add(hash, (), |()| true);
    // Another thread may note it as well: once too often does no harm.
    region.note(note::INVALID, &noted);
}

fn shortened<'a>(description: &Description<'a>) -> Description<'a> {
    let mut short = *description;
    short.name = cut(short.name);
    short.unit = cut(short.unit);
    short.description = "";
    if let Owner::Named { name, version, schema_url, .. } = &mut short.owner {
        *name = cut(name);
        *version = version.map(cut);
        *schema_url = schema_url.map(cut);
    }
    short
}

fn cut(text: &str) -> &str {
    let mut end = text.len().min(MOST_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or("")
}

/// Collects what is hashed, to be hashed by a seed.
struct Bytes(Vec<u8>);

impl Hasher for Bytes {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}
