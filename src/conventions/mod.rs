//! Raw facts become names, kinds, attributes and measurements, by the semantic conventions 1.42. Pure functions.

mod baggage;
pub(crate) mod catalog;
mod command;
mod database;
mod described;
mod faas;
#[path = "../../templates/hooks/src/http/forwarded.rs"]
mod forwarded;
mod http;
mod internal;
mod messaging;
mod rpc;
mod sql;
mod statements;

pub(crate) use baggage::baggage;
use described::{Attributes, SpanName};
pub(crate) use described::{Described, Measured, Measurements, Measures, Selection};
use http::HttpSettings;
use opentelemetry::trace::{SpanContext, SpanId, Status, TraceFlags, TraceId, TraceState};
use opentelemetry_semantic_conventions::attribute as name;
use statements::Statements;

use crate::attributes::attribute::{Attribute, Name, Text};
use crate::attributes::redacted;
use crate::config::Http;
use crate::records::facts::{FactBuffer, Facts};
use crate::records::record::Fact;
use crate::records::value::FactValue;
use crate::redact;
use crate::wire::{Domain, SpanStatus, key, measure};

/// Marks a point that adds up all series beyond the limit.
pub(crate) const OVERFLOW: &str = "otel.metric.overflow";

/// What decides how the conventions are applied, and what has been read before.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    http: HttpSettings,
    statements: Statements,
}

impl Settings {
    pub(crate) fn new(http: &Http) -> Settings {
        Settings { http: HttpSettings::new(http), statements: Statements::default() }
    }
}

/// Applies the conventions of the span's domain. `cut` is the reason why it never ended by itself.
pub(crate) fn describe<'a>(domain: u8, facts: &Facts<'a>, cut: Option<&'a str>, settings: &Settings) -> Described<'a> {
    let http = &settings.http;
    let is_call = facts.get(key::RPC_SYSTEM).is_some();
    let mut described = match Domain::of(domain.into()) {
        // A call that travels over HTTP is described once.
        Some(Domain::HttpServer) if is_call => rpc::server(facts, cut, http),
        Some(Domain::HttpClient) if is_call => rpc::client(facts, cut),
        Some(Domain::HttpServer) => http::server::describe(facts, cut, http),
        Some(Domain::HttpClient) => http::client::describe(facts, cut, http),
        Some(Domain::Database) => database::describe(facts, cut, &settings.statements),
        Some(Domain::RpcServer) => rpc::server(facts, cut, http),
        Some(Domain::RpcClient) => rpc::client(facts, cut),
        Some(Domain::Messaging) => messaging::describe(facts, cut),
        Some(Domain::Faas) => faas::describe(facts, cut),
        Some(Domain::Internal) | None => internal::describe(facts, cut),
    };
    if let Some(status) = given_status(facts, cut) {
        described.status = status;
    }
    for (name, value) in facts.named() {
        described.add(name, value.to_attribute());
    }
    described
}

/// The measurements of a record that belongs to no span. `about` is one of `wire::measure`.
pub(crate) fn measure<'a>(about: u8, facts: &Facts<'a>, settings: &Settings) -> Measures<'a> {
    match about {
        measure::HTTP_CLIENT_TRANSFER => http::client::transfer(facts, &settings.http),
        measure::HTTP_CLIENT_CONNECTION => http::client::connection(facts),
        _ => Measures::default(),
    }
}

