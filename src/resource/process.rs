//! `process.*`: the program's own process.

use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use opentelemetry::{Array, KeyValue, StringValue, Value};
use opentelemetry_semantic_conventions::attribute as name;

use super::executable;
use super::surroundings::Surroundings;
use crate::redact;

/// `USER_HZ`, the unit of times in `/proc/PID/stat`: 100 on every architecture that Rust supports.
const TICKS: u32 = 100;

/// All but the arguments, which may hold secrets that no rule finds.
pub(super) fn detect(around: &Surroundings<'_>) -> Vec<KeyValue> {
    let mut found = Vec::new();
    if let Some(pid) = around.pid {
        found.push(KeyValue::new(name::PROCESS_PID, i64::from(pid)));
    }
    let started = || fs_err::canonicalize(&around.program.file).unwrap_or_else(|_| around.program.file.clone());
    let path = executable_path(around).unwrap_or_else(started);
    if let Some(file) = path.file_name() {
        found.push(KeyValue::new(name::PROCESS_EXECUTABLE_NAME, file.to_string_lossy().into_owned()));
    }
    found.push(KeyValue::new(name::PROCESS_EXECUTABLE_PATH, path.to_string_lossy().into_owned()));
    if let Some(command) = command_line(around).into_iter().next() {
        found.push(KeyValue::new(name::PROCESS_COMMAND, command));
    }
    if let Some(owner) = owner(around) {
        found.push(KeyValue::new(name::PROCESS_OWNER, owner));
    }
    if let Some(created) = created(around) {
        found.push(KeyValue::new(name::PROCESS_CREATION_TIME, rfc3339(created)));
    }
    if let Some(compiler) = running(around).and_then(executable::compiler) {
        found.push(KeyValue::new(name::PROCESS_RUNTIME_NAME, "rustc"));
        found.push(KeyValue::new(name::PROCESS_RUNTIME_VERSION, compiler.version));
        found.push(KeyValue::new(name::PROCESS_RUNTIME_DESCRIPTION, compiler.description));
    }
    found
}

/// The arguments, if their detector is enabled.
pub(super) fn arguments(around: &Surroundings<'_>) -> Vec<KeyValue> {
    let words = redact::arguments(&command_line(around)).into_iter().map(StringValue::from).collect();
    vec![KeyValue::new(name::PROCESS_COMMAND_ARGS, Value::Array(Array::String(words)))]
}

/// The file that runs, opened: the process may end at any moment, and its link with it. The link leads to the file even
/// if another has taken its place since.
pub(super) fn running(around: &Surroundings<'_>) -> Option<File> {
    let linked = around.of_process("exe").and_then(|link| File::open(link).ok());
    linked.or_else(|| open_file(&around.program.file))
}

/// Opens a regular file, and nothing that would block or act by being opened: a process may introduce itself with any path.
fn open_file(path: &Path) -> Option<File> {
    let is_file = fs_err::metadata(path).is_ok_and(|found| found.is_file());
    let mut options = File::options();
    options.read(true).custom_flags(nix::libc::O_NONBLOCK | nix::libc::O_NOCTTY);
    is_file.then(|| options.open(path).ok()).flatten()
}

/// The path of the file that runs.
pub(super) fn executable_path(around: &Surroundings<'_>) -> Option<PathBuf> {
    let linked = || Some(named(&fs_err::read_link(around.of_process("exe")?).ok()?));
    around.introduced.clone().or_else(linked)
}

/// The path without the kernel's remark about a file that has been replaced or removed.
pub(super) fn named(path: &Path) -> PathBuf {
    let path = path.as_os_str().as_bytes();
    let path = path.strip_suffix(b" (deleted)").unwrap_or(path);
    Path::new(std::ffi::OsStr::from_bytes(path)).to_owned()
}

/// Whether the process is an interpreter that runs the script `file`, which stands behind its name and at most one option.
pub(super) fn is_interpreting(around: &Surroundings<'_>, file: &Path) -> bool {
    let Some(file) = file.to_str() else { return false };
    around.of_process("cmdline").is_some() && command_line(around).iter().skip(1).take(2).any(|word| word == file)
}

