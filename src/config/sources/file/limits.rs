//! `attribute_limits` and `limits`: how many attributes are kept, and how much of their text.

use super::walk::Map;
use crate::config::model::LogLimits;
use crate::config::text;

/// The limits of attributes, of everything or of one signal: `general` counts where they are not set.
pub(super) fn attribute_limits(limits: Option<&Map>, general: LogLimits) -> LogLimits {
    let Some(limits) = limits else { return general };
    limits.unsupported("attribute_value_depth_limit", "no attribute has nested values here");
    LogLimits {
        value_length: limits.whole("attribute_value_length_limit", text::limit).or(general.value_length),
        attributes: limits.whole("attribute_count_limit", text::limit).unwrap_or(general.attributes),
    }
}
