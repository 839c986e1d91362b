//! The choices that the conventions for HTTP leave to users.

use std::borrow::Cow;

use opentelemetry::{Array, StringValue};

use crate::attributes::attribute::{Attribute, AttributeValue, Name, Text};
use crate::config::{Http, glob_matches};
use crate::records::facts::Facts;
use crate::redact::{self, REDACTED};

/// Methods that the conventions know.
const METHODS: &[&str] = &["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "CONNECT", "TRACE", "QUERY"];

/// What a user has configured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct HttpSettings {
    /// In place of those that the conventions know, if there are any.
    known_methods: Vec<String>,
    sanitized_headers: Vec<String>,
}

impl HttpSettings {
    pub(crate) fn new(http: &Http) -> HttpSettings {
        HttpSettings { known_methods: http.known_methods.clone(), sanitized_headers: http.sanitized_headers.clone() }
    }

    /// The method under which the conventions count it, and the original if that differs.
    pub(in crate::conventions) fn method<'a>(&self, sent: Cow<'a, str>) -> (Cow<'static, str>, Option<Text<'a>>) {
        let known = if self.known_methods.is_empty() {
            METHODS.iter().find(|known| ***known == *sent).map(|known| Cow::Borrowed(*known))
        } else {
            self.known_methods.iter().find(|known| **known == *sent).map(|known| Cow::Owned(known.clone()))
        };
        match known {
            Some(known) => (known, None),
            None => ("_OTHER".into(), (!sent.is_empty()).then(|| sent.into())),
        }
    }

    /// Headers as `<prefix><name>`, always a list of values.
    pub(in crate::conventions) fn headers(&self, facts: &Facts<'_>, key: u16, prefix: &str) -> Vec<Attribute<'static>> {
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
