//! Messages that a client hands to a broker, fetches from it, or works on.
//!
//! ```text
//! let topic = Destination { system: "kafka", name: &record.topic, ..Destination::default() };
//! topic.send(&SCOPE, "publish", &mut record.headers).around(produce(record), |error| Failure::code(&error.code())).await
//! ```
//!
//! Work on one message is a child of the current span, where there is one, and linked with the span that sent it; otherwise it
//! is a child of that span, as the conventions recommend. A batch that is received is a child of the span that received it.

use crate::attribute::{key, Attribute, Value};
use crate::context::{self, Context};
use crate::headers::{Headers, HeadersMut};
use crate::kit::Operation;
use crate::scope::Scope;
use crate::span::{Domain, Span};
use crate::wire::MessagingOperation;

/// A queue or topic, as a client sees it. Unknown fields are left empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct Destination<'a> {
    /// A value of `messaging.system`: `kafka`, `rabbitmq`.
    pub system: &'a str,
    /// Name of the queue or topic.
    pub name: &'a str,
    /// Template of the name, where names are made per user or entity: without one each of them is a series of metrics.
    pub template: &'a str,
    /// Whether the destination is temporary: it is deleted when it is no longer used (a reply queue).
    pub is_temporary: bool,
    /// Whether its name was generated.
    pub is_anonymous: bool,
    /// The partition.
    pub partition: &'a str,
    /// The subscription.
    pub subscription: &'a str,
    /// The group of consumers.
    pub group: &'a str,
    /// The client's own name at the broker.
    pub client: &'a str,
    /// Name or address of the broker.
    pub address: &'a str,
    /// The broker's port.
    pub port: Option<u16>,
}

