//! Rebuilds when an embedded folder changes: `include_dir!` alone would not see a new file in it.

fn main() {
    println!("cargo::rerun-if-changed=instrumentations");
    println!("cargo::rerun-if-changed=templates");
}
