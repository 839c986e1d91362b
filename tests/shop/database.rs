//! Spans of SQLite; the databases that are servers are in `versions`.

use super::{received, received_with, versions};
use crate::support::expect::{client, server};
use crate::support::launched::Launch;

#[test]
fn literals_of_a_statement_are_not_exported() {
    let (_, traces, _) = received("newest", |shop| assert_eq!(shop.get("/api/v1/catalog/all"), (200, "2".to_owned())));
    traces.require(
        client()
            .named("SELECT orders")
            .attr("db.query.text", "SELECT item FROM orders WHERE price < ? AND item <> ?")
            .attr("db.response.returned_rows", 2),
    );
    let exported = traces.to_string();
    assert!(!exported.contains("top-secret"), "{exported}");
}

#[test]
fn transactions_have_spans_for_their_begin_and_end() {
    let (_, traces, _) = received("newest", |shop| {
        assert_eq!(shop.post("/orders/71/cup").0, 200);
        assert_eq!(shop.post("/orders/72/cup?undo=1").0, 200);
        assert_eq!(shop.get("/orders/71").0, 200);
        assert_eq!(shop.get("/orders/72").0, 404);
    });
    versions::transactions(&traces);
}

#[test]
fn a_refused_statement_is_an_error() {
    let (_, traces, metrics) = received("newest", |shop| assert_eq!(shop.get("/broken").0, 500));
    let request = traces.require(server().named("GET /broken").failed());
    let broken = traces.require(
        client()
            .named("SELECT no_such_table")
            .child_of(&request)
            .failed()
            .has("error.type")
            .attr("db.response.status_code", "1"),
    );
    let failed = [("error.type", broken.get("error.type").cloned().expect("required above"))];
    assert_eq!(metrics.count("db.client.operation.duration", &failed), 1, "{metrics}");
}

#[test]
fn a_database_in_a_file_is_named_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.db");
    let url = format!("sqlite://{}?mode=rwc", file.display());
    let (_, traces, _) = received_with(
        "newest",
        |launch: Launch| launch.env("DATABASE_URL", url),
        |shop| assert_eq!(shop.get("/orders/3").0, 200),
    );
    let query = traces.require(client().named("SELECT orders").has("db.namespace"));
    assert!(query.text("db.namespace").contains("shop"), "{query}");
}
