//! Messages of RabbitMQ: one span when a message is published, fetched or acknowledged, and one for the work on it.

use std::convert::Infallible;
use std::fmt::{self, Display};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use otel_rs_hooks::http::class_of_io;
use otel_rs_hooks::kit::message::Destination;
use otel_rs_hooks::kit::rabbitmq::{is_generated, name};
use otel_rs_hooks::kit::{Failure, Operation};
use otel_rs_hooks::{current, detached, key, Context, Headers, HeadersMut, Key};

use crate::acker::Acker;
use crate::message::{BasicGetMessage, Delivery, DeliveryResult};
use crate::types::{AMQPValue, FieldTable, ShortString};
use crate::uri::AMQPUri;
use crate::{BasicProperties, Error, ErrorKind, Result};

const ROUTING_KEY: Key<'static> = Key::Named("messaging.rabbitmq.destination.routing_key");
const DELIVERY_TAG: Key<'static> = Key::Named("messaging.rabbitmq.message.delivery_tag");

/// The broker's address, for all that belongs to one connection.
#[derive(Clone, Default)]
pub(crate) struct Server(Option<Arc<(String, u16)>>);

impl Server {
    pub(crate) fn of(uri: &AMQPUri) -> Server {
        let authority = &uri.authority;
        Server(SCOPE.enabled().then(|| Arc::new((authority.host.clone(), authority.port))))
    }

    fn destination<'a>(&'a self, name: &'a str, is_anonymous: bool) -> Destination<'a> {
        let (address, port) = self.0.as_deref().map_or(("", None), |(host, port)| (host.as_str(), Some(*port)));
        Destination { system: "rabbitmq", name, is_anonymous, address, port, ..Destination::default() }
    }
}

/// A message's headers, as they are sent.
struct Table(std::collections::BTreeMap<ShortString, AMQPValue>);

impl Table {
    fn of(properties: &BasicProperties) -> Table {
        Table(properties.headers().as_ref().map(|headers| headers.inner().clone()).unwrap_or_default())
    }
}

fn text(value: &AMQPValue) -> Option<&[u8]> {
    match value {
        AMQPValue::LongString(text) => Some(text.as_bytes()),
        AMQPValue::ShortString(text) => Some(text.as_str().as_bytes()),
        _ => None,
    }
}

impl Headers for Table {
    fn named<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        let all = self.0.iter().filter(|(known, _)| known.as_str().eq_ignore_ascii_case(name));
        all.filter_map(|(_, value)| text(value)).for_each(visit);
    }

    fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a [u8])) {
        let all = self.0.iter().filter_map(|(name, value)| Some((name.as_str(), text(value)?)));
        all.for_each(|(name, value)| visit(name, value));
    }
}

impl HeadersMut for Table {
    fn set(&mut self, name: &str, value: &[u8]) {
        self.remove(name);
        let value = AMQPValue::LongString(String::from_utf8_lossy(value).into_owned().into());
        self.0.insert(ShortString::from(name), value);
    }

    fn remove(&mut self, name: &str) {
        self.0.retain(|known, _| !known.as_str().eq_ignore_ascii_case(name));
    }
}

/// Records what a message's properties say of it.
fn describe(operation: &Operation, routing_key: &str, properties: &BasicProperties) {
    let known = |value: &Option<ShortString>| value.as_ref().map(|value| value.as_str().to_owned());
    let (message, conversation) = (known(properties.message_id()), known(properties.correlation_id()));
    operation.set(&[
        (ROUTING_KEY, Some(routing_key).filter(|key| !key.is_empty()).into()),
        (key::MESSAGING_MESSAGE, message.as_deref().into()),
        (key::MESSAGING_CONVERSATION, conversation.as_deref().into()),
    ]);
}

/// A message is about to be published; its context goes along, unless it has one already.
pub(crate) fn publish(
    server: &Server,
    exchange: &dyn Display,
    routing_key: &dyn Display,
    properties: BasicProperties,
) -> (Operation, BasicProperties) {
    if !SCOPE.enabled() {
        return (Operation::NONE, properties);
    }
    let (exchange, routing_key) = (exchange.to_string(), routing_key.to_string());
    let (name, mut headers) = (name(&exchange, &routing_key, ""), Table::of(&properties));
    let operation = server.destination(&name, is_generated(&routing_key)).send(&SCOPE, "publish", &mut headers);
    describe(&operation, &routing_key, &properties);
    let has_headers = properties.headers().is_some() || !headers.0.is_empty();
    let properties = if has_headers { properties.with_headers(FieldTable::from(headers.0)) } else { properties };
    (operation, properties)
}

/// Ends an operation that cannot begin.
pub(crate) fn failed(mut operation: Operation, error: Error) -> Error {
    operation.fail(&failure(&error));
    error
}

