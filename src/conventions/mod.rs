//! Raw facts become names, kinds, attributes and measurements, by the semantic conventions 1.42. Pure functions.

pub(crate) mod catalog;
mod conventions;
mod database;
mod faas;
#[path = "../../templates/hooks/src/forwarded.rs"]
mod forwarded;
mod http_client;
mod http_server;
mod sql;

use std::borrow::Cow;
use std::time::Duration;

pub(crate) use conventions::Conventions;
use opentelemetry::trace::{SpanKind, Status};
use opentelemetry::{Key, KeyValue};
use opentelemetry_semantic_conventions::attribute as name;

use crate::attributes::redacted;
use crate::conventions::catalog::Metric;
use crate::records::facts::Facts;
use crate::records::record::Attribute;
use crate::redact;
use crate::wire::{domain, key, measure};

/// How a point for what comes on top of all that is told apart is marked.
pub(crate) const OVERFLOW: &str = "otel.metric.overflow";

/// What the conventions make of a span.
#[derive(Debug)]
pub(crate) struct Described {
    pub(crate) name: Cow<'static, str>,
    pub(crate) kind: SpanKind,
    pub(crate) attributes: Vec<KeyValue>,
    pub(crate) status: Status,
    /// What is counted of it.
    pub(crate) measured: Vec<Measured>,
}

/// A point of a histogram, or what is added to a counter.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) metric: &'static Metric,
    pub(crate) amount: Amount,
    pub(crate) attributes: Vec<KeyValue>,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Amount {
    /// How long the span lasted, in seconds.
    Duration,
    /// What was said, in the metric's unit.
    Said(f64),
    /// One if the span lasted so long, otherwise nothing.
    OneIfLasted(Duration),
}

impl Measured {
    /// A duration in seconds.
    pub(crate) fn duration(metric: &'static Metric, attributes: Vec<KeyValue>) -> Measured {
        Measured { metric, amount: Amount::Duration, attributes }
    }

    /// Bytes or rows that were counted, if they were.
    fn counted(metric: &'static Metric, count: Option<i64>, attributes: Vec<KeyValue>) -> Option<Measured> {
        let amount = Amount::Said(count.filter(|count| *count >= 0)? as f64);
        Some(Measured { metric, amount, attributes })
    }

    /// The value, for a span that lasted so long, if there is one.
    pub(crate) fn value(&self, lasted: Duration) -> Option<f64> {
        match self.amount {
            Amount::Duration => Some(lasted.as_secs_f64()),
            Amount::Said(value) => Some(value),
            Amount::OneIfLasted(limit) => (lasted >= limit).then_some(1.0),
        }
    }
}

/// Applies the conventions of the span's domain. `cut` is the reason why it never ended by itself.
pub(crate) fn describe(domain: u8, facts: &Facts<'_>, cut: Option<&str>, conventions: &Conventions) -> Described {
    let mut described = match domain {
        domain::HTTP_SERVER => http_server::describe(facts, cut, conventions),
        domain::HTTP_CLIENT => http_client::describe(facts, cut, conventions),
        domain::DATABASE => database::describe(facts, cut),
        domain::FAAS => faas::describe(facts, cut),
        _ => internal(facts, cut),
    };
    for (name, value) in facts.named() {
        if !described.attributes.iter().any(|known| known.key.as_str() == name) {
            let value = redacted::attribute_value(&name, value.to_sdk());
            described.attributes.push(KeyValue::new(Key::from(name.into_owned()), value));
        }
    }
    described
}

/// What was measured apart from spans. `about` is one of `wire::measure`.
pub(crate) fn measure(about: u8, facts: &Facts<'_>, conventions: &Conventions) -> Vec<Measured> {
    match about {
        measure::HTTP_CLIENT_TRANSFER => http_client::transfer(facts, conventions),
        measure::HTTP_CLIENT_CONNECTION => http_client::connection(facts),
        _ => Vec::new(),
    }
}

