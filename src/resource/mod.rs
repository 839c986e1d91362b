//! What all telemetry of a program has in common: where it runs, as what, and what its user calls it.
//!
//! Every program that reports through one launcher has a resource of its own ([`programs`]). It describes the first
//! process of that program which reports to us; what its other processes tell carries the same resource.

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

use opentelemetry::{Array, Key, KeyValue, StringValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::{ResourceDetector, TelemetryResourceDetector};
use opentelemetry_semantic_conventions::{SCHEMA_URL, attribute as name};

use crate::attributes::redacted;
use crate::config;
use crate::launch::{Environment, Program};
use crate::redact;
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

/// The attributes by which a program will be known, for people: in the order of their names, without secrets.
pub(crate) fn resource_of(
    config: &config::Resource,
    program: &Program,
    environment: &Environment,
) -> Vec<(String, String)> {
    let resource = of(config, &Surroundings::of(program, environment, None, None));
    let mut shown: Vec<_> =
        resource.iter().map(|(key, value)| (key.to_string(), redact::message(&value.as_str()).into_owned())).collect();
    shown.sort();
    shown
}

/// What the user set wins over what is found.
fn of(config: &config::Resource, around: &Surroundings<'_>) -> Resource {
    named(config, around, service_name(around), &|_| true)
}

/// The same for programs of which nothing is told but where they run.
fn of_any(config: &config::Resource, around: &Surroundings<'_>) -> Resource {
    let is_of_all = |key: &str| !key.starts_with("process.") && key != name::SERVICE_VERSION;
    named(config, around, "unknown_service".into(), &is_of_all)
}

/// A resource of which some is left out.
fn without(resource: &Resource, is_out: impl Fn(&Key) -> bool) -> Resource {
    let kept = resource.iter().filter(|(key, _)| !is_out(key));
    let kept: Vec<_> = kept.map(|(key, value)| KeyValue::new(key.clone(), value.clone())).collect();
    Resource::builder_empty().with_schema_url(kept, resource.schema_url().unwrap_or_default().to_owned()).build()
}

fn named(
    config: &config::Resource,
    around: &Surroundings<'_>,
    service_name: String,
    is_wanted: &dyn Fn(&str) -> bool,
) -> Resource {
    let sdk = TelemetryResourceDetector.detect();
    let mut found: Vec<_> = sdk.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone())).collect();
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
        let found = detect(around).into_iter().filter(|found| is_wanted(found.key.as_str()));
        found.filter(kept).for_each(&mut add);
    }
    for (key, value) in &config.attributes {
        add(KeyValue::new(key.clone(), to_sdk(value)));
    }
    let schema = config.schema_url.clone().unwrap_or_else(|| SCHEMA_URL.to_owned());
    let clean = |found: KeyValue| {
        let value = redacted::attribute_value(found.key.as_str(), found.value);
        KeyValue::new(found.key, value)
    };
    Resource::builder_empty().with_schema_url(found.into_iter().map(clean), schema).build()
}

/// The program's file name: as it was started, or that of the program that a script has become. A script's interpreter is
/// not what it has become.
fn service_name(around: &Surroundings<'_>) -> String {
    let started = &around.program.file;
    let runs = process::executable_path(around);
    // A symbolic link's name is the one that people know.
    let is_started = |runs: &PathBuf| fs_err::canonicalize(started).is_ok_and(|file| file == *runs);
    let is_script = || process::is_interpreting(around, started);
    let file = runs.filter(|runs| !is_started(runs) && !is_script()).unwrap_or_else(|| started.clone());
    file.file_name().map_or("unknown_service".into(), |name| name.to_string_lossy().into_owned())
}

fn to_sdk(value: &config::AttributeValue) -> Value {
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
        resource.get(&Key::new(key)).map(|value| value.to_string())
    }

    #[test]
    fn what_the_user_set_wins() {
        let config =
            config(&[("OTEL_RESOURCE_ATTRIBUTES", "host.name=mine,service.name=shop,team=a%20b,process.pid=x")]);
        let machine = Machine::new().file("proc/sys/kernel/hostname", "tower");
        let resource = of(&config, &machine.surroundings());
        for (key, value) in [("host.name", "mine"), ("service.name", "shop"), ("team", "a b"), ("process.pid", "x")] {
            assert_eq!(get(&resource, key).as_deref(), Some(value), "{key}");
        }
        assert_eq!(get(&resource, "telemetry.distro.name").as_deref(), Some("otel-rs"));
        assert_eq!(resource.schema_url(), Some(SCHEMA_URL));
    }

    #[test]
    fn only_the_detectors_that_are_wanted_look_around() {
        let resource = |detectors| of(&config(&[(VARIABLE, detectors)]), &Machine::new().surroundings());
        let all = of(&config(&[]), &Machine::new().surroundings());
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
    fn what_detectors_find_is_kept_by_choice_and_what_the_user_set_anyway() {
        let mut config = config(&[("OTEL_RESOURCE_ATTRIBUTES", "host.name=mine")]);
        let kept = |pattern: &str| vec![pattern.to_owned()];
        config.detected = Some(config::Selection { included: Some(kept("process.*")), excluded: kept("*.pid") });
        let resource = of(&config, &Machine::new().surroundings());
        assert!(get(&resource, "process.executable.name").is_some());
        assert!(get(&resource, "process.pid").is_none() && get(&resource, "host.arch").is_none());
        assert_eq!(get(&resource, "host.name").as_deref(), Some("mine"));
        assert_eq!(get(&resource, "service.name").as_deref(), Some("shop"));
    }

    #[test]
    fn a_script_keeps_its_name_until_it_becomes_another_program() {
        let name = |cmdline: &str, exe: &str| {
            let machine = Machine::new().link("proc/42/exe", exe).file("proc/42/cmdline", cmdline);
            get(&of(&config(&[]), &machine.surroundings()), "service.name").unwrap()
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
