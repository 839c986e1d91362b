//! Git and a file of the project: whether the file is tracked, and how it is excluded from `git status`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What git does with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tracked {
    /// The file is a part of the repository.
    Yes,
    /// It is not, or there is no repository.
    No,
    /// There is a repository, and git does not answer.
    Unknown,
}

/// Whether git tracks `file`, which lies in the project at `root`.
pub(crate) fn tracks(root: &Path, file: &Path) -> Tracked {
    if !root.ancestors().any(|folder| folder.join(".git").exists()) {
        return Tracked::No;
    }
    let listed = git(root, [OsStr::new("ls-files"), OsStr::new("-z"), OsStr::new("--"), file.as_os_str()]);
    match listed {
        Some(listed) if listed.is_empty() => Tracked::No,
        Some(_) => Tracked::Yes,
        None => Tracked::Unknown,
    }
}

/// Whether git leaves out `file`, which lies in the project at `root`, of what is committed: it is ignored, and not tracked.
pub(crate) fn ignores(root: &Path, file: &Path) -> bool {
    let args = [OsStr::new("check-ignore"), OsStr::new("--quiet"), OsStr::new("--"), file.as_os_str()];
    git(root, args).is_some() && tracks(root, file) == Tracked::No
}

/// The repository's own list of what git does not show, and how the project's `file` is written there.
pub(crate) fn exclude(root: &Path, file: &str) -> Option<(PathBuf, String)> {
    let text = |args: [&str; 2]| Some(String::from_utf8(git(root, args.map(OsStr::new))?).ok()?.trim_end().to_owned());
    let path = git(root, ["rev-parse", "--git-path", "info/exclude"].map(OsStr::new))?;
    let path = root.join(String::from_utf8(path).ok()?.trim_end());
    Some((path, format!("/{}{file}", text(["rev-parse", "--show-prefix"])?)))
}

/// What git prints; `None` where it fails. A repository's own settings must not start programs here.
fn git<const N: usize>(root: &Path, args: [&OsStr; N]) -> Option<Vec<u8>> {
    let output = Command::new("git")
        .args(["-c", "core.fsmonitor=false"])
        .args(args)
        .current_dir(root)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output.status.success().then_some(output.stdout)
}
