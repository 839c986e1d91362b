//! A program inherits the same streams, arguments, signals and environment as without the launcher.

use std::io::Write;
use std::process::{Command, Stdio};

use super::{launch, program};

#[test]
fn input_output_and_errors_are_the_same_bytes() {
    let bytes: Vec<u8> = (0..200_000u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut command = launch("echoes_stdio");
    command.arg("no newline").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let sent = bytes.clone();
    let writer = std::thread::spawn(move || input.write_all(&sent).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    assert_eq!(output.stdout.len(), bytes.len());
    assert!(output.stdout == bytes);
    let errors = String::from_utf8(output.stderr).unwrap();
    // Our one warning about a program without layers comes before the program runs.
    assert!(errors.ends_with("no newline"), "{errors}");
    assert!(errors.trim_end_matches("no newline").lines().all(|line| line.starts_with("otel-rs: ")), "{errors}");
}

#[test]
fn arguments_mask_dispositions_descriptors_and_environment_are_the_same() {
    let strange = std::ffi::OsStr::new("a=b c\u{fffd}");
    let prepare = |command: &mut Command| {
        command.arg("x").env("STRANGE", strange).env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://theirs");
        command
            .env("OTEL_TRACES_EXPORTER", "none")
            .env("OTEL_METRICS_EXPORTER", "none")
            .env("OTEL_LOGS_EXPORTER", "none")
            .env("OTEL_RS_HOST_METRICS", "none");
        let output = command.output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let mut alone = Command::new(program("shows_itself"));
    crate::support::with_default_signals(&mut alone);
    let alone = prepare(&mut alone);
    let launched = prepare(&mut launch("shows_itself"));
    assert_eq!(launched, alone);
    assert!(launched.contains("OTEL_EXPORTER_OTLP_ENDPOINT=http://theirs"));
}
