//! The roles that spans of instrumentations have.

use super::Domain;
use crate::context::{Context, Role};

impl Role {
    /// The role of a span that an instrumentation starts.
    pub(super) fn of(domain: Domain, parent: &Context) -> Role {
        match domain {
            Domain::HttpServer | Domain::RpcServer | Domain::Faas => Role::Served,
            Domain::HttpClient => Role::Sent,
            Domain::RpcClient => Role::Call,
            Domain::Internal if matches!(parent.role, Role::Served | Role::Handling) => Role::Handling,
            _ => Role::Work,
        }
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
