//! What the span of a context is to a request: a program that makes spans of its requests by itself has one span of each.

use super::{Context, Ids};
use crate::wire::Domain;

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

impl Role {
    /// The role of a span that an instrumentation starts.
    pub(crate) fn of(domain: Domain, parent: &Context) -> Role {
        match domain {
            Domain::HttpServer | Domain::RpcServer | Domain::Faas => Role::Served,
            Domain::HttpClient => Role::Sent,
            Domain::RpcClient => Role::Call,
            Domain::Internal if matches!(parent.role, Role::Served | Role::Handling) => Role::Handling,
            _ => Role::Work,
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_for_a_request_as_long_as_nothing_else_comes_between() {
        let below = |role, domain| Role::of(domain, &Context { role, ..Context::of_test(1) });
        for (role, domain, expected) in [
            (Role::Work, Domain::HttpServer, Role::Served),
            (Role::Work, Domain::RpcServer, Role::Served),
            (Role::Work, Domain::Faas, Role::Served),
            (Role::Served, Domain::Internal, Role::Handling),
            (Role::Handling, Domain::Internal, Role::Handling),
            (Role::Client, Domain::Internal, Role::Work),
            (Role::Handling, Domain::HttpClient, Role::Sent),
            (Role::Client, Domain::RpcClient, Role::Call),
            (Role::Sent, Domain::Internal, Role::Work),
            (Role::Handling, Domain::Database, Role::Work),
            (Role::Handling, Domain::Messaging, Role::Work),
        ] {
            assert_eq!(below(role, domain), expected, "{role:?} {domain:?}");
        }
    }
}
