//! The sampling decision, taken with the SDK's own algorithm so that services agree.

use crate::context::{flag, Context};
use crate::settings::{self, ratio, Sampler};

/// Whether a new trace is sampled. `parent` is empty, but may bring a decision.
pub(crate) fn root(trace: &[u8; 16], parent: &Context) -> bool {
    root_by(settings::sampler(), trace, parent.flags)
}

/// Whether a child of `parent` is sampled.
pub(crate) fn child(parent: &Context) -> bool {
    child_by(settings::sampler(), &parent.trace, parent.flags)
}

fn root_by(sampler: Sampler, trace: &[u8; 16], flags: u8) -> bool {
    if flags & flag::DECIDED != 0 && sampler.is_parent_based() {
        flags & flag::SAMPLED != 0
    } else {
        decide(sampler, trace)
    }
}

fn child_by(sampler: Sampler, trace: &[u8; 16], flags: u8) -> bool {
    if sampler.is_parent_based() && flags & flag::DEFERRED == 0 {
        flags & flag::SAMPLED != 0
    } else {
        decide(sampler, trace)
    }
}

fn decide(sampler: Sampler, trace: &[u8; 16]) -> bool {
    match sampler {
        Sampler::AlwaysOn { .. } => true,
        Sampler::AlwaysOff { .. } => false,
        Sampler::Ratio { threshold, .. } => ratio::within(trace, threshold),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_decides_where_it_may_and_did() {
        let (on, off) =
            (|parent_based| Sampler::AlwaysOn { parent_based }, |parent_based| Sampler::AlwaysOff { parent_based });
        for (sampler, flags, sampled) in [
            (on(true), flag::SAMPLED, true),
            (on(true), 0, false),
            (on(true), flag::DEFERRED, true),
            (off(true), flag::DEFERRED, false),
            (off(true), flag::SAMPLED | flag::DEBUG, true),
            (on(false), 0, true),
            (off(false), flag::SAMPLED | flag::DEBUG, false),
        ] {
            assert_eq!(child_by(sampler, &[1; 16], flags), sampled, "{sampler:?} {flags:b}");
        }
        for (sampler, flags, sampled) in [
            (on(true), 0, true),
            (on(true), flag::DECIDED, false),
            (off(true), flag::DECIDED | flag::SAMPLED, true),
            (on(false), flag::DECIDED, true),
        ] {
            assert_eq!(root_by(sampler, &[1; 16], flags), sampled, "{sampler:?} {flags:b}");
        }
    }
}
