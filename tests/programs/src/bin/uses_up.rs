//! Uses up what its arguments name: `cpu=MILLIS` of CPU time, `memory=MIB` that it holds, `threads=N` that wait,
//! `files=N` that stay open, `naps=N` of a millisecond, `write=PATH` a MiB that reaches the disk. Then prints
//! `used PID CPU_MICROS`. With `wait` it goes on until its stdin ends.

use std::io::{Read, Write};

use nix::sys::resource::{UsageWho, getrusage};

fn main() {
    let (mut held, mut files) = (Vec::new(), Vec::new());
    let mut waits = false;
    for word in std::env::args().skip(1) {
        let (what, how_much) = word.split_once('=').unwrap_or((&word, ""));
        let number = || how_much.parse::<usize>().expect("a number");
        match what {
            "cpu" => burn(number() as i64 * 1000),
            "memory" => held.push(vec![1_u8; number() << 20]),
            "threads" => (0..number()).for_each(|_| drop(std::thread::spawn(std::thread::park))),
            "files" => files.extend((0..number()).map(|_| std::fs::File::open("/dev/null").expect("it is there"))),
            "naps" => (0..number()).for_each(|_| std::thread::sleep(std::time::Duration::from_millis(1))),
            "write" => {
                let mut file = std::fs::File::create(how_much).expect("a file");
                file.write_all(&vec![1; 1 << 20]).expect("written");
                file.sync_all().expect("on the disk");
            }
            "wait" => waits = true,
            other => panic!("{other}?"),
        }
    }
    println!("used {} {}", std::process::id(), used());
    if waits {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
    }
    std::hint::black_box((held, files));
}

/// Microseconds of CPU time.
fn used() -> i64 {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("known");
    let micros = |time: nix::sys::time::TimeVal| time.tv_sec() * 1_000_000 + time.tv_usec();
    micros(usage.user_time()) + micros(usage.system_time())
}

fn burn(micros: i64) {
    let end = used() + micros;
    while used() < end {
        std::hint::black_box((0..1000).sum::<u64>());
    }
}
