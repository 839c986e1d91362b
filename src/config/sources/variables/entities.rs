//! OTEL_ENTITIES: entities that the program is part of, set by the process that starts it.
//!
//! The specification (otel/entities/entity-propagation) is in development: it defines how the variable is read, and that
//! the entities become part of the resource. Their types and schemas are not exported: exporters have attributes only.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::config::registry::{OTEL_ENTITIES, OTEL_RESOURCE_ATTRIBUTES};
use crate::config::sources::Settings;
use crate::config::warnings::BadFlag;

/// What an entity looks like.
const EXPECTED: &str = "`type{key=value,…}`, `[key=value,…]` and `@schema` behind it if needed, special characters \
                        percent-encoded";

type Pairs = Vec<(String, String)>;

/// Something that the program is part of, or is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entity {
    kind: String,
    identifying: Pairs,
    descriptive: Pairs,
}

/// Something that is wrong with the list.
#[derive(Debug, PartialEq, Eq)]
enum Mistake {
    /// The text is not an entity: it is left out.
    Malformed(String),
    /// The schema of this entity is not a URL: the entity is used without it.
    Schema(String),
    /// Two entities of this type exclude each other, or are the same: the later one counts.
    Kind(String),
    /// Two entities have different values of this attribute: the later one counts.
    Attribute(String),
}

/// Attributes with those of the entities, which count more, as the resource's data model has it. A flag still beats
/// the environment.
pub(super) fn merged(settings: &mut Settings, attributes: Pairs) -> Result<Pairs, BadFlag> {
    let Some((entities, mistakes)) = settings.get(&OTEL_ENTITIES, |text| Ok(read(text)))? else {
        return Ok(attributes);
    };
    for mistake in mistakes {
        warn(settings, &mistake)?;
    }
    let is_flag = |variable| settings.flag(variable).is_some();
    let (mut merged, stronger) = match is_flag(&OTEL_RESOURCE_ATTRIBUTES) && !is_flag(&OTEL_ENTITIES) {
        true => (entities, attributes),
        false => (attributes, entities),
    };
    for (key, value) in stronger {
        merged.retain(|(known, _)| *known != key);
        merged.push((key, value));
    }
    Ok(merged)
}

fn warn(settings: &mut Settings, mistake: &Mistake) -> Result<(), BadFlag> {
    let name = OTEL_ENTITIES.env;
    let message = match mistake {
        Mistake::Malformed(text) => return settings.refuse_part(&OTEL_ENTITIES, text, EXPECTED),
        Mistake::Schema(text) => return settings.refuse_part(&OTEL_ENTITIES, text, "the URL of a schema after `@`"),
        Mistake::Kind(kind) => format!("of the entities `{kind}` in `{name}` only the last counts"),
        Mistake::Attribute(key) => format!("of the values of `{key}` in `{name}` only the last counts"),
    };
    settings.warnings.warn_of_part(name, message, Some(format!("set it once in `{name}`")));
    Ok(())
}

/// The attributes of all entities, and what is wrong.
fn read(text: &str) -> (Pairs, Vec<Mistake>) {
    let mut entities: Vec<Entity> = Vec::new();
    let mut mistakes = Vec::new();
    for text in text.split(';').map(str::trim).filter(|text| !text.is_empty()) {
        match entity(text) {
            None => mistakes.push(Mistake::Malformed(text.to_owned())),
            Some((entity, schema)) => {
                if let Some(schema) = schema.filter(|schema| url::Url::parse(schema).is_err()) {
                    mistakes.push(Mistake::Schema(format!("@{schema}")));
                }
                let before = entities.len();
                entities.retain(|known| !known.is_replaced_by(&entity));
                if entities.len() < before {
                    mistakes.push(Mistake::Kind(entity.kind.clone()));
                }
                entities.push(entity);
            }
        }
    }
    let mut attributes = Pairs::new();
    // What identifies counts more than what describes.
    let all = entities.iter().flat_map(|entity| &entity.descriptive);
    for (key, value) in all.chain(entities.iter().flat_map(|entity| &entity.identifying)) {
        if attributes.iter().any(|(known, other)| known == key && other != value) {
            mistakes.push(Mistake::Attribute(key.clone()));
        }
        attributes.retain(|(known, _)| known != key);
        attributes.push((key.clone(), value.clone()));
    }
    (attributes, mistakes)
}

