//! Reading `/proc/PID`.

use std::collections::{HashSet, VecDeque};
use std::path::Path;

use super::{Held, Seen, text, used};

/// The most processes that are scanned; a program that makes more has other troubles.
const MAX_PROCESSES: usize = 2000;

/// `root`, everything below it, and those of `known` that still run, parents before their children.
///
/// A parent is read before its children: a child that ends in between is missed for now, and seen in the parent's sums
/// the next time. The other way round it would be counted twice.
pub(super) fn tree(root: u32, known: &[u32]) -> Vec<Seen> {
    let uptime = read("/proc/uptime").and_then(|text| text.split_ascii_whitespace().next()?.parse::<f64>().ok());
    let mut waiting: VecDeque<u32> =
        std::iter::once(root).filter(|pid| *pid != 0).chain(known.iter().copied()).collect();
    let mut done = HashSet::new();
    let mut found = Vec::new();
    while let Some(pid) = waiting.pop_front() {
        if found.len() >= MAX_PROCESSES || !done.insert(pid) {
            continue;
        }
        if let Some(seen) = process(pid, uptime, &mut waiting) {
            found.push(seen);
        }
    }
    found
}

fn process(pid: u32, uptime: Option<f64>, children: &mut VecDeque<u32>) -> Option<Seen> {
    let folder = format!("/proc/{pid}");
    // Before its state, which then shows whether it was ending by that time.
    let files = files(&folder);
    let stat = text::stat(&read(format!("{folder}/stat"))?)?;
    let ticks = procfs::ticks_per_second().max(1);
    let micros = |time: u64| time.saturating_mul(1_000_000) / ticks;
    let mut seen = Seen {
        pid,
        started: stat.started,
        parent: stat.parent,
        name: std::fs::read_link(format!("{folder}/exe")).ok().and_then(|file| program_name(&file)),
        disk: read(format!("{folder}/io")).and_then(|io| text::disk(&io)),
        ..Seen::default()
    };
    for (index, time) in [used::USER, used::SYSTEM].into_iter().enumerate() {
        seen.own[time] = micros(stat.times[index]);
        seen.waited_for[time] = micros(stat.times[index + 2]);
    }
    for (index, fault) in [used::MINOR, used::MAJOR].into_iter().enumerate() {
        seen.own[fault] = stat.faults[2 * index];
        seen.waited_for[fault] = stat.faults[2 * index + 1];
    }
    // A process at its end gives back memory and files; some time may pass until it is a zombie.
    if stat.state == 'Z' || stat.is_ending || stat.virtual_memory == 0 {
        return Some(seen);
    }
    seen.held = Some(Held {
        memory: Some(stat.resident_pages.saturating_mul(procfs::page_size())),
        virtual_memory: Some(stat.virtual_memory),
        threads: Some(stat.threads),
        files,
        uptime: uptime.map(|now| (now - stat.started as f64 / ticks as f64).max(0.0)),
    });
    for thread in std::fs::read_dir(format!("{folder}/task")).into_iter().flatten().flatten() {
        let path = thread.path();
        let Some(id) = thread.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let switches = read(path.join("status")).and_then(|status| text::switches(&status));
        seen.switches.extend(switches.map(|switches| (id, switches)));
        let born = read(path.join("children")).unwrap_or_default();
        children.extend(born.split_ascii_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
    }
    Some(seen)
}

/// The file's name; one that has been replaced while it runs is marked by the kernel.
fn program_name(file: &Path) -> Option<String> {
    let name = file.file_name()?.to_string_lossy();
    Some(name.strip_suffix(" (deleted)").unwrap_or(&name).to_owned())
}

/// Open files. The folder's size is their number from Linux 6.2 on, and 0 before.
fn files(folder: &str) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    let folder = format!("{folder}/fd");
    match std::fs::metadata(&folder).ok()?.size() {
        0 => Some(std::fs::read_dir(&folder).ok()?.count() as u64),
        count => Some(count),
    }
}

fn read(path: impl AsRef<Path>) -> Option<String> {
    // Names of processes may be any bytes.
    std::fs::read(path).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scan_finds_this_process_and_its_children() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let me = std::process::id();
        let found = tree(me, &[]);
        let _ = child.kill();
        let _ = child.wait();
        let ourselves = &found[0];
        assert_eq!(ourselves.pid, me);
        let held = ourselves.held.unwrap();
        assert!(held.memory > Some(0) && held.threads > Some(0) && !ourselves.switches.is_empty(), "{ourselves:?}");
        let open = std::fs::read_dir("/proc/self/fd").unwrap().count() as u64;
        assert!(held.files.is_some_and(|files| files.abs_diff(open) < 50), "{ourselves:?} and {open}");
        assert!(found.iter().any(|seen| seen.pid == child.id() && seen.parent == me), "{found:?}");
        assert_eq!(tree(child.id(), &[child.id()]), []);
    }
}
