//! Copies its input to its output, and its first argument to its error output, byte by byte.

use std::io::{Write, copy, stderr, stdin, stdout};
use std::os::unix::ffi::OsStrExt;

fn main() {
    copy(&mut stdin().lock(), &mut stdout().lock()).expect("input and output");
    let text = std::env::args_os().nth(1).unwrap_or_default();
    stderr().write_all(text.as_bytes()).expect("error output");
}
