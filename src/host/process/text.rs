//! Files of `/proc/PID`, as text. Fields that are not as expected are left out.

/// `/proc/PID/stat`, as far as it is of interest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) state: char,
    /// Whether it has begun to give back what it holds.
    pub(super) is_ending: bool,
    pub(super) parent: u32,
    /// Minor, of children, major, of children.
    pub(super) faults: [u64; 4],
    /// In ticks: user, system, of children user, of children system.
    pub(super) times: [u64; 4],
    pub(super) threads: u64,
    /// Ticks after the machine's start.
    pub(super) started: u64,
    pub(super) virtual_memory: u64,
    pub(super) resident_pages: u64,
    pub(super) name: String,
}

/// A flag of the kernel's: the task is ending (`PF_EXITING`).
const ENDING: u64 = 1 << 2;

pub(super) fn stat(text: &str) -> Option<Stat> {
    // The name stands in parentheses and may hold anything, parentheses included.
    let (head, rest) = text.rsplit_once(')')?;
    let (_, name) = head.split_once('(')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    // proc(5) counts from 1, and two fields are gone.
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    Some(Stat {
        state: fields.first()?.chars().next()?,
        is_ending: number(9)? & ENDING != 0,
        parent: u32::try_from(number(4)?).ok()?,
        faults: [number(10)?, number(11)?, number(12)?, number(13)?],
        times: [number(14)?, number(15)?, number(16)?, number(17)?],
        threads: number(20)?,
        started: number(22)?,
        virtual_memory: number(23)?,
        resident_pages: number(24)?,
        name: name.to_owned(),
    })
}

/// Bytes read and written, of `/proc/PID/io`.
pub(super) fn disk(text: &str) -> Option<[u64; 2]> {
    Some([field(text, "read_bytes")?, field(text, "write_bytes")?])
}

/// Voluntary and involuntary context switches, of `/proc/PID/task/TID/status`.
pub(super) fn switches(text: &str) -> Option<[u64; 2]> {
    Some([field(text, "voluntary_ctxt_switches")?, field(text, "nonvoluntary_ctxt_switches")?])
}

fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "77 (a) b (c) S 70 77 70 34816 77 4194560 125 300 2 4 50 60 700 800 20 0 5 0 9000 \
                        1048576 256 18446744073709551615 1 1 0 0 0 0 0 4096 0 0 0 0 17 1 0 0 0 0 0\n";

    #[test]
    fn a_name_may_hold_anything() {
        let stat = stat(STAT).unwrap();
        assert_eq!((stat.name.as_str(), stat.state, stat.parent), ("a) b (c", 'S', 70));
        assert_eq!((stat.faults, stat.times), ([125, 300, 2, 4], [50, 60, 700, 800]));
        assert_eq!((stat.threads, stat.started, stat.virtual_memory, stat.resident_pages), (5, 9000, 1 << 20, 256));
    }

    #[test]
    fn a_process_may_be_ending() {
        assert!(!stat(STAT).unwrap().is_ending);
        assert!(stat(&STAT.replace("4194560", "4194564")).unwrap().is_ending);
    }

    #[test]
    fn truncated_or_malformed_text_is_left_out() {
        for end in [0, 3, 10, 40, 80] {
            assert_eq!(stat(&STAT[..end]), None, "{end}");
        }
        assert_eq!(stat(&STAT.replace("9000", "many")), None);
        assert_eq!(disk("rchar: 1\nread_bytes: 10\nwrite_bytes: x\n"), None);
        assert_eq!(switches(""), None);
    }

    #[test]
    fn bytes_are_those_of_the_disk() {
        let text =
            "rchar: 9\nwchar: 9\nsyscr: 9\nsyscw: 9\nread_bytes: 4096\nwrite_bytes: 8192\ncancelled_write_bytes: 9\n";
        assert_eq!(disk(text), Some([4096, 8192]));
        assert_eq!(switches("Name:\tx\nvoluntary_ctxt_switches:\t7\nnonvoluntary_ctxt_switches:\t3\n"), Some([7, 3]));
    }
}
