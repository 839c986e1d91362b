//! The operation of a GraphQL request, recorded on the span of its server request.

use otel_rs_hooks::{current, Key};

use crate::parser::types::OperationType;

/// The current request asks for an operation, whose name the client chose.
#[inline]
pub(crate) fn operation(kind: &OperationType, name: Option<&str>) {
    if SCOPE.enabled() {
        let kind = match kind {
            OperationType::Query => "query",
            OperationType::Mutation => "mutation",
            OperationType::Subscription => "subscription",
        };
        current().set(&[
            (Key::Named("graphql.operation.type"), kind.into()),
            (Key::Named("graphql.operation.name"), name.into()),
        ]);
    }
}
