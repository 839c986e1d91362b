//! Servers that are killed while they are in use, and come back.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread::{sleep, spawn};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{Orders, Servers};
use crate::support::expect::{Traces, client, of_kind, server, span};
use crate::support::http::{Answer, ClientRequest, Http};
use crate::support::model::{Kind, Span};
use crate::support::{Fixture, Otlp, need, wait_for};

/// What can be seen from outside. How long a server takes to come back differs, and with it the numbers of orders.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    answers: Vec<(&'static str, Answer)>,
    worked: Vec<(&'static str, Vec<String>)>,
}

fn without_numbers(text: &str) -> String {
    text.replace(|letter: char| letter.is_ascii_digit(), "")
}

/// A run, and what it has asked for.
struct Run<'a> {
    servers: &'a mut Servers,
    orders: Orders,
    seen: Seen,
    /// How many orders were asked for, and how many of them were written but not cached.
    asked: usize,
    uncached: usize,
}

impl Run<'_> {
    fn order(&mut self, card: &str) -> Answer {
        let answer = self.orders.order("tea", card);
        self.count(&answer);
        answer
    }

    fn count(&mut self, (_, body): &Answer) {
        self.asked += 1;
        self.uncached += usize::from(body.ends_with("cached: false"));
    }

    fn note(&mut self, when: &'static str, (status, body): Answer) {
        self.seen.answers.push((when, (status, without_numbers(&body))));
    }

    /// Orders, and notes the answer.
    fn note_order(&mut self, when: &'static str, card: &str) {
        let answer = self.order(card);
        self.note(when, answer);
    }

    /// Notes the next lines of the worker.
    fn note_work(&mut self, when: &'static str, lines: usize) {
        let lines = self.orders.worked(lines).iter().map(|line| without_numbers(line)).collect();
        self.seen.worked.push((when, lines));
    }

    /// Looks an order up, and notes the answer.
    fn note_found(&mut self, when: &'static str, order: &str) {
        let answer = self.orders.get(&format!("/orders/{order}"));
        self.note(when, answer);
    }

    /// Orders until all is well.
    fn order_until_it_is_cached(&mut self) {
        wait_for("an order that is cached", 60, || {
            let (status, body) = self.order("card");
            if status == 200 {
                self.orders.worked(3);
            }
            body.ends_with("cached: true").then_some(())
        });
    }

    /// Kills the process of PostgreSQL that executes a statement, which ends all others.
    fn kill_the_store(&mut self) {
        let url = self.orders.url("/count");
        let asking = spawn(move || Http::new(false).send(ClientRequest { method: "GET", url, headers: Vec::new() }));
        let find = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
        let process: i32 = wait_for("the statement", 20, || self.servers.store.ask(find).parse().ok());
        kill(Pid::from_raw(process), Signal::SIGKILL).expect("it is there");
        self.note("the store is killed", asking.join().expect("an answer"));
        self.note_order("over a new connection to the store", "card");
        self.note_work("a new connection to the store", 3);
    }

    /// Kills Redis while it owes an answer.
    fn kill_the_cache(&mut self) {
        self.servers.cache.send(Signal::SIGSTOP);
        let url = self.orders.url("/orders/tea");
        let asking = spawn(move || Http::new(false).post(&url, [b"card".to_vec()]));
        // What comes after the store is the cache.
        let stored = (self.asked + 1).to_string();
        let is_stored = || (self.servers.store.ask("SELECT count(*) FROM orders") == stored).then_some(());
        wait_for("the order in the store", 20, is_stored);
        // Less than the program waits for an answer.
        sleep(Duration::from_millis(200));
        self.servers.cache.kill();
        let answer = asking.join().expect("an answer");
        self.count(&answer);
        let order = answer.1.split(' ').next().unwrap_or_default().to_owned();
        self.note("the cache is killed", answer);
        self.note_work("the cache is killed", 3);
        self.note_found("there is no cache", &order);
        self.servers.cache.restart().expect("the cache");
        self.order_until_it_is_cached();
        self.note_found("the cache is empty", &order);
    }

    /// Kills RabbitMQ while a message is worked on, which comes again.
    fn kill_the_broker(&mut self) {
        self.note_order("a message that is worked on slowly", "slowly");
        self.note_work("a message is worked on", 2);
        self.servers.broker.kill();
        self.note_order("the broker is killed", "card");
        self.note_order("there is no broker", "card");
        self.note_work("the broker is killed", 1);
        self.servers.broker.restart().expect("the broker");
        self.note_work("the broker is back", 1);
        self.note_work("the message is back", 2);
        self.order_until_it_is_cached();
    }
}

