//! Processes that the program left behind: as PID 1 or subreaper the launcher is their parent now.

use std::fs::File;
use std::io::Read;

use nix::libc;

/// Room for the pids of so many children.
const MOST: usize = 512;

/// Children of the launcher.
pub(super) struct Left {
    pids: [i32; MOST],
    count: usize,
}

impl Left {
    /// All of this process's children but the one that exports; `None` when there are none, or the kernel cannot list
    /// them. Allocates nothing.
    pub(super) fn of_us(exporter: Option<i32>) -> Option<Left> {
        let mut left = Left { pids: [0; MOST], count: 0 };
        let mut file = File::open("/proc/thread-self/children").ok()?;
        let (mut bytes, mut number) = ([0; 1024], 0_i32);
        loop {
            let count = file.read(&mut bytes).ok()?;
            for byte in bytes.get(..count)? {
                match byte {
                    b'0'..=b'9' => number = number.wrapping_mul(10).wrapping_add(i32::from(byte - b'0')),
                    _ => left.add(std::mem::take(&mut number), exporter),
                }
            }
            if count == 0 {
                left.add(number, exporter);
                return (left.count > 0).then_some(left);
            }
        }
    }

    fn add(&mut self, pid: i32, exporter: Option<i32>) {
        if pid > 0 && Some(pid) != exporter && self.count < MOST {
            self.pids[self.count] = pid;
            self.count += 1;
        }
    }

    pub(super) fn each(&self, act: impl Fn(i32)) {
        self.pids.iter().take(self.count).for_each(|pid| act(*pid));
    }
}

/// Becomes the parent of what the program leaves behind, wherever in its tree that is.
pub(crate) fn adopt_orphans() {
    let _ = nix::sys::prctl::set_child_subreaper(true);
}

/// How many processes the program has left behind.
pub(crate) fn count_left(exporter: Option<i32>) -> usize {
    Left::of_us(exporter).map_or(0, |left| left.count)
}

/// Sends a signal to a child that has not been reaped.
#[expect(unsafe_code, reason = "nix's kill knows no real-time signals")]
pub(super) fn kill(pid: i32, signal: i32) {
    // SAFETY: kill() touches no memory.
    unsafe { libc::kill(pid, signal) };
}

/// The letter for a process's state. Allocates nothing.
pub(super) fn state(pid: i32) -> Option<u8> {
    let mut path = [0; 32];
    std::io::Write::write_fmt(&mut &mut path[..], format_args!("/proc/{pid}/stat")).ok()?;
    let length = path.iter().position(|byte| *byte == 0)?;
    let mut bytes = [0; 512];
    let count = File::open(std::str::from_utf8(path.get(..length)?).ok()?).ok()?.read(&mut bytes).ok()?;
    // The state is the first word after the name, which stands in parentheses and may hold anything.
    let after_name = bytes.get(..count)?.iter().rposition(|byte| *byte == b')')?;
    bytes.get(after_name + 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_of_a_living_child_is_known_and_the_exporter_is_no_orphan() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let pid = child.id() as i32;
        assert!(matches!(state(pid), Some(b'S' | b'R' | b'D')));
        // Children belong to the thread that made them.
        assert!(Left::of_us(None).is_some_and(|left| left.pids.contains(&pid)));
        assert!(Left::of_us(Some(pid)).is_none());
        let _ = (child.kill(), child.wait());
        assert_eq!(state(pid), None);
    }
}
