//! Ids: a small generator per thread, seeded from the operating system's randomness by way of `RandomState`.

use std::cell::Cell;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

use crate::attach;

thread_local! {
    /// State and the region it was seeded for: a forked child gets another region and so another seed.
    static STATE: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

/// wyrand (public domain, Wang Yi): one multiplication a number, passes BigCrush.
fn next() -> u64 {
    let step = |cell: &Cell<(u64, u64)>| {
        let (mut state, seeded_for) = cell.get();
        let region = attach::generation();
        if seeded_for != region {
            state = seed();
        }
        state = state.wrapping_add(0xa076_1d64_78bd_642f);
        cell.set((state, region));
        let wide = u128::from(state).wrapping_mul(u128::from(state ^ 0xe703_7ed1_a0b4_28db));
        (wide >> 64) as u64 ^ wide as u64
    };
    STATE.try_with(step).unwrap_or_else(|_| seed())
}

#[cold]
fn seed() -> u64 {
    // `RandomState` takes its keys from the system once per thread and then counts; time and the region's generation
    // keep a forked child apart from its parent.
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u64(crate::span::now());
    hasher.write_u64(attach::generation());
    hasher.finish()
}

pub(crate) fn span_id() -> [u8; 8] {
    let id = next();
    // All zeros means "none" (W3C Trace Context, parent-id).
    if id == 0 {
        [1; 8]
    } else {
        id.to_be_bytes()
    }
}

pub(crate) fn trace_id() -> [u8; 16] {
    let id = u128::from(next()) << 64 | u128::from(next());
    if id == 0 {
        [1; 16]
    } else {
        id.to_be_bytes()
    }
}
