//! Bounds from which exponential buckets can be made.

/// The finest steps that exponential buckets are made of: as many in an octave, which is scale 3.
const STEPS: i32 = 8;
/// Octaves that are divided into steps. One microsecond in seconds, one mebibyte to one tebibyte in bytes.
const FINE: std::ops::Range<i32> = -20..40;
/// Octaves that have bounds at all.
const ALL: std::ops::RangeInclusive<i32> = -40..=63;

/// The bounds from which exponential buckets can be made, rising.
pub(super) fn bounds() -> Vec<f64> {
    let step = |step: i32| (f64::from(step) / f64::from(STEPS)).exp2();
    let octave = |octave: i32| {
        let steps = if FINE.contains(&octave) { STEPS } else { 1 };
        (0..steps).map(move |part| 2_f64.powi(octave) * step(part))
    };
    ALL.flat_map(octave).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire;

    #[test]
    fn exponential_bounds_rise_by_the_same_ratio_and_hold_the_powers_of_two() {
        let bounds = super::bounds();
        assert!(bounds.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(bounds.len() + 100 < wire::MAX_BOUNDS, "{}", bounds.len());
        assert!(ALL.map(|octave| 2_f64.powi(octave)).all(|power| bounds.contains(&power)));
        let one = bounds.iter().position(|bound| *bound == 1.0).unwrap();
        assert_eq!(bounds[one + 8], 2.0);
        assert!((bounds[one + 1] / bounds[one] - 2_f64.powf(0.125)).abs() < 1e-12);
    }
}