impl Destination<'_> {
    /// A message is made that will be sent with others: its own context is put into its headers. No operation where they
    /// name a trace already: the program has made the message's context itself.
    pub fn create(&self, scope: &'static Scope, operation: &str, headers: &mut dyn HeadersMut) -> Operation {
        self.produce(scope, MessagingOperation::Create, operation, headers)
    }

    /// A message is about to be handed over. Its context is put into its headers, unless they name a trace already: that
    /// one's span is the parent then.
    pub fn send(&self, scope: &'static Scope, operation: &str, headers: &mut dyn HeadersMut) -> Operation {
        self.produce(scope, MessagingOperation::Send, operation, headers)
    }

    /// Messages are about to be handed over at once, whose headers are left as they are: they carry contexts of their own
    /// ([`create`](Self::create)), or cannot carry any.
    pub fn send_batch(&self, scope: &'static Scope, operation: &str, count: usize) -> Operation {
        if !scope.enabled() {
            return Operation::NONE;
        }
        let attributes =
            self.attributes(MessagingOperation::Send, operation, (key::MESSAGING_BATCH_SIZE, count.into()));
        Operation::of(Span::start(scope, Domain::Messaging, &attributes), None)
    }

    /// The program fetches messages. [`received`] counts them, where it may get several at once.
    pub fn receive(&self, scope: &'static Scope, operation: &str) -> Operation {
        self.consume(scope, MessagingOperation::Receive, operation, None)
    }

    /// The program works on a message that it was handed. Its parent is the current span, such as that of an HTTP request
    /// that brought the message, and it is linked with the span that its headers name; without one, that span is the parent.
    pub fn process(&self, scope: &'static Scope, operation: &str, headers: &dyn Headers) -> Operation {
        self.consume(scope, MessagingOperation::Process, operation, Some(headers))
    }

    /// The same for a message that a [`receive`](Self::receive) has fetched, and counted.
    pub fn process_received(&self, scope: &'static Scope, operation: &str, headers: &dyn Headers) -> Operation {
        let operation = self.process(scope, operation, headers);
        operation.set(&[(key::MESSAGING_PULLED, true.into())]);
        operation
    }

    /// Messages are acknowledged, refused or committed.
    pub fn settle(&self, scope: &'static Scope, operation: &str) -> Operation {
        self.consume(scope, MessagingOperation::Settle, operation, None)
    }

    fn produce(
        &self,
        scope: &'static Scope,
        kind: MessagingOperation,
        operation: &str,
        headers: &mut dyn HeadersMut,
    ) -> Operation {
        if !scope.enabled() {
            return Operation::NONE;
        }
        let current = context::current_or_process();
        let named = current.named_beside(headers);
        if named.is_some() && kind == MessagingOperation::Create {
            return Operation::NONE;
        }
        let attributes = self.attributes(kind, operation, (key::MESSAGING_INJECTED, true.into()));
        let span = Span::start_with_parent(scope, Domain::Messaging, named.unwrap_or(current), &attributes);
        if !span.context().inject_if_unnamed(headers) {
            span.set(&[(key::MESSAGING_INJECTED, false.into())]);
        }
        Operation::of(span, None)
    }

    fn consume(
        &self,
        scope: &'static Scope,
        kind: MessagingOperation,
        operation: &str,
        headers: Option<&dyn Headers>,
    ) -> Operation {
        if !scope.enabled() {
            return Operation::NONE;
        }
        let attributes = self.attributes(kind, operation, (key::MESSAGING_BATCH_SIZE, Value::None));
        let sender = headers.map_or(Context::EMPTY, Context::extract);
        let mut parent = context::current();
        if parent.is_empty() {
            parent = sender.clone();
        }
        if parent.is_empty() {
            parent = context::current_or_process();
        }
        let is_linked = parent.ids() != sender.ids();
        let span = Span::start_with_parent(scope, Domain::Messaging, parent, &attributes);
        if is_linked {
            span.context().link(&sender, &[]);
        }
        Operation::of(span, None)
    }

    fn attributes<'a>(
        &'a self,
        kind: MessagingOperation,
        operation: &'a str,
        own: Attribute<'a>,
    ) -> [Attribute<'a>; 14] {
        let only_if = |truth: bool| if truth { Value::Bool(true) } else { Value::None };
        [
            (key::MESSAGING_SYSTEM, Value::known(self.system)),
            (key::MESSAGING_OPERATION, i64::from(kind as u8).into()),
            (key::MESSAGING_OPERATION_NAME, Value::known(operation)),
            (key::MESSAGING_DESTINATION, Value::known(self.name)),
            (key::MESSAGING_TEMPLATE, Value::known(self.template)),
            (key::MESSAGING_TEMPORARY, only_if(self.is_temporary)),
            (key::MESSAGING_ANONYMOUS, only_if(self.is_anonymous)),
            (key::MESSAGING_PARTITION, Value::known(self.partition)),
            (key::MESSAGING_SUBSCRIPTION, Value::known(self.subscription)),
            (key::MESSAGING_GROUP, Value::known(self.group)),
            (key::MESSAGING_CLIENT, Value::known(self.client)),
            (key::SERVER_ADDRESS, Value::known(self.address)),
            (key::SERVER_PORT, self.port.into()),
            own,
        ]
    }
}

/// Ends a [`Destination::receive`] that got so many messages.
pub fn received(mut operation: Operation, count: usize) {
    operation.end(&[(key::MESSAGING_BATCH_SIZE, count.into())]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_known_is_recorded() {
        let queue = Destination { system: "rabbitmq", name: "orders", is_temporary: true, ..Destination::default() };
        let attributes = queue.attributes(MessagingOperation::Receive, "get", (key::MESSAGING_INJECTED, Value::None));
        let known: Vec<_> = attributes.iter().filter(|(_, value)| *value != Value::None).copied().collect();
        assert_eq!(
            known,
            [
                (key::MESSAGING_SYSTEM, "rabbitmq".into()),
                (key::MESSAGING_OPERATION, 3_i64.into()),
                (key::MESSAGING_OPERATION_NAME, "get".into()),
                (key::MESSAGING_DESTINATION, "orders".into()),
                (key::MESSAGING_TEMPORARY, true.into()),
            ]
        );
    }

    #[test]
    fn dormant_hooks_leave_headers_alone() {
        static SCOPE: Scope = Scope::new("otel-rs:layer:1|queue|1.0.0|0.1.0|\n");
        let mut headers = Vec::<(String, String)>::new();
        let queue = Destination { system: "rabbitmq", name: "orders", ..Destination::default() };
        assert!(queue.send(&SCOPE, "publish", &mut headers).is_none());
        assert!(queue.process(&SCOPE, "deliver", &headers).is_none());
        assert!(headers.is_empty());
    }
}
