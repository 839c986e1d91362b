//! The programs that report through one launcher, and the resource of each.
//!
//! A program is an executable and the name that it was given: all processes of one executable are its workers, unless a
//! start script gave them names of their own (`OTEL_SERVICE_NAME=a ./server & OTEL_SERVICE_NAME=b ./server`).

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use opentelemetry::KeyValue;
use opentelemetry_semantic_conventions::attribute as name;

use super::surroundings::Surroundings;
use super::{Resource, of, of_any, process};
use crate::channel::Introduction;
use crate::launch::{Environment, LaunchedPid, Program};
use crate::{config, ui};

/// Programs that have a resource of their own; those beyond share one.
const MAX_PROGRAMS: usize = 100;

/// A program that telemetry comes from. All clones are the same.
#[derive(Clone)]
pub(crate) struct Source(Arc<Described>);

struct Described {
    number: usize,
    resource: Resource,
    /// How many programs there are.
    count: Arc<AtomicUsize>,
}

impl Source {
    pub(super) fn new(number: usize, resource: Resource, count: &Arc<AtomicUsize>) -> Source {
        count.fetch_max(number + 1, Ordering::Relaxed);
        Source(Arc::new(Described { number, resource, count: Arc::clone(count) }))
    }

    /// Its number in the order of arrival.
    pub(crate) fn number(&self) -> usize {
        self.0.number
    }

    /// The resource of its telemetry.
    pub(crate) fn resource(&self) -> &Resource {
        &self.0.resource
    }

    /// The text that names it for users, where there are several: `shop`, or `shop/worker` where the service has another name
    /// than the executable.
    pub(crate) fn label(&self) -> Option<String> {
        if self.0.count.load(Ordering::Relaxed) < 2 {
            return None;
        }
        let get = |key| self.0.resource.get(key).map(ToString::to_string);
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

/// The identity of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Identity {
    executable: PathBuf,
    /// OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES, where they are others than the launched program's.
    service_name: Option<String>,
    attributes: Option<String>,
}

/// A program that has reported.
struct Known {
    identity: Identity,
    /// Its first process.
    pid: u32,
    /// Whether that process has attached.
    has_attached: bool,
    source: Source,
}

/// All programs that have reported.
pub(crate) struct Programs {
    config: config::Resource,
    program: Program,
    environment: Environment,
    /// The launched process, once it has been started.
    launched: LaunchedPid,
    /// `telemetry.sdk.*`.
    sdk: Vec<KeyValue>,
    known: Vec<Known>,
    /// Of all beyond [`MAX_PROGRAMS`].
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
        sdk: Vec<KeyValue>,
    ) -> Programs {
        let (config, program, environment) = (config.clone(), program.clone(), environment.clone());
        let count = Arc::default();
        Programs { config, program, environment, launched, sdk, known: Vec::new(), others: None, count }
    }

    /// The program of a process that has attached.
    pub(crate) fn attached(&mut self, pid: u32, introduction: &Introduction) -> Source {
        let Some(identity) = self.identity(pid, introduction) else { return self.launched() };
        if let Some(known) = self.find(&identity, pid) {
            return known;
        }
        // A script that has started several programs is none of them, if it has not attached itself.
        if let ([first], Some(launched)) = (self.known.as_slice(), self.launched.get().copied())
            && first.pid != launched
            && pid != launched
        {
            self.add_launched();
        }
        self.add(identity, pid, introduced_executable(introduction))
    }

    /// The name of the executable of a process that has attached.
    pub(crate) fn executable(&self, pid: u32, introduction: &Introduction) -> Option<String> {
        let path = self.path(pid, introduction)?;
        Some(path.file_name()?.to_string_lossy().into_owned())
    }

    /// The launched program, which owns what comes from no attached process: the program of its process when that attached;
    /// for a script the program that it has started, as long as there is one.
    pub(crate) fn launched(&mut self) -> Source {
        let launched = self.launched.get().copied();
        let attached = self.known.iter().find(|known| Some(known.pid) == launched);
        let known = attached.or(self.known.first()).map(|known| known.source.clone());
        known.unwrap_or_else(|| self.add_launched())
    }

    /// `None` where the executable is unknown.
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
        introduced_executable(introduction).or_else(|| process::executable_path(&around()))
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
        let resource = of(&self.config, &around, &self.sdk);
        let identity = Identity { executable, service_name: None, attributes: None };
        self.keep(identity, pid.unwrap_or(0), false, resource)
    }

    fn add(&mut self, identity: Identity, pid: u32, introduced: Option<PathBuf>) -> Source {
        if self.known.len() >= MAX_PROGRAMS {
            return self.others();
        }
        let is_launched = self.launched.get() == Some(&pid)
            || fs_err::canonicalize(&self.program.file).is_ok_and(|file| file == identity.executable);
        // The command line of another program is read from its process.
        let file = identity.executable.clone();
        let other = Program { name: file.clone().into_os_string(), file, args: Vec::new() };
        let program = if is_launched { &self.program } else { &other };
        let around = Surroundings::of(program, &self.environment, Some(pid), introduced);
        let config = self.config_of(&identity);
        let mut resource = of(&config, &around, &self.sdk);
        if !is_launched && around.read_of_process("cmdline").is_none_or(|words| words.is_empty()) {
            let unknown = [name::PROCESS_COMMAND, name::PROCESS_COMMAND_ARGS];
            let is_set = |key: &str| config.attributes.iter().any(|(known, _)| known == key);
            resource = resource.without(|key| unknown.contains(&key) && !is_set(key));
        }
        self.keep(identity, pid, true, resource)
    }

    /// The configuration for a program with attributes of its own.
    fn config_of(&self, identity: &Identity) -> config::Resource {
        let (service_name, attributes) = (identity.service_name.as_deref(), identity.attributes.as_deref());
        // OTEL_SERVICE_NAME in the launcher's environment outranks a name among attributes, as it does within one
        // program.
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

    /// Keeps a program. Programs with equal resources are one.
    fn keep(&mut self, identity: Identity, pid: u32, has_attached: bool, resource: Resource) -> Source {
        let same = self.known.iter().find(|known| *known.source.resource() == resource);
        let source = match same {
            Some(same) => same.source.clone(),
            None => Source::new(self.count.load(Ordering::Relaxed), resource, &self.count),
        };
        self.known.push(Known { identity, pid, has_attached, source: source.clone() });
        source
    }

    /// The source of all programs beyond the limit.
    fn others(&mut self) -> Source {
        if let Some(others) = &self.others {
            return others.clone();
        }
        let message = format_args!("more than {MAX_PROGRAMS} programs report");
        let cause = "those that came later are exported together, as `unknown_service`".to_owned();
        ui::warning(message, &[cause], None);
        let around = Surroundings::of(&self.program, &self.environment, None, None);
        let others =
            Source::new(self.count.load(Ordering::Relaxed), of_any(&self.config, &around, &self.sdk), &self.count);
        self.others.insert(others).clone()
    }
}

/// The executable by the introduction of its process.
fn introduced_executable(introduction: &Introduction) -> Option<PathBuf> {
    introduction.executable.as_ref().map(|path| process::named(Path::new(path)))
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// A program of that number and name.
    pub(crate) fn source(number: usize, service: &'static str) -> Source {
        let resource = Resource::new(vec![KeyValue::new(name::SERVICE_NAME, service)], String::new());
        Source::new(number, resource, &Arc::default())
    }

    /// Programs of one launcher.
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
