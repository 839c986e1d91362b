//! One order with every set of versions: the same spans and metrics.

use std::collections::BTreeSet;

use super::{SPAN, TRACE, get_as_caller, received, received_with};
use crate::support::expect::{Traces, client, server, span};
use crate::support::fixture::{fixture_with, older_carriers, sets};
use crate::support::launched::Launched;
use crate::support::metrics::Metrics;
use crate::support::services::{Database, mariadb, postgres};
use crate::support::together::Plan;
use crate::support::{Fixture, need};

/// The spans of one order, their parents and attributes.
fn one_order_is_one_trace(versions: &str, http2: bool) {
    let mut ports = (0, 0);
    let ask = |shop: &Launched| {
        let path = if http2 { "/h2/orders/1?otp=hunter2&page=3" } else { "/orders/1?otp=hunter2&page=3" };
        assert_eq!(get_as_caller(shop, path, http2), (200, "teapot 4".to_owned()));
        ports = (shop.shop, shop.stock);
    };
    let (fixture, traces, metrics) = received(versions, ask);
    let protocol = if http2 { "2" } else { "1.1" };
    let path = if http2 { "/h2/orders/1" } else { "/orders/1" };
    let route = fixture.route(if http2 { "/h2/orders/{id}" } else { "/orders/{id}" });

    let order = traces.require(
        server()
            .named(format!("GET {route}"))
            .child_of_remote(TRACE, SPAN)
            .attr("http.request.method", "GET")
            .attr("http.route", &route)
            .attr("http.response.status_code", 200)
            .attr("url.path", path)
            .attr("url.query", "otp=REDACTED&page=3")
            .attr("url.scheme", "http")
            .attr("server.address", "127.0.0.1")
            .attr("server.port", ports.0)
            .attr("client.address", "127.0.0.1")
            .attr("network.peer.address", "127.0.0.1")
            .attr("network.protocol.version", protocol)
            .attr("user_agent.original", "tester/1")
            .without("error.type")
            .not_failed()
            .recorded_by("hyper"),
    );
    assert!(fixture.locked("hyper").contains(&order.scope.1), "{order} names the hyper of Cargo.lock");
    assert_eq!(order.resource["service.name"], format!("shop-{versions}").as_str().into());

    let sqlite = |table: &str, query: &str| {
        client()
            .named(format!("SELECT {table}"))
            .attr("db.system.name", "sqlite")
            .attr("db.operation.name", "SELECT")
            .attr("db.collection.name", table)
            .attr("db.query.text", query)
            .attr("db.query.summary", format!("SELECT {table}").as_str())
            .attr("db.response.returned_rows", 1)
            .not_failed()
    };
    traces.require(sqlite("orders", "SELECT item FROM orders WHERE id = ?").child_of(&order));
    let call = traces.require(
        client()
            .named("GET")
            .child_of(&order)
            .attr("http.request.method", "GET")
            .attr("url.full", format!("http://127.0.0.1:{}/stock/teapot", ports.1).as_str())
            .attr("server.address", "127.0.0.1")
            .attr("server.port", ports.1)
            .attr("http.response.status_code", 200)
            .attr("network.protocol.version", protocol)
            .without("http.request.resend_count")
            .not_failed(),
    );
    let route = fixture.route("/stock/{item}");
    let stock =
        traces.require(server().named(format!("GET {route}")).child_of(&call).attr("url.path", "/stock/teapot"));
    traces.require(sqlite("stock", "SELECT pieces FROM stock WHERE item = ?").child_of(&stock));
    traces.require_count(5, span().in_trace(TRACE));
    counted(&metrics, &fixture, http2);
}

/// The metrics of that order.
fn counted(metrics: &Metrics, fixture: &Fixture, http2: bool) {
    let route = fixture.route(if http2 { "/h2/orders/{id}" } else { "/orders/{id}" });
    let of = |route: &str| metrics.count("http.server.request.duration", &[("http.route", route.into())]);
    assert_eq!((of(&route), of(&fixture.route("/stock/{item}"))), (1, 1), "{metrics}");
    assert_eq!(metrics.count("http.client.request.duration", &[]), 1, "{metrics}");
    assert_eq!(
        metrics.count("db.client.operation.duration", &[("db.operation.name", "SELECT".into())]),
        2,
        "{metrics}"
    );
}

