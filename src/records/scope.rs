//! Instrumentation scopes: the woven crate that recorded something, or otel-rs itself.

use opentelemetry::InstrumentationScope;

use crate::marker::Marker;

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
        let scope = of_layer("otel-rs:layer:4|hyper|1.6.0|0.1.0|\n");
        assert_eq!((scope.name(), scope.version()), ("hyper", Some("1.6.0")));
        for marker in ["", "hyper", "otel-rs:layer:4||1.6.0|0.1.0|"] {
            assert_eq!(of_layer(marker), own(), "{marker}");
        }
        assert_eq!((own().name(), own().version()), ("otel-rs", None));
    }
}
