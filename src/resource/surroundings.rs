//! What detectors may look at.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use nix::time::{ClockId, clock_gettime};

use super::process;
use crate::launch::{Environment, Program};

/// The bytes that one read gets at most: enough for every file of a process but a very long command line.
const ONE_GO: usize = 1 << 16;

/// The program and what lies around it. Tests make up a `/` of their own.
pub(super) struct Surroundings<'a> {
    /// The folder that counts as `/`.
    pub(super) root: PathBuf,
    /// The process to be described; `None` as long as there is none.
    pub(super) pid: Option<u32>,
    /// The executable by its introduction; `None` of a process without one.
    pub(super) introduced: Option<PathBuf>,
    /// Whether `/proc` still describes that process and not a later one with its pid.
    pub(super) is_there: bool,
    /// The program that was started. The process may run another one by now.
    pub(super) program: &'a Program,
    /// The program's environment.
    pub(super) environment: &'a Environment,
    /// When the machine was started.
    pub(super) boot: SystemTime,
}

impl<'a> Surroundings<'a> {
    /// The real ones. `introduced` is the executable by the introduction of the process.
    pub(super) fn of(
        program: &'a Program,
        environment: &'a Environment,
        pid: Option<u32>,
        introduced: Option<PathBuf>,
    ) -> Surroundings<'a> {
        let up = clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from);
        let boot = SystemTime::now().checked_sub(up).unwrap_or(SystemTime::UNIX_EPOCH);
        let root = Path::new("/").to_owned();
        let mut around = Surroundings { root, pid, introduced: None, is_there: true, program, environment, boot };
        // A process may end, or become another program, before it is looked at. Its path is another where it has
        // another root, its name is not.
        around.is_there = introduced.as_ref().is_none_or(|introduced| {
            process::executable_path(&around).is_some_and(|runs| runs.file_name() == introduced.file_name())
        });
        around.introduced = introduced;
        around
    }

    /// A file's text, trimmed; `None` if it cannot be read or is empty.
    pub(super) fn text(&self, path: &str) -> Option<String> {
        let bytes = fs_err::read(self.root.join(path.trim_start_matches('/'))).ok()?;
        let text = String::from_utf8_lossy(&bytes);
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// The path of a file of `/proc` about the process.
    pub(super) fn of_process(&self, file: &str) -> Option<PathBuf> {
        let pid = self.pid.filter(|_| self.is_there)?;
        Some(self.root.join(format!("proc/{pid}/{file}")))
    }

    /// The bytes of such a file, read in one go: between two reads the process may end, and the rest with it.
    pub(super) fn read_of_process(&self, file: &str) -> Option<Vec<u8>> {
        let mut bytes = Vec::with_capacity(ONE_GO);
        fs_err::File::open(self.of_process(file)?).ok()?.read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    /// A variable of the program's environment that is not empty.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        self.environment.get(name).filter(|text| !text.trim().is_empty())
    }
}

#[cfg(test)]
pub(super) mod testing {
    use std::ffi::OsString;

    use super::*;

    /// A made-up machine in a temporary folder.
    pub(crate) struct Machine {
        root: tempfile::TempDir,
        program: Program,
        environment: Environment,
        pub(crate) pid: Option<u32>,
    }

    impl Machine {
        pub(crate) fn new() -> Machine {
            let program = Program { name: "./shop".into(), file: "/srv/shop".into(), args: vec!["--port=1".into()] };
            let environment = Environment::from_iter(std::iter::empty::<(OsString, OsString)>());
            Machine { root: tempfile::tempdir().unwrap(), program, environment, pid: Some(42) }
        }

        pub(crate) fn file(self, path: &str, content: impl AsRef<[u8]>) -> Machine {
            let path = self.root.path().join(path);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, content).unwrap();
            self
        }

        pub(crate) fn link(self, path: &str, target: &str) -> Machine {
            let path = self.root.path().join(path);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::os::unix::fs::symlink(target, path).unwrap();
            self
        }

        pub(crate) fn env(mut self, variables: &[(&str, &str)]) -> Machine {
            self.environment = variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
            self
        }

        pub(crate) fn surroundings(&self) -> Surroundings<'_> {
            Surroundings {
                root: self.root.path().to_owned(),
                pid: self.pid,
                introduced: None,
                is_there: true,
                program: &self.program,
                environment: &self.environment,
                boot: SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000),
            }
        }

        /// What a detector makes of it, one `key=value` each.
        pub(crate) fn detected(&self, detect: fn(&Surroundings<'_>) -> Vec<opentelemetry::KeyValue>) -> Vec<String> {
            detect(&self.surroundings()).iter().map(|pair| format!("{}={}", pair.key, pair.value)).collect()
        }
    }
}
