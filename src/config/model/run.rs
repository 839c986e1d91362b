//! What is recorded of the program's run as a whole.

use crate::config::registry::{
    OTEL_RS_ENVIRONMENT_PARENT, OTEL_RS_FOLLOW, OTEL_RS_PROCESS_SPAN, OTEL_RS_PROCESS_SPAN_ARGS,
};
use crate::config::text;

/// What is recorded of the program's run as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    /// OTEL_RS_PROCESS_SPAN: whether the run is a span.
    pub(crate) span: bool,
    /// OTEL_RS_PROCESS_SPAN_ARGS: whether the span holds the arguments.
    pub(crate) arguments: bool,
    /// OTEL_RS_ENVIRONMENT_PARENT: whether the environment's TRACEPARENT is the parent of work that has none. The span of
    /// the run, which is put into the program's environment, always is.
    pub(crate) environment_parent: bool,
    /// OTEL_RS_FOLLOW: whether the launcher stays while processes run that a program which exited with 0 left behind.
    pub(crate) follow: bool,
}

impl Default for Run {
    fn default() -> Run {
        Run {
            span: OTEL_RS_PROCESS_SPAN.default_as(text::boolean),
            arguments: OTEL_RS_PROCESS_SPAN_ARGS.default_as(text::boolean),
            environment_parent: OTEL_RS_ENVIRONMENT_PARENT.default_as(text::boolean),
            follow: OTEL_RS_FOLLOW.default_as(text::boolean),
        }
    }
}
