//! Gathers the instrumentations that are embedded, and rebuilds when one of their files changes: `include_dir!` alone does
//! not see a new file. The examples stay outside of the binary.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

const EXAMPLE: &str = "example";

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=instrumentations");
    println!("cargo::rerun-if-changed=templates");
    let gathered = PathBuf::from(env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?).join("instrumentations");
    if gathered.exists() {
        fs::remove_dir_all(&gathered)?;
    }
    copy(Path::new("instrumentations"), &gathered)
}

/// Copies a folder with all that is in it but examples.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if !entry.path().is_dir() {
            fs::copy(entry.path(), to)?;
        } else if entry.file_name() != EXAMPLE {
            copy(&entry.path(), &to)?;
        }
    }
    Ok(())
}
