//! MQTT messages: one span when a message is published or acknowledged, and one for the work on it.

use std::sync::Arc;

use otel_rs_hooks::kit::message::Destination;
use otel_rs_hooks::kit::{Failure, Operation, Setter};
use otel_rs_hooks::{key, Headers};

use crate::mqttbytes::v4;
use crate::v5::mqttbytes::v5;

/// The broker's address, for all that belongs to one client.
#[derive(Clone, Debug, Default)]
pub(crate) struct Server(Option<Arc<(String, Option<u16>)>>);

impl Server {
    fn destination<'a>(&'a self, topic: &'a str) -> Destination<'a> {
        let (address, port) = self.0.as_deref().map_or(("", None), |(host, port)| (host.as_str(), *port));
        Destination { system: "mqtt", name: topic, address, port, ..Destination::default() }
    }
}

/// The host, of which programs may have made a URL whose parameters hold a key.
fn host(address: &str, port: u16) -> (String, Option<u16>) {
    let end = |text: &str, marks: &[char]| text.find(marks).unwrap_or(text.len());
    let (is_url, rest) = match address.find("://") {
        Some(at) => (true, &address[at + 3..]),
        None => (false, address),
    };
    if rest.starts_with('/') {
        // A socket's path.
        return (rest[..end(rest, &['?'])].to_owned(), None);
    }
    let authority = &rest[..end(rest, &['/', '?', '#'])];
    let host = authority.rsplit('@').next().unwrap_or("");
    if is_url {
        let without_port = if host.starts_with('[') { end(host, &[']']) + 1 } else { end(host, &[':']) };
        return (host.get(..without_port).unwrap_or(host).to_owned(), None);
    }
    (host.to_owned(), Some(port))
}

/// A message is about to be published; its context goes along, unless it has one already.
pub(crate) fn publish_v5(server: &Server, topic: &str, properties: &mut Option<v5::PublishProperties>) -> Operation {
    if !SCOPE.enabled() {
        return Operation::NONE;
    }
    let destination = server.destination(topic);
    if let Some(properties) = properties {
        return destination.send(&SCOPE, "publish", &mut properties.user_properties);
    }
    let mut user_properties = Vec::<(String, String)>::new();
    let operation = destination.send(&SCOPE, "publish", &mut user_properties);
    if !user_properties.is_empty() {
        *properties = Some(v5::PublishProperties { user_properties, ..Default::default() });
    }
    operation
}

/// The same for a message that has no place for a context.
pub(crate) fn publish_v4(server: &Server, topic: &str) -> Operation {
    if !SCOPE.enabled() {
        return Operation::NONE;
    }
    let operation = server.destination(topic).send(&SCOPE, "publish", &mut Setter(|_: &str, _: &[u8]| {}));
    operation.set(&[(key::MESSAGING_INJECTED, false.into())]);
    operation
}

/// A message is about to be acknowledged.
pub(crate) fn ack(server: &Server, topic: &impl AsRef<[u8]>) -> Operation {
    let topic = std::str::from_utf8(topic.as_ref()).unwrap_or("");
    server.destination(topic).settle(&SCOPE, "ack")
}

/// Ends an operation whose topic is not valid.
pub(crate) fn refuse(operation: &mut Operation) {
    operation.fail(&Failure::class("invalid_topic"));
}

/// What a span records if the event loop is gone.
pub(crate) fn closed<T>(_: &flume::SendError<T>) -> Failure {
    Failure::class("closed")
}

/// The same of a client that does not wait for room.
pub(crate) fn full<T>(error: &flume::TrySendError<T>) -> Failure {
    Failure::class(match error {
        flume::TrySendError::Full(_) => "full",
        flume::TrySendError::Disconnected(_) => "closed",
    })
}

/// What an event loop keeps.
pub(crate) struct Loop {
    server: Server,
    /// The work on the message that it gave last.
    work: Operation,
}

impl Loop {
    pub(crate) fn new(address: impl FnOnce() -> (String, u16)) -> Loop {
        let known = || {
            let (address, port) = address();
            Arc::new(host(&address, port))
        };
        let known = if SCOPE.enabled() { Some(known()) } else { None };
        Loop { server: Server(known), work: Operation::NONE }
    }

    pub(crate) fn server(&self) -> Server {
        self.server.clone()
    }

    /// The next event is asked for.
    pub(crate) fn over(&mut self) {
        if !self.work.is_none() {
            self.work.end(&[]);
        }
    }

    pub(crate) fn came_v4(&mut self, event: &crate::Event) {
        if let crate::Event::Incoming(v4::Packet::Publish(message)) = event {
            self.process(message.topic.as_bytes(), &Vec::<(String, String)>::new());
        }
    }

    pub(crate) fn came_v5(&mut self, event: &crate::v5::Event) {
        if let crate::v5::Event::Incoming(v5::Packet::Publish(message)) = event {
            match &message.properties {
                Some(properties) => self.process(&message.topic, &properties.user_properties),
                None => self.process(&message.topic, &Vec::<(String, String)>::new()),
            }
        }
    }

    fn process(&mut self, topic: &[u8], headers: &dyn Headers) {
        if SCOPE.enabled() {
            let topic = std::str::from_utf8(topic).unwrap_or("");
            self.work = self.server.destination(topic).process(&SCOPE, "process", headers);
        }
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.over();
        }
    }
}