impl Entity {
    /// Whether the other is the same, or cannot be there at the same time.
    fn is_replaced_by(&self, other: &Entity) -> bool {
        let differs = |(key, value): &(String, String)| other.identifying.iter().any(|(k, v)| k == key && v != value);
        self.kind == other.kind && (self.identifying.iter().any(differs) || self.identifying == other.identifying)
    }
}

/// `type{…}[…]@schema`. `None` if it is not that.
fn entity(text: &str) -> Option<(Entity, Option<&str>)> {
    let (kind, rest) = text.split_once('{')?;
    let (identifying, rest) = rest.split_once('}')?;
    let (descriptive, rest) = match rest.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => ("", rest),
    };
    let schema = match rest {
        "" => None,
        rest => Some(rest.strip_prefix('@')?),
    };
    let (kind, mut identifying) = (kind.trim(), pairs(identifying)?);
    identifying.sort();
    let entity = Entity { kind: kind.to_owned(), identifying, descriptive: pairs(descriptive)? };
    (is_name(kind) && !entity.identifying.is_empty()).then_some((entity, schema))
}

fn pairs(text: &str) -> Option<Pairs> {
    let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (key, value) = pair.split_once('=')?;
            let (key, value) = (key.trim(), value.trim());
            let is_plain = !value.contains(['{', '}', '[', ']', '@', '=']);
            let value = percent_decode_str(value).decode_utf8().ok().map(Cow::into_owned)?;
            (is_name(key) && is_plain).then(|| (key.to_owned(), value))
        })
        .collect()
}

