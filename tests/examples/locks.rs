//! Lock files of the examples: `UPDATE_LOCKS=1 cargo test --test examples <crate>` makes those that are missing.

use std::path::{Path, PathBuf};

use crate::support::fixture::{cargo, example_lock, example_name, put, write_example};
use crate::support::{kept, source, succeed};

/// What is locked where no other lock file has the version.
const NEWEST: &str = "tests/fixtures/shop/newest/Cargo.lock";

/// Whether the user has set `UPDATE_LOCKS`.
pub(crate) fn are_updated() -> bool {
    std::env::var_os("UPDATE_LOCKS").is_some()
}

/// Writes the lock file of an example, or brings it in line with the manifest. Everything that both have stays as it is
/// locked. Versions come from a lock file of this repository, so that one build serves several programs.
pub(crate) fn update(of: &str, version: &str) {
    let folder = kept(&example_name(of, version));
    let lock = example_lock(of, version);
    let seed = if lock.exists() { lock.clone() } else { seed(of, version) };
    write_example(of, version, &folder);
    put(&seed, &folder.join("Cargo.lock"));
    succeed(cargo(&folder).args(["update", "--workspace"]));
    put(&folder.join("Cargo.lock"), &lock);
}

/// The first lock file of this repository that has the crate in this version.
fn seed(of: &str, version: &str) -> PathBuf {
    let folders =
        ["tests/fixtures", "instrumentations"].map(|folder| walkdir::WalkDir::new(source(folder)).sort_by_file_name());
    let files = folders.into_iter().flatten().flatten().map(walkdir::DirEntry::into_path);
    let mut locks = files.filter(|path| path.extension().is_some_and(|extension| extension == "lock"));
    locks.find(|path| has(path, of, version)).unwrap_or_else(|| source(NEWEST))
}

fn has(lock: &Path, name: &str, version: &str) -> bool {
    let text = std::fs::read_to_string(lock).expect("a lock file");
    text.contains(&format!("name = \"{name}\"\nversion = \"{version}\"\n"))
}
