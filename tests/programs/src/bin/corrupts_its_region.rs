//! Finds the shared memory that it shares with the launcher, writes nonsense all over it, and goes on.

use std::io::{Seek, SeekFrom, Write};

use otel_rs_hooks::wire;
use otel_rs_test_programs::write_span;

fn main() {
    write_span(1);
    let maps = std::fs::read_to_string("/proc/self/maps").expect("maps");
    let region = maps.lines().find(|line| line.contains("memfd:otel-rs")).expect("a region");
    let (start, _) = region.split_once('-').expect("a range");
    let start = u64::from_str_radix(start, 16).expect("an address");
    // Past the fields that the launcher has read already: strings, cells, series, heads of rings, records.
    let mut memory = std::fs::File::options().write(true).open("/proc/self/mem").expect("memory");
    memory.seek(SeekFrom::Start(start + 4096)).expect("a place");
    memory
        .write_all(&vec![0xA5; wire::CELL_COUNT * wire::CELL_SIZE + wire::SERIES_SIZE + 256 * 1024])
        .expect("writing");
    (2..100).for_each(write_span);
    std::thread::sleep(std::time::Duration::from_millis(300));
    println!("unharmed");
}
