//! Resources as the SDK and OTLP have them.

use opentelemetry::KeyValue;
use opentelemetry_proto::transform::common::tonic::{Attributes, ResourceAttributesWithSchema};
use opentelemetry_sdk::resource::{ResourceDetector, TelemetryResourceDetector};

use crate::resource::Resource;

/// `telemetry.sdk.*` of the SDK that is compiled in.
pub(crate) fn sdk_attributes() -> Vec<KeyValue> {
    let detected = TelemetryResourceDetector.detect();
    detected.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone())).collect()
}

/// The SDK's form of a resource.
pub(crate) fn to_sdk(resource: &Resource) -> opentelemetry_sdk::Resource {
    let builder = opentelemetry_sdk::Resource::builder_empty();
    builder.with_schema_url(resource.attributes.iter().cloned(), resource.schema_url.clone()).build()
}

/// OTLP's form of a resource, in its order: the SDK's has none.
pub(crate) fn to_otlp(resource: &Resource) -> ResourceAttributesWithSchema {
    let schema_url = Some(resource.schema_url.clone()).filter(|url| !url.is_empty());
    ResourceAttributesWithSchema { attributes: Attributes::from(resource.attributes.clone()), schema_url }
}
