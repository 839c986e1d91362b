//! The choices that the conventions for HTTP leave to users.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use opentelemetry::{Array, StringValue};

use crate::attributes::attribute::{Attribute, AttributeValue, Name, Text};
use crate::config::{Http, glob_matches};
use crate::records::facts::Facts;
use crate::redact::{self, REDACTED};

/// Methods that the conventions know.
const METHODS: &[&str] = &["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "CONNECT", "TRACE", "QUERY"];

/// What a user has configured.
#[derive(Debug, Clone, Default)]
pub(crate) struct HttpSettings {
    /// In place of those that the conventions know, if there are any.
    known_methods: Vec<String>,
    sanitized_headers: Vec<String>,
    /// Clients and hosts that have been read before.
    agents: Remembered<Option<Arc<str>>>,
    hosts: Remembered<Option<HostParts>>,
}

/// Where a name or an address stands in the text that holds it, and its port.
type HostParts = (Range<usize>, Option<i64>);

/// Texts that are remembered of one kind, and the longest of them. Beyond that all are forgotten: clients may send what
/// they like.
const MAX_TEXTS: usize = 256;
const MAX_TEXT: usize = 512;

/// What was made of texts of which there are few.
#[derive(Debug, Clone, Default)]
struct Remembered<T>(RefCell<HashMap<Box<str>, T, foldhash::fast::RandomState>>);

impl<T: Clone> Remembered<T> {
    fn get(&self, text: &str, make: impl FnOnce(&str) -> T) -> T {
        let mut known = self.0.borrow_mut();
        if let Some(known) = known.get(text) {
            return known.clone();
        }
        let made = make(text);
        if known.len() >= MAX_TEXTS {
            known.clear();
        }
        if text.len() <= MAX_TEXT {
            known.insert(text.into(), made.clone());
        }
        made
    }
}

impl HttpSettings {
    pub(crate) fn new(http: &Http) -> HttpSettings {
        let (known_methods, sanitized_headers) = (http.known_methods.clone(), http.sanitized_headers.clone());
        HttpSettings { known_methods, sanitized_headers, ..HttpSettings::default() }
    }

    /// The method under which the conventions count it, and the original if that differs.
    pub(in crate::conventions) fn method<'a>(&self, sent: Cow<'a, str>) -> (Cow<'static, str>, Option<Text<'a>>) {
        let is_known = match self.known_methods.as_slice() {
            [] => METHODS.contains(&&*sent),
            own => own.iter().any(|known| **known == *sent),
        };
        match (is_known, METHODS.iter().find(|known| ***known == *sent)) {
            (true, Some(known)) => (Cow::Borrowed(known), None),
            (true, None) => (Cow::Owned(sent.into_owned()), None),
            (false, _) => ("_OTHER".into(), (!sent.is_empty()).then(|| sent.into())),
        }
    }

    /// A client's name of itself, without secrets.
    pub(in crate::conventions) fn agent<'a>(&self, sent: Cow<'a, str>) -> Text<'a> {
        let clean = self.agents.get(&sent, |sent| match redact::message(sent) {
            Cow::Borrowed(_) => None,
            Cow::Owned(clean) => Some(clean.into()),
        });
        clean.map_or_else(|| sent.into(), Text::Shared)
    }

    /// What `read` finds in the name of a host.
    pub(in crate::conventions) fn host<'a>(
        &self,
        sent: &'a str,
        read: impl FnOnce(&str) -> Option<(&str, Option<i64>)>,
    ) -> Option<(Text<'a>, Option<i64>)> {
        let parts = self.hosts.get(sent, |sent| {
            let (host, port) = read(sent)?;
            let start = (host.as_ptr() as usize).checked_sub(sent.as_ptr() as usize)?;
            Some((start..start + host.len(), port))
        });
        let (range, port) = parts?;
        Some((Text::Borrowed(sent.get(range)?), port))
    }

    /// Headers as `<prefix><name>`, always a list of values.
    pub(in crate::conventions) fn headers(&self, facts: &Facts<'_>, key: u16, prefix: &str) -> Vec<Attribute<'static>> {
        if facts.get(key).is_none() {
            return Vec::new();
        }
        let attribute = |(name, values): (String, Vec<Cow<'_, str>>)| {
            let secret = self.is_sanitized(&name);
            let shown = |value: &str| if secret { REDACTED.into() } else { redact::header(&name, value).into_owned() };
            let values: Vec<StringValue> = values.iter().map(|value| shown(value).into()).collect();
            let name = Name::Recorded(Text::Owned(format!("{prefix}{name}")));
            Attribute { name, value: AttributeValue::List(Array::String(values)) }
        };
        facts.headers(key).into_iter().map(attribute).collect()
    }

    /// Whether the user has set to hide the header; others are hidden by name.
    fn is_sanitized(&self, header: &str) -> bool {
        let matches = |pattern: &String| glob_matches(pattern, header);
        self.sanitized_headers.iter().any(matches)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::shown;
    use super::*;
    use crate::records::record::Fact;
    use crate::records::value::FactValue;
    use crate::wire::key::HTTP_REQUEST_HEADER;

    #[test]
    fn headers_are_lists_and_secrets_are_redacted() {
        let recorded = |name: &'static str, value: &'static str| Fact {
            key: HTTP_REQUEST_HEADER,
            name: name.as_bytes(),
            value: FactValue::Bytes(value.as_bytes()),
        };
        let facts = Facts::new(vec![
            recorded("accept", "text/html"),
            recorded("X-Forwarded-For", "a"),
            recorded("accept", "*/*"),
            recorded("authorization", "Basic abc"),
            recorded("x-tenant-id", "red"),
            recorded("x-shop-api-key", "k"),
            recorded("location", "/cb?code=hunter2&state=x"),
            recorded("referer", "https://u:hunter2@h/?session=hunter2"),
        ]);
        let own = HttpSettings { sanitized_headers: vec!["x-tenant*".into()], ..HttpSettings::default() };
        assert_eq!(
            shown(&own.headers(&facts, HTTP_REQUEST_HEADER, "http.request.header.")),
            [
                r#"http.request.header.accept=["text/html","*/*"]"#,
                r#"http.request.header.authorization=["REDACTED"]"#,
                r#"http.request.header.location=["/cb?code=REDACTED&state=x"]"#,
                r#"http.request.header.referer=["https://REDACTED:REDACTED@h/?session=REDACTED"]"#,
                r#"http.request.header.x-forwarded-for=["a"]"#,
                r#"http.request.header.x-shop-api-key=["REDACTED"]"#,
                r#"http.request.header.x-tenant-id=["REDACTED"]"#,
            ]
        );
    }

    #[test]
    fn clients_and_hosts_are_remembered_within_a_bound() {
        let settings = HttpSettings::default();
        for _ in 0..2 {
            assert_eq!(settings.agent("curl/8".into()), "curl/8");
            assert_eq!(settings.agent("x password=hunter2".into()), "x password=REDACTED");
            let read = |text| settings.host(text, |text| text.split_once(':').map(|(host, _)| (host, Some(1))));
            assert_eq!(read("shop.test:1"), Some(("shop.test".into(), Some(1))));
            assert_eq!(read("shop.test"), None);
        }
        for number in 0..10 * MAX_TEXTS {
            settings.agent(format!("agent {number}").into());
            assert!(settings.agents.0.borrow().len() <= MAX_TEXTS);
        }
        settings.agent("x".repeat(MAX_TEXT + 1).into());
        assert!(settings.agents.0.borrow().keys().all(|text| text.len() <= MAX_TEXT));
    }

    #[test]
    fn configured_methods_replace_the_known_ones() {
        let own = HttpSettings { known_methods: vec!["GET".into(), "BREW".into()], ..HttpSettings::default() };
        for (settings, sent, method, original) in [
            (HttpSettings::default(), "GET", "GET", None),
            (HttpSettings::default(), "BREW", "_OTHER", Some("BREW")),
            (HttpSettings::default(), "get", "_OTHER", Some("get")),
            (HttpSettings::default(), "", "_OTHER", None),
            (own.clone(), "BREW", "BREW", None),
            (own, "POST", "_OTHER", Some("POST")),
        ] {
            assert_eq!(settings.method(sent.into()), (method.into(), original.map(Text::Borrowed)), "{sent}");
        }
    }
}
