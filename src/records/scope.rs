//! Instrumentation scopes: the woven crate that recorded something, or otel-rs itself.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use opentelemetry::InstrumentationScope;

use crate::marker::Marker;

/// The scope of what otel-rs records itself.
pub(crate) fn own() -> Arc<InstrumentationScope> {
    static OWN: LazyLock<Arc<InstrumentationScope>> = LazyLock::new(|| Arc::new(scope("otel-rs", "")));
    Arc::clone(&OWN)
}

/// The scope of the layer with this marker; our own where the marker is not a whole one.
pub(crate) fn of_layer(marker: &str) -> Arc<InstrumentationScope> {
    match Marker::parse(marker) {
        Some(marker) if !marker.crate_name.is_empty() => Arc::new(scope(marker.crate_name, marker.crate_version)),
        _ => own(),
    }
}

/// A scope that the program itself names.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct OwnScope<'a> {
    pub(crate) name: Cow<'a, str>,
    pub(crate) version: Option<Cow<'a, str>>,
    pub(crate) schema_url: Option<Cow<'a, str>>,
}

impl OwnScope<'_> {
    /// Whether that is the scope.
    pub(crate) fn is(&self, scope: &InstrumentationScope) -> bool {
        self.name == scope.name()
            && self.version.as_deref() == scope.version()
            && self.schema_url.as_deref() == scope.schema_url()
    }

    pub(crate) fn make(&self) -> InstrumentationScope {
        let scope = InstrumentationScope::builder(self.name.clone().into_owned());
        let scope = self.version.iter().fold(scope, |scope, version| scope.with_version(version.clone().into_owned()));
        let scope = self.schema_url.iter().fold(scope, |scope, url| scope.with_schema_url(url.clone().into_owned()));
        scope.build()
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
        let scope = of_layer("otel-rs:layer:5|hyper|1.6.0|0.1.0|\n");
        assert_eq!((scope.name(), scope.version()), ("hyper", Some("1.6.0")));
        for marker in ["", "hyper", "otel-rs:layer:5||1.6.0|0.1.0|"] {
            assert_eq!(of_layer(marker), own(), "{marker}");
        }
        assert_eq!((own().name(), own().version()), ("otel-rs", None));
    }
}
