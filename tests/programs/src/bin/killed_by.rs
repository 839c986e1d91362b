//! Ends by the signal given, with its default action.

use nix::libc;

fn main() {
    let signal = std::env::args().nth(1).and_then(|text| text.parse().ok()).expect("killed_by SIGNAL");
    // SAFETY: default dispositions and numbers only.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
    panic!("signal {signal} did not end the program");
}