/// The command line of the process, or the one it was started with if it has ended.
fn command_line(around: &Surroundings<'_>) -> Vec<String> {
    let bytes = around.read_of_process("cmdline").filter(|bytes| !bytes.is_empty());
    match bytes {
        Some(bytes) => {
            let words = bytes.strip_suffix(b"\0").unwrap_or(&bytes).split(|byte| *byte == 0);
            words.map(|word| String::from_utf8_lossy(word).into_owned()).collect()
        }
        None => {
            let words = std::iter::once(&around.program.name).chain(&around.program.args);
            words.map(|word| word.to_string_lossy().into_owned()).collect()
        }
    }
}

/// The name of the user whose rights it has. Read from the file only: the C library may query the network.
fn owner(around: &Surroundings<'_>) -> Option<String> {
    let status = String::from_utf8(around.read_of_process("status")?).ok()?;
    let ids = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    let effective = ids.split_whitespace().nth(1)?;
    let users = around.text("/etc/passwd")?;
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let user = fields.next()?;
        (fields.nth(1)? == effective).then(|| user.to_owned())
    })
}

fn created(around: &Surroundings<'_>) -> Option<SystemTime> {
    let stat = around.read_of_process("stat")?;
    let stat = String::from_utf8_lossy(&stat);
    // The name in parentheses may hold anything; field 22 is the twentieth behind it.
    let ticks: u64 = stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()?;
    around.boot.checked_add(Duration::from_millis(ticks.checked_mul(1000 / u64::from(TICKS))?))
}

/// `2023-11-14T22:13:20.120Z`
fn rfc3339(time: SystemTime) -> String {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let (days, seconds) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    // The calendar repeats every 400 years of 146 097 days; counted from March on, a leap day comes last.
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    let year = era * 400 + year + u64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", since.subsec_millis())
}

#[cfg(test)]
mod tests {
    use super::super::surroundings::testing::Machine;
    use super::*;

    fn machine() -> Machine {
        let start = (4..=21).map(|field| field.to_string()).collect::<Vec<_>>().join(" ");
        Machine::new()
            .link("proc/42/exe", "/opt/shop/bin/shop (deleted)")
            .file("proc/42/cmdline", b"shop\0--password\0hunter2\0")
            .file("proc/42/status", "Name:\tshop\nUid:\t1000\t1001\t1000\t1000\n")
            .file("proc/42/stat", format!("42 (a ) b) S {start} 1012 23 24\n"))
            .file("etc/passwd", "root:x:0:0::/root:/bin/sh\nshopkeeper:x:1001:1001::/:/bin/false\n")
    }

    #[test]
    fn a_process_is_described_as_it_runs() {
        assert_eq!(
            machine().detected(detect),
            [
                "process.pid=42",
                "process.executable.name=shop",
                "process.executable.path=/opt/shop/bin/shop",
                "process.command=shop",
                "process.owner=shopkeeper",
                "process.creation.time=2023-11-14T22:13:30.120Z",
            ]
        );
    }

    #[test]
    fn arguments_are_exported_on_demand_and_without_secrets() {
        assert_eq!(machine().detected(arguments), [r#"process.command_args=["shop","--password","REDACTED"]"#]);
        assert!(!machine().detected(detect).concat().contains("hunter2"));
    }

    #[test]
    fn an_ended_process_is_described_by_its_command_line() {
        let expected = ["process.executable.name=shop", "process.executable.path=/srv/shop", "process.command=./shop"];
        assert_eq!(Machine::new().detected(detect)[1..], expected);
        assert_eq!(Machine::new().detected(arguments), [r#"process.command_args=["./shop","--port=1"]"#]);
    }

    #[test]
    fn times_are_written_as_the_calendar_has_them() {
        let at = |seconds| rfc3339(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(at(951_827_696), "2000-02-29T12:34:56.000Z");
        assert_eq!(at(1_704_067_199), "2023-12-31T23:59:59.000Z");
        assert_eq!(at(4_107_542_400), "2100-03-01T00:00:00.000Z");
    }
}
