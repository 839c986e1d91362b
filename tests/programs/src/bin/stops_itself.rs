//! Stops, and exits with 4 once continued.

use nix::sys::signal::{Signal, raise};

fn main() {
    println!("stopping {}", std::process::id());
    raise(Signal::SIGSTOP).expect("stopping");
    println!("going on");
    std::process::exit(4);
}
