//! The resource: what all telemetry of a program has in common. Where it runs, as what, and which name its user gave it.
//!
//! Every program that reports through one launcher has a resource of its own ([`programs`]). It describes the first
//! process of that program that reports; the telemetry of its other processes carries the same resource.

mod cloud;
mod container;
mod executable;
mod host;
mod instance;
mod kubernetes;
mod os;
mod process;
pub(crate) mod programs;
mod surroundings;

use std::path::PathBuf;

use opentelemetry::{Array, KeyValue, StringValue, Value};
use opentelemetry_semantic_conventions::{SCHEMA_URL, attribute as name};

use crate::attributes::redacted;
use crate::launch::{Environment, Program};
use crate::{config, redact};
#[cfg(test)]
pub(crate) use programs::testing;
pub(crate) use programs::{Programs, Source};
use surroundings::Surroundings;

type Detector = fn(&Surroundings<'_>) -> Vec<KeyValue>;

/// The detectors by their names in OTEL_EXPERIMENTAL_RESOURCE_DETECTORS; what a later one finds counts more.
const DETECTORS: [(&str, Detector); 8] = [
    ("process", process::detect),
    ("process_args", process::arguments),
    ("host", host::detect),
    ("os", os::detect),
    ("container", container::detect),
    ("k8s", kubernetes::detect),
    ("cloud", cloud::detect),
    ("service_instance", instance::detect),
];

/// The attributes of a resource, each name once and in the order of names, and the version of the conventions that define
/// them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Resource {
    pub(crate) attributes: Vec<KeyValue>,
    pub(crate) schema_url: String,
}

impl Resource {
    fn new(mut attributes: Vec<KeyValue>, schema_url: String) -> Resource {
        attributes.sort_by(|some, other| some.key.cmp(&other.key));
        Resource { attributes, schema_url }
    }

    /// The value of an attribute.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.attributes.iter().find(|attribute| attribute.key.as_str() == name).map(|attribute| &attribute.value)
    }

    /// The same resource without some of its attributes.
    fn without(mut self, is_left_out: impl Fn(&str) -> bool) -> Resource {
        self.attributes.retain(|attribute| !is_left_out(attribute.key.as_str()));
        self
    }
}

/// The attributes of a program's resource as text: in the order of their names, without secrets. `sdk`: `telemetry.sdk.*`.
pub(crate) fn resource_of(
    config: &config::Resource,
    program: &Program,
    environment: &Environment,
    sdk: &[KeyValue],
) -> Vec<(String, String)> {
    let resource = of(config, &Surroundings::of(program, environment, None, None), sdk);
    let shown = resource.attributes.iter();
    shown.map(|kv| (kv.key.to_string(), redact::message(&kv.value.as_str()).into_owned())).collect()
}

/// The resource of a program. Attributes that the user set outrank those that detectors find.
fn of(config: &config::Resource, around: &Surroundings<'_>, sdk: &[KeyValue]) -> Resource {
    detected(config, around, sdk, service_name(around), &|_| true)
}

/// The resource that programs share of which only the place where they run is known.
fn of_any(config: &config::Resource, around: &Surroundings<'_>, sdk: &[KeyValue]) -> Resource {
    let is_of_all = |key: &str| !key.starts_with("process.") && key != name::SERVICE_VERSION;
    detected(config, around, sdk, "unknown_service".into(), &is_of_all)
}

fn detected(
    config: &config::Resource,
    around: &Surroundings<'_>,
    sdk: &[KeyValue],
    service_name: String,
    may_be_kept: &dyn Fn(&str) -> bool,
) -> Resource {
    let mut found = sdk.to_vec();
    found.extend([
        KeyValue::new(name::TELEMETRY_DISTRO_NAME, "otel-rs"),
        KeyValue::new(name::TELEMETRY_DISTRO_VERSION, env!("CARGO_PKG_VERSION")),
    ]);
    let mut add = |more: KeyValue| {
        found.retain(|known| known.key != more.key);
        found.push(more);
    };
    add(KeyValue::new(name::SERVICE_NAME, service_name));
    for (_, detect) in DETECTORS.iter().filter(|(name, _)| config.detectors.contains(name)) {
        let kept = |found: &KeyValue| config.detected.as_ref().is_none_or(|kept| kept.keeps(found.key.as_str()));
        let found = detect(around).into_iter().filter(|found| may_be_kept(found.key.as_str()));
        found.filter(kept).for_each(&mut add);
    }
    for (key, value) in &config.attributes {
        add(KeyValue::new(key.clone(), attribute_value(value)));
    }
    let schema = config.schema_url.clone().unwrap_or_else(|| SCHEMA_URL.to_owned());
    let clean = |found: KeyValue| {
        let value = redacted::attribute_value(found.key.as_str(), found.value);
        KeyValue::new(found.key, value)
    };
    Resource::new(found.into_iter().map(clean).collect(), schema)
}