fn internal(facts: &Facts<'_>, cut: Option<&str>) -> Described {
    let mut to = Attributes::default();
    let error = error_type(facts, cut);
    to.text(name::ERROR_TYPE, error.clone());
    let own = facts.text(key::SPAN_NAME).map(|text| redact::message(&text).into_owned());
    let span_name = own.map_or("internal".into(), Cow::Owned);
    Described {
        name: span_name,
        kind: SpanKind::Internal,
        attributes: to.0,
        status: status(facts, error.is_some(), cut),
        measured: Vec::new(),
    }
}

/// An event of a span: its name and attributes.
pub(crate) fn event<'a>(said: impl Iterator<Item = Attribute<'a>>) -> (Cow<'static, str>, Vec<KeyValue>) {
    let mut event_name = Cow::Borrowed("event");
    let mut attributes = Vec::new();
    for attribute in said {
        if attribute.key == key::EVENT_NAME {
            event_name = Cow::Owned(redact::message(&attribute.value.text()).into_owned());
        } else {
            attributes.extend(named(&attribute));
        }
    }
    (event_name, attributes)
}

/// An attribute outside its domain, under the name that the conventions give its key.
pub(crate) fn named(said: &Attribute<'_>) -> Option<KeyValue> {
    let known = match said.key {
        key::NAMED => {
            let own = String::from_utf8_lossy(said.name);
            let value = redacted::attribute_value(&own, said.value.to_sdk());
            return (!own.is_empty()).then(|| KeyValue::new(Key::from(own.into_owned()), value));
        }
        key::ERROR_TYPE => name::ERROR_TYPE,
        key::ERROR_MESSAGE => {
            let message = redact::message(&said.value.text()).into_owned();
            return Some(KeyValue::new(name::EXCEPTION_MESSAGE, message));
        }
        key::HTTP_METHOD => {
            return Some(KeyValue::new(name::HTTP_REQUEST_METHOD, Conventions::default().method(&said.value.text()).0));
        }
        key::URL_SCHEME => name::URL_SCHEME,
        key::HTTP_ROUTE => name::HTTP_ROUTE,
        key::HTTP_STATUS => name::HTTP_RESPONSE_STATUS_CODE,
        key::HTTP_RESEND => name::HTTP_REQUEST_RESEND_COUNT,
        key::SERVER_ADDRESS => name::SERVER_ADDRESS,
        key::SERVER_PORT => name::SERVER_PORT,
        key::PEER_ADDRESS => name::NETWORK_PEER_ADDRESS,
        key::PEER_PORT => name::NETWORK_PEER_PORT,
        key::DB_SYSTEM => name::DB_SYSTEM_NAME,
        key::DB_NAMESPACE => name::DB_NAMESPACE,
        // All others may hold what must not be passed on as it is.
        _ => return None,
    };
    Some(KeyValue::new(known, said.value.to_sdk()))
}

/// How a span's name calls a method.
fn method_in_name(method: Cow<'static, str>) -> Cow<'static, str> {
    if method == "_OTHER" { "HTTP".into() } else { method }
}

/// The error of an HTTP request whose status codes count as errors from `from` on. An error that was said before a good
/// answer came was overcome on the way: a timeout that was followed by a retry, say.
fn http_error_type(facts: &Facts<'_>, from: i64, cut: Option<&str>) -> Option<String> {
    let code = facts.int(key::HTTP_STATUS);
    let failed = code.filter(|code| *code >= from);
    let overcome = code.is_some() && failed.is_none() && !facts.is_said_after(key::ERROR_TYPE, key::HTTP_STATUS);
    let said = error_type(facts, cut).filter(|_| !overcome || cut.is_some());
    said.or_else(|| failed.map(|code| code.to_string()))
}

fn error_type(facts: &Facts<'_>, cut: Option<&str>) -> Option<String> {
    cut.map(str::to_owned).or_else(|| facts.text(key::ERROR_TYPE).map(Cow::into_owned))
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

/// `host:port`, `[v6]:port` or a bare host; the port only if it is one.
fn host_and_port(authority: &str) -> (String, Option<i64>) {
    let authority = authority.rsplit_once('@').map_or(authority, |(_, rest)| rest).trim();
    let port = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0).map(i64::from);
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').unwrap_or((rest, ""));
        return (host.to_owned(), rest.strip_prefix(':').and_then(port));
    }
    match authority.rsplit_once(':') {
        Some((host, digits)) if !host.contains(':') => (host.to_owned(), port(digits)),
        _ => (authority.to_owned(), None),
    }
}

