//! Forks a child that cannot reach the launcher, for the reason that is given (`nofile`, `chroot`), and which
//! forks another; each calls hooks some hundred thousand times. Writes the spans 0 to 9 itself, and prints `unharmed`.

use std::sync::atomic::{AtomicI64, Ordering};

use nix::libc;
use nix::sched::{CloneFlags, unshare};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::wait::{WaitStatus, wait};
use nix::unistd::{ForkResult, chroot, fork};
use otel_rs_hooks::metrics::{InstrumentKind, Metric, NumberKind};
use otel_rs_hooks::{Cell, CellKind, Severity, key, log};
use otel_rs_test_programs::{SCOPE, write_span};

static CELL: Cell = Cell::new(&SCOPE, CellKind::Counter, "cells", "{cell}", "", &[]);
static METRIC: Metric = Metric::new(&SCOPE, InstrumentKind::Counter, NumberKind::U64, "metrics", "{metric}", "");
static CALLS: AtomicI64 = AtomicI64::new(0);

fn main() {
    let reason = std::env::args().nth(1).expect("forks_outcasts REASON");
    (0..5).for_each(write_span);
    call_hooks(1);
    in_a_child(|| {
        // A child that waits in each call would take hours.
        // SAFETY: takes a number.
        unsafe { libc::alarm(120) };
        if reason != "nofile" {
            // The launcher's abstract address is one network's.
            unshare(CloneFlags::CLONE_NEWNET).expect("a network");
        }
        match reason.as_str() {
            "nofile" => setrlimit(Resource::RLIMIT_NOFILE, 0, 0).expect("a limit"),
            "chroot" => chroot("/proc/self/fdinfo").expect("a root"),
            _ => panic!("{reason}?"),
        }
        call_hooks(100_000);
        in_a_child(|| call_hooks(100_000));
    });
    (5..10).for_each(write_span);
    println!("unharmed");
}

fn in_a_child(work: impl FnOnce()) {
    // SAFETY: this program has one thread.
    match unsafe { fork() }.expect("a process") {
        ForkResult::Child => {
            work();
            std::process::exit(0);
        }
        ForkResult::Parent { .. } => match wait() {
            Ok(WaitStatus::Exited(_, 0)) => {}
            other => panic!("a child ended by {other:?}"),
        },
    }
}

fn call_hooks(times: i64) {
    for number in 0..times {
        write_span(100 + number as u64);
        CELL.add(1);
        METRIC.measure(1_u64, &[("number", (number % 10).into())]);
        log(&SCOPE, Severity::Info, |attributes| attributes.set(key::LOG_BODY, "a word".into()));
        CALLS.fetch_add(1, Ordering::Relaxed);
    }
}
