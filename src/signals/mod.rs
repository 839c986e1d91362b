//! The three signals: what a span, a log record and a metric are when they are exported.

pub(crate) mod logs;
pub(crate) mod metrics;
pub(crate) mod resource;
pub(crate) mod sourced;
pub(crate) mod traces;
