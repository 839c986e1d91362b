//! What the packages of a lock file are compiled for. A lock file also holds what only tests need, what only build
//! scripts and procedural macros need, and what a feature would need that no target enables.

use std::collections::HashSet;
use std::path::Path;

use semver::Version;

use super::metadata::{cargo, host};

/// What a package is compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// The workspace's libraries and programs.
    Program,
    /// Tests, examples and benchmarks alone.
    Tests,
    /// Build scripts and procedural macros alone.
    Build,
    /// Nothing.
    None,
}

/// The packages that cargo compiles for each use, as `cargo tree` resolves them: other than `cargo metadata`, it resolves
/// which features each target has.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    program: HashSet<String>,
    tests: HashSet<String>,
    build: HashSet<String>,
}

impl Usage {
    /// What the workspace at `root` compiles `packages` for; `None` when cargo cannot list it.
    pub(crate) fn of(root: &Path, packages: &[(&str, &Version)]) -> Option<Usage> {
        let host = host(root).ok()?;
        let tree = |edges: &str| {
            let args = ["tree", "--workspace", "--locked", "--offline", "--prefix", "none", "--format", "{p}"];
            let output = cargo(root, &[&args[..], &["--target", &host, "--edges", edges]].concat()).ok()?;
            output.status.success().then(|| listed(&String::from_utf8_lossy(&output.stdout)))
        };
        let program = tree("normal,no-proc-macro")?;
        // The usual case costs one call.
        if packages.iter().all(|(name, version)| program.contains(&id(name, version))) {
            return Some(Usage { program, ..Usage::default() });
        }
        Some(Usage { program, tests: tree("normal,dev,no-proc-macro")?, build: tree("normal,dev,build")? })
    }

    /// What a package is compiled for.
    pub(crate) fn find(&self, name: &str, version: &Version) -> Use {
        let id = id(name, version);
        [(&self.program, Use::Program), (&self.tests, Use::Tests), (&self.build, Use::Build)]
            .into_iter()
            .find_map(|(packages, used)| packages.contains(&id).then_some(used))
            .unwrap_or(Use::None)
    }
}

fn id(name: &str, version: &Version) -> String {
    format!("{name} v{version}")
}

/// The name and version of each line; a source and `(*)` may follow.
fn listed(text: &str) -> HashSet<String> {
    let id = |line: &str| {
        let mut words = line.split_whitespace();
        Some(format!("{} {}", words.next()?, words.next()?))
    };
    text.lines().filter_map(id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_and_repetitions_are_no_part_of_a_package() {
        let listed = listed("app v0.1.0 (/p/app)\nlog v0.4.35\n\nlog v0.4.35 (*)\nmacros v1.0.0-rc.1 (proc-macro)\n");
        assert_eq!(listed.len(), 3);
        assert!(listed.contains("log v0.4.35") && listed.contains("macros v1.0.0-rc.1"));
    }
}
