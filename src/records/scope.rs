//! Instrumentation scopes: the woven crate that recorded something, or otel-rs itself.

use std::borrow::Cow;

use opentelemetry::InstrumentationScope;

use crate::marker::Marker;
use crate::records::facts::Facts;
use crate::wire::key;

/// The scope of what otel-rs records itself.
pub(crate) fn own() -> InstrumentationScope {
    scope("otel-rs", "")
}

/// The scope of the layer with this marker; our own where the marker is not a whole one.
pub(crate) fn of_layer(marker: &str) -> InstrumentationScope {
    match Marker::parse(marker) {
        Some(marker) if !marker.crate_name.is_empty() => scope(marker.crate_name, marker.crate_version),
        _ => own(),
    }
}

/// The scope that the program itself names among the facts about a span, if it does.
pub(crate) fn of_program(facts: &Facts<'_>) -> Option<InstrumentationScope> {
    let text = |key| facts.text(key).map(Cow::into_owned);
    let scope = InstrumentationScope::builder(text(key::SCOPE_NAME)?);
    let scope = text(key::SCOPE_VERSION).into_iter().fold(scope, |scope, version| scope.with_version(version));
    let scope = text(key::SCOPE_SCHEMA_URL).into_iter().fold(scope, |scope, url| scope.with_schema_url(url));
    Some(scope.build())
}

fn scope(name: &str, version: &str) -> InstrumentationScope {
    let scope =
        InstrumentationScope::builder(name.to_owned()).with_schema_url(opentelemetry_semantic_conventions::SCHEMA_URL);
    match version {
        "" => scope.build(),
        version => scope.with_version(version.to_owned()).build(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_s_scope_is_its_crate_and_version() {
        let scope = of_layer("otel-rs:layer:5|hyper|1.6.0|0.1.0|\n");
        assert_eq!((scope.name(), scope.version()), ("hyper", Some("1.6.0")));
        for marker in ["", "hyper", "otel-rs:layer:5||1.6.0|0.1.0|"] {
            assert_eq!(of_layer(marker), own(), "{marker}");
        }
        assert_eq!((own().name(), own().version()), ("otel-rs", None));
    }
}