/// An event of a span: its name and attributes. A log record that has become one has no name: it is called by its message.
pub(crate) fn event<'a>(recorded: impl Iterator<Item = Fact<'a>> + Clone) -> (Text<'a>, Vec<Attribute<'a>>) {
    let (mut event_name, mut is_called, mut has_name, mut level) = (Text::Borrowed("event"), false, false, None);
    let mut attributes = Vec::new();
    for fact in recorded.clone() {
        match fact.key {
            key::EVENT_NAME | key::LOG_BODY => {
                (event_name, is_called) = (clean_text(fact.value), true);
                has_name |= fact.key == key::EVENT_NAME;
            }
            key::LOG_TARGET => attributes.push(Attribute::new("target", clean_text(fact.value))),
            key::CODE_FILE => attributes.push(Attribute::new(name::CODE_FILE_PATH, clean_text(fact.value))),
            key::CODE_LINE => {
                let value = redacted::recorded(name::CODE_LINE_NUMBER, fact.value.to_attribute());
                attributes.push(Attribute { name: Name::Known(name::CODE_LINE_NUMBER), value });
            }
            _ => {
                if fact.key == key::NAMED && fact.name == b"level" {
                    level = Some(fact.value);
                }
                attributes.extend(named(&fact));
            }
        }
    }
    if !has_name && level == Some(FactValue::Bytes(b"ERROR")) {
        if let Some(message) = logged_error(&Facts::gather(FactBuffer::default(), recorded)) {
            attributes.push(Attribute::new(name::EXCEPTION_MESSAGE, clean_text(message)));
        } else if !is_called && attributes.iter().any(|attribute| *attribute.name == *name::EXCEPTION_TYPE) {
            event_name = Text::Borrowed("exception");
        }
    }
    (event_name, attributes)
}

fn clean_text(value: FactValue<'_>) -> Text<'_> {
    Text::from(value.text()).cleaned(redact::message)
}

/// Fields by which programs log an error, in the order in which they count.
const ERRORS: [&str; 3] = ["error", "err", "exception"];

/// The error that a record of an error holds, as the message of an exception; none where the record has one by itself.
/// A value that is no text is a number or a truth value: no error.
pub(crate) fn logged_error<'a>(facts: &Facts<'a>) -> Option<FactValue<'a>> {
    let named = |wanted: &str| facts.named().find(|(name, _)| name == wanted).map(|(_, value)| value);
    if named(name::EXCEPTION_MESSAGE).is_some() {
        return None;
    }
    ERRORS.into_iter().find_map(named).filter(|value| matches!(value, FactValue::Bytes(_)))
}

/// A link of a span: the span that it is to, and its attributes. `None` if that span is not a valid one.
pub(crate) fn link<'a>(recorded: impl Iterator<Item = Fact<'a>>) -> Option<(SpanContext, Vec<Attribute<'a>>)> {
    let mut linked = None;
    let mut state = TraceState::default();
    let mut attributes = Vec::new();
    for attribute in recorded {
        match (attribute.key, attribute.value) {
            (key::LINKED, FactValue::Bytes(bytes)) => linked = <[u8; 26]>::try_from(bytes).ok(),
            (key::TRACE_STATE, value) => state = value.text().parse().unwrap_or_default(),
            _ => attributes.extend(named(&attribute)),
        }
    }
    let linked = linked?;
    let (trace, rest) = linked.split_first_chunk::<16>()?;
    let (span, rest) = rest.split_first_chunk::<8>()?;
    let (trace, span) = (TraceId::from_bytes(*trace), SpanId::from_bytes(*span));
    let context = SpanContext::new(trace, span, TraceFlags::new(rest[0]), rest[1] == 1, state);
    context.is_valid().then_some((context, attributes))
}

/// An attribute outside its domain, under the name that the conventions give its key. Most other raw facts may hold
/// data that must not be exported, and are left out.
pub(crate) fn named<'a>(recorded: &Fact<'a>) -> Option<Attribute<'a>> {
    match recorded.key {
        key::NAMED => {
            let own = String::from_utf8_lossy(recorded.name);
            let value = redacted::recorded(&own, recorded.value.to_attribute());
            (!own.is_empty()).then(|| Attribute { name: Name::Recorded(own.into()), value })
        }
        key::ERROR_MESSAGE => Some(Attribute::new(name::EXCEPTION_MESSAGE, clean_text(recorded.value))),
        key::HTTP_METHOD => {
            let (method, _) = HttpSettings::default().method(recorded.value.text());
            Some(Attribute::new(name::HTTP_REQUEST_METHOD, method))
        }
        other => as_recorded(other, recorded.value),
    }
}

