//! Advice made of the hooks' kits: statements of two databases, a message that is sent, fetched and processed, a call that
//! is sent and served, all within one piece of work.

use otel_rs_hooks::kit::call::{self, Method, RpcStatuses};
use otel_rs_hooks::kit::message::{self, Destination};
use otel_rs_hooks::kit::statement::{Database, Language, Session};
use otel_rs_hooks::kit::{Failure, Getter, Operation, work};
use otel_rs_hooks::{Key, Scope, key};

static SCOPE: Scope = Scope::new("otel-rs:layer:4|kits|1.0.0|0.1.0|\n");

fn failure(error: &&'static str) -> Failure {
    Failure::code(error)
}

fn main() {
    let all = work::start(&SCOPE, "nightly", &[(Key::Named("job.attempt"), 2.into())]);
    let result = all.run(
        || {
            queries();
            commands();
            messages();
            calls();
            Ok::<_, &str>(())
        },
        failure,
    );
    assert_eq!(result, Ok(()));
    let _: Result<(), _> = work::start(&SCOPE, "hasty", &[]).run(|| Err("E7"), failure);
    drop(work::start(&SCOPE, "forgotten", &[]));
}

fn queries() {
    let (system, language) = ("mysql", Language::MySql);
    let server = Database { system, language, namespace: "shop", address: "db.test", port: Some(3306) };
    let session = Session::connecting(&SCOPE, &server);
    session.mark("SET");
    session.ready();
    let mut rows = session.start("", r#"SELECT item FROM orders WHERE name = "hunter2""#);
    session.mark("KILL");
    rows.count_rows();
    [true, true, false].into_iter().for_each(|is_row| rows.answered(is_row));
    rows.end();
    drop(session.start("", "DELETE FROM orders"));
    let refused: Result<(), _> = session.run("", "INSERT INTO orders VALUES (7)", || Err("1062"), failure);
    assert_eq!(refused, Err("1062"));
    session.mark("ROLLBACK");
}

fn commands() {
    let language = Language::Command;
    let server = Database { system: "redis", language, namespace: "0", address: "", port: None };
    let session = Session::multiplexed(&SCOPE, &server);
    let (mut first, mut second) = (session.start("", "SET user:7 hunter2"), session.start("", "GET user:7"));
    second.end();
    first.end();
}

fn messages() {
    let system = "kafka";
    let topic =
        Destination { system, name: "orders", address: "kafka.test", port: Some(9092), ..Destination::default() };
    let mut headers = Vec::<(String, String)>::new();
    topic.send(&SCOPE, "publish", &mut headers).end(&[(key::MESSAGING_MESSAGE, "m7".into())]);
    message::received(topic.receive(&SCOPE, "poll"), 3);
    let header = |name: &str| headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_bytes());
    let mut processing = topic.process_received(&SCOPE, "handle", &Getter::new(header));
    processing.fail(&Failure::class("bad_order"));
    topic.settle(&SCOPE, "ack").end(&[]);
    topic.send_batch(&SCOPE, "publish all", 2).end(&[]);
}

fn calls() {
    let statuses = Some(RpcStatuses::Grpc);
    let method = Method { system: "grpc", statuses, success: "OK", name: "shop.Orders/Place" };
    let mut metadata = Vec::<(String, Vec<u8>)>::new();
    let mut sent: Operation = call::sent(&SCOPE, &method, "shop.test", Some(50051), &mut metadata);
    call::served(&SCOPE, &method, &metadata).end(&[(key::RPC_STATUS, 5.into())]);
    sent.fail(&Failure::code(&5));
}
