//! Prints its process id and waits for a minute.

fn main() {
    println!("ready {}", std::process::id());
    std::thread::sleep(std::time::Duration::from_secs(60));
}
