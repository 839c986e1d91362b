//! Messages sent, received, processed and settled.

use opentelemetry::trace::SpanKind;
use opentelemetry_semantic_conventions::attribute as name;

use super::described::Amount;
use super::{Attributes, Described, Measured, Measurements, SpanName, clean, error_type, status};
use crate::attributes::attribute::Text;
use crate::conventions::catalog::{
    MESSAGING_CLIENT_CONSUMED_MESSAGES, MESSAGING_CLIENT_OPERATION_DURATION, MESSAGING_CLIENT_SENT_MESSAGES,
    MESSAGING_PROCESS_DURATION, Metric,
};
use crate::records::facts::Facts;
use crate::records::value::FactValue;
use crate::wire::{MessagingOperation, key};

pub(super) fn describe<'a>(facts: &Facts<'a>, cut: Option<&'a str>) -> Described<'a> {
    let mut to = Attributes::default();
    let kind = facts.int(key::MESSAGING_OPERATION).and_then(MessagingOperation::of);
    to.as_recorded(
        facts,
        &[
            key::MESSAGING_SYSTEM,
            key::MESSAGING_OPERATION_NAME,
            key::MESSAGING_DESTINATION,
            key::MESSAGING_TEMPLATE,
            key::MESSAGING_TEMPORARY,
            key::MESSAGING_ANONYMOUS,
            key::MESSAGING_PARTITION,
            key::MESSAGING_SUBSCRIPTION,
            key::MESSAGING_GROUP,
            key::MESSAGING_CLIENT,
            key::MESSAGING_MESSAGE,
            key::MESSAGING_CONVERSATION,
            key::MESSAGING_BATCH_SIZE,
            key::MESSAGING_BODY_SIZE,
            key::MESSAGING_ENVELOPE_SIZE,
            key::PEER_ADDRESS,
        ],
    );
    to.text(name::MESSAGING_OPERATION_TYPE, kind.map(type_name));
    let address = clean(facts, key::SERVER_ADDRESS);
    let port = facts.port(key::SERVER_PORT).filter(|_| address.is_some());
    to.text(name::SERVER_ADDRESS, address);
    to.int(name::SERVER_PORT, port);
    to.int(name::NETWORK_PEER_PORT, facts.port(key::PEER_PORT));
    let error = error_type(facts, cut);
    let failed = error.is_some();
    to.text(name::ERROR_TYPE, error);
    Described {
        name: span_name(facts, kind),
        kind: match kind {
            Some(MessagingOperation::Create) => SpanKind::Producer,
            // The span whose context a message carries is the one that produced it.
            Some(MessagingOperation::Send) if is(facts, key::MESSAGING_INJECTED) => SpanKind::Producer,
            Some(MessagingOperation::Process) => SpanKind::Consumer,
            _ => SpanKind::Client,
        },
        status: status(facts, failed, cut),
        measured: measured(facts, kind, failed, &to),
        attributes: to.0,
    }
}

fn is(facts: &Facts<'_>, key: u16) -> bool {
    facts.get(key) == Some(FactValue::Bool(true))
}

fn type_name(kind: MessagingOperation) -> &'static str {
    match kind {
        MessagingOperation::Create => "create",
        MessagingOperation::Send => "send",
        MessagingOperation::Receive => "receive",
        MessagingOperation::Process => "process",
        MessagingOperation::Settle => "settle",
    }
}

/// The operation, and a destination of which there are few.
fn span_name<'a>(facts: &Facts<'a>, kind: Option<MessagingOperation>) -> SpanName<'a> {
    let operation = clean(facts, key::MESSAGING_OPERATION_NAME);
    let operation = operation.unwrap_or_else(|| kind.map_or("message", type_name).into());
    let own = clean(facts, key::MESSAGING_DESTINATION).filter(|_| has_lasting_name(facts));
    let server = || {
        let address = clean(facts, key::SERVER_ADDRESS)?;
        Some(match facts.port(key::SERVER_PORT) {
            Some(port) if address.contains(':') => Text::Owned(format!("[{address}]:{port}")),
            Some(port) => Text::Owned(format!("{address}:{port}")),
            None => address,
        })
    };
    match clean(facts, key::MESSAGING_TEMPLATE).or(own).or_else(server) {
        Some(destination) => SpanName::of_two(operation, destination),
        None => operation.into(),
    }
}

