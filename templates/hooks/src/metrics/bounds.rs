//! Bounds of a histogram's buckets: those that its maker advises, and those that a reader of the metrics needs besides.
//!
//! A bucket cannot be divided afterwards. Where a reader needs exponential buckets or a view has bounds of its own, the
//! values are counted between all of these bounds, and the launcher merges buckets for each reader.

use crate::{settings, wire};

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
    fn advised_bounds_are_marked_among_all() {
        let (all, bits) = united(&[0.0, 5.0, 10.0], &[1.0, 5.0, 7.5]).unwrap();
        assert_eq!(*all, [0.0, 1.0, 5.0, 7.5, 10.0]);
        assert_eq!(bits, [0b10101]);
        assert!(united(&[1.0], &[]).is_none());
        let many: Vec<f64> = (0..wire::MAX_BOUNDS as u32).map(f64::from).collect();
        assert!(united(&[0.5], &many).is_none(), "too many: the advised ones must do");
    }
}
