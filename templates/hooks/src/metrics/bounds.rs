//! Bounds of a histogram's buckets: those that its maker advises, and those that a reader of the metrics needs besides.
//!
//! A bucket cannot be divided afterwards. Where a reader wants exponential buckets or a view has bounds of its own, the
//! values are counted between all of these bounds, and the launcher puts buckets together as each reader wants them.

use crate::{settings, wire};

/// The finest steps that exponential buckets are made of: as many in an octave, which is scale 3.
const STEPS: i32 = 8;
/// Octaves that are divided into steps. One microsecond in seconds, one mebibyte to one tebibyte in bytes.
const FINE: std::ops::Range<i32> = -20..40;
/// Octaves that have bounds at all.
const ALL: std::ops::RangeInclusive<i32> = -40..=63;

/// The bounds from which exponential buckets can be made, rising.
pub(crate) fn exponential() -> Vec<f64> {
    let step = |step: i32| (f64::from(step) / f64::from(STEPS)).exp2();
    let octave = |octave: i32| {
        let steps = if FINE.contains(&octave) { STEPS } else { 1 };
        (0..steps).map(move |part| 2_f64.powi(octave) * step(part))
    };
    ALL.flat_map(octave).collect()
}

/// The bounds to count between, and which of them are advised: a bit for each, none where these are all.
pub(super) fn between(advised: &[f64]) -> (Box<[f64]>, Vec<u8>) {
    let more = settings::get().map_or(&[][..], |settings| &settings.bounds);
    united(advised, more).unwrap_or_else(|| (advised.into(), Vec::new()))
}

fn united(advised: &[f64], more: &[f64]) -> Option<(Box<[f64]>, Vec<u8>)> {
    let mut all: Vec<f64> = advised.iter().chain(more).copied().collect();
    all.sort_by(f64::total_cmp);
    // Zero has two signs, and is one number.
    all.dedup_by(|one, other| one == other);
    if more.is_empty() || all.len() > wire::MAX_BOUNDS {
        return None;
    }
    let mut bits = vec![0; (all.len() + 7) / 8];
    for (index, _) in all.iter().enumerate().filter(|(_, bound)| advised.contains(bound)) {
        if let Some(byte) = bits.get_mut(index / 8) {
            *byte |= 1 << (index % 8);
        }
    }
    Some((all.into(), bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponential_bounds_rise_by_the_same_ratio_and_hold_the_powers_of_two() {
        let bounds = exponential();
        assert!(bounds.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(bounds.len() + 100 < wire::MAX_BOUNDS, "{}", bounds.len());
        assert!(ALL.map(|octave| 2_f64.powi(octave)).all(|power| bounds.contains(&power)));
        let one = bounds.iter().position(|bound| *bound == 1.0).unwrap();
        assert_eq!(bounds[one + 8], 2.0);
        assert!((bounds[one + 1] / bounds[one] - 2_f64.powf(0.125)).abs() < 1e-12);
    }

    #[test]
    fn what_is_advised_is_marked_among_all() {
        let (all, bits) = united(&[0.0, 5.0, 10.0], &[1.0, 5.0, 7.5]).unwrap();
        assert_eq!(*all, [0.0, 1.0, 5.0, 7.5, 10.0]);
        assert_eq!(bits, [0b10101]);
        assert!(united(&[1.0], &[]).is_none());
        let many: Vec<f64> = (0..wire::MAX_BOUNDS as u32).map(f64::from).collect();
        assert!(united(&[0.5], &many).is_none(), "too many: the advised ones must do");
    }
}
