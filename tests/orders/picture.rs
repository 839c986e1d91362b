//! An order on its way from the client to the last job.

use super::{Orders, Servers};
use crate::support::expect::{SpanMatcher, client, of_kind, server, span};
use crate::support::http::Answer;
use crate::support::model::Kind;
use crate::support::{Fixture, Otlp, need};

/// What must not leave the programs: passwords, values of parameters and literals of statements, keys and values of the
/// cache, bodies of messages, arguments of jobs. Each text is a part of one of them and of nothing else.
const CONFIDENTIAL: [&str; 12] = [
    "password-of-the-store",
    "password-of-the-cache",
    "guest",
    "card-of-the-client",
    "literal-of-the-store",
    "literal-2",
    "literal-3",
    "key-of-the-cache",
    "value-of-the-cache",
    "body-of-the-message",
    "value-of-the-shelf",
    "argument-of-the-job",
];

/// The literal of a statement that is written in the worker.
const LITERAL: &str = "literal-of-the-shelf";

/// An order, looked up afterwards, and one that nobody has ordered: all that can be seen of it from outside.
fn act(servers: &Servers, fixture: &std::sync::Arc<Fixture>, otlp: Option<&Otlp>) -> (Vec<Answer>, Vec<String>) {
    let mut orders = Orders::start(servers, fixture, otlp);
    let ordered = orders.order("tea", "card-of-the-client");
    let worked = orders.worked(3);
    let answers = vec![ordered, orders.get("/orders/1"), orders.get("/orders/2")];
    orders.stop();
    (answers, worked)
}

fn statement(system: &str, name: &str, scope: &str, text: &str) -> SpanMatcher {
    let statement = client().named(name).recorded_by(scope).attr("db.system.name", system).attr("db.query.text", text);
    statement.not_failed().without("error.type")
}

fn stored(name: &str, text: &str) -> SpanMatcher {
    statement("postgresql", name, "tokio-postgres", text).attr("db.namespace", "shop")
}

fn cached(name: &str, text: &str) -> SpanMatcher {
    statement("redis", name, "redis", text)
}

fn shelved(name: &str, text: &str) -> SpanMatcher {
    statement("sqlite", name, "diesel", text)
}

#[test]
fn an_order_is_one_picture_from_its_request_to_its_job() {
    let servers = need!(Servers::start());
    let (fixture, otlp) = (Fixture::of("orders"), Otlp::keeping_bodies());
    let seen = act(&servers, &fixture, Some(&otlp));
    let ok = |body: &str| (200, body.to_owned());
    assert_eq!(seen.0, [ok("1 cached: true"), ok("from the cache"), ok("unknown")]);
    assert_eq!(seen.1, ["receipt of 1: 1", "shipped 1", "shipping 1, new: true"]);
    assert_eq!(seen, act(&servers, &fixture, None), "the same as without telemetry");

    let traces = otlp.traces();
    let ordered = traces.require(server().named("POST /orders/{item}").root().attr("http.response.status_code", 200));
    let within = |what: SpanMatcher, parent| traces.require(what.child_of(parent));
    within(stored("START", "START TRANSACTION"), &ordered);
    let insert = "INSERT INTO orders (item, card, note) VALUES ($1, $2, ?) RETURNING id";
    within(stored("INSERT orders", insert), &ordered);
    within(stored("COMMIT", "COMMIT"), &ordered);
    within(cached("SETEX", "SETEX ? ? ?"), &ordered);
    let published = within(of_kind(Kind::Producer).named("publish orders").recorded_by("lapin"), &ordered);
    assert_eq!(published.resource["service.name"], "service".into());

    let processed = within(of_kind(Kind::Consumer).named("process orders").recorded_by("lapin"), &published);
    assert_eq!(processed.resource["service.name"], "worker".into());
    let insert = "INSERT OR IGNORE INTO `shipments` (`number`, `address`) VALUES (?, ?)";
    within(shelved("INSERT shipments", insert), &processed);
    within(client().named("ack orders").recorded_by("lapin").not_failed(), &processed);
    traces.require_count(9, span().in_trace(&ordered.trace));

    let job = of_kind(Kind::Internal).named("Receipt").recorded_by("apalis-core").root();
    let job = traces.require(job.linked_with(&[&processed]).not_failed());
    let update = "UPDATE shipments SET address = address || ? WHERE number = ? AND address <> ?";
    within(shelved("UPDATE shipments", update), &job);
    traces.require_count(2, span().in_trace(&job.trace));

    let found = traces.require_count(2, server().named("GET /orders/{item}").root());
    let path = |path: &str| found.iter().find(|span| span.text("url.path") == path).expect("a request");
    within(cached("GET", "GET ?"), path("/orders/1"));
    within(cached("GET", "GET ?"), path("/orders/2"));
    let select = "SELECT item FROM orders WHERE id = $1 AND note <> ?";
    within(stored("SELECT orders", select).attr("db.response.returned_rows", 0), path("/orders/2"));

    // What the programs do before they serve.
    traces.require(client().named("BATCH").root().attr("db.operation.batch.size", 2));
    traces.require(client().named("CREATE TABLE shipments").root());
    traces.require_count(18, span());

    assert!(otlp.has_received("publish orders"));
    for text in CONFIDENTIAL.into_iter().chain([LITERAL]) {
        assert!(!otlp.has_received(text), "`{text}` was exported:\n{traces}\n{}\n{:?}", otlp.metrics(), otlp.logs());
    }
}
