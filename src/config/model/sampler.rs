//! Which traces are recorded.

use crate::config::registry::{OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG};
use crate::config::text;

/// OTEL_TRACES_SAMPLER and its argument.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sampler {
    /// A value of OTEL_TRACES_SAMPLER.
    pub(crate) name: &'static str,
    /// Between 0 and 1.
    pub(crate) ratio: f64,
}

impl Default for Sampler {
    fn default() -> Sampler {
        Sampler { name: OTEL_TRACES_SAMPLER.default, ratio: OTEL_TRACES_SAMPLER_ARG.default_as(text::fraction) }
    }
}
