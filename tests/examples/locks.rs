//! Lock files of the examples: `UPDATE_LOCKS=1 cargo test --test examples <crate>` makes those that are missing.

use crate::support::fixture::{cargo, example_lock, example_name, fixture_with, put, write_example};
use crate::support::{kept, output, source};

/// The lock file whose versions the examples share.
const SHARED: &str = "tests/fixtures/shop/newest/Cargo.lock";

/// Whether the user has set `UPDATE_LOCKS`.
pub(crate) fn are_updated() -> bool {
    std::env::var_os("UPDATE_LOCKS").is_some()
}

/// Writes the lock file of an example, or brings it in line with the manifest. What is locked already stays. A new lock
/// file has the dependencies of [`SHARED`], so that one build of them serves all examples. Where they do not fit, as with a
/// version that was yanked, it has those of a lock file with the very version.
pub(crate) fn update(of: &str, version: &str) {
    let folder = kept(&example_name(of, version));
    let lock = example_lock(of, version);
    write_example(of, version, &folder);
    let seeds = if lock.exists() {
        vec![lock.clone()]
    } else {
        std::iter::once(source(SHARED)).chain(fixture_with(of, version)).collect()
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
