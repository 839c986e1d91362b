//! Measurements of the program's processes and of the machine, from the kernel, made when metrics are read.
//!
//! `process` follows the tree of processes below the launched program and adds up what they use; `system` reads the
//! machine's own numbers. In both, parsing and adding up are apart from reading, and what cannot be read is left out.

mod process;
mod system;

use std::borrow::Cow;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::config::HostMetrics;
use crate::conventions::catalog::Metric;
use crate::launch::{Ended, LaunchedPid};
use process::Processes;
use system::System;

/// The first sample of the processes comes so long after the start, whether metrics are read or not; the next after twice
/// as long, and so on. So the last sample of a program is not older than half its life.
const FIRST_SAMPLE: Duration = Duration::from_millis(5);
/// The longest time between two samples.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);
/// A sample is followed by a pause of so many times the CPU time that it took: hundreds of processes must not cost more
/// than 0.5 % of one core.
const PAUSES: u32 = 200;

/// A value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Attribute {
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
pub(crate) type Attributes = Vec<(&'static str, Attribute)>;

/// What was found: a value as it is now, sums from their start.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Point {
    /// The number of the program that reports and that it is about; `None` of anything else.
    pub(crate) program: Option<usize>,
    pub(crate) metric: &'static Metric,
    pub(crate) attributes: Attributes,
    pub(crate) value: f64,
}

fn point(metric: &'static Metric, attributes: &[(&'static str, Attribute)], value: impl Value) -> Point {
    Point { program: None, metric, attributes: attributes.to_vec(), value: value.number() }
}

/// Numbers as the kernel has them.
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

/// The share of a part in a whole; 0 if the whole is 0.
fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

/// CPU time that this thread has used.
fn busy() -> Duration {
    nix::time::clock_gettime(nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID).map(Duration::from).unwrap_or_default()
}

/// Looks at the program's processes and the machine.
pub(crate) struct Host {
    pid: LaunchedPid,
    processes: Option<Processes>,
    system: Option<System>,
    next_sample: Option<Instant>,
    /// The time between the last sample and the next.
    pause: Duration,
}

impl Host {
    /// Starts counting. `program` is what runs.
    pub(crate) fn new(config: HostMetrics, program: &Path, pid: LaunchedPid) -> Host {
        let processes = config.process.then(|| Processes::new(program, config.process_ids));
        Host { pid, processes, system: config.system.then(System::new), next_sample: None, pause: FIRST_SAMPLE }
    }

    /// Which process the program is, once it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.pid.get().copied()
    }

    /// A process reports, as one of the program of that number; `name` is its executable's.
    pub(crate) fn attached(&mut self, pid: u32, program: usize, name: &str) {
        self.processes.iter_mut().for_each(|processes| processes.attached(pid, program, name));
    }

    /// When processes are to be sampled although metrics are not read.
    pub(crate) fn next_sample(&self) -> Option<Instant> {
        self.next_sample
    }

    /// Looks at processes, if it is time.
    pub(crate) fn sample_if_due(&mut self, now: Instant) {
        let (Some(processes), Some(pid)) = (&mut self.processes, self.pid.get()) else { return };
        match self.next_sample {
            None => self.next_sample = Some(now + self.pause),
            Some(due) if due <= now => {
                let begin = busy();
                processes.sample(*pid);
                self.pause = (self.pause * 2).min(SAMPLE_INTERVAL);
                self.next_sample = Some(now + self.pause.max(busy().saturating_sub(begin) * PAUSES));
            }
            Some(_) => {}
        }
    }

    /// Samples the processes at once: the program may be about to end.
    pub(crate) fn sample(&mut self) {
        if let (Some(processes), Some(pid)) = (&mut self.processes, self.pid.get()) {
            processes.sample(*pid);
        }
    }

    /// Measures processes and machine now.
    pub(crate) fn scan(&mut self) -> Vec<Point> {
        let now = Instant::now();
        let mut found = Vec::new();
        if let (Some(processes), Some(pid)) = (&mut self.processes, self.pid.get()) {
            found.extend(processes.scan(*pid, now));
        }
        if let Some(system) = &mut self.system {
            found.extend(system.scan(now));
        }
        found
    }

    /// The program has ended.
    pub(crate) fn final_scan(&mut self, ended: &Ended) -> Vec<Point> {
        let now = Instant::now();
        let mut found = Vec::new();
        if let (Some(processes), Some(pid)) = (&mut self.processes, self.pid.get()) {
            found.extend(processes.final_scan(*pid, ended, now));
        }
        if let Some(system) = &mut self.system {
            found.extend(system.final_scan(now));
        }
        found
    }
}
