//! What a span costs the launcher, from its records to the bytes of a request:
//! `cargo test --release --bin otel-rs -- --ignored --nocapture cost`, also below `valgrind --tool=callgrind
//! --toggle-collect='*::take_all'`.

use std::time::Instant;

use super::intake::now_unix_ns;
use super::*;
use crate::channel::feed::{self, Feed};
use crate::config::HostMetrics;
use crate::launch::{Environment, Program, allocations as allocations_so_far};
use crate::records::record::SpanStart;
use crate::records::record::make::{self, Given};
use crate::wire::{Domain, ProcessId, key, kind};

const PROCESS: ProcessId = ProcessId(1);
const REQUESTS: u32 = 20_000;
/// Requests whose records are read at once.
const AT_ONCE: u32 = 64;

/// The records of a request, of which the last bytes of its ids are `number`, with a query or without.
fn request(number: u32, time: u64, queries: bool) -> Vec<u8> {
    let id = |which: u8| {
        let mut id = [which; 8];
        // Ids are random.
        id[4..].copy_from_slice(&number.wrapping_mul(0x9e37_79b9).to_le_bytes());
        id
    };
    let mut trace = [7; 16];
    trace[..8].copy_from_slice(&id(3));
    let port = i64::from(40_000 + number % 32);
    let path = if queries { format!("/users/{}", number % 100) } else { "/hello".to_owned() };
    let route = if queries { "/users/{id}" } else { "/hello" };
    let start = SpanStart {
        trace,
        span: id(1),
        parent: [0; 8],
        time,
        scope: 4,
        domain: Domain::HttpServer as u8,
        flags: 1,
        parent_remote: false,
    };
    let mut all = make::start(
        &start,
        &[
            Given::Text(key::HTTP_METHOD, "GET"),
            Given::Text(key::URL_PATH, &path),
            Given::Text(key::URL_SCHEME, "http"),
            Given::Text(key::HTTP_VERSION, "1.1"),
            Given::Text(key::HTTP_HOST, "127.0.0.1:8085"),
            Given::Text(key::USER_AGENT, "wrk/4.1.0"),
            Given::Text(key::PEER_ADDRESS, "127.0.0.1"),
            Given::Int(key::PEER_PORT, port),
        ],
    );
    all.extend(make::span(kind::SPAN_UPDATE, id(1), time + 1, &[Given::Text(key::HTTP_ROUTE, route)]));
    if queries {
        let start =
            SpanStart { span: id(2), parent: id(1), scope: 8, domain: Domain::Database as u8, time: time + 2, ..start };
        let query = "SELECT id, name, email FROM users WHERE id = ? AND state = 'active' ORDER BY id";
        let facts = [
            Given::Text(key::DB_SYSTEM, "sqlite"),
            Given::Text(key::DB_NAMESPACE, "users.db"),
            Given::Text(key::DB_QUERY, query),
        ];
        all.extend(make::start(&start, &facts));
        all.extend(make::span(kind::SPAN_END, id(2), time + 50_000, &[Given::Int(key::DB_ROWS, 1)]));
    }
    let facts = [
        Given::Int(key::HTTP_STATUS, 200),
        Given::Int(key::HTTP_REQUEST_BODY_SIZE, 0),
        Given::Int(key::HTTP_RESPONSE_BODY_SIZE, 13),
    ];
    all.extend(make::span(kind::SPAN_END, id(1), time + 100_000 + u64::from(number % 977) * 100, &facts));
    all
}

/// Takes all messages as the exporting thread does, without sending anything.
#[inline(never)]
fn take_all(engine: &mut Engine, feed: &mut feed::Receiver) {
    loop {
        let Some(message) = feed.try_recv() else { return };
        let Engine { programs, intake, output, report, .. } = &mut *engine;
        intake.take_some(Some(message), feed, programs, output, report);
    }
}

/// What one span takes.
struct Cost {
    nanoseconds: f64,
    /// Once everything has been seen before.
    allocations: f64,
}

fn cost(settings: &[(&str, &str)], requests: u32, queries: bool) -> Cost {
    let get = |name: &str| settings.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    let config = crate::config::resolve(&[], &get).unwrap().config;
    let program = Program { name: "shop".into(), file: "/bin/shop".into(), args: Vec::new() };
    let programs =
        Programs::new(&config.resource, &program, &Environment::from_iter([]), Default::default(), Vec::new());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _entered = runtime.enter();
    let nothing = HostMetrics { process: false, process_ids: false, system: false };
    let mut engine = Engine::new(&config, programs, Host::new(nothing, "/bin/shop".as_ref(), Default::default()), None);
    let marker = |name: &str, version: &str| Some(format!("otel-rs:layer:1|{name}|{version}|0.1.0|\n").into_bytes());
    let strings = move |id| if id == 4 { marker("hyper", "1.6.0") } else { marker("sqlx-core", "0.8.6") };
    let source = engine.programs.launched();
    engine.intake.attach(PROCESS, &source, Box::new(strings), Box::new(Vec::new), None, &mut engine.output);
    let (sender, mut receiver) = feed::queue();
    let now = now_unix_ns();
    let (mut spent, mut allocations) = (Duration::ZERO, 0);
    for first in (0..requests).step_by(AT_ONCE as usize) {
        let records =
            (first..first + AT_ONCE).flat_map(|number| request(number, now + u64::from(number) * 1000, queries));
        sender.records(PROCESS, records.collect());
        sender.send(Feed::PassDone { process: PROCESS });
        let (start, before) = (Instant::now(), allocations_so_far());
        take_all(&mut engine, &mut receiver);
        spent += start.elapsed();
        if first >= requests / 2 {
            allocations += allocations_so_far() - before;
        }
    }
    let spans = f64::from(if queries { requests * 2 } else { requests });
    Cost { nanoseconds: spent.as_nanos() as f64 / spans, allocations: allocations as f64 / (spans / 2.0) }
}

#[test]
fn a_span_allocates_nothing_of_its_own() {
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9");
    for queries in [false, true] {
        let Cost { allocations, .. } = cost(&[endpoint], 4096, queries);
        // Those of batches, of which each holds 512, and of what is read at once.
        assert!(allocations < 0.1, "{allocations} allocations per span");
    }
}

#[test]
#[ignore = "a benchmark"]
fn cost_of_a_span() {
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9");
    let none = |signal| (signal, "none");
    let metrics = none("OTEL_METRICS_EXPORTER");
    let traces = none("OTEL_TRACES_EXPORTER");
    let all: [(&str, &[(&str, &str)]); 3] =
        [("traces and metrics", &[endpoint]), ("traces", &[endpoint, metrics]), ("metrics", &[endpoint, traces])];
    for (name, settings) in all {
        for queries in [false, true] {
            if std::env::var("COST").is_ok_and(|only| only != format!("{name} {queries}")) {
                continue;
            }
            let rounds = if std::env::var("COST").is_ok() { 1 } else { 5 };
            let least = (0..rounds).map(|_| cost(settings, REQUESTS, queries).nanoseconds).fold(f64::MAX, f64::min);
            let request = if queries { "request and query" } else { "request" };
            crate::ui::err_raw(format!("{name:20} {request:20} {least:8.0} ns per span\n"));
        }
    }
}
