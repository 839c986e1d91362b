//! Prints what a program inherits: arguments, signal mask, dispositions, descriptors, environment.

use std::io::{Write, stdout};
use std::os::unix::ffi::OsStrExt;

fn main() {
    println!("args {:?}", std::env::args_os().collect::<Vec<_>>());
    let status = std::fs::read_to_string("/proc/self/status").expect("status");
    for (name, mask) in status.lines().filter_map(|line| line.split_once(':')) {
        if ["SigBlk", "SigIgn", "SigCgt"].contains(&name) {
            let mask = u64::from_str_radix(mask.trim(), 16).expect("a mask");
            // Signals 32 and 33 are the C library's own, whose dispositions come and go with threads.
            println!("{name} {:x}", mask & !(0b11 << 31));
        }
    }
    let listing = std::fs::read_dir("/proc/self/fd").expect("descriptors").flatten();
    // The listing's own descriptor stands among them, in both cases that a test compares.
    let mut numbers: Vec<_> = listing.map(|entry| entry.file_name()).collect();
    numbers.sort();
    println!("fds {numbers:?}");
    let mut variables: Vec<_> = std::env::vars_os().filter(|(name, _)| name != "OTEL_RS_CHANNEL").collect();
    variables.sort();
    for (name, value) in variables {
        let line = [name.as_bytes(), b"=", value.as_bytes(), b"\n"].concat();
        stdout().write_all(&line).expect("output");
    }
}
