//! What all telemetry of a program has in common.

use super::Selection;
use crate::config::text;

const SERVICE_NAME: &str = "service.name";

/// What all telemetry of a program has in common, as far as it was set.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Resource {
    /// Attributes set by the user, which win over detected ones. May lack `service.name`.
    pub(crate) attributes: Vec<(String, AttributeValue)>,
    /// Which detectors are enabled: names of OTEL_EXPERIMENTAL_RESOURCE_DETECTORS.
    pub(crate) detectors: Vec<&'static str>,
    /// Which of the attributes that they find are kept; `None` for all.
    pub(crate) detected: Option<Selection>,
    /// The schema of `attributes`, if one is set.
    pub(crate) schema_url: Option<String>,
    /// Whether the OTEL_SERVICE_NAME that a program itself was started with counts for it. It does not where a flag sets it
    /// or a file is the configuration.
    pub(crate) takes_own_name: bool,
    /// The same for OTEL_RESOURCE_ATTRIBUTES.
    pub(crate) takes_own_attributes: bool,
}

impl Resource {
    /// The same for a program that was started with a `service_name` and `attributes` of its own, values of OTEL_SERVICE_NAME
    /// and OTEL_RESOURCE_ATTRIBUTES: they count more. A name that all programs have (`is_named`) outranks the one among
    /// the attributes. Fails with what was expected.
    pub(crate) fn with_own(
        &self,
        service_name: Option<&str>,
        attributes: Option<&str>,
        is_named: bool,
    ) -> Result<Resource, String> {
        let mut own = attributes.map_or(Ok(Vec::new()), text::pairs)?;
        own.retain(|(key, value)| key != SERVICE_NAME || !(is_named || value.is_empty()));
        if let Some(name) = service_name {
            own.retain(|(key, _)| key != SERVICE_NAME);
            own.push((SERVICE_NAME.into(), name.to_owned()));
        }
        let mut resource = self.clone();
        resource.attributes.retain(|(known, _)| own.iter().all(|(key, _)| key != known));
        resource.attributes.extend(own.into_iter().map(|(key, value)| (key, AttributeValue::Text(value))));
        Ok(resource)
    }

    /// Removes a name that is empty, so that the program's own counts.
    pub(in crate::config) fn without_empty_name(mut self) -> Resource {
        let empty = AttributeValue::Text(String::new());
        self.attributes.retain(|(key, value)| key != SERVICE_NAME || *value != empty);
        self
    }
}

/// The value of an attribute that a user set.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum AttributeValue {
    Text(String),
    Bool(bool),
    Int(i64),
    Float(f64),
    Texts(Vec<String>),
    Bools(Vec<bool>),
    Ints(Vec<i64>),
    Floats(Vec<f64>),
}
