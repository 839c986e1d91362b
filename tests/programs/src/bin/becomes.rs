//! Writes a span and becomes PROGRAM, with the words that follow.

use std::os::unix::process::CommandExt;
use std::process::Command;

use otel_rs_test_programs::write_span;

fn main() {
    write_span(1);
    let mut words = std::env::args().skip(1);
    let error = Command::new(words.next().expect("becomes PROGRAM")).args(words).exec();
    panic!("{error}");
}