/// Attributes on their way into a span.
#[derive(Debug, Default)]
struct Attributes(Vec<KeyValue>);

impl Attributes {
    fn text(&mut self, name: &'static str, value: Option<impl Into<String>>) {
        if let Some(value) = value {
            self.0.push(KeyValue::new(name, value.into()));
        }
    }

    fn int(&mut self, name: &'static str, value: Option<i64>) {
        if let Some(value) = value {
            self.0.push(KeyValue::new(name, value));
        }
    }

    /// The overflow that the hooks told, if there was one.
    fn overflow(&mut self, facts: &Facts<'_>) {
        if facts.named().any(|(name, _)| name == OVERFLOW) {
            self.0.push(KeyValue::new(OVERFLOW, true));
        }
    }

    /// Those of a metric: only what has few values may stand there.
    fn of(&self, metric: &Metric) -> Vec<KeyValue> {
        let may = |key: &str| metric.attributes.contains(&key) || key == OVERFLOW;
        self.0.iter().filter(|attribute| may(attribute.key.as_str())).cloned().collect()
    }
}

#[cfg(test)]
mod testing {
    use super::*;
    use crate::records::record::Value;

    /// Facts from text: numbers become numbers.
    pub(crate) fn facts<'a>(said: &[(u16, &'a str)]) -> Facts<'a> {
        let value = |text: &'a str| text.parse().map_or(Value::Bytes(text.as_bytes()), Value::Int);
        Facts::new(said.iter().map(|(key, text)| Attribute { key: *key, name: b"", value: value(text) }).collect())
    }

    /// Attributes as `name=value`, sorted.
    pub(crate) fn shown(attributes: &[KeyValue]) -> Vec<String> {
        let mut shown: Vec<_> = attributes.iter().map(|kv| format!("{}={}", kv.key, kv.value)).collect();
        shown.sort();
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::record::Value;

    #[test]
    fn authorities_are_taken_apart() {
        for (authority, host, port) in [
            ("example.com", "example.com", None),
            ("example.com:8080", "example.com", Some(8080)),
            ("127.0.0.1:1", "127.0.0.1", Some(1)),
            ("[::1]:8080", "::1", Some(8080)),
            ("[::1]", "::1", None),
            ("::1", "::1", None),
            ("user:pw@host:1", "host", Some(1)),
            ("host:99999", "host", None),
            ("", "", None),
        ] {
            assert_eq!(host_and_port(authority), (host.to_owned(), port), "{authority}");
        }
    }

    #[test]
    fn an_internal_span_keeps_its_own_words() {
        let said = [
            Attribute { key: key::SPAN_NAME, name: b"", value: Value::Bytes(b"buffer wait") },
            Attribute { key: key::NAMED, name: b"tower.limit", value: Value::Int(3) },
            Attribute { key: key::NAMED, name: b"user.password", value: Value::Bytes(b"hunter2") },
        ];
        let described = describe(domain::INTERNAL, &Facts::new(said.to_vec()), None, &Conventions::default());
        assert_eq!((described.name.as_ref(), described.kind), ("buffer wait", SpanKind::Internal));
        assert_eq!(testing::shown(&described.attributes), ["tower.limit=3", "user.password=REDACTED"]);
        assert_eq!(described.status, Status::Unset);
    }

    #[test]
    fn an_event_keeps_its_attributes_and_hides_secrets() {
        let said = [
            Attribute { key: key::EVENT_NAME, name: b"", value: Value::Bytes(b"retry") },
            Attribute { key: key::ERROR_MESSAGE, name: b"", value: Value::Bytes(b"at http://a:b@c/") },
            Attribute { key: key::URL_FULL, name: b"", value: Value::Bytes(b"http://a:b@c/") },
            Attribute { key: key::NAMED, name: b"api_key", value: Value::Bytes(b"hunter2") },
            Attribute { key: key::NAMED, name: b"otp", value: Value::Int(123_456) },
            Attribute { key: key::NAMED, name: b"target", value: Value::Bytes(b"/cb?code=hunter2") },
        ];
        let (name, attributes) = event(said.into_iter());
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
