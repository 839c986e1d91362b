//! Keys typed at a terminal, and a shell's job control.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::pty::openpty;

use super::{launch, program};

/// A job in the foreground of a terminal.
struct Job {
    terminal: File,
    seen: String,
    _shell: std::process::Child,
}

impl Job {
    fn start(name: &str) -> Job {
        let pty = openpty(None, None).unwrap();
        let slave = || Stdio::from(pty.slave.try_clone().unwrap());
        let launcher = launch(name);
        let mut shell = Command::new(program("shell_of_one"));
        shell.arg(launcher.get_program()).args(launcher.get_args());
        shell.envs(launcher.get_envs().filter_map(|(name, value)| Some((name, value?))));
        crate::support::with_default_signals(&mut shell);
        let _shell = shell.stdin(slave()).stdout(slave()).stderr(slave()).spawn().unwrap();
        Job { terminal: File::from(pty.master), seen: String::new(), _shell }
    }

    fn wait_for(&mut self, text: &str) {
        self.wait_for_times(text, 1);
    }

    fn wait_for_times(&mut self, text: &str, times: usize) {
        while self.count(text) < times {
            let mut bytes = [0; 1024];
            let count = self.terminal.read(&mut bytes).unwrap_or(0);
            assert!(count > 0, "`{text}` did not come {times} times: {}", self.seen);
            self.seen.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
    }

    fn type_key(&mut self, letter: u8) {
        self.terminal.write_all(&[letter - b'@']).unwrap();
    }

    fn count(&self, text: &str) -> usize {
        self.seen.matches(text).count()
    }
}

#[test]
fn ctrl_c_arrives_once() {
    let mut job = Job::start("prints_signals");
    job.wait_for("ready");
    for _ in 0..5 {
        job.type_key(b'C');
        std::thread::sleep(Duration::from_millis(60));
    }
    job.type_key(b'\\');
    job.wait_for("[exited 3]");
    assert_eq!((job.count("SIGINT typed"), job.count("SIGINT"), job.count("SIGQUIT")), (5, 5, 1), "{}", job.seen);
}

#[test]
fn ctrl_c_ends_a_program_without_a_handler() {
    let mut job = Job::start("waits");
    job.wait_for("ready");
    job.type_key(b'C');
    job.wait_for("[killed SIGINT]");
}

#[test]
fn ctrl_z_stops_the_job_and_a_shell_can_continue_it() {
    let mut job = Job::start("prints_signals");
    job.wait_for("ready");
    for stops in 1..=3 {
        job.type_key(b'Z');
        job.wait_for_times("[stopped SIGTSTP]", stops);
        // The shell continues it after a moment; it must then receive keys again.
        std::thread::sleep(Duration::from_millis(300));
    }
    job.type_key(b'\\');
    job.wait_for("[exited 3]");
    assert_eq!(job.count("[stopped"), 3, "{}", job.seen);
}
