//! Forks WORKERS processes, which all live at the same time; each and their parent write two spans.

use std::io::{Read, Write};

use nix::sys::wait::wait;
use nix::unistd::{ForkResult, fork};
use otel_rs_test_programs::write_span;

fn main() {
    let workers: u64 = std::env::args().nth(1).and_then(|number| number.parse().ok()).expect("a number");
    let (mut all_there, hold) = std::io::pipe().expect("a pipe");
    let (mut arrived, arrive) = std::io::pipe().expect("a pipe");
    for worker in 1..=workers {
        // SAFETY: this program has one thread.
        if let ForkResult::Child = unsafe { fork() }.expect("a process") {
            drop(hold);
            write_span(10 * worker);
            (&arrive).write_all(b"!").expect("a parent");
            let _ = all_there.read(&mut [0]);
            write_span(10 * worker + 1);
            return;
        }
    }
    write_span(0);
    let mut bytes = vec![0; workers as usize];
    arrived.read_exact(&mut bytes).expect("workers");
    write_span(1);
    drop(hold);
    while wait().is_ok() {}
}
