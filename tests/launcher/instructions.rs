//! How many instructions hooks take in the program, counted by callgrind: the same on each machine with the same compiler.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::launch_file;
use crate::support::{skip, source};

/// What is counted, how many instructions one may take, and how many without a launcher: a quarter more than with Rust 1.95,
/// since compilers differ. Raise one only for a reason that a program gains from.
const BUDGETS: [(&str, u64, u64); 5] =
    [("request", 7500, 150), ("span", 1350, 70), ("own span", 1550, 55), ("log record", 1050, 30), ("count", 60, 15)];
/// How often each is called.
const CALLS: u64 = 2000;

/// The program of `tests/programs`, optimised as users' programs are.
fn built(folder: &Path) -> PathBuf {
    let hooks = folder.join("libotel_rs_hooks.rlib");
    let compile = |of: &str| {
        let mut rustc = Command::new("rustc");
        rustc.args(["-C", "opt-level=3", "--cap-lints", "allow", "--out-dir"]).arg(folder).arg(source(of));
        rustc
    };
    let mut library = compile("templates/hooks/src/lib.rs");
    library.args(["--edition", "2021", "--crate-type", "rlib", "--crate-name", "otel_rs_hooks"]);
    assert!(library.status().unwrap().success(), "the hooks compile");
    let mut program = compile("tests/programs/src/bin/costs.rs");
    program.args(["--edition", "2024", "--extern"]).arg(format!("otel_rs_hooks={}", hooks.display()));
    assert!(program.status().unwrap().success(), "the program compiles");
    folder.join("costs")
}

/// Instructions of a run of the program.
fn instructions(valgrind: &dyn Fn() -> Command, program: &Path, kind: &str, calls: u64) -> u64 {
    let counted = program.with_extension("counted");
    let mut command = valgrind();
    command.arg("--tool=callgrind").arg(format!("--callgrind-out-file={}", counted.display()));
    let output = command.arg(program).args([kind, &calls.to_string()]).output().unwrap();
    assert!(output.status.success(), "{kind}: {}", String::from_utf8_lossy(&output.stderr));
    let text = std::fs::read_to_string(&counted).unwrap();
    let total = text.lines().find_map(|line| line.strip_prefix("totals: ")).expect("a total");
    total.trim().parse().expect("a number")
}

#[test]
#[expect(clippy::print_stdout, reason = "the figures are shown by --nocapture")]
fn hooks_take_no_more_instructions_than_they_may() {
    if Command::new("valgrind").arg("--version").output().is_err() {
        return skip("valgrind is not installed");
    }
    let folder = tempfile::tempdir().unwrap();
    let program = built(folder.path());
    let launched = || {
        let mut command = launch_file("valgrind");
        // Log records are recorded only where they are exported.
        command.env("OTEL_LOGS_EXPORTER", "otlp").env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1");
        command.env("OTEL_LOG_LEVEL", "error");
        command
    };
    let of_each = |valgrind: &dyn Fn() -> Command| {
        let none = instructions(valgrind, &program, "count", 0);
        BUDGETS.map(|(kind, ..)| (instructions(valgrind, &program, kind, CALLS) - none) / CALLS)
    };
    let (active, dormant) = (of_each(&launched), of_each(&|| Command::new("valgrind")));
    let mut over = Vec::new();
    for ((kind, budget, budget_dormant), (active, dormant)) in BUDGETS.into_iter().zip(active.into_iter().zip(dormant))
    {
        let found =
            format!("{kind}: {active} of {budget} instructions, {dormant} of {budget_dormant} without a launcher");
        println!("{found}");
        assert!(active > 2 * dormant, "not recorded: {found}");
        if active > budget || dormant > budget_dormant {
            over.push(found);
        }
    }
    assert!(over.is_empty(), "{}", over.join("\n"));
}
