//! Messages of RabbitMQ: one span when a message is published, fetched or acknowledged, and one for the work on it.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;

use otel_rs_hooks::kit::message::Destination;
use otel_rs_hooks::kit::rabbitmq::{is_generated, name};
use otel_rs_hooks::kit::{Failure, Operation, Recent};
use otel_rs_hooks::{current, detached, key, Context, Headers, HeadersMut, Key};

use crate::api::channel::Channel;
use crate::api::consumer::{AsyncConsumer, BlockingConsumer};
use crate::api::error::Error;
use crate::frame::{BasicProperties, Deliver, GetOk};
use crate::{FieldName, FieldTable, FieldValue};

const ROUTING_KEY: Key<'static> = Key::Named("messaging.rabbitmq.destination.routing_key");
const DELIVERY_TAG: Key<'static> = Key::Named("messaging.rabbitmq.message.delivery_tag");

/// The broker's address, for all that belongs to one connection.
#[derive(Debug)]
pub(crate) struct Server(Option<(Box<str>, u16)>);

impl Server {
    pub(crate) fn of(host: &str, port: u16) -> Server {
        Server(if SCOPE.enabled() { Some((host.into(), port)) } else { None })
    }
}

fn destination<'a>(channel: &'a Channel, name: &'a str, is_anonymous: bool) -> Destination<'a> {
    let (address, port) = match &channel.otel_server().0 {
        Some((host, port)) => (&**host, Some(*port)),
        None => ("", None),
    };
    Destination { system: "rabbitmq", name, is_anonymous, address, port, ..Destination::default() }
}

/// Where the messages of a channel came from that are not acknowledged: their numbers and destinations, and whether the broker
/// made these names.
pub(crate) struct Delivered(Recent<u64, (String, bool)>);

impl Default for Delivered {
    fn default() -> Self {
        Delivered(Recent::new(256))
    }
}

/// A message's headers.
struct Table(FieldTable);

impl Table {
    fn of(properties: &BasicProperties) -> Table {
        Table(properties.headers().cloned().unwrap_or_else(FieldTable::new))
    }

    fn texts(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let all: &std::collections::HashMap<FieldName, FieldValue> = self.0.as_ref();
        all.iter().filter_map(|(name, value)| match value {
            FieldValue::S(text) => {
                let (name, text): (&String, &String) = (name.as_ref(), text.as_ref());
                Some((name.as_str(), text.as_bytes()))
            }
            _ => None,
        })
    }
}

impl Headers for Table {
    fn named<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        self.texts().filter(|(known, _)| known.eq_ignore_ascii_case(name)).for_each(|(_, value)| visit(value));
    }

    fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a [u8])) {
        self.texts().for_each(|(name, value)| visit(name, value));
    }
}

impl HeadersMut for Table {
    fn set(&mut self, name: &str, value: &[u8]) {
        self.remove(name);
        let value = String::from_utf8_lossy(value).into_owned();
        if let (Ok(name), Ok(value)) = (FieldName::try_from(name), value.try_into()) {
            self.0.insert(name, FieldValue::S(value));
        }
    }

    fn remove(&mut self, name: &str) {
        let known: Vec<_> =
            self.texts().map(|(known, _)| known).filter(|known| known.eq_ignore_ascii_case(name)).collect();
        let known: Vec<_> = known.into_iter().filter_map(|known| FieldName::try_from(known).ok()).collect();
        for known in known {
            self.0.remove(&known);
        }
    }
}

/// Records what a message's properties say of it.
fn describe(operation: &Operation, routing_key: &str, properties: &BasicProperties) {
    operation.set(&[
        (ROUTING_KEY, Some(routing_key).filter(|key| !key.is_empty()).into()),
        (key::MESSAGING_MESSAGE, properties.message_id().map(String::as_str).into()),
        (key::MESSAGING_CONVERSATION, properties.correlation_id().map(String::as_str).into()),
    ]);
}

/// A message is about to be published; its context goes along, unless it has one already.
pub(crate) fn publish(
    channel: &Channel,
    exchange: &str,
    routing_key: &str,
    mut properties: BasicProperties,
) -> (Operation, BasicProperties) {
    if !SCOPE.enabled() {
        return (Operation::NONE, properties);
    }
    let (name, mut headers) = (name(exchange, routing_key, ""), Table::of(&properties));
    let operation = destination(channel, &name, is_generated(routing_key)).send(&SCOPE, "publish", &mut headers);
    describe(&operation, routing_key, &properties);
    let table: &std::collections::HashMap<_, _> = headers.0.as_ref();
    if properties.headers().is_some() || !table.is_empty() {
        properties.with_headers(headers.0);
    }
    (operation, properties)
}

/// What a span records of an error. Its message is kept out.
pub(crate) fn failure(error: &Error) -> Failure {
    Failure::class(match error {
        Error::NetworkError(_) => "network",
        Error::ChannelUseError(_) => "channel_use",
        Error::ConnectionUseError(_) => "connection_use",
        Error::InternalChannelError(_) => "connection_closed",
        _ => "_OTHER",
    })
}

