//! PROGRAM is found as a shell finds it.

use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use super::{launch_file, program};

fn failure(file: &str) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = launch_file(file).output().unwrap();
    assert!(stdout.is_empty());
    (status.code(), String::from_utf8(stderr).unwrap())
}

#[test]
fn a_missing_program_is_127() {
    for file in ["no-such-program-anywhere", "./no-such-program", "/nowhere/program"] {
        let (status, message) = failure(file);
        assert_eq!(status, Some(127), "{message}");
        assert!(message.starts_with(&format!("otel-rs: error: cannot run `{file}`")), "{message}");
        assert!(message.contains("\notel-rs: hint: "), "{message}");
    }
}

#[test]
fn an_unusable_program_is_126() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).into_os_string().into_string().unwrap();
    std::fs::write(path("plain"), "echo no").unwrap();
    std::fs::write(path("orphaned-script"), "#!/no/such/interpreter\n").unwrap();
    std::fs::set_permissions(path("orphaned-script"), PermissionsExt::from_mode(0o755)).unwrap();
    for file in [path("plain"), path("orphaned-script"), path("")] {
        let (status, message) = failure(&file);
        assert_eq!(status, Some(126), "{message}");
    }
}

#[test]
fn a_mistyped_flag_is_a_usage_error_and_runs_nothing() {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_otel-rs"));
    let output = command.args(["instrument", "--no-such-flag", "echo", "ran"]).output().unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
}

#[test]
fn the_programs_own_arguments_are_left_alone() {
    let own = ["-x", "--service-name=theirs", "--", "--help", ""];
    for separator in [&["--"][..], &[]] {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_otel-rs"));
        command.arg("instrument").args(separator).arg(program("shows_itself")).args(own);
        let output = command.env("OTEL_SDK_DISABLED", "true").output().unwrap();
        let shown = String::from_utf8_lossy(&output.stdout).into_owned();
        let expected = format!("{:?}]", own).replace("]]", "]").split_off(1);
        assert!(shown.lines().next().unwrap().ends_with(&expected), "{shown} {expected}");
    }
}
