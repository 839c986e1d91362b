//! Advice for values that are specified, and that otel-rs does not support.

use super::{NO_ZIPKIN, OTEL_TRACES_SAMPLER, Variable};

/// Specified samplers that fetch their decisions from a server.
pub(in crate::config) const REMOTE_SAMPLERS: [&str; 3] = ["jaeger_remote", "parentbased_jaeger_remote", "xray"];
/// The advice to users of those.
pub(in crate::config) const NO_REMOTE_SAMPLER: &str = "otel-rs supports no remote sampler: use `parentbased_traceidratio` with a share in `OTEL_TRACES_SAMPLER_ARG`, or \
     sample in a collector";

/// What to do in place of such a value.
pub(in crate::config) fn alternative(variable: &Variable, text: &str) -> Option<&'static str> {
    let is_zipkin = text.split(',').any(|word| word.trim().eq_ignore_ascii_case("zipkin"));
    let remote = (variable.env == OTEL_TRACES_SAMPLER.env && is_remote_sampler(text)).then_some(NO_REMOTE_SAMPLER);
    remote.or(is_zipkin.then_some(NO_ZIPKIN))
}

/// Whether this value of OTEL_TRACES_SAMPLER is a sampler that fetches its decisions from a server.
pub(in crate::config) fn is_remote_sampler(text: &str) -> bool {
    REMOTE_SAMPLERS.iter().any(|remote| text.trim().eq_ignore_ascii_case(remote))
}
