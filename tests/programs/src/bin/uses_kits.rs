//! Advice made of the hooks' kits: statements of two databases, a message that is sent, fetched and processed, a call that
//! is sent and served, all within one piece of work.

use otel_rs_hooks::kit::call::{self, Method, RpcStatuses};
use otel_rs_hooks::kit::message::{self, Destination};
use otel_rs_hooks::kit::statement::{Database, Language, Session};
use otel_rs_hooks::kit::{Failure, Getter, Operation, work};
use otel_rs_hooks::{Context, Domain, Key, Scope, Span, current, key};

static SCOPE: Scope = Scope::new("otel-rs:layer:5|kits|1.0.0|0.1.0|\n");
/// That of the program around them, which may be recorded while theirs is not.
static PROGRAM: Scope = Scope::new("otel-rs:layer:5|around|1.0.0|0.1.0|\n");

const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

type Headers = Vec<(String, String)>;

fn headers(known: &[(&str, &str)]) -> Headers {
    known.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

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
    handed_over();
    around_all_kits();
}

/// A message that is worked on outside of any other work, and one that names a trace of its own.
fn handed_over() {
    let topic = Destination { system: "kafka", name: "payments", ..Destination::default() };
    let mut message = Headers::new();
    topic.send(&SCOPE, "publish", &mut message).end(&[]);
    topic.process(&SCOPE, "handle", &message).end(&[]);
    let mut message = headers(&[("traceparent", TRACEPARENT)]);
    assert!(topic.create(&SCOPE, "create", &mut message).is_none());
    topic.send(&SCOPE, "pass on", &mut message).end(&[]);
    assert_eq!(message, headers(&[("traceparent", TRACEPARENT)]));
}

/// Work of every kit within a span that came with baggage.
fn around_all_kits() {
    let parent = Context::extract(&headers(&[("traceparent", TRACEPARENT), ("baggage", "user=7")]));
    let request = Span::start_with_parent(&PROGRAM, Domain::Internal, parent, &[(key::SPAN_NAME, "request".into())]);
    let entered = request.context().enter();
    let within = || {
        let (mut below, current) = (Headers::new(), current());
        current.inject(&mut below);
        assert!(below.contains(&("baggage".into(), "user=7".into())), "{below:?}");
        Span::start(&PROGRAM, Domain::Internal, &[(key::SPAN_NAME, "below".into())]).end(&[]);
        Ok::<_, &str>(())
    };
    let mut written = Headers::new();
    let topic = Destination { system: "kafka", name: "orders", ..Destination::default() };
    let server = Database { system: "redis", language: Language::Command, namespace: "", address: "", port: None };
    let session = Session::new(&SCOPE, &server);
    let done = [
        work::start(&SCOPE, "shut", &[]).run(within, failure),
        topic.send(&SCOPE, "publish", &mut written).run(within, failure),
        topic.process(&SCOPE, "handle", &headers(&[])).run(within, failure),
        call::served(&SCOPE, &PLACE, &written).run(within, failure),
        call::sent(&SCOPE, &PLACE, "shop.test", None, &mut written).run(within, failure),
        session.run("GET", "", within, failure),
    ];
    assert_eq!(done, [Ok(()); 6]);
    call::over_http(&SCOPE, &PLACE);
    drop(entered);
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

const PLACE: Method<'_> =
    Method { system: "grpc", statuses: Some(RpcStatuses::Grpc), success: "OK", name: "shop.Orders/Place" };

fn calls() {
    let method = PLACE;
    let mut metadata = Vec::<(String, Vec<u8>)>::new();
    let mut sent: Operation = call::sent(&SCOPE, &method, "shop.test", Some(50051), &mut metadata);
    call::served(&SCOPE, &method, &metadata).end(&[(key::RPC_STATUS, 5.into())]);
    sent.fail(&Failure::code(&5));
    let done = call::sent(&SCOPE, &Method { name: "shop.Orders/List", ..PLACE }, "", None, &mut metadata);
    assert_eq!(done.run(|| Ok(()), failure), Ok(()));
    let request = Span::start(&PROGRAM, Domain::HttpServer, &[(key::HTTP_METHOD, "POST".into())]);
    let entered = request.context().enter();
    call::over_http(&SCOPE, &Method { name: "shop.Orders/Cancel", ..PLACE });
    drop(entered);
    request.end(&[(key::HTTP_STATUS, 503.into())]);
}
