//! Writes COUNT spans from THREADS threads, pausing PAUSE_US after every tenth, and keeps count in FILE.

use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::Duration;

use otel_rs_test_programs::Counts;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [count, threads, pause, file] = &args[..] else { panic!("writes_spans COUNT THREADS PAUSE_US FILE") };
    let counts = Counts::open(Path::new(file));
    let left = AtomicI64::new(count.parse().expect("a number"));
    let pause = Duration::from_micros(pause.parse().expect("a number"));
    // While one thread attaches the others do not wait for it, and go unrecorded.
    otel_rs_hooks::active();
    println!("ready {}", std::process::id());
    std::thread::scope(|scope| {
        for _ in 0..threads.parse().expect("a number") {
            scope.spawn(|| {
                while left.fetch_sub(1, Relaxed) > 0 {
                    counts.write_span();
                    if !pause.is_zero() && left.load(Relaxed) % 10 == 0 {
                        std::thread::sleep(pause);
                    }
                }
            });
        }
    });
}
