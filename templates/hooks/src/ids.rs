//! Ids: a small generator per thread, seeded from the operating system's randomness.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::seed::of_process;
use crate::{attach, clock};

thread_local! {
    /// State and the region it was seeded for: a forked child gets another region and so another seed.
    static STATE: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

/// wyrand (public domain, Wang Yi): one multiplication a number, passes BigCrush.
#[inline]
fn next<const N: usize>() -> [u64; N] {
    let step = |cell: &Cell<(u64, u64)>| {
        let (mut state, seeded_for) = cell.get();
        let region = attach::generation();
        if seeded_for != region {
            state = seed();
        }
        let numbers = [(); N].map(|()| {
            state = state.wrapping_add(0xa076_1d64_78bd_642f);
            let wide = u128::from(state).wrapping_mul(u128::from(state ^ 0xe703_7ed1_a0b4_28db));
            (wide >> 64) as u64 ^ wide as u64
        });
        cell.set((state, region));
        numbers
    };
    STATE.try_with(step).unwrap_or_else(|_| [(); N].map(|()| seed()))
}

#[cold]
fn seed() -> u64 {
    static THREADS: AtomicU64 = AtomicU64::new(0);
    let fold = |a: u64, b: u64| {
        let wide = u128::from(a) * u128::from(b);
        (wide >> 64) as u64 ^ wide as u64
    };
    // The number keeps threads apart; time and the region's generation keep a forked child apart from its parent.
    let thread = THREADS.fetch_add(1, Relaxed).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = fold(of_process() ^ 0xa076_1d64_78bd_642f, thread ^ 0xe703_7ed1_a0b4_28db);
    fold(mixed ^ clock::now(), of_process() ^ attach::generation().rotate_left(29))
}

pub(crate) fn span_id() -> [u8; 8] {
    let [id] = next();
    span_id_of(id)
}

/// A trace's id, and one of a span.
pub(crate) fn trace_and_span_id() -> ([u8; 16], [u8; 8]) {
    let [high, low, span] = next();
    let id = u128::from(high) << 64 | u128::from(low);
    let trace = if id == 0 { [1; 16] } else { id.to_be_bytes() };
    (trace, span_id_of(span))
}

/// All zeros means "none" (W3C Trace Context, parent-id).
#[inline]
fn span_id_of(number: u64) -> [u8; 8] {
    if number == 0 {
        [1; 8]
    } else {
        number.to_be_bytes()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    #[test]
    fn ids_of_all_threads_differ() {
        let ids = |_| (0..1000).map(|_| super::trace_and_span_id().0).collect::<Vec<_>>();
        let threads: Vec<_> = (0..8).map(|number| std::thread::spawn(move || ids(number))).collect();
        let all: HashSet<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        assert_eq!(all.len(), 8000);
    }
}