/// The attribute that a key's value becomes as it was recorded, but for secrets.
fn as_recorded(key: u16, value: FactValue<'_>) -> Option<Attribute<'_>> {
    let name = key::attribute(key)?;
    Some(Attribute { name: Name::Known(name), value: redacted::recorded(name, value.to_attribute()) })
}

/// Text as it was recorded, but for secrets.
fn clean<'a>(facts: &Facts<'a>, key: u16) -> Option<Text<'a>> {
    facts.text(key).map(|text| Text::from(text).cleaned(redact::message))
}

fn error_type<'a>(facts: &Facts<'a>, cut: Option<&'a str>) -> Option<Text<'a>> {
    cut.map(Text::Borrowed).or_else(|| clean(facts, key::ERROR_TYPE))
}

fn status(facts: &Facts<'_>, failed: bool, cut: Option<&str>) -> Status {
    match (failed, cut) {
        (false, _) => Status::Unset,
        (true, Some(_)) => Status::error("the process ended before the operation did"),
        (true, None) => {
            let message = facts.text(key::ERROR_MESSAGE).unwrap_or_default();
            Status::error(redact::message(&message).into_owned())
        }
    }
}

/// The status that the program has given the span, which ranks above all others. What was cut off was not over.
fn given_status(facts: &Facts<'_>, cut: Option<&str>) -> Option<Status> {
    match facts.int(key::SPAN_STATUS).and_then(SpanStatus::of).filter(|_| cut.is_none())? {
        SpanStatus::Ok => Some(Status::Ok),
        SpanStatus::Error => Some(status(facts, true, cut)),
    }
}

impl<'a> Attributes<'a> {
    /// The values of keys that are attributes as they were recorded.
    fn as_recorded(&mut self, facts: &Facts<'a>, keys: &[u16]) {
        self.0.extend(keys.iter().filter_map(|key| as_recorded(*key, facts.get(*key)?)));
    }

    /// The overflow that the hooks have marked, if there was one.
    fn overflow(&mut self, facts: &Facts<'a>) {
        if facts.named().any(|(name, _)| name == OVERFLOW) {
            self.truth(OVERFLOW, true);
        }
    }
}

#[cfg(test)]
mod testing {
    use super::*;