/// The names of types and attributes.
fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::resolve::ConfigError;
    use crate::config::{AttributeValue, Resolved, resolve};

    const NAME: &str = OTEL_ENTITIES.env;
    const ATTRIBUTES: &str = OTEL_RESOURCE_ATTRIBUTES.env;

    fn attributes(text: &str) -> Vec<String> {
        let (attributes, mistakes) = read(text);
        assert_eq!(mistakes, []);
        let mut shown: Vec<_> = attributes.into_iter().map(|(key, value)| format!("{key}={value}")).collect();
        shown.sort();
        shown
    }

    #[test]
    fn the_specification_s_examples_are_read() {
        for (text, expected) in [
            (
                "service{service.name=my-app,service.instance.id=instance-1}[service.version=1.0.0]",
                vec!["service.instance.id=instance-1", "service.name=my-app", "service.version=1.0.0"],
            ),
            (
                "service{service.name=my-app,service.instance.id=instance-1}[service.version=1.0.0]\
                 @https://opentelemetry.io/schemas/1.21.0;host{host.id=host-123}[host.name=web-server-01]",
                vec![
                    "host.id=host-123",
                    "host.name=web-server-01",
                    "service.instance.id=instance-1",
                    "service.name=my-app",
                    "service.version=1.0.0",
                ],
            ),
            (
                "k8s.pod{k8s.pod.uid=pod-abc123}[k8s.pod.name=my-pod,k8s.pod.label.app=my-app]",
                vec!["k8s.pod.label.app=my-app", "k8s.pod.name=my-pod", "k8s.pod.uid=pod-abc123"],
            ),
            (
                "container{container.id=cont-456};host{host.id=host-789}[host.name=docker-host]",
                vec!["container.id=cont-456", "host.id=host-789", "host.name=docker-host"],
            ),
            ("service{service.name=minimal-app}", vec!["service.name=minimal-app"]),
            (";service{service.name=app1};;host{host.id=host-123};", vec!["host.id=host-123", "service.name=app1"]),
            (
                "service{service.name=my%2Capp,service.instance.id=inst-1}[config=key%3Dvalue%5Bprod%5D]",
                vec!["config=key=value[prod]", "service.instance.id=inst-1", "service.name=my,app"],
            ),
        ] {
            assert_eq!(attributes(text), expected, "{text}");
        }
    }

    #[test]
    fn a_malformed_entity_does_not_spoil_the_others() {
        let text = |text: &str| text.to_owned();
        for (list, expected, mistakes) in [
            ("service{a=1};invalid{syntax;host{b=2}", "a=1 b=2", vec![Mistake::Malformed(text("invalid{syntax"))]),
            ("service{};host{b=2}", "b=2", vec![Mistake::Malformed(text("service{}"))]),
            ("{a=1};s{a};s{=1};1{a=1};s{a=b=c};s{a=%ff};s{a=1}x", "", {
                let all = ["{a=1}", "s{a}", "s{=1}", "1{a=1}", "s{a=b=c}", "s{a=%ff}", "s{a=1}x"];
                all.map(|one| Mistake::Malformed(one.to_owned())).into()
            }),
            ("s{a=1}[v=1];s{a=1}[v=2]", "a=1 v=2", vec![Mistake::Kind(text("s"))]),
            ("s{a=1};s{a=2}", "a=2", vec![Mistake::Kind(text("s"))]),
            ("s{a=1}@invalid-url", "a=1", vec![Mistake::Schema(text("@invalid-url"))]),
            ("s{a=1}[v=1];t{b=1}[v=2]", "a=1 b=1 v=2", vec![Mistake::Attribute(text("v"))]),
            ("s{a=1};t{b=1}[a=2]", "a=1 b=1", vec![Mistake::Attribute(text("a"))]),
            ("s{a=1}[v=1];t{b=1}[v=1]", "a=1 b=1 v=1", vec![]),
        ] {
            let (mut found, found_mistakes) = read(list);
            found.sort();
            let found: Vec<_> = found.iter().map(|(key, value)| format!("{key}={value}")).collect();
            assert_eq!((found.join(" ").as_str(), found_mistakes), (expected, mistakes), "{list}");
        }
    }

    fn resolved(flags: &[(&'static str, &str)], env: &[(&str, &str)]) -> Result<Resolved, ConfigError> {
        let flags: Vec<_> = flags.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        resolve(&flags, &|name| env.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn entities_count_more_than_attributes_and_less_than_the_service_s_name() {
        let entities = (NAME, "service{service.name=entity,service.instance.id=1}[team=blue]");
        let attributes = (ATTRIBUTES, "service.name=attribute,team=red,zone=eu");
        let shown = |flags: &[(&'static str, &str)], env: &[(&str, &str)]| {
            let config = resolved(flags, env).unwrap().config;
            let mut shown: Vec<_> =
                config.resource.attributes.iter().map(|(key, value)| (key.clone(), value)).collect();
            shown.sort_by(|a, b| a.0.cmp(&b.0));
            let text = |value: &AttributeValue| {
                if let AttributeValue::Text(text) = value { text.clone() } else { String::new() }
            };
            shown.iter().map(|(_, value)| text(value)).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(shown(&[], &[entities, attributes]), "1 entity blue eu");
        assert_eq!(shown(&[], &[entities, attributes, ("OTEL_SERVICE_NAME", "name")]), "1 name blue eu");
        assert_eq!(shown(&[attributes], &[entities]), "1 attribute red eu", "a flag beats the environment");
        assert_eq!(shown(&[attributes, entities], &[]), "1 entity blue eu");
    }

    #[test]
    fn a_malformed_entity_is_warned_of_and_the_others_are_used() {
        let found = resolved(&[], &[(NAME, "host{host.id=1};service{};host{host.id=2}")]).unwrap();
        let warnings: Vec<_> = found.warnings.iter().map(ToString::to_string).collect();
        assert_eq!(
            warnings,
            [
                format!("ignoring `service{{}}` in `OTEL_ENTITIES`: expected {EXPECTED}"),
                "of the entities `host` in `OTEL_ENTITIES` only the last counts".to_owned(),
            ]
        );
        let setting = found.settings.iter().find(|setting| setting.env == NAME).unwrap();
        assert!(setting.shown.starts_with("host{host.id=1}"), "it counts in part: {setting:?}");
        let error = resolved(&[(NAME, "host")], &[]).unwrap_err().to_string();
        assert!(error.starts_with("cannot use `host` for `--entities`: expected `type{"), "{error}");
    }
}