/// A consumer whose work is recorded.
pub(crate) struct Recorded<F> {
    consumer: F,
    queue: String,
}

impl<F> Recorded<F> {
    pub(crate) fn new(consumer: F, queue: &str) -> Recorded<F> {
        Recorded { consumer, queue: if SCOPE.enabled() { queue.to_owned() } else { String::new() } }
    }

    /// The work on a message begins. Whoever has started the consumer has no part in that.
    fn process(&self, channel: &Channel, deliver: &Deliver, properties: &BasicProperties) -> Operation {
        if !SCOPE.enabled() {
            return Operation::NONE;
        }
        let routing_key = deliver.routing_key().as_str();
        let name = name(deliver.exchange(), routing_key, &self.queue);
        let is_anonymous = is_generated(&self.queue) || is_generated(routing_key);
        let destination = destination(channel, &name, is_anonymous);
        let operation = detached(|| destination.process(&SCOPE, "process", &Table::of(properties)));
        describe(&operation, routing_key, properties);
        operation.set(&[(DELIVERY_TAG, (deliver.delivery_tag() as i64).into())]);
        channel.otel_delivered().0.put(deliver.delivery_tag(), (name, is_anonymous));
        operation
    }
}

fn never(error: &Infallible) -> Failure {
    match *error {}
}

type Work<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

impl<F: AsyncConsumer> AsyncConsumer for Recorded<F> {
    // As `async_trait` has it, without a box of its own.
    fn consume<'a, 'c, 'w>(
        &'a mut self,
        channel: &'c Channel,
        deliver: Deliver,
        properties: BasicProperties,
        content: Vec<u8>,
    ) -> Work<'w>
    where
        'a: 'w,
        'c: 'w,
        Self: 'w,
    {
        let operation = self.process(channel, &deliver, &properties);
        if operation.is_none() {
            return self.consumer.consume(channel, deliver, properties, content);
        }
        let entered = operation.context().enter();
        let work = self.consumer.consume(channel, deliver, properties, content);
        drop(entered);
        let done = operation.around(
            async {
                work.await;
                Ok(())
            },
            never,
        );
        Box::pin(async {
            let _ = done.await;
        })
    }
}

impl<F: BlockingConsumer> BlockingConsumer for Recorded<F> {
    fn consume(&mut self, channel: &Channel, deliver: Deliver, properties: BasicProperties, content: Vec<u8>) {
        let operation = self.process(channel, &deliver, &properties);
        let work = || {
            self.consumer.consume(channel, deliver, properties, content);
            Ok(())
        };
        let _ = operation.run(work, never);
    }
}

/// A message is about to be fetched, from the queue that comes back.
pub(crate) fn get(channel: &Channel, queue: &str) -> (Operation, String) {
    if !SCOPE.enabled() {
        return (Operation::NONE, String::new());
    }
    (destination(channel, queue, is_generated(queue)).receive(&SCOPE, "get"), queue.to_owned())
}

type Fetched = Result<Option<(GetOk, BasicProperties, Vec<u8>)>, Error>;

/// Fetches it. The span is linked with the one that sent it.
pub(crate) async fn got(
    channel: &Channel,
    (operation, queue): (Operation, String),
    work: impl Future<Output = Fetched>,
) -> Fetched {
    if operation.is_none() {
        return work.await;
    }
    let linked = async {
        let answer = work.await;
        match &answer {
            Ok(Some((message, properties, _))) => {
                let routing_key = Some(message.routing_key().as_str()).filter(|key| !key.is_empty());
                current().link(&Context::extract(&Table::of(properties)), &[]);
                current().set(&[
                    (ROUTING_KEY, routing_key.into()),
                    (DELIVERY_TAG, (message.delivery_tag() as i64).into()),
                    (key::MESSAGING_MESSAGE, properties.message_id().map(String::as_str).into()),
                ]);
                let name = name(message.exchange(), message.routing_key(), &queue);
                let is_anonymous = is_generated(&queue) || is_generated(message.routing_key());
                channel.otel_delivered().0.put(message.delivery_tag(), (name, is_anonymous));
            }
            Ok(None) => current().set(&[(key::MESSAGING_BATCH_SIZE, 0_i64.into())]),
            Err(_) => {}
        }
        answer
    };
    operation.around(linked, failure).await
}

/// A message is acknowledged or refused.
pub(crate) fn settle(channel: &Channel, word: &'static str, delivery_tag: u64) -> Operation {
    if !SCOPE.enabled() {
        return Operation::NONE;
    }
    let (name, is_anonymous) = channel.otel_delivered().0.take(&delivery_tag).unwrap_or_default();
    let operation = destination(channel, &name, is_anonymous).settle(&SCOPE, word);
    operation.set(&[(DELIVERY_TAG, (delivery_tag as i64).into())]);
    operation
}
