//! Why no process has attached: looked up while the processes run, from outside.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::layers::{LayerNote, layers_in};
use crate::ui::Explain;
use crate::wire;

/// When processes are looked at for the first time, and the longest time between two looks.
const FIRST_LOOK: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// The most processes that are looked at.
const MOST: usize = 500;

/// A process with layers that will never attach.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("no telemetry from `{program}` (process {pid}): {why}")]
pub(super) struct Absent {
    program: String,
    pid: u32,
    why: Why,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Why {
    #[error("its layers have wire version {0}, expected {expected}", expected = wire::VERSION)]
    Version(u32),
    #[error("`{}` is not in its environment", wire::CHANNEL_VARIABLE)]
    Environment,
    #[error("its file gives it more rights than its caller has, so it ignores settings in its environment")]
    Rights,
    #[error("its files and its network are not the launcher's, so it cannot reach the launcher's socket")]
    Unreachable,
}

impl Explain for Absent {
    fn hint(&self) -> Option<String> {
        Some(match self.why {
            Why::Version(_) => "run this otel-rs's `bootstrap` in its project and build it again".into(),
            Why::Environment => {
                format!(
                    "let `{}` through, or start otel-rs behind the command that clears the environment",
                    wire::CHANNEL_VARIABLE
                )
            }
            Why::Rights => "start otel-rs as the user who is to run it".into(),
            Why::Unreachable => "start otel-rs behind the command that changes root and network".into(),
        })
    }
}

/// Looks at the program's processes from time to time.
pub(super) struct Census {
    program: u32,
    socket: PathBuf,
    next: Instant,
    pause: Duration,
    /// Layers of files that have been read, by device and number.
    known: HashMap<(u64, u64), Option<u32>>,
}

impl Census {
    /// A census of a program that has just been started, and may attach at `socket`.
    pub(super) fn of(program: u32, socket: PathBuf, now: Instant) -> Census {
        Census { program, socket, next: now + FIRST_LOOK, pause: FIRST_LOOK, known: HashMap::new() }
    }

    /// Looks at the processes if it is time to; returns one that will never attach.
    pub(super) fn look(&mut self, now: Instant) -> Option<Absent> {
        if now < self.next {
            return None;
        }
        self.pause = (2 * self.pause).min(LONGEST_PAUSE);
        self.next = now + self.pause;
        tree(self.program).into_iter().find_map(|pid| self.absent(pid))
    }

    fn absent(&mut self, pid: u32) -> Option<Absent> {
        let folder = format!("/proc/{pid}");
        let folder = Path::new(&folder);
        let file = folder.join("exe");
        let version = self.wire_version(&file)?;
        let why = if version == wire::VERSION { why(folder, &self.socket)? } else { Why::Version(version) };
        let name = std::fs::read_link(&file).ok()?;
        let program = name.file_name()?.to_string_lossy().into_owned();
        Some(Absent { program, pid, why })
    }

    /// The wire version of a program's layers, `None` without any; one that is not ours if there is such a layer.
    fn wire_version(&mut self, file: &Path) -> Option<u32> {
        let found = std::fs::metadata(file).ok()?;
        *self.known.entry((found.dev(), found.ino())).or_insert_with(|| {
            let layers = layers_in(file).ok()?;
            let foreign = |layer: &&LayerNote| layer.wire_version != wire::VERSION;
            layers.iter().find(foreign).or(layers.first()).map(|layer| layer.wire_version)
        })
    }
}

/// `None` where nothing stands in the way: it may not have come to its first hook.
fn why(folder: &Path, socket: &Path) -> Option<Why> {
    const AT_SECURE: u64 = 23;
    let environment = std::fs::read(folder.join("environ")).ok()?;
    let prefix = format!("{}=", wire::CHANNEL_VARIABLE);
    // A process that has just been made may not have its environment yet, or be about to get another.
    if !environment.is_empty() && !environment.split(|byte| *byte == 0).any(|one| one.starts_with(prefix.as_bytes())) {
        return Some(Why::Environment);
    }
    let auxiliary = std::fs::read(folder.join("auxv")).unwrap_or_default();
    let (numbers, _) = auxiliary.as_chunks::<8>();
    if numbers.chunks_exact(2).any(|pair| u64::from_ne_bytes(pair[0]) == AT_SECURE && pair[1] != [0; 8]) {
        return Some(Why::Rights);
    }
    // An abstract address is reachable within one network namespace only.
    let network = |folder: &Path| std::fs::metadata(folder.join("ns/net")).map(|found| (found.dev(), found.ino()));
    let (Ok(theirs), Ok(ours)) = (network(folder), network(Path::new("/proc/self"))) else { return None };
    let their_socket = folder.join("root").join(socket.strip_prefix("/").unwrap_or(socket));
    let is_there = !std::fs::symlink_metadata(their_socket).is_err_and(|error| error.kind() == ErrorKind::NotFound);
    (theirs != ours && !is_there).then_some(Why::Unreachable)
}

/// A process and all below it.
fn tree(root: u32) -> HashSet<u32> {
    let mut found = HashSet::new();
    let mut waiting = VecDeque::from([root]);
    while let Some(pid) = waiting.pop_front() {
        if found.len() >= MOST || !found.insert(pid) {
            continue;
        }
        for thread in std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
            let children = std::fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            waiting.extend(children.split_ascii_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
        }
    }
    found
}
