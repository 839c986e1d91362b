//! Signals that are sent to the launcher.

use std::os::unix::process::ExitStatusExt;

use nix::libc;
use nix::sys::signal::Signal;

use super::{Launched, after, launch, state, until};

#[test]
fn a_signal_to_the_launcher_arrives_once() {
    let mut launched = Launched::start(launch("prints_signals"));
    let signals = [
        Signal::SIGTERM,
        Signal::SIGINT,
        Signal::SIGHUP,
        Signal::SIGUSR1,
        Signal::SIGUSR2,
        Signal::SIGALRM,
        Signal::SIGWINCH,
        Signal::SIGCONT,
        Signal::SIGQUIT,
    ];
    for signal in signals {
        launched.send(signal);
        assert_eq!(launched.line(), format!("{signal} sent"));
    }
    assert_eq!(launched.launcher.wait().unwrap().code(), Some(3));
}

#[test]
fn a_signal_that_ends_the_app_ends_the_launcher() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        let mut launched = Launched::start(launch("waits"));
        launched.send(signal);
        assert_eq!(launched.launcher.wait().unwrap().signal(), Some(signal as i32));
    }
}

#[test]
fn a_killed_launcher_leaves_no_orphan() {
    let mut launched = Launched::start(launch("waits"));
    launched.launcher.kill().unwrap();
    launched.launcher.wait().unwrap();
    until("the app is gone", || matches!(state(launched.app), None | Some('Z')));
}

#[test]
fn a_stopped_app_stops_the_launcher_and_both_go_on() {
    let mut launched = Launched::start(launch("stops_itself"));
    let launcher = nix::unistd::Pid::from_raw(launched.launcher.id() as i32);
    until("both have stopped", || state(launcher) == Some('T') && state(launched.app) == Some('T'));
    launched.send(Signal::SIGCONT);
    assert_eq!(launched.line(), "going on");
    assert_eq!(launched.launcher.wait().unwrap().code(), Some(4));
}

#[test]
fn a_signal_ignored_from_the_start_stays_ignored() {
    let mut launched = Launched::start(after("trap '' HUP", &launch("waits")));
    launched.send(Signal::SIGHUP);
    std::thread::sleep(std::time::Duration::from_millis(100));
    launched.send(Signal::SIGTERM);
    assert_eq!(launched.launcher.wait().unwrap().signal(), Some(libc::SIGTERM));
}
