//! The sampling decision, taken with the SDK's own algorithm so that services agree.

use crate::context::Context;
use crate::settings::{self, Sampler};

/// Whether a new trace is sampled.
pub(crate) fn root(trace: &[u8; 16]) -> bool {
    match settings::sampler() {
        Sampler::AlwaysOn { .. } => true,
        Sampler::AlwaysOff { .. } => false,
        Sampler::Ratio { threshold, .. } => within(trace, threshold),
    }
}

/// Whether a child of `parent` is sampled.
pub(crate) fn child(parent: &Context) -> bool {
    match settings::sampler() {
        Sampler::AlwaysOn { parent_based: true }
        | Sampler::AlwaysOff { parent_based: true }
        | Sampler::Ratio { parent_based: true, .. } => parent.flags & 1 == 1,
        _ => root(&parent.trace),
    }
}

/// TraceIdRatioBased as in the SDK: the low 63 bits of the trace id's second half, after a shift, against the ratio.
fn within(trace: &[u8; 16], threshold: u64) -> bool {
    let [.., a, b, c, d, e, f, g, h] = *trace;
    (u64::from_be_bytes([a, b, c, d, e, f, g, h]) >> 1) < threshold
}