/// Whether the destination's name is neither temporary nor generated.
fn has_lasting_name(facts: &Facts<'_>) -> bool {
    !is(facts, key::MESSAGING_TEMPORARY) && !is(facts, key::MESSAGING_ANONYMOUS)
}

fn measured(
    facts: &Facts<'_>,
    kind: Option<MessagingOperation>,
    has_failed: bool,
    attributes: &Attributes<'_>,
) -> Measurements {
    let is_named = has_lasting_name(facts) && facts.text(key::MESSAGING_TEMPLATE).is_none();
    let of = |metric: &Metric| match attributes.of(metric) {
        all if is_named => all,
        all => all.without(&attributes.0, name::MESSAGING_DESTINATION_NAME),
    };
    let lasted = |metric| Measured::duration(metric, of(metric));
    // An operation that records no number of messages counts as `uncounted` ones.
    let counted = |metric, uncounted: i64| {
        let count = facts.int(key::MESSAGING_BATCH_SIZE).unwrap_or(uncounted);
        let amount = Amount::Recorded(count as f64);
        (count > 0).then(|| Measured { metric, amount, attributes: of(metric) })
    };
    let (operation, sent) = (&MESSAGING_CLIENT_OPERATION_DURATION, &MESSAGING_CLIENT_SENT_MESSAGES);
    let (processed, consumed) = (&MESSAGING_PROCESS_DURATION, &MESSAGING_CLIENT_CONSUMED_MESSAGES);
    let (lasted, counted) = match kind {
        Some(MessagingOperation::Send) => (Some(lasted(operation)), counted(sent, 1)),
        Some(MessagingOperation::Receive) => (Some(lasted(operation)), counted(consumed, i64::from(!has_failed))),
        Some(MessagingOperation::Process) if is(facts, key::MESSAGING_PULLED) => (Some(lasted(processed)), None),
        Some(MessagingOperation::Process) => (Some(lasted(processed)), counted(consumed, 1)),
        // A message that was only created has not reached the broker yet.
        Some(MessagingOperation::Create) => (None, None),
        Some(MessagingOperation::Settle) | None => (Some(lasted(operation)), None),
    };
    [lasted, counted].into()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{self, shown};
    use super::*;
    use crate::records::record::Fact;

    /// Describes facts from text, of which numbers become numbers and `true` a truth value.
    fn described<'a>(recorded: &[(u16, &'a str)], cut: Option<&'a str>) -> Described<'a> {
        let mut facts = Vec::new();
        for (key, text) in recorded {
            let value = match *text {
                "true" => FactValue::Bool(true),
                text => text.parse().map_or(FactValue::Bytes(text.as_bytes()), FactValue::Int),
            };
            facts.push(Fact { key: *key, name: b"", value });
        }
        describe(&Facts::new(facts), cut)
    }

    /// What a span measures, as `metric amount`.
    fn measured(described: &Described<'_>) -> Vec<String> {
        let amount = |each: &Measured| match each.amount {
            Amount::Recorded(count) => count.to_string(),
            other => format!("{other:?}"),
        };
        described.measured.iter().map(|each| format!("{} {}", each.metric.name, amount(each))).collect()
    }

    const KAFKA: (u16, &str) = (key::MESSAGING_SYSTEM, "kafka");
    const ORDERS: (u16, &str) = (key::MESSAGING_DESTINATION, "orders");

    #[test]
    fn a_message_sent_has_the_attributes_of_the_conventions() {
        let described = described(
            &[
                KAFKA,
                ORDERS,
                (key::MESSAGING_OPERATION, "2"),
                (key::MESSAGING_OPERATION_NAME, "publish"),
                (key::MESSAGING_INJECTED, "true"),
                (key::MESSAGING_PARTITION, "p3"),
                (key::MESSAGING_MESSAGE, "m7"),
                (key::MESSAGING_BODY_SIZE, "120"),
                (key::SERVER_ADDRESS, "kafka.test"),
                (key::SERVER_PORT, "9092"),
            ],
            None,
        );
        assert_eq!((described.name.to_string().as_str(), &described.kind), ("publish orders", &SpanKind::Producer));
        assert_eq!(
            shown(&described.attributes),
            [
                "messaging.destination.name=orders",
                "messaging.destination.partition.id=p3",
                "messaging.message.body.size=120",
                "messaging.message.id=m7",
                "messaging.operation.name=publish",
                "messaging.operation.type=send",
                "messaging.system=kafka",
                "server.address=kafka.test",
                "server.port=9092",
            ]
        );
        assert_eq!(
            measured(&described),
            ["messaging.client.operation.duration Duration", "messaging.client.sent.messages 1"]
        );
        assert_eq!(
            testing::measured(&described, 0),
            [
                "messaging.destination.name=orders",
                "messaging.destination.partition.id=p3",
                "messaging.operation.name=publish",
                "messaging.operation.type=send",
                "messaging.system=kafka",
                "server.address=kafka.test",
                "server.port=9092",
            ]
        );
    }

    #[test]
    fn each_operation_has_its_kind_and_its_metrics() {
        const DURATION: &str = "messaging.client.operation.duration Duration";
        for (operation, more, kind, metrics) in [
            ("1", None, SpanKind::Producer, vec![]),
            (
                "2",
                Some((key::MESSAGING_BATCH_SIZE, "9")),
                SpanKind::Client,
                vec![DURATION, "messaging.client.sent.messages 9"],
            ),
            (
                "3",
                Some((key::MESSAGING_BATCH_SIZE, "4")),
                SpanKind::Client,
                vec![DURATION, "messaging.client.consumed.messages 4"],
            ),
            ("3", Some((key::MESSAGING_BATCH_SIZE, "0")), SpanKind::Client, vec![DURATION]),
            ("3", Some((key::ERROR_TYPE, "timeout")), SpanKind::Client, vec![DURATION]),
            ("3", None, SpanKind::Client, vec![DURATION, "messaging.client.consumed.messages 1"]),
            (
                "4",
                None,
                SpanKind::Consumer,
                vec!["messaging.process.duration Duration", "messaging.client.consumed.messages 1"],
            ),
            (
                "4",
                Some((key::MESSAGING_PULLED, "true")),
                SpanKind::Consumer,
                vec!["messaging.process.duration Duration"],
            ),
            ("5", None, SpanKind::Client, vec![DURATION]),
            ("99", None, SpanKind::Client, vec![DURATION]),
        ] {
            let recorded: Vec<_> =
                [KAFKA, ORDERS, (key::MESSAGING_OPERATION, operation)].into_iter().chain(more).collect();
            let described = described(&recorded, None);
            assert_eq!(described.kind, kind, "{recorded:?}");
            assert_eq!(measured(&described), metrics, "{recorded:?}");
        }
    }

    #[test]
    fn only_lasting_names_stand_in_span_names_and_metrics() {
        for (recorded, name, is_measured) in [
            (vec![ORDERS], "poll orders", true),
            (vec![ORDERS, (key::MESSAGING_TEMPLATE, "{user}.orders")], "poll {user}.orders", false),
            (vec![ORDERS, (key::MESSAGING_TEMPORARY, "true")], "poll", false),
            (vec![ORDERS, (key::MESSAGING_ANONYMOUS, "true"), (key::SERVER_ADDRESS, "mq.test")], "poll mq.test", false),
            (vec![(key::SERVER_ADDRESS, "mq.test"), (key::SERVER_PORT, "5672")], "poll mq.test:5672", false),
            (vec![(key::SERVER_ADDRESS, "::1"), (key::SERVER_PORT, "5672")], "poll [::1]:5672", false),
            (vec![], "poll", false),
        ] {
            let operation = [(key::MESSAGING_OPERATION, "3"), (key::MESSAGING_OPERATION_NAME, "poll")];
            let described = described(&[&operation[..], &recorded].concat(), None);
            assert_eq!(described.name, name, "{recorded:?}");
            let found = testing::measured(&described, 0);
            assert_eq!(found.contains(&"messaging.destination.name=orders".to_owned()), is_measured, "{recorded:?}");
        }
        assert_eq!(described(&[(key::MESSAGING_OPERATION, "5")], None).name, "settle");
        assert_eq!(described(&[], None).name, "message");
    }

    #[test]
    fn failed_and_cut_operations_are_errors() {
        use opentelemetry::trace::Status;

        for (recorded, cut, error) in [
            (vec![KAFKA], None, None),
            (vec![KAFKA, (key::ERROR_TYPE, "QueueFull")], None, Some("QueueFull")),
            (vec![KAFKA], Some("SIGKILL"), Some("SIGKILL")),
        ] {
            let described = described(&recorded, cut);
            assert_eq!(testing::error(&described).as_deref(), error, "{recorded:?}");
            assert_eq!(matches!(described.status, Status::Error { .. }), error.is_some(), "{recorded:?}");
        }
    }
}
