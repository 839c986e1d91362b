//! Lock files of the examples: `UPDATE_LOCKS=1 cargo test --test examples <crate>` makes those that are missing.

use crate::support::fixture::{cargo, example_lock, example_name, fixture_with, put, put_text, write_example};
use crate::support::{kept, output, source, together};

/// The lock file whose versions the examples share.
const SHARED: &str = "tests/fixtures/shop/newest/Cargo.lock";

/// Whether the user has set `UPDATE_LOCKS`.
pub(crate) fn are_updated() -> bool {
    std::env::var_os("UPDATE_LOCKS").is_some()
}

/// Writes the lock file of an example, or brings it in line with the manifest. What is locked already stays. A new lock
/// file has the dependencies of the newest examples, so that it is built together with them, and otherwise those of
/// [`SHARED`]. Where they do not fit, as with a version that was yanked, it has those of a lock file with the very version.
pub(crate) fn update(of: &str, version: &str) {
    let folder = kept(&example_name(of, version));
    let lock = example_lock(of, version);
    write_example(of, version, &folder);
    let seeds = if lock.exists() {
        vec![lock.clone()]
    } else {
        let newest = kept("newest.lock");
        put_text(&together::newest_packages().to_string(), &newest);
        [newest, source(SHARED)].into_iter().chain(fixture_with(of, version)).collect()
    };
    let mut failures = Vec::new();
    for seed in seeds {
        put(&seed, &folder.join("Cargo.lock"));
        let (is_good, _, stderr) = output(cargo(&folder).args(["update", "--workspace"]));
        if is_good {
            return put(&folder.join("Cargo.lock"), &lock);
        }
        failures.push(stderr);
    }
    panic!("{of} {version} cannot be locked:\n{}", failures.join("\n"));
}
