//! The resource: attributes, entities, the service's name, detectors.

use super::entities;
use crate::config::model::{AttributeValue, Resource};
use crate::config::registry::{OTEL_EXPERIMENTAL_RESOURCE_DETECTORS, OTEL_RESOURCE_ATTRIBUTES, OTEL_SERVICE_NAME};
use crate::config::sources::Settings;
use crate::config::text;
use crate::config::warnings::BadFlag;

pub(super) fn read(settings: &mut Settings) -> Result<Resource, BadFlag> {
    let attributes = settings.get(&OTEL_RESOURCE_ATTRIBUTES, text::pairs)?.unwrap_or_default();
    let mut attributes = entities::merged(settings, attributes)?;
    if let Some(name) = settings.get(&OTEL_SERVICE_NAME, |text| Ok(text.to_owned()))? {
        attributes.retain(|(key, _)| key != "service.name");
        attributes.push(("service.name".into(), name));
    }
    let resource = Resource {
        attributes: attributes.into_iter().map(|(key, value)| (key, AttributeValue::Text(value))).collect(),
        detectors: settings.list(&OTEL_EXPERIMENTAL_RESOURCE_DETECTORS)?,
        takes_own_name: settings.flag(&OTEL_SERVICE_NAME).is_none(),
        takes_own_attributes: settings.flag(&OTEL_RESOURCE_ATTRIBUTES).is_none(),
        ..Resource::default()
    };
    Ok(resource.without_empty_name())
}
