//! A program that is a script: its processes are its interpreter's, and are known by the script's name all the same.

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::Seen;
use crate::launch;

/// Among so many arguments of an interpreter the script is looked for. `env -S` may put some before it.
const ARGUMENTS: usize = 16;

/// The script that was launched.
#[derive(Debug)]
pub(super) struct Script {
    file: PathBuf,
    name: String,
    /// The executable that runs it.
    interpreter: Option<String>,
    /// By pid: when the process was started, its executable, and whether that ran the script.
    known: HashMap<u32, (u64, String, bool)>,
}

impl Script {
    /// `None` if the program is none. `name` is what it is called.
    pub(super) fn of(file: &Path, name: &str) -> Option<Script> {
        (!launch::is_elf(file)).then(|| Script::new(file, name))
    }

    fn new(file: &Path, name: &str) -> Script {
        Script { file: file.to_owned(), name: name.to_owned(), interpreter: None, known: HashMap::new() }
    }

    /// Gives the script's name to the processes that run it: `root` and its forks, as long as they are not another
    /// program. `arguments` reads the arguments of a process.
    pub(super) fn rename(&mut self, root: u32, seen: &mut [Seen], arguments: impl Fn(u32) -> Option<Vec<u8>>) {
        self.known.retain(|pid, _| seen.iter().any(|seen| seen.pid == *pid));
        // Once it has ended, copies may still run.
        if let Some(program) = seen.iter().find(|seen| seen.pid == root && seen.name.is_some()) {
            self.interpreter = program.name.clone().filter(|_| self.is_run_by(program, &arguments));
        }
        for process in seen.iter_mut().filter(|process| process.name.is_some()) {
            if process.name == self.interpreter && self.is_run_by(process, &arguments) {
                process.name = Some(self.name.clone());
            }
        }
    }

    fn is_run_by(&mut self, process: &Seen, arguments: &impl Fn(u32) -> Option<Vec<u8>>) -> bool {
        let Some(executable) = &process.name else { return false };
        // A process may change its own arguments (`setproctitle`), so their first value counts.
        if let Some((started, known, is_script)) = self.known.get(&process.pid)
            && (started, known) == (&process.started, executable)
        {
            return *is_script;
        }
        // A process has no arguments for a moment while it becomes another program.
        let Some(arguments) = arguments(process.pid).filter(|arguments| !arguments.is_empty()) else { return true };
        // The kernel puts the script's path behind the interpreter and its argument.
        let mut words = arguments.split(|byte| *byte == 0).skip(1).take(ARGUMENTS);
        let is_script = words.any(|word| word == self.file.as_os_str().as_bytes());
        self.known.insert(process.pid, (process.started, executable.clone(), is_script));
        is_script
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names after it has given its own; processes are given by their executables and arguments, the first is the program.
    fn named(script: &mut Script, processes: &[(&str, &str)]) -> Vec<String> {
        let seen = |(pid, (name, _)): (usize, &(&str, &str))| Seen {
            pid: pid as u32,
            name: Some((*name).to_owned()),
            ..Seen::default()
        };
        let mut seen: Vec<Seen> = processes.iter().enumerate().map(seen).collect();
        script.rename(0, &mut seen, |pid| Some(processes[pid as usize].1.replace(' ', "\0").into_bytes()));
        seen.into_iter().filter_map(|seen| seen.name).collect()
    }

    #[test]
    fn a_script_is_recognised_until_it_becomes_another_program() {
        let mut script = Script::new(Path::new("./nightly.py"), "nightly.py");
        assert_eq!(named(&mut script, &[("sh", "")]), ["nightly.py"]);
        assert_eq!(named(&mut script, &[("env", "/usr/bin/env python3 ./nightly.py now ")]), ["nightly.py"]);
        assert_eq!(named(&mut script, &[("python3.11", "python3 -u ./nightly.py now ")]), ["nightly.py"]);
        assert_eq!(named(&mut script, &[("python3.11", "nightly: idle ")]), ["nightly.py"], "it has renamed itself");
        assert_eq!(named(&mut script, &[("server", "./server now ")]), ["server"]);
        assert_eq!(named(&mut script, &[("sh", "sh ./other.sh ")]), ["sh"]);
    }

    #[test]
    fn forks_of_a_script_have_its_name_and_its_commands_do_not() {
        let mut script = Script::new(Path::new("./nightly.sh"), "nightly.sh");
        let run = ("dash", "/bin/sh ./nightly.sh ");
        let names = named(&mut script, &[run, run, ("cp", "cp ./nightly.sh /tmp "), ("dash", "sh -c true ")]);
        assert_eq!(names, ["nightly.sh", "nightly.sh", "cp", "dash"]);
        let mut left = [Seen { pid: 1, name: Some("dash".to_owned()), ..Seen::default() }];
        script.rename(0, &mut left, |_| None);
        assert_eq!(left[0].name.as_deref(), Some("nightly.sh"), "the script has ended");
    }

    #[test]
    fn a_binary_is_no_script() {
        assert!(Script::of(&std::env::current_exe().unwrap(), "x").is_none());
        assert!(Script::of(Path::new("/etc/passwd"), "x").is_some());
    }
}
