//! What one span or log record may hold.

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