/// A run with all losses: what can be seen of it, how many orders were asked for, and how many were not cached.
fn act(servers: &mut Servers, fixture: &Arc<Fixture>, otlp: Option<&Otlp>) -> (Seen, usize, usize) {
    let orders = Orders::start(servers, fixture, otlp);
    let mut run = Run { servers, orders, seen: Seen::default(), asked: 0, uncached: 0 };
    run.note_order("all is well", "card");
    run.note_work("all is well", 3);
    run.kill_the_store();
    run.kill_the_cache();
    run.kill_the_broker();
    let Run { orders, seen, asked, uncached, .. } = run;
    orders.stop();
    (seen, asked, uncached)
}

/// Fails if a span was open at the end of its program, or if one is missing that others are below.
fn require_ends(traces: &Traces) {
    for cut in ["SIGTERM", "SIGKILL", "process_exited"] {
        traces.forbid(span().attr("error.type", cut));
    }
    let ids: BTreeSet<_> = traces.0.iter().map(|span| (&span.trace, &span.id)).collect();
    let is_lost = |span: &&Span| !span.parent.is_empty() && !ids.contains(&(&span.trace, &span.parent));
    let lost: Vec<_> = traces.0.iter().filter(is_lost).cloned().collect();
    assert!(lost.is_empty(), "spans without their parents:\n{}", Traces(lost));
}

#[test]
fn servers_that_are_killed_are_errors_and_no_span_stays_open() {
    let mut servers = need!(Servers::start());
    let (fixture, otlp) = (Fixture::of("orders"), Otlp::start());
    let (seen, asked, uncached) = act(&mut servers, &fixture, Some(&otlp));
    let traces = otlp.traces();
    let statuses: Vec<_> = seen.answers.iter().map(|(_, (status, _))| *status).collect();
    assert_eq!(statuses, [200, 503, 200, 200, 200, 200, 200, 503, 503], "{seen:#?}");
    assert_eq!(seen, act(&mut servers, &fixture, None).0, "the same as without telemetry");
    require_ends(&traces);

    let counting = traces.require(server().named("GET /count").attr("error.type", "503").failed());
    let counted = traces.require(client().named("SELECT orders").child_of(&counting).failed());
    assert_eq!((counted.text("error.type"), counted.get("db.response.status_code")), ("closed", None), "{counted}");
    let created = otlp.metrics().count("db.client.connection.create_time", &[]);
    assert_eq!(created, 2, "the pool has made a connection, and another one after the loss");

    let ordered = traces.require_count(asked, server().named("POST /orders/{item}"));
    // What finds no connection is not sent, and has no span.
    let lost = traces.all(&client().named("SETEX").failed());
    assert!(!lost.is_empty() && lost.len() <= uncached, "{uncached} were not cached: {traces}");
    for lost in &lost {
        // The program may have waited for the answer for as long as it would.
        assert!(["io", "timeout"].contains(&lost.text("error.type")), "{lost}");
        assert!(ordered.iter().any(|order| order.id == lost.parent && !order.error), "{lost}");
    }
    assert!(lost.iter().any(|lost| lost.millis() >= 100), "one has waited for its answer: {traces}");
    traces.require(client().named("GET").recorded_by("redis").not_failed());
    traces.require_count(asked - uncached, client().named("SETEX").not_failed());

    // Those that found no broker; one of them lost it on the way.
    let refused = ordered.iter().filter(|span| span.error).count();
    traces.require_count(refused, server().named("POST /orders/{item}").attr("error.type", "503").failed());
    let published = traces.all(&of_kind(Kind::Producer).named("publish orders"));
    let processed = |published: &Span| traces.all(&of_kind(Kind::Consumer).named("process orders").child_of(published));
    let processed: Vec<_> = published.iter().map(|published| (published.error, processed(published).len())).collect();
    let times = |times: usize| processed.iter().filter(|(_, processed)| *processed == times).count();
    assert_eq!((times(1), times(2)), (asked - refused - 1, 1), "one message has come twice: {traces}");
}
