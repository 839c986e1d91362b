//! A service whose run is a span.

use super::received_with;
use crate::support::definition::Definition;
use crate::support::expect::{client, server, span};

#[test]
fn spans_outside_of_requests_are_children_of_the_run() {
    let (_, traces, metrics) = received_with(
        "newest",
        |launch| launch.env("OTEL_RS_PROCESS_SPAN", "true"),
        |shop| assert_eq!(shop.get("/orders/1").0, 200),
    );
    let run = traces.require(span().named("shop-newest").attr("error.type", "SIGTERM").root());
    let tables = traces.require(client().named("CREATE TABLE orders"));
    assert_eq!((&tables.trace, &tables.parent), (&run.trace, &run.id), "{tables}");
    let order = traces.require(server().named("GET /orders/{id}").root());
    traces.require(client().named("GET").child_of(&order));
    assert!(traces.trace(&run.trace).all(&server()).is_empty(), "{traces}");
    Definition::of("run").check(&metrics, &[]);
    Definition::of("run").check_attributes(&metrics, &[]);
}
