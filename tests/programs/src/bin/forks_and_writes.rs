//! Writes 200 spans, forks three children that write 100 each, and 200 more while they do.

use nix::sys::wait::wait;
use nix::unistd::{ForkResult, fork};
use otel_rs_test_programs::write_span;

fn main() {
    (0..200).for_each(write_span);
    for child in 1..=3 {
        // SAFETY: this program has one thread.
        if let ForkResult::Child = unsafe { fork() }.expect("a process") {
            (0..100).for_each(|number| write_span(1000 * child + number));
            return;
        }
    }
    (200..400).for_each(write_span);
    while wait().is_ok() {}
}
