//! What an interactive shell does for one job: gives it the terminal (our input) in a group of its own, prints
//! when it stops and continues it, and prints how it ends.

use std::ffi::CString;
use std::os::unix::ffi::OsStringExt;

use nix::libc;
use nix::sys::signal::{SigHandler, Signal, killpg, signal};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, execv, fork, setpgid, setsid, tcsetpgrp};

fn main() {
    setsid().expect("a session");
    // SAFETY: a terminal as input, and numbers; SIGTTOU ignored as in every shell.
    unsafe {
        assert_eq!(libc::ioctl(0, libc::TIOCSCTTY, 0), 0, "a terminal as input");
        signal(Signal::SIGTTOU, SigHandler::SigIgn).expect("ignoring SIGTTOU");
    }
    let args: Vec<_> = std::env::args_os().skip(1).map(|arg| CString::new(arg.into_vec()).expect("no zeros")).collect();
    // SAFETY: this program has one thread.
    let child = match unsafe { fork() }.expect("a process") {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            setpgid(Pid::this(), Pid::this()).expect("a group");
            tcsetpgrp(std::io::stdin(), Pid::this()).expect("the terminal");
            // SAFETY: back to what a program expects.
            unsafe { signal(Signal::SIGTTOU, SigHandler::SigDfl) }.expect("SIGTTOU");
            let Err(error) = execv(&args[0], &args);
            panic!("{error}");
        }
    };
    loop {
        match waitpid(child, Some(WaitPidFlag::WUNTRACED)).expect("a child") {
            WaitStatus::Stopped(_, signal) => {
                println!("[stopped {signal}]");
                std::thread::sleep(std::time::Duration::from_millis(100));
                killpg(child, Signal::SIGCONT).expect("continuing");
            }
            WaitStatus::Exited(_, status) => return println!("[exited {status}]"),
            WaitStatus::Signaled(_, signal, _) => return println!("[killed {signal}]"),
            _ => {}
        }
    }
}
