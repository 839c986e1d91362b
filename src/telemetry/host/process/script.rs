//! A program that is a script: the process is its interpreter's, and is known by the script's name all the same.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::launch;

/// Among so many arguments of an interpreter the script is looked for. `env -S` may put some before it.
const ARGUMENTS: usize = 16;

/// The script that was launched.
#[derive(Debug)]
pub(super) struct Script {
    file: PathBuf,
    /// The executable that was looked at last, and whether it ran the script.
    known: Option<(String, bool)>,
}

impl Script {
    /// `None` if the program is none.
    pub(super) fn of(file: &Path) -> Option<Script> {
        (!launch::is_elf(file)).then(|| Script { file: file.to_owned(), known: None })
    }

    /// Whether `executable` runs it. A script may also become something else (`exec ./server`), as `arguments` show, and
    /// the arguments may be changed by whoever has them (`setproctitle`): so they are asked for once.
    pub(super) fn is_run_by(&mut self, executable: &str, arguments: impl FnOnce() -> Option<Vec<u8>>) -> bool {
        if let Some((known, is_script)) = &self.known
            && known == executable
        {
            return *is_script;
        }
        // There are none for a moment while it becomes something else.
        let Some(arguments) = arguments().filter(|arguments| !arguments.is_empty()) else { return true };
        // The kernel puts the script's path behind the interpreter and its argument.
        let mut words = arguments.split(|byte| *byte == 0).skip(1).take(ARGUMENTS);
        let is_script = words.any(|word| word == self.file.as_os_str().as_bytes());
        self.known = Some((executable.to_owned(), is_script));
        is_script
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(words: &str) -> impl FnOnce() -> Option<Vec<u8>> {
        let bytes = words.replace(' ', "\0").into_bytes();
        move || Some(bytes)
    }

    #[test]
    fn a_script_is_known_until_it_becomes_something_else() {
        let mut script = Script { file: "./nightly.py".into(), known: None };
        assert!(script.is_run_by("sh", || Some(Vec::new())));
        assert!(script.is_run_by("env", arguments("/usr/bin/env python3 ./nightly.py now ")));
        assert!(script.is_run_by("python3.11", arguments("python3 -u ./nightly.py now ")));
        assert!(script.is_run_by("python3.11", arguments("nightly: idle ")), "it has renamed itself");
        assert!(!script.is_run_by("server", arguments("./server now ")));
        assert!(!script.is_run_by("sh", arguments("sh ./other.sh ")));
    }

    #[test]
    fn a_binary_is_no_script() {
        assert!(Script::of(&std::env::current_exe().unwrap()).is_none());
        assert!(Script::of(Path::new("/etc/passwd")).is_some());
    }
}
