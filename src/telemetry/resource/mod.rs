//! What all telemetry of a program has in common: where it runs, as what, and what its user calls it.
//!
//! One resource serves everything that comes through one launcher. It describes the first process that reports to us,
//! which is the program itself or what a script in its place has become; what others of its process tree tell carries
//! the same resource.

mod cloud;
mod container;
mod executable;
mod host;
mod instance;
mod kubernetes;
mod os;
mod process;
mod surroundings;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use opentelemetry::{Array, KeyValue, StringValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::{ResourceDetector, TelemetryResourceDetector};
use opentelemetry_semantic_conventions::{SCHEMA_URL, attribute as name};

use crate::config;
use crate::launch::{Environment, Program};
use crate::redact;
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

/// The resource, which is not known before there is a process to look at. All clones are the same.
#[derive(Clone)]
pub(super) struct LateResource(Arc<Known>);

struct Known {
    config: config::Resource,
    program: Program,
    environment: Environment,
    found: OnceLock<Resource>,
}

impl LateResource {
    pub(super) fn new(config: &config::Resource, program: &Program, environment: &Environment) -> LateResource {
        let (config, program, environment) = (config.clone(), program.clone(), environment.clone());
        LateResource(Arc::new(Known { config, program, environment, found: OnceLock::new() }))
    }

    /// There is a process. Only the first one counts.
    pub(super) fn process_came(&self, pid: u32) {
        self.0.found.get_or_init(|| self.detect(Some(pid)));
    }

    /// The resource. To be called when something is there to be exported.
    pub(super) fn get(&self) -> &Resource {
        self.0.found.get_or_init(|| self.detect(None))
    }

    fn detect(&self, pid: Option<u32>) -> Resource {
        of(&self.0.config, &Surroundings::of(&self.0.program, &self.0.environment, pid))
    }
}

/// The attributes by which a program will be known, for people: in the order of their names, without secrets.
pub(crate) fn resource_of(
    config: &config::Resource,
    program: &Program,
    environment: &Environment,
) -> Vec<(String, String)> {
    let resource = of(config, &Surroundings::of(program, environment, None));
    let mut shown: Vec<_> =
        resource.iter().map(|(key, value)| (key.to_string(), redact::message(&value.as_str()).into_owned())).collect();
    shown.sort();
    shown
}

/// What the user set wins over what is found.
fn of(config: &config::Resource, around: &Surroundings<'_>) -> Resource {
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
    add(KeyValue::new(name::SERVICE_NAME, service_name(around)));
    for (_, detect) in DETECTORS.iter().filter(|(name, _)| config.detectors.contains(name)) {
        let kept = |found: &KeyValue| config.detected.as_ref().is_none_or(|kept| kept.keeps(found.key.as_str()));
        detect(around).into_iter().filter(kept).for_each(&mut add);
    }
    for (key, value) in &config.attributes {
        add(KeyValue::new(key.clone(), to_sdk(value)));
    }
    let schema = config.schema_url.clone().unwrap_or_else(|| SCHEMA_URL.to_owned());
    let clean = |found: KeyValue| {
        let value = redact::attribute_value(found.key.as_str(), found.value);
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

fn to_sdk(value: &config::Value) -> Value {
    match value.clone() {
        config::Value::Text(text) => Value::from(text),
        config::Value::Bool(truth) => Value::from(truth),
        config::Value::Int(number) => Value::from(number),
        config::Value::Float(number) => Value::from(number),
        config::Value::Texts(texts) => Value::Array(Array::String(texts.into_iter().map(StringValue::from).collect())),
        config::Value::Bools(truths) => Value::Array(Array::Bool(truths)),
        config::Value::Ints(numbers) => Value::Array(Array::I64(numbers)),
        config::Value::Floats(numbers) => Value::Array(Array::F64(numbers)),
    }
}

#[cfg(test)]
mod tests {
    use super::surroundings::testing::Machine;
    use super::*;
    use opentelemetry::Key;

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
        let config::Kind::List(names) = variable.kind else { panic!("{:?}", variable.kind) };
        let known: Vec<_> = DETECTORS.iter().map(|(name, _)| *name).chain(["none"]).collect();
        assert_eq!(names, known);
    }

    #[test]
    fn the_first_process_that_comes_is_the_one() {
        let machine = Machine::new();
        let around = machine.surroundings();
        let late = LateResource::new(&config(&[]), around.program, around.environment);
        let other = late.clone();
        late.process_came(7);
        late.process_came(8);
        assert_eq!(get(other.get(), "process.pid").as_deref(), Some("7"));
    }
}