macro_rules! for_every_set {
    ($($set:ident),*) => {
        #[test]
        fn every_set_of_versions_has_its_tests() {
            assert_eq!(sets("shop"), [$(stringify!($set)),*]);
        }
        $(
            mod $set {
                #[test]
                fn one_order_is_one_trace_over_http1() {
                    super::one_order_is_one_trace(stringify!($set), false);
                }

                #[test]
                fn one_order_is_one_trace_over_http2() {
                    super::one_order_is_one_trace(stringify!($set), true);
                }

                #[test]
                fn pool_metrics_agree_with_the_pools() {
                    super::super::pools::pool_metrics_agree_with_the_pools(stringify!($set));
                }

                #[test]
                fn queries_to_postgresql_are_recorded() {
                    super::queries_to_a_server_are_recorded(stringify!($set), "postgresql", super::postgres);
                }

                #[test]
                fn queries_to_mariadb_are_recorded() {
                    super::queries_to_a_server_are_recorded(stringify!($set), "mariadb", super::mariadb);
                }
            }
        )*
    };
}
for_every_set!(axum07, axum08, newest, oldest, sqlx07);

fn queries_to_a_server_are_recorded(versions: &str, system: &str, start: fn() -> Result<Database, String>) {
    let database = need!(start());
    let settings = |launch: crate::support::launched::Launch| launch.env("DATABASE_URL", &database.url);
    let (_, traces, metrics) = received_with(versions, settings, |shop| {
        assert_eq!(get_as_caller(shop, "/orders/2", false), (200, "kettle 7".to_owned()));
        assert_eq!(shop.post("/orders/71/cup").0, 200);
        assert_eq!(shop.post("/orders/72/cup?undo=1").0, 200);
        assert_eq!(shop.get("/broken").0, 500);
    });
    let placeholder = if system == "postgresql" { "$1" } else { "?" };
    let of_server = |matcher: crate::support::expect::SpanMatcher| {
        matcher.attr("db.namespace", "shop").attr("server.address", "127.0.0.1").attr("server.port", database.port)
    };
    traces.require_count(1, client().named("SELECT orders").in_trace(TRACE));
    traces.require(
        of_server(client().named("SELECT orders").in_trace(TRACE))
            .attr("db.system.name", system)
            .attr("db.query.text", format!("SELECT item FROM orders WHERE id = {placeholder}").as_str())
            .attr("db.response.returned_rows", 1)
            .not_failed(),
    );
    // The pool has no configured name.
    let pool = format!("127.0.0.1:{}/shop", database.port);
    let pool = metrics.require("db.client.connection.max", &[("db.client.connection.pool.name", pool.as_str().into())]);
    assert_eq!(pool.value(), 4.0, "{metrics}");
    transactions(&traces);
    let code = if system == "postgresql" { "42P01" } else { "1146" };
    let broken = of_server(client().named("SELECT no_such_table")).failed();
    traces.require(broken.attr("db.response.status_code", code).attr("error.type", code));
    let failed = [("error.type", code.into())];
    assert_eq!(metrics.count("db.client.operation.duration", &failed), 1, "{metrics}");
}

/// Two orders: one kept, one not. Their paths identify them: spans arrive in the order in which they ended, which
/// need not be that of the requests.
pub(super) fn transactions(traces: &Traces) {
    for (path, last) in [("/orders/71/cup", "COMMIT"), ("/orders/72/cup", "ROLLBACK")] {
        let request = traces.require(server().attr("url.path", path));
        traces.require(client().named("BEGIN").child_of(&request).attr("db.operation.name", "BEGIN"));
        traces.require(client().named("INSERT orders").child_of(&request).attr("db.operation.name", "INSERT"));
        traces.require(client().named(last).child_of(&request).attr("db.operation.name", last));
    }
}

/// Each version whose example `examples` leaves out is compiled, woven, into a program that other tests run. Of a crate that
/// only carries contexts, the newest version is enough.
#[test]
fn versions_of_fixtures_whose_examples_are_left_out_are_woven_there() {
    let single = ["hello", "business"].map(Fixture::of);
    let others = ["shop", "edge", "function", "logging", "registry", "runtime", "facade", "spans"];
    let others = others.into_iter().flat_map(|project| sets(project).into_iter().map(move |set| (project, set)));
    let others = others.map(|(project, set)| Fixture::with(project, &set));
    let woven: BTreeSet<_> = single.into_iter().chain(others).flat_map(|fixture| fixture.layers()).collect();
    let left_out = Plan::by_default().left_out.iter().filter(|(name, version)| !older_carriers(name).contains(version));
    let left_out = left_out.filter(|(name, version)| fixture_with(name, version).is_some());
    let missing: Vec<_> = left_out.filter(|layer| !woven.contains(layer)).collect();
    assert!(missing.is_empty(), "no program of a fixture has these layers: {missing:?}\nwoven: {woven:?}");
}
