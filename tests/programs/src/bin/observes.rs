//! Has a gauge that counts how often it was looked at, by a callback of its own (`observed.own`) and by one that may run
//! when the program is idle (`observed.quick`). Goes through the steps that are given: `thread` starts a thread that stays,
//! `idle` calls `metrics::idle`, `wait` waits for the gauge to be looked at, `unshare` leaves the user namespace. Prints
//! how many threads it has and how often each callback was called after each step.

use std::sync::atomic::{AtomicI64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use nix::libc;
use otel_rs_hooks::metrics::{InstrumentKind, Metric, NumberKind, idle, on_collect, on_collect_or_idle};
use otel_rs_test_programs::{SCOPE, write_span};

static OWN: Metric =
    Metric::new(&SCOPE, InstrumentKind::ObservableGauge, NumberKind::I64, "observed.own", "{look}", "");
static QUICK: Metric =
    Metric::new(&SCOPE, InstrumentKind::ObservableGauge, NumberKind::I64, "observed.quick", "{look}", "");
static LOOKS: [AtomicI64; 2] = [AtomicI64::new(0), AtomicI64::new(0)];

fn look(index: usize) -> bool {
    let metric = if index == 0 { &OWN } else { &QUICK };
    metric.measure(LOOKS[index].fetch_add(1, SeqCst) + 1, &[]);
    true
}

fn main() {
    on_collect(|| look(0));
    on_collect_or_idle(|| look(1));
    report("start");
    for step in std::env::args().skip(1) {
        match step.as_str() {
            "thread" => {
                let (started, starts) = std::sync::mpsc::channel();
                std::thread::spawn(move || {
                    write_span(1);
                    started.send(()).expect("somebody");
                    std::thread::park();
                });
                starts.recv().expect("a thread");
            }
            "idle" => idle(),
            "wait" => {
                let (since, before) = (Instant::now(), LOOKS[0].load(SeqCst));
                while LOOKS[0].load(SeqCst) == before {
                    assert!(since.elapsed() < Duration::from_secs(20), "nobody looks");
                    std::thread::sleep(Duration::from_millis(5));
                }
            }
            "unshare" => {
                // SAFETY: takes a number.
                let done = unsafe { libc::unshare(libc::CLONE_NEWUSER) };
                assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
            }
            _ => panic!("{step}?"),
        }
        report(&step);
    }
}

fn report(step: &str) {
    let threads = std::fs::read_dir("/proc/self/task").expect("tasks").count();
    println!("{step} threads {threads} own {} quick {}", LOOKS[0].load(SeqCst), LOOKS[1].load(SeqCst));
}
