//! The programs that report through one launcher, and the resource of each.
//!
//! A program is an executable and the name that it was given: all processes of one executable are its workers, unless a
//! start script gave them names of their own (`OTEL_SERVICE_NAME=a ./server & OTEL_SERVICE_NAME=b ./server`).

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use opentelemetry::Key;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_sdk::Resource;
use opentelemetry_semantic_conventions::attribute as name;

use super::of;
use super::of_any;
use super::process;
use super::surroundings::Surroundings;
use crate::channel::Introduction;
use crate::config;
use crate::launch::{Environment, LaunchedPid, Program};
use crate::ui;

/// Programs that are told apart; those beyond share a resource.
const MOST: usize = 100;

/// A program that telemetry comes from. All clones are the same.
#[derive(Clone)]
pub(crate) struct Source(Arc<Described>);

struct Described {
    number: usize,
    resource: Resource,
    encoded: OnceLock<ResourceAttributesWithSchema>,
    /// How many programs there are.
    count: Arc<AtomicUsize>,
}

impl Source {
    pub(super) fn new(number: usize, resource: Resource, count: &Arc<AtomicUsize>) -> Source {
        count.fetch_max(number + 1, Ordering::Relaxed);
        Source(Arc::new(Described { number, resource, encoded: OnceLock::new(), count: Arc::clone(count) }))
    }

    /// Its number in the order of arrival.
    pub(crate) fn number(&self) -> usize {
        self.0.number
    }

    /// What all of its telemetry has in common.
    pub(crate) fn resource(&self) -> &Resource {
        &self.0.resource
    }

    /// The same as OTLP has it.
    pub(crate) fn encoded(&self) -> &ResourceAttributesWithSchema {
        self.0.encoded.get_or_init(|| ResourceAttributesWithSchema::from(&self.0.resource))
    }

    /// What people are shown of it, where there are several: `shop`, or `shop/worker` where the service has another name
    /// than the executable.
    pub(crate) fn label(&self) -> Option<String> {
        if self.0.count.load(Ordering::Relaxed) < 2 {
            return None;
        }
        let get = |key| self.0.resource.get(&Key::new(key)).map(|value| value.to_string());
        let service = get(name::SERVICE_NAME).unwrap_or_default();
        Some(match get(name::PROCESS_EXECUTABLE_NAME).filter(|file| *file != service) {
            Some(file) => format!("{service}/{file}"),
            None => service,
        })
    }
}

impl PartialEq for Source {
    fn eq(&self, other: &Source) -> bool {
        self.0.number == other.0.number
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source({})", self.0.number)
    }
}

/// By what a program is recognised.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Identity {
    executable: PathBuf,
    /// OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES, where they are others than the launched program's.
    service_name: Option<String>,
    attributes: Option<String>,
}

/// A program that has come.
struct Known {
    identity: Identity,
    /// Its first process.
    pid: u32,
    /// Whether that process has attached.
    has_attached: bool,
    source: Source,
}

/// All programs that have come.
pub(crate) struct Programs {
    config: config::Resource,
    program: Program,
    environment: Environment,
    /// The launched process, once it has been started.
    launched: LaunchedPid,
    known: Vec<Known>,
    /// Of all beyond [`MOST`].
    others: Option<Source>,
    count: Arc<AtomicUsize>,
}

impl Programs {
    /// `program` is about to be started in `environment`, as `launched`.
    pub(crate) fn new(
        config: &config::Resource,
        program: &Program,
        environment: &Environment,
        launched: LaunchedPid,
    ) -> Programs {
        let (config, program, environment) = (config.clone(), program.clone(), environment.clone());
        let count = Arc::default();
        Programs { config, program, environment, launched, known: Vec::new(), others: None, count }
    }

    /// The program of a process that has attached.
    pub(crate) fn attached(&mut self, pid: u32, introduction: &Introduction) -> Source {
        let Some(identity) = self.identity(pid, introduction) else { return self.launched() };
        if let Some(known) = self.find(&identity, pid) {
            return known;
        }
        // What has launched several programs is none of them, if it has not attached itself.
        if let ([first], Some(launched)) = (self.known.as_slice(), self.launched.get().copied())
            && first.pid != launched
            && pid != launched
        {
            self.add_launched();
        }
        self.add(identity, pid, told(introduction))
    }

    /// The name of the executable of a process that has attached.
    pub(crate) fn executable(&self, pid: u32, introduction: &Introduction) -> Option<String> {
        let path = self.path(pid, introduction)?;
        Some(path.file_name()?.to_string_lossy().into_owned())
    }

    /// The program that was launched, to which belongs all that comes from no process that has attached: what its process
    /// was when it attached. Of a script that is what it has started, as long as that is one program.
    pub(crate) fn launched(&mut self) -> Source {
        let launched = self.launched.get().copied();
        let attached = self.known.iter().find(|known| Some(known.pid) == launched);
        let known = attached.or(self.known.first()).map(|known| known.source.clone());
        known.unwrap_or_else(|| self.add_launched())
    }

    /// `None` where nobody knows the executable.
    fn identity(&self, pid: u32, introduction: &Introduction) -> Option<Identity> {
        let executable = self.path(pid, introduction)?;
        let own = |value: &Option<String>, name, counts: bool| {
            let is_own = counts && *value != self.environment.get(name);
            value.clone().filter(|_| is_own)
        };
        let (by_name, by_attributes) = (self.config.takes_own_name, self.config.takes_own_attributes);
        Some(Identity {
            executable,
            service_name: own(&introduction.service_name, "OTEL_SERVICE_NAME", by_name),
            attributes: own(&introduction.resource_attributes, "OTEL_RESOURCE_ATTRIBUTES", by_attributes),
        })
    }