/// The program's file name: as it was started, or that of the program that a script has become. The interpreter of a
/// script does not count as such a program.
fn service_name(around: &Surroundings<'_>) -> String {
    let started = &around.program.file;
    let runs = process::executable_path(around);
    // The name of a symbolic link is the one that users gave.
    let is_started = |runs: &PathBuf| fs_err::canonicalize(started).is_ok_and(|file| file == *runs);
    let is_script = || process::is_interpreting(around, started);
    let file = runs.filter(|runs| !is_started(runs) && !is_script()).unwrap_or_else(|| started.clone());
    file.file_name().map_or("unknown_service".into(), |name| name.to_string_lossy().into_owned())
}

fn attribute_value(value: &config::AttributeValue) -> Value {
    match value.clone() {
        config::AttributeValue::Text(text) => Value::from(text),
        config::AttributeValue::Bool(truth) => Value::from(truth),
        config::AttributeValue::Int(number) => Value::from(number),
        config::AttributeValue::Float(number) => Value::from(number),
        config::AttributeValue::Texts(texts) => {
            Value::Array(Array::String(texts.into_iter().map(StringValue::from).collect()))
        }
        config::AttributeValue::Bools(truths) => Value::Array(Array::Bool(truths)),
        config::AttributeValue::Ints(numbers) => Value::Array(Array::I64(numbers)),
        config::AttributeValue::Floats(numbers) => Value::Array(Array::F64(numbers)),
    }
}

#[cfg(test)]
mod tests {
    use super::surroundings::testing::Machine;
    use super::*;

    fn config(variables: &[(&str, &str)]) -> config::Resource {
        let env = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        config::resolve(&[], &env).unwrap().config.resource
    }

    fn get(resource: &Resource, key: &'static str) -> Option<String> {
        resource.get(key).map(ToString::to_string)
    }

    #[test]
    fn attributes_of_the_user_outrank_detected_ones() {
        let config =
            config(&[("OTEL_RESOURCE_ATTRIBUTES", "host.name=mine,service.name=shop,team=a%20b,process.pid=x")]);
        let machine = Machine::new().file("proc/sys/kernel/hostname", "tower");
        let resource = of(&config, &machine.surroundings(), &[]);
        for (key, value) in [("host.name", "mine"), ("service.name", "shop"), ("team", "a b"), ("process.pid", "x")] {
            assert_eq!(get(&resource, key).as_deref(), Some(value), "{key}");
        }
        assert_eq!(get(&resource, "telemetry.distro.name").as_deref(), Some("otel-rs"));
        assert_eq!(resource.schema_url, SCHEMA_URL);
    }

    #[test]
    fn only_enabled_detectors_run() {
        let resource = |detectors| of(&config(&[(VARIABLE, detectors)]), &Machine::new().surroundings(), &[]);
        let all = of(&config(&[]), &Machine::new().surroundings(), &[]);
        for key in ["process.pid", "host.arch", "os.type", "service.instance.id"] {
            assert!(get(&all, key).is_some(), "{key}");
            assert!(get(&resource("none"), key).is_none(), "{key}");
        }
        assert!(get(&all, "process.command_args").is_none(), "arguments may be secret");
        assert!(get(&resource("process_args"), "process.command_args").is_some());
        assert_eq!(get(&resource("none"), "service.name").as_deref(), Some("shop"));
    }

    const VARIABLE: &str = "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS";

    #[test]
    fn a_selection_filters_detected_attributes_but_not_those_of_the_user() {
        let mut config = config(&[("OTEL_RESOURCE_ATTRIBUTES", "host.name=mine")]);
        let kept = |pattern: &str| vec![pattern.to_owned()];
        config.detected = Some(config::Selection { included: Some(kept("process.*")), excluded: kept("*.pid") });
        let resource = of(&config, &Machine::new().surroundings(), &[]);
        assert!(get(&resource, "process.executable.name").is_some());
        assert!(get(&resource, "process.pid").is_none() && get(&resource, "host.arch").is_none());
        assert_eq!(get(&resource, "host.name").as_deref(), Some("mine"));
        assert_eq!(get(&resource, "service.name").as_deref(), Some("shop"));
    }

    #[test]
    fn a_script_keeps_its_name_until_it_becomes_another_program() {
        let name = |cmdline: &str, exe: &str| {
            let machine = Machine::new().link("proc/42/exe", exe).file("proc/42/cmdline", cmdline);
            get(&of(&config(&[]), &machine.surroundings(), &[]), "service.name").unwrap()
        };
        assert_eq!(name("/bin/sh\0/srv/shop\0--port=1\0", "/usr/bin/dash"), "shop");
        assert_eq!(name("/bin/sh\0-e\0/srv/shop\0", "/usr/bin/dash"), "shop");
        assert_eq!(name("/opt/other\0--port=1\0", "/opt/other"), "other");
        assert_eq!(name("/opt/other\0-a\0-b\0/srv/shop\0", "/opt/other"), "other");
    }

    #[test]
    fn every_detector_has_its_name_in_the_registry() {
        let variable = config::VARIABLES.iter().find(|variable| variable.env == VARIABLE).unwrap();
        let config::ValueKind::List(names) = variable.kind else { panic!("{:?}", variable.kind) };
        let known: Vec<_> = DETECTORS.iter().map(|(name, _)| *name).chain(["none"]).collect();
        assert_eq!(names, known);
    }
}
