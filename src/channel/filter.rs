//! Whether a process filters its own system calls (seccomp), by `/proc`.
//!
//! A filter may end the program for a call that the program does not make by itself, and no call is sure to be allowed,
//! not even one that would detect the filter. So the launcher checks, and announces the filter in the process's region.

use std::fs::File;
use std::io::Read as _;
use std::sync::OnceLock;

/// Threads of one process that are checked.
const MAX_THREADS: usize = 64;

/// How a thread's calls are filtered: the mode, and the number of filters where the kernel reports it (from 5.9 on).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
struct Filters {
    mode: u32,
    count: u32,
}

/// Whether the process has more filters than the launcher, whose filters (a container's, say) it inherited.
pub(super) fn filters_more_than_we(pid: u32) -> bool {
    filters_of(&format!("/proc/{pid}/status")) > ours()
}

/// The same for any of its threads.
pub(super) fn a_thread_filters_more_than_we(pid: u32) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    threads.take(MAX_THREADS).any(|thread| filters_of(&thread.path().join("status").to_string_lossy()) > ours())
}

fn ours() -> Filters {
    static OURS: OnceLock<Filters> = OnceLock::new();
    *OURS.get_or_init(|| filters_of("/proc/self/status"))
}

/// One read, since this is done often: the file is shorter than this, and the kernel makes it anew for each read.
const LONGEST_STATUS: usize = 16 << 10;

fn filters_of(status: &str) -> Filters {
    let mut bytes = [0; LONGEST_STATUS];
    let read = File::open(status).and_then(|mut file| file.read(&mut bytes));
    parse(read.ok().and_then(|length| bytes.get(..length)).unwrap_or_default())
}

/// A process names itself, with any bytes, on the first line only.
fn parse(status: &[u8]) -> Filters {
    let mut filters = Filters::default();
    for line in status.split(|byte| *byte == b'\n').rev().map(|line| std::str::from_utf8(line).unwrap_or_default()) {
        let number = |value: &str| value.trim().parse().unwrap_or(0);
        match line.split_once(':') {
            Some(("Seccomp_filters", value)) => filters.count = number(value),
            Some(("Seccomp", value)) => {
                filters.mode = number(value);
                break;
            }
            _ => {}
        }
    }
    filters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_read_from_the_status() {
        let filters = |mode, count| Filters { mode, count };
        assert_eq!(parse(b"Name:\tx\xff\nSeccomp:\t2\nSeccomp_filters:\t3\nThreads:\t1\n"), filters(2, 3));
        assert_eq!(parse(b"Seccomp:\t1\n"), filters(1, 0));
        assert_eq!(parse(b""), filters(0, 0));
        // A container's filter, and one of the program's own on top of it.
        assert!(filters(2, 2) > filters(2, 1) && filters(1, 0) > filters(0, 0));
        assert!(filters(2, 1) <= filters(2, 1));
    }

    #[test]
    fn this_process_has_no_more_filters_than_it_has() {
        assert!(!filters_more_than_we(std::process::id()));
        assert!(!a_thread_filters_more_than_we(std::process::id()));
        assert!(!filters_more_than_we(u32::MAX));
    }
}
