//! `TraceIdRatioBased` as the SDK computes it, in a file of its own: the launcher's tests compare it with the SDK's.

/// The number of 2^63 below which a trace id's random part is sampled; `None` where every trace is.
pub(crate) fn threshold(ratio: f64) -> Option<u64> {
    if ratio >= 1.0 {
        return None;
    }
    Some((ratio.max(0.0) * (1_u64 << 63) as f64) as u64)
}

/// Whether a trace is sampled: by the low 63 bits of its id's second half, after a shift.
pub(crate) fn within(trace: &[u8; 16], threshold: u64) -> bool {
    let [.., a, b, c, d, e, f, g, h] = *trace;
    (u64::from_be_bytes([a, b, c, d, e, f, g, h]) >> 1) < threshold
}