    /// Facts from text: numbers become numbers.
    pub(crate) fn facts<'a>(recorded: &[(u16, &'a str)]) -> Facts<'a> {
        let value = |text: &'a str| text.parse().map_or(FactValue::Bytes(text.as_bytes()), FactValue::Int);
        Facts::new(recorded.iter().map(|(key, text)| Fact { key: *key, name: b"", value: value(text) }).collect())
    }

    /// The error's type, if it has one.
    pub(crate) fn error(described: &Described<'_>) -> Option<String> {
        let found = described.attributes.iter().find(|attribute| *attribute.name == *name::ERROR_TYPE)?;
        Some(found.value.clone().into_sdk().to_string())
    }

    /// The attributes of the measurement of that number, shown.
    pub(crate) fn measured(described: &Described<'_>, number: usize) -> Vec<String> {
        let measured = described.measured.iter().nth(number).expect("a measurement");
        shown(measured.attributes.of(&described.attributes))
    }

    /// Attributes as `name=value`, sorted.
    pub(crate) fn shown<'l, 'a: 'l>(attributes: impl IntoIterator<Item = &'l Attribute<'a>>) -> Vec<String> {
        let sdk = attributes.into_iter().map(|attribute| attribute.clone().into_sdk());
        let mut shown: Vec<_> = sdk.map(|kv| format!("{}={}", kv.key, kv.value)).collect();
        shown.sort();
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Text that holds a secret, and what may be shown of it.
    const TEXT: &str = "amqp://shop:hunter2@mq.test/?token=hunter2";
    const CLEAN: &str = "amqp://REDACTED:REDACTED@mq.test/?token=REDACTED";

    #[test]
    fn a_request_has_the_status_and_the_route_that_the_program_gives_it() {
        let described = |given: &[Fact<'static>], cut| {
            let number = |key, number| Fact { key, name: b"", value: FactValue::Int(number) };
            let recorded = [number(key::HTTP_STATUS, 500)].into_iter().chain(given.iter().copied()).collect();
            describe(Domain::HttpServer as u8, &Facts::new(recorded), cut, &Settings::default())
        };
        let status = |number| Fact { key: key::SPAN_STATUS, name: b"", value: FactValue::Int(number) };
        let message = Fact { key: key::ERROR_MESSAGE, name: b"", value: FactValue::Bytes(b"no stock") };
        let fine = Fact { key: key::HTTP_STATUS, name: b"", value: FactValue::Int(200) };
        assert_eq!(described(&[fine], None).status, Status::Unset);
        assert_eq!(described(&[fine, status(2), message], None).status, Status::error("no stock"));
        assert_eq!(described(&[status(1)], None).status, Status::Ok);
        assert!(matches!(described(&[status(1)], Some("SIGKILL")).status, Status::Error { .. }));
        // An instrumentation of the router is more exact.
        let named = |value| Fact { key: key::NAMED, name: b"http.route", value: FactValue::Bytes(value) };
        let route = Fact { key: key::HTTP_ROUTE, name: b"", value: FactValue::Bytes(b"/pots/{id}") };
        assert_eq!(described(&[named(b"/pots/7;sid=1")], None).name, "HTTP /pots/7;sid=REDACTED");
        let both = described(&[route, named(b"/pots")], None);
        assert_eq!(both.name, "HTTP /pots/{id}");
        let routes = |of: Vec<String>| of.iter().filter(|shown| shown.starts_with("http.route=")).count();
        assert_eq!((routes(testing::shown(&both.attributes)), routes(testing::measured(&both, 0))), (1, 1));
    }

    #[test]
    fn text_of_calls_messages_and_procedures_is_redacted() {
        let operation = key::MESSAGING_OPERATION_NAME;
        for (domain, more, key, attribute, named) in [
            (Domain::RpcServer, vec![], key::RPC_METHOD, "rpc.method", "{}"),
            (Domain::RpcClient, vec![], key::RPC_METHOD, "rpc.method", "{}"),
            (Domain::RpcServer, vec![], key::RPC_METHOD_ORIGINAL, "rpc.method_original", "other"),
            (Domain::RpcServer, vec![], key::RPC_SYSTEM, "rpc.system.name", "{}"),
            (Domain::RpcClient, vec![], key::RPC_STATUS, "rpc.response.status_code", "other"),
            (Domain::RpcClient, vec![], key::SERVER_ADDRESS, "server.address", "other"),
            (Domain::HttpServer, vec![(key::RPC_SYSTEM, "grpc")], key::RPC_METHOD, "rpc.method", "{}"),
            (Domain::HttpClient, vec![(key::RPC_SYSTEM, "grpc")], key::RPC_METHOD, "rpc.method", "{}"),
            (Domain::Messaging, vec![], key::MESSAGING_DESTINATION, "messaging.destination.name", "message {}"),
            (Domain::Messaging, vec![], key::MESSAGING_TEMPLATE, "messaging.destination.template", "message {}"),
            (Domain::Messaging, vec![], operation, "messaging.operation.name", "{}"),
            (Domain::Messaging, vec![], key::MESSAGING_CLIENT, "messaging.client.id", "message"),
            (Domain::Messaging, vec![], key::MESSAGING_MESSAGE, "messaging.message.id", "message"),
            (Domain::Messaging, vec![], key::MESSAGING_CONVERSATION, "messaging.message.conversation_id", "message"),
            (Domain::Messaging, vec![], key::SERVER_ADDRESS, "server.address", "message {}"),
            (Domain::Messaging, vec![], key::ERROR_TYPE, "error.type", "message"),
            (Domain::Database, vec![], key::DB_PROCEDURE, "db.stored_procedure.name", "{}"),
            (Domain::Database, vec![], key::DB_COLLECTION, "db.collection.name", "{}"),
            (Domain::Database, vec![], key::DB_OPERATION, "db.operation.name", "{}"),
            (Domain::Database, vec![], key::SERVER_ADDRESS, "server.address", "other_sql"),
        ] {
            let recorded = [more, vec![(key, TEXT)]].concat();
            let described = describe(domain as u8, &testing::facts(&recorded), None, &Settings::default());
            let attributes = testing::shown(&described.attributes);
            assert!(attributes.contains(&format!("{attribute}={CLEAN}")), "{attributes:?}");
            assert_eq!(described.name, named.replace("{}", CLEAN), "{attribute}");
            let everything = format!("{described:?}");
            assert!(!everything.contains("hunter2"), "{attribute}: {everything}");
        }
        let named = [(key::SPAN_NAME, TEXT)];
        for domain in [Domain::Faas, Domain::Internal] {
            let described = describe(domain as u8, &testing::facts(&named), None, &Settings::default());
            assert_eq!(described.name, CLEAN, "{domain:?}");
        }
    }

    #[test]
    fn no_key_is_called_a_secret() {
        let names = (0..u16::MAX).filter_map(key::attribute);
        assert_eq!(names.filter(|name| redact::is_secret_attribute(name)).collect::<Vec<_>>(), [""; 0]);
    }

    #[test]
    fn an_event_hides_secrets_under_known_keys() {
        let recorded = Fact { key: key::MESSAGING_DESTINATION, name: b"", value: FactValue::Bytes(TEXT.as_bytes()) };
        let (_, attributes) = event([recorded].into_iter());
        assert_eq!(testing::shown(&attributes), [format!("messaging.destination.name={CLEAN}")]);
    }

    #[test]
    fn a_log_record_as_an_event_is_called_by_its_message() {
        let text = |key, text: &'static str| Fact { key, name: b"", value: FactValue::Bytes(text.as_bytes()) };
        let named = |name: &'static str, text: &'static str| Fact {
            key: key::NAMED,
            name: name.as_bytes(),
            value: FactValue::Bytes(text.as_bytes()),
        };
        let line = Fact { key: key::CODE_LINE, name: b"", value: FactValue::Int(7) };
        let place = [text(key::LOG_TARGET, "shop"), text(key::CODE_FILE, "src/main.rs"), line];
        let failed = [named("level", "ERROR"), text(key::LOG_BODY, "no stock, password=hunter2"), named("err", "gone")];
        let (name, attributes) = event(failed.into_iter().chain(place));
        assert_eq!(name, "no stock, password=REDACTED");
        assert_eq!(
            testing::shown(&attributes),
            [
                "code.file.path=src/main.rs",
                "code.line.number=7",
                "err=gone",
                "exception.message=gone",
                "level=ERROR",
                "target=shop",
            ]
        );
        let panic = [named("level", "ERROR"), named("exception.type", "panic"), named("exception.message", "no")];
        assert_eq!(event(panic.into_iter()).0, "exception");
        let (name, attributes) = event([named("level", "INFO"), named("err", "gone")].into_iter());
        assert_eq!((name.as_ref(), attributes.len()), ("event", 2));
    }

    #[test]
    fn an_event_keeps_its_attributes_and_hides_secrets() {
        let recorded = [
            Fact { key: key::EVENT_NAME, name: b"", value: FactValue::Bytes(b"retry") },
            Fact { key: key::ERROR_MESSAGE, name: b"", value: FactValue::Bytes(b"at http://a:b@c/") },
            Fact { key: key::URL_FULL, name: b"", value: FactValue::Bytes(b"http://a:b@c/") },
            Fact { key: key::NAMED, name: b"api_key", value: FactValue::Bytes(b"hunter2") },
            Fact { key: key::NAMED, name: b"otp", value: FactValue::Int(123_456) },
            Fact { key: key::NAMED, name: b"target", value: FactValue::Bytes(b"/cb?code=hunter2") },
        ];
        let (name, attributes) = event(recorded.into_iter());
        assert_eq!(name, "retry");
        assert_eq!(
            testing::shown(&attributes),
            [
                "api_key=REDACTED",
                "exception.message=at http://REDACTED:REDACTED@c/",
                "otp=REDACTED",
                "target=/cb?code=REDACTED",
            ]
        );
    }
}
