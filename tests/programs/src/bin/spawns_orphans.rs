//! Leaves grandchildren behind that end at once, and exits with 0 if they were reaped, else with 5.

use std::process::Command;
use std::time::Duration;

fn main() {
    for _ in 0..5 {
        let left = Command::new("/bin/sh").args(["-c", "(sleep 0.1; exit 7) & (exit 8) &"]).status();
        left.expect("a shell");
    }
    std::thread::sleep(Duration::from_millis(500));
    let zombies = std::fs::read_dir("/proc").expect("/proc").flatten().filter(|entry| {
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('Z'))
    });
    std::process::exit(if zombies.count() == 0 { 0 } else { 5 });
}
