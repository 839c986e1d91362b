//! Context across tasks: each trace holds exactly its own spans, and lets go of what outlives it.

use std::time::Duration;

use super::received_with;
use crate::support::expect::{client, server, span};
use crate::support::http::ClientRequest;
use crate::support::launched::Launch;
use crate::support::{Fixture, Otlp};

/// 500 requests at once; each spawns, joins, blocks, queries and asks another service, and each is a trace of its own.
fn every_trace_holds_its_own(versions: &str, at_once: u64) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}?mode=rwc", folder.path().join("shop.db").display());
    let trace = |id: u64| format!("{id:032x}");
    let ids = 1..=at_once;
    let (fixture, traces, metrics) = received_with(
        versions,
        |launch| launch.env("DATABASE_URL", url),
        |shop| {
            let ask = |id: u64| ClientRequest {
                method: "GET",
                url: shop.url(&format!("/fan/{id}")),
                headers: vec![("traceparent", format!("00-{}-{:016x}-01", trace(id), id))],
            };
            let answers = shop.http().send_all(ids.clone().map(ask).collect());
            for (id, answer) in ids.clone().zip(answers) {
                assert_eq!(answer, (200, format!("{id} 3")));
            }
        },
    );
    let (fan, echo) = (fixture.route("/fan/{id}"), fixture.route("/echo/{id}"));
    for id in ids {
        let own = traces.trace(&trace(id));
        let request = own.require(
            server()
                .named(format!("GET {fan}"))
                .attr("url.path", format!("/fan/{id}").as_str())
                .child_of_remote(&trace(id), &format!("{id:016x}")),
        );
        own.require_count(3, client().named("SELECT orders").child_of(&request));
        let call = own.require(client().named("GET").child_of(&request));
        assert!(call.text("url.full").ends_with(&format!("/echo/{id}")), "{call}");
        own.require(
            server().named(format!("GET {echo}")).attr("url.path", format!("/echo/{id}").as_str()).child_of(&call),
        );
        own.require_count(6, span());
    }
    assert_eq!(metrics.count("http.server.request.duration", &[("http.route", (&fan).into())]), at_once, "{metrics}");
}

#[test]
fn five_hundred_requests_at_once_are_five_hundred_traces() {
    every_trace_holds_its_own("newest", 500);
}

#[test]
fn the_oldest_versions_keep_traces_apart_too() {
    every_trace_holds_its_own("oldest", 100);
}

#[test]
fn a_task_without_an_end_is_detached_from_its_request() {
    let (_, traces, _) = received_with(
        "newest",
        |launch| launch.env("OTEL_RS_DETACH_AFTER", 500),
        |shop| {
            assert_eq!(shop.get("/background").0, 200);
            std::thread::sleep(Duration::from_millis(2000));
        },
    );
    let request = traces.require(server().named("GET /background"));
    let ticks = traces.all(&client().named("SELECT stock"));
    let (held, free): (Vec<_>, Vec<_>) = ticks.iter().partition(|tick| tick.trace == request.trace);
    assert!(!held.is_empty(), "what it does at first is the request's work");
    assert!(free.len() >= 3, "after that it is on its own: {} ticks", free.len());
    let traces_of_free: std::collections::BTreeSet<_> = free.iter().map(|tick| &tick.trace).collect();
    assert_eq!(traces_of_free.len(), free.len(), "each a trace of its own");
    assert!(free.iter().all(|tick| tick.parent.is_empty()));
}

#[test]
fn a_pools_own_task_never_belongs_to_the_request_that_made_the_pool() {
    for versions in ["newest", "axum07"] {
        let (_, traces, _) = received_with(
            versions,
            |launch| launch,
            |shop| {
                assert_eq!(shop.get("/pool").0, 200);
                std::thread::sleep(Duration::from_millis(2000));
            },
        );
        let request = traces.require(server().named("GET /pool"));
        let statement = |query: &str| client().attr("db.query.text", query);
        traces.require(statement("SELECT ? AS asked").child_of(&request));
        let welcomed = traces.all(&statement("SELECT ? AS welcome"));
        let later: Vec<_> = welcomed.iter().filter(|span| span.start > request.end).collect();
        assert!(!later.is_empty(), "{versions}: the pool makes new connections by itself:\n{traces}");
        assert!(later.iter().all(|span| span.trace != request.trace && span.parent.is_empty()), "{traces}");
    }
}

#[test]
fn memory_does_not_grow_with_requests() {
    let otlp = Otlp::start();
    let shop = Launch::of(&Fixture::with("shop", "newest")).to(&otlp).start();
    let rounds = |count: usize| {
        for _ in 0..count / 5_000 {
            shop.http().repeat(&shop.url("/hello"), 4_900, 10);
            shop.http().repeat(&shop.url("/orders/1"), 100, 10);
            otlp.forget();
        }
    };
    rounds(10_000);
    let before = shop.app_memory_kib();
    rounds(100_000);
    let after = shop.app_memory_kib();
    // Allocators round and pools fill: what grows by request would be 100,000 times something.
    assert!(after < before + 2_048, "{before} KiB after 10,000 requests, {after} KiB after 110,000");
    shop.stop();
}
