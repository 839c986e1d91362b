//! What the span of a context is to a request: a program that makes spans of its requests by itself has one span of each.

use super::{Context, Ids};

/// What a span is to the request that it belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Role {
    /// Any other work, or another process's.
    #[default]
    Work,
    /// A request that is served, as an instrumentation records it.
    Served,
    /// Work of the program below such a request.
    Handling,
    /// A request that is sent, as an instrumentation records it.
    Sent,
    /// A remote procedure call that is sent, as an instrumentation records it.
    Call,
    /// What the program has made a client span of by itself.
    Client,
}

impl Context {
    /// Whether its span is part of a request that an instrumentation serves, and that is not over: whatever else the
    /// program takes for a server's span in there is work for that request.
    pub fn is_handling(&self) -> bool {
        self.role == Role::Handling && !self.is_over()
    }

    /// Whether the request that it belongs to is over.
    pub(crate) fn is_over(&self) -> bool {
        self.live.is_over()
    }

    /// A context of a test, recorded nowhere.
    #[cfg(test)]
    pub(crate) fn of_test(span: u8) -> Context {
        Context { trace: [1; 16], span: [span; 8], ..Context::EMPTY }
    }

    /// The caller's span, as the request that is served named it.
    pub(crate) fn brought(&self) -> Ids {
        self.brought
    }
}
