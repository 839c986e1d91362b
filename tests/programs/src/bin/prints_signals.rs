//! Prints each signal it gets and who sent it; exits with 3 at SIGQUIT.

use std::io::{Write, stdout};

use nix::libc;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, pthread_sigmask};

fn main() {
    let mut all = SigSet::all();
    all.remove(Signal::SIGTSTP);
    pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&all), None).expect("blocking signals");
    println!("ready {}", std::process::id());
    loop {
        // SAFETY: a zeroed siginfo is filled in by the call; the set is valid.
        let (number, by_kernel) = unsafe {
            let mut info = std::mem::zeroed::<libc::siginfo_t>();
            (libc::sigwaitinfo(all.as_ref(), &mut info), info.si_code > 0)
        };
        let name = Signal::try_from(number).map_or_else(|_| number.to_string(), |signal| signal.to_string());
        println!("{name} {}", if by_kernel { "typed" } else { "sent" });
        stdout().flush().expect("output");
        if number == libc::SIGQUIT {
            std::process::exit(3);
        }
    }
}
