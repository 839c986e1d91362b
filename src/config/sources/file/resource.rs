//! `resource`: what all telemetry has in common.

use super::tree::Yaml;
use super::walk::{Field, Map};
use crate::config::model::{AttributeValue, Resource};
use crate::config::registry::OTEL_SERVICE_NAME;
use crate::config::text;

/// Detectors by their names in the schema, and those of otel-rs of the same purpose. The schema lacks `os` and those after
/// it.
const DETECTORS: &[(&str, &[&str])] = &[
    ("container", &["container"]),
    ("host", &["host", "os"]),
    ("process", &["process"]),
    ("service", &["service_instance"]),
    ("os", &["os"]),
    ("process_args", &["process_args"]),
    ("k8s", &["k8s"]),
    ("cloud", &["cloud"]),
];

pub(super) fn read(resource: Option<&Map>, env: &dyn Fn(&str) -> Option<String>) -> Resource {
    let mut found = Resource::default();
    let Some(resource) = resource else { return found };
    found.schema_url = resource.text("schema_url").map(str::to_owned);
    if let Some(list) = resource.get("attributes_list")
        && let Some(written) = list.text()
    {
        match text::pairs(written) {
            Ok(pairs) => {
                found.attributes.extend(pairs.into_iter().map(|(key, value)| (key, AttributeValue::Text(value))))
            }
            Err(expected) => list.wrong(&expected),
        }
    }
    for item in resource.items("attributes") {
        if let Some((name, value)) = attribute(&item) {
            set(&mut found.attributes, name, value);
        }
    }
    detection(resource, &mut found, env);
    found.without_empty_name()
}

fn set(attributes: &mut Vec<(String, AttributeValue)>, name: String, value: AttributeValue) {
    attributes.retain(|(known, _)| *known != name);
    attributes.push((name, value));
}

fn detection(resource: &Map, found: &mut Resource, env: &dyn Fn(&str) -> Option<String>) {
    let Some(detection) = resource.map("detection/development") else { return };
    found.detected = detection.selection("attributes");
    for item in detection.items("detectors") {
        let Some((name, settings)) = item.choice() else { continue };
        let Some((_, ours)) = DETECTORS.iter().find(|(known, _)| *known == name) else {
            let known: Vec<&'static str> = DETECTORS.iter().map(|(name, _)| *name).collect();
            settings.unknown_choice(name, &known);
            continue;
        };
        for detector in *ours {
            if !found.detectors.contains(detector) {
                found.detectors.push(detector);
            }
        }
        // The one detector that reads a variable, by the schema's own description.
        let named = found.attributes.iter().any(|(key, _)| key == "service.name");
        let is_kept = found.detected.as_ref().is_none_or(|detected| detected.keeps("service.name"));
        if name == "service"
            && !named
            && is_kept
            && let Some(name) = env(OTEL_SERVICE_NAME.env).filter(|name| !name.is_empty())
        {
            found.attributes.push(("service.name".into(), AttributeValue::Text(name)));
        }
    }
}

/// One attribute; `None` if it is wrong, or has no value.
fn attribute(item: &Field) -> Option<(String, AttributeValue)> {
    let item = item.map()?;
    let name = item.required("name").and_then(|name| name.text());
    let kind = item.get("type").map_or(Some("string"), |kind| {
        let kinds = ["string", "bool", "int", "double", "string_array", "bool_array", "int_array", "double_array"];
        kind.word(&kinds.map(|kind| (kind, kind)))
    });
    if !item.has("value") {
        item.required("value");
    }
    let value = item.get("value")?;
    let value = match kind? {
        "string" => AttributeValue::Text(value.text()?.to_owned()),
        "bool" => AttributeValue::Bool(value.boolean()?),
        "int" => AttributeValue::Int(integer(&value)?),
        "double" => AttributeValue::Float(value.number()?),
        "string_array" => AttributeValue::Texts(all(&value, |item| item.text().map(str::to_owned))?),
        "bool_array" => AttributeValue::Bools(all(&value, Field::boolean)?),
        "int_array" => AttributeValue::Ints(all(&value, integer)?),
        _ => AttributeValue::Floats(all(&value, Field::number)?),
    };
    Some((name?.to_owned(), value))
}

fn all<'t, T>(list: &Field<'t>, read: impl Fn(&Field<'t>) -> Option<T>) -> Option<Vec<T>> {
    list.items().iter().map(read).collect()
}

fn integer(field: &Field) -> Option<i64> {
    match field.yaml() {
        Yaml::Int(number) => Some(*number),
        _ => {
            field.wrong("a whole number");
            None
        }
    }
}
