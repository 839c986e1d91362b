//! What one span or log record may hold.

use crate::config::registry::{
    OTEL_ATTRIBUTE_COUNT_LIMIT, OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT, OTEL_LINK_ATTRIBUTE_COUNT_LIMIT,
    OTEL_SPAN_EVENT_COUNT_LIMIT, OTEL_SPAN_LINK_COUNT_LIMIT,
};
use crate::config::text;

/// What one span may hold; see the specification's span limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SpanLimits {
    /// Longest text of an attribute, in characters; `None` for any length.
    pub(crate) value_length: Option<usize>,
    pub(crate) attributes: usize,
    pub(crate) events: usize,
    pub(crate) links: usize,
    pub(crate) event_attributes: usize,
    pub(crate) link_attributes: usize,
}

/// What one log record may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogLimits {
    /// Longest text of an attribute, in characters; `None` for any length.
    pub(crate) value_length: Option<usize>,
    pub(crate) attributes: usize,
}

impl Default for SpanLimits {
    fn default() -> SpanLimits {
        let LogLimits { value_length, attributes } = LogLimits::default();
        SpanLimits {
            value_length,
            attributes,
            events: OTEL_SPAN_EVENT_COUNT_LIMIT.default_as(text::limit),
            links: OTEL_SPAN_LINK_COUNT_LIMIT.default_as(text::limit),
            event_attributes: OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT.default_as(text::limit),
            link_attributes: OTEL_LINK_ATTRIBUTE_COUNT_LIMIT.default_as(text::limit),
        }
    }
}

impl Default for LogLimits {
    fn default() -> LogLimits {
        LogLimits { value_length: None, attributes: OTEL_ATTRIBUTE_COUNT_LIMIT.default_as(text::limit) }
    }
}
