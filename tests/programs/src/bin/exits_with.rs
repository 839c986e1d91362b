//! Exits with the status given.

fn main() {
    let status = std::env::args().nth(1).and_then(|text| text.parse().ok());
    std::process::exit(status.expect("exits_with STATUS"));
}
