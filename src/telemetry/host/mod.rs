//! What the kernel knows of the program's processes and of the machine, looked up when somebody reads metrics.
//!
//! `process` follows the tree of processes below the launched program and adds
//! up what they use; `system` reads the machine's own numbers. In both, parsing and adding up are apart from reading, and
//! what cannot be read is left out.

mod process;
mod system;

use std::borrow::Cow;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use super::definition::Metric;
use crate::config::HostMetrics;
use crate::launch::Usage;
use process::Processes;
use system::System;

/// Which process the program is, once it has been started.
pub(crate) type Pid = Arc<OnceLock<u32>>;

/// A value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Attribute {
    Text(Cow<'static, str>),
    Int(i64),
}

impl From<&'static str> for Attribute {
    fn from(text: &'static str) -> Attribute {
        Attribute::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Attribute {
    fn from(text: String) -> Attribute {
        Attribute::Text(Cow::Owned(text))
    }
}

/// The attributes of a point.
pub(super) type Attributes = Vec<(&'static str, Attribute)>;

/// What was found: a value as it is now, sums from their start.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Point {
    pub(super) metric: &'static Metric,
    pub(super) attributes: Attributes,
    pub(super) value: f64,
}

fn point(metric: &'static Metric, attributes: &[(&'static str, Attribute)], value: impl Value) -> Point {
    Point { metric, attributes: attributes.to_vec(), value: value.number() }
}

/// Numbers as the kernel tells them.
trait Value {
    fn number(self) -> f64;
}

impl Value for f64 {
    fn number(self) -> f64 {
        self
    }
}

impl Value for u64 {
    fn number(self) -> f64 {
        self as f64
    }
}

impl Value for usize {
    fn number(self) -> f64 {
        self as f64
    }
}

/// The share of a part, 0 of nothing.
fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

/// Looks at the program's processes and the machine.
pub(super) struct Host {
    pid: Pid,
    processes: Option<Processes>,
    system: Option<System>,
}

impl Host {
    /// Starts counting. `program` is what runs.
    pub(super) fn new(config: HostMetrics, program: &Path, pid: Pid) -> Host {
        let name = program.file_name().map_or("unknown".into(), |name| name.to_string_lossy().into_owned());
        Host { pid, processes: config.process.then(|| Processes::new(name)), system: config.system.then(System::new) }
    }

    /// Which process the program is, once it runs.
    pub(super) fn pid(&self) -> Option<u32> {
        self.pid.get().copied()
    }

    /// What is to be seen now.
    pub(super) fn look(&mut self) -> Vec<Point> {
        let now = Instant::now();
        let mut found = Vec::new();
        if let (Some(processes), Some(pid)) = (&mut self.processes, self.pid.get()) {
            found.extend(processes.look(*pid, now));
        }
        if let Some(system) = &mut self.system {
            found.extend(system.look(now));
        }
        found
    }

    /// The program has ended; `usage` is what it used in all.
    pub(super) fn look_last(&mut self, usage: &Usage) -> Vec<Point> {
        let now = Instant::now();
        let mut found = Vec::new();
        if let (Some(processes), Some(pid)) = (&mut self.processes, self.pid.get()) {
            found.extend(processes.look_last(*pid, usage, now));
        }
        if let Some(system) = &mut self.system {
            found.extend(system.look_last(now));
        }
        found
    }
}
