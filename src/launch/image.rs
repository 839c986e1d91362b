//! What `exec` is given: the program's file, its arguments and its environment, laid out as C has them.

use std::ffi::{CString, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::ptr::null;

use nix::libc::{self, c_char};
use nix::unistd::Pid;

use super::{Environment, Program, Variable};

/// Variables in which a service manager names the process that it means; a process that has another pid ignores what
/// comes with them. The launcher's own pid is made the program's.
const PIDS: [&str; 4] = ["LISTEN_PID", "WATCHDOG_PID", "SYSTEMD_EXEC_PID", "MAINPID"];
/// The same by the number of a pidfd, which the program's does not have before it exists. A service manager that sets
/// it sets the pid as well.
const PIDFD_IDS: [(&str, &str); 2] = [("LISTEN_PIDFDID", "LISTEN_PID"), ("WATCHDOG_PIDFDID", "WATCHDOG_PID")];
/// No pid has more digits.
const DIGITS: usize = 10;

/// A program ready to be executed.
pub(super) struct Image {
    file: CString,
    arguments: Vec<CString>,
    environment: Vec<Entry>,
    argument_pointers: Vec<*const c_char>,
    environment_pointers: Vec<*const c_char>,
}

/// `NAME=value` and a zero.
struct Entry {
    bytes: Vec<u8>,
    /// Where the launcher's pid stands.
    pid_at: Option<usize>,
}

impl Image {
    /// Lays it out, with variables of ours set or taken away.
    pub(super) fn of(program: &Program, environment: &Environment, ours: &[Variable]) -> io::Result<Image> {
        let text = |text: &OsStr| CString::new(text.as_bytes()).map_err(io::Error::from);
        let arguments: Vec<CString> =
            std::iter::once(&program.name).chain(&program.args).map(|word| text(word)).collect::<io::Result<_>>()?;
        let is_ours = |name: &OsStr| ours.iter().any(|(our, _)| name == *our);
        let inherited = environment.iter().filter(|(name, _)| !is_ours(name));
        let set = ours.iter().filter_map(|(name, value)| Some((OsStr::new(*name), value.as_deref()?)));
        let launcher = std::process::id().to_string();
        let names_us = |name: &str| environment.get_os(name).is_some_and(|value| value == launcher.as_str());
        let is_void = |name: &OsStr| PIDFD_IDS.iter().any(|(id, pid)| name == *id && names_us(pid));
        let entries: Vec<Entry> = inherited
            .filter(|(name, _)| !is_void(name))
            .chain(set)
            .map(|(name, value)| {
                let mut bytes = [name.as_bytes(), b"=", value.as_bytes(), b"\0"].concat();
                let is_pid = PIDS.iter().any(|pid| name == *pid && names_us(pid));
                let pid_at = is_pid.then(|| name.len() + 1);
                if is_pid {
                    // The program's pid may have more digits.
                    bytes.resize(bytes.len() + DIGITS, 0);
                }
                Entry { bytes, pid_at }
            })
            .collect();
        let file = text(program.file.as_os_str())?;
        let argument_pointers = arguments.iter().map(|word| word.as_ptr()).chain([null()]).collect();
        let environment_pointers = entries.iter().map(|entry| entry.bytes.as_ptr().cast()).chain([null()]).collect();
        Ok(Image { file, arguments, environment: entries, argument_pointers, environment_pointers })
    }

    /// Makes variables that named the launcher name the program. Allocates nothing.
    pub(super) fn name_process(&mut self, launcher: Pid, program: Pid) {
        if launcher == program {
            return;
        }
        for Entry { bytes, pid_at } in &mut self.environment {
            let Some(place) = pid_at.and_then(|at| bytes.get_mut(at..)) else { continue };
            let mut digits = [0; DIGITS];
            let mut rest = program.as_raw().unsigned_abs();
            let mut count = 0;
            while rest > 0 || count == 0 {
                digits[count] = b'0' + (rest % 10) as u8;
                rest /= 10;
                count += 1;
            }
            place.fill(0);
            place.iter_mut().zip(digits[..count].iter().rev()).for_each(|(to, from)| *to = *from);
        }
    }

    /// Becomes the program. Allocates nothing; returns only if that failed.
    #[expect(unsafe_code, reason = "std's own way starts the program at once")]
    pub(super) fn exec(&self) -> io::Error {
        debug_assert_eq!(self.arguments.len() + 1, self.argument_pointers.len());
        // SAFETY: both lists end with a null pointer and point to texts that end with a zero and live in `self`.
        unsafe {
            libc::execvpe(self.file.as_ptr(), self.argument_pointers.as_ptr(), self.environment_pointers.as_ptr())
        };
        io::Error::last_os_error()
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn variables(image: &Image) -> Vec<String> {
        let text = |entry: &Entry| {
            let end = entry.bytes.iter().position(|byte| *byte == 0).unwrap();
            String::from_utf8(entry.bytes[..end].to_vec()).unwrap()
        };
        image.environment.iter().map(text).collect()
    }

    #[test]
    fn only_variables_that_named_the_launcher_name_the_program() {
        let own = std::process::id().to_string();
        let program = Program { name: "x".into(), file: "/x".into(), args: Vec::new() };
        let given = [
            ("LISTEN_PID", own.as_str()),
            ("LISTEN_PIDFDID", "77"),
            ("LISTEN_FDS", "2"),
            ("MAINPID", own.as_str()),
            ("WATCHDOG_PID", "1"),
            ("WATCHDOG_PIDFDID", "78"),
            ("OTHER_PID", own.as_str()),
        ];
        let environment = given.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))).collect();
        let mut image = Image::of(&program, &environment, &[]).unwrap();
        image.name_process(nix::unistd::getpid(), Pid::from_raw(1_234_567_890));
        let other = format!("OTHER_PID={own}");
        assert_eq!(
            variables(&image),
            [
                "LISTEN_FDS=2",
                "LISTEN_PID=1234567890",
                "MAINPID=1234567890",
                &other,
                "WATCHDOG_PID=1",
                "WATCHDOG_PIDFDID=78",
            ]
        );
        image.name_process(nix::unistd::getpid(), Pid::from_raw(7));
        assert_eq!(variables(&image)[1], "LISTEN_PID=7");
    }
}