/// What a span records of an error: AMQP's reply code where the broker gave one.
pub(crate) fn failure(error: &Error) -> Failure {
    match error.kind() {
        ErrorKind::ProtocolError(error) => Failure::code(&error.get_id()),
        ErrorKind::IOError(error) => Failure::class(class_of_io(error).unwrap_or("io")),
        ErrorKind::InvalidChannel(_) | ErrorKind::InvalidChannelState(..) => Failure::class("channel_closed"),
        ErrorKind::InvalidConnectionState(_) => Failure::class("connection_closed"),
        ErrorKind::MissingHeartbeatError => Failure::class("missing_heartbeat"),
        _ => Failure::class("_OTHER"),
    }
}

/// What a message's acknowledgement has to know of it.
#[derive(Clone, Default)]
pub(crate) struct Message(Option<Arc<Known>>);

struct Known {
    name: String,
    is_anonymous: bool,
    /// The work on it, if it is over with the message and all copies of its acker.
    work: Operation,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Message")
    }
}

impl std::panic::UnwindSafe for Message {}
impl std::panic::RefUnwindSafe for Message {}

impl Drop for Known {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.work.end(&[]);
        }
    }
}

/// The work on a message begins.
fn process(queue: &ShortString, delivery: &mut Delivery) -> Operation {
    let (routing_key, server) = (delivery.routing_key.as_str(), delivery.acker.otel_server());
    let name = name(delivery.exchange.as_str(), routing_key, queue.as_str());
    let is_anonymous = is_generated(queue.as_str()) || is_generated(routing_key);
    let operation =
        server.destination(&name, is_anonymous).process(&SCOPE, "process", &Table::of(&delivery.properties));
    describe(&operation, routing_key, &delivery.properties);
    operation.set(&[(DELIVERY_TAG, (delivery.delivery_tag as i64).into())]);
    delivery.acker.otel = Message(Some(Arc::new(Known { name, is_anonymous, work: Operation::NONE })));
    operation
}

/// A stream hands a message over: the work on it lasts until the message is gone.
pub(crate) fn pull(queue: &ShortString, mut delivery: Delivery) -> Delivery {
    if SCOPE.enabled() {
        let work = process(queue, &mut delivery);
        if let Some(known) = delivery.acker.otel.0.as_mut().and_then(Arc::get_mut) {
            known.work = work;
        }
    }
    delivery
}

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A delegate works on a message. Whoever set the delegate, or whatever the thread does, has no part in that.
pub(crate) fn push(queue: &ShortString, delivery: DeliveryResult, work: impl FnOnce(DeliveryResult) -> Work) -> Work {
    match delivery {
        Ok(Some(mut delivery)) if SCOPE.enabled() => {
            let operation = detached(|| process(queue, &mut delivery));
            let entered = operation.context().enter();
            let work = work(Ok(Some(delivery)));
            drop(entered);
            let done = operation.around(
                async {
                    work.await;
                    Ok(())
                },
                |never: &Infallible| match *never {},
            );
            Box::pin(async {
                let _ = done.await;
            })
        }
        delivery => work(delivery),
    }
}

/// A message is about to be fetched, from the queue that comes back as text.
pub(crate) fn get(server: &Server, queue: &dyn Display) -> (Operation, String) {
    if !SCOPE.enabled() {
        return (Operation::NONE, String::new());
    }
    let queue = queue.to_string();
    (server.destination(&queue, is_generated(&queue)).receive(&SCOPE, "get"), queue)
}

/// Fetches it. The span is linked with the one that sent it.
pub(crate) async fn got(
    (operation, queue): (Operation, String),
    work: impl Future<Output = Result<Option<BasicGetMessage>>>,
) -> Result<Option<BasicGetMessage>> {
    if operation.is_none() {
        return work.await;
    }
    let linked = async {
        let mut answer = work.await;
        match &mut answer {
            Ok(Some(message)) => {
                current().link(&Context::extract(&Table::of(&message.properties)), &[]);
                let name = name(message.exchange.as_str(), message.routing_key.as_str(), &queue);
                let known = Known { name, is_anonymous: is_generated(&queue), work: Operation::NONE };
                message.delivery.acker.otel = Message(Some(Arc::new(known)));
            }
            Ok(None) => current().set(&[(key::MESSAGING_BATCH_SIZE, 0_i64.into())]),
            Err(_) => {}
        }
        answer
    };
    operation.around(linked, failure).await
}

/// A message is acknowledged or refused. That is a part of the work on it, unless it happens in other work.
pub(crate) fn settle<F: Future<Output = Result<bool>>>(
    acker: &Acker,
    word: &'static str,
    work: F,
) -> impl Future<Output = Result<bool>> {
    let operation = if SCOPE.enabled() { settling(acker, word) } else { Operation::NONE };
    operation.around(work, failure)
}

fn settling(acker: &Acker, word: &'static str) -> Operation {
    let (server, known) = (acker.otel_server(), acker.otel.0.as_deref());
    let (name, is_anonymous) = known.map_or(("", false), |known| (known.name.as_str(), known.is_anonymous));
    let own = known.map(|known| known.work.context()).filter(|_| current().is_empty());
    let _entered = own.map(Context::enter);
    server.destination(name, is_anonymous).settle(&SCOPE, word)
}
