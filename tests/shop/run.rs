//! A service whose run is a span.

use super::told_with;
use crate::support::definition::Definition;
use crate::support::expect::{client, server, span};

#[test]
fn what_a_service_does_on_its_own_is_below_its_run_and_no_request_is() {
    let (_, traces, metrics) = told_with(
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