    /// Where its executable lies.
    fn path(&self, pid: u32, introduction: &Introduction) -> Option<PathBuf> {
        let around = || Surroundings::of(&self.program, &self.environment, Some(pid), None);
        told(introduction).or_else(|| process::executable_path(&around()))
    }

    fn find(&self, identity: &Identity, pid: u32) -> Option<Source> {
        // A process sees its executable under another path where it has another root.
        let is_described = |known: &Known| {
            let name = known.identity.executable.file_name();
            !known.has_attached && known.pid == pid && name == identity.executable.file_name()
        };
        let is_same = |known: &&Known| {
            let executable = if is_described(known) { &known.identity.executable } else { &identity.executable };
            known.identity == Identity { executable: executable.clone(), ..identity.clone() }
        };
        self.known.iter().find(is_same).map(|known| known.source.clone())
    }

    fn add_launched(&mut self) -> Source {
        let pid = self.launched.get().copied();
        let around = Surroundings::of(&self.program, &self.environment, pid, None);
        let executable = process::executable_path(&around).unwrap_or_else(|| self.program.file.clone());
        let resource = of(&self.config, &around);
        let identity = Identity { executable, service_name: None, attributes: None };
        self.keep(identity, pid.unwrap_or(0), false, resource)
    }

    fn add(&mut self, identity: Identity, pid: u32, told: Option<PathBuf>) -> Source {
        if self.known.len() >= MOST {
            return self.others();
        }
        let is_launched = self.launched.get() == Some(&pid)
            || fs_err::canonicalize(&self.program.file).is_ok_and(|file| file == identity.executable);
        // With what words another program was started only its process knows.
        let file = identity.executable.clone();
        let other = Program { name: file.clone().into_os_string(), file, args: Vec::new() };
        let program = if is_launched { &self.program } else { &other };
        let around = Surroundings::of(program, &self.environment, Some(pid), told);
        let config = self.config_of(&identity);
        let mut resource = of(&config, &around);
        if !is_launched && around.read_of_process("cmdline").is_none_or(|words| words.is_empty()) {
            let unknown = [name::PROCESS_COMMAND, name::PROCESS_COMMAND_ARGS];
            let is_set = |key: &Key| config.attributes.iter().any(|(known, _)| known == key.as_str());
            resource = super::without(&resource, |key| unknown.contains(&key.as_str()) && !is_set(key));
        }
        self.keep(identity, pid, true, resource)
    }

    /// The configuration for a program with attributes of its own.
    fn config_of(&self, identity: &Identity) -> config::Resource {
        let (service_name, attributes) = (identity.service_name.as_deref(), identity.attributes.as_deref());
        // A name in the environment of all outranks one among attributes, as in every program for itself.
        let name = self.environment.get("OTEL_SERVICE_NAME");
        let is_named = !self.config.takes_own_name || name.is_some_and(|name| !name.is_empty());
        self.config.with_own(service_name, attributes, is_named).unwrap_or_else(|expected| {
            let name = identity.executable.file_name().unwrap_or_default().to_string_lossy();
            let expected = format!("expected {expected}");
            let message = format_args!("cannot use `OTEL_RESOURCE_ATTRIBUTES` with which `{name}` was started");
            ui::warning(message, &[expected], None);
            let without = self.config.with_own(service_name, None, is_named);
            without.unwrap_or_else(|_| self.config.clone())
        })
    }

    /// Programs that nothing tells apart are one.
    fn keep(&mut self, identity: Identity, pid: u32, has_attached: bool, resource: Resource) -> Source {
        let same = self.known.iter().find(|known| *known.source.resource() == resource);
        let source = match same {
            Some(same) => same.source.clone(),
            None => Source::new(self.count.load(Ordering::Relaxed), resource, &self.count),
        };
        self.known.push(Known { identity, pid, has_attached, source: source.clone() });
        source
    }

    /// What all share for whom there is no room.
    fn others(&mut self) -> Source {
        if let Some(others) = &self.others {
            return others.clone();
        }
        let message = format_args!("more than {MOST} programs report");
        let cause = "those that came later are exported together, as `unknown_service`".to_owned();
        ui::warning(message, &[cause], None);
        let around = Surroundings::of(&self.program, &self.environment, None, None);
        let others = Source::new(self.count.load(Ordering::Relaxed), of_any(&self.config, &around), &self.count);
        self.others.insert(others).clone()
    }
}

fn told(introduction: &Introduction) -> Option<PathBuf> {
    introduction.executable.as_ref().map(|path| process::named(Path::new(path)))
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;
    use opentelemetry::KeyValue;

    /// A program of that number and name.
    pub(crate) fn source(number: usize, service: &'static str) -> Source {
        let resource = Resource::builder_empty().with_attribute(KeyValue::new(name::SERVICE_NAME, service)).build();
        Source::new(number, resource, &Arc::default())
    }

    /// Programs that know of each other.
    pub(crate) fn sources<const N: usize>(services: [&'static str; N]) -> [Source; N] {
        let count = Arc::default();
        let mut number = 0..;
        services.map(|service| {
            let known = source(0, service);
            Source::new(number.next().unwrap(), known.resource().clone(), &count)
        })
    }
}

#[cfg(test)]
mod tests;
