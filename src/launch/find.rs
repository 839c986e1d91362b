//! Finding PROGRAM as a shell would, with a shell's exit statuses for failure.

use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::ui::Explain;

/// What a shell searches when `PATH` is unset.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Why PROGRAM cannot be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FindError {
    /// There is no such file.
    #[error("cannot run `{}`: no such file", .0.display())]
    NoSuchFile(PathBuf),
    /// It is in none of the directories of `PATH`.
    #[error("cannot run `{}`: not found in PATH ({searched})", name.display())]
    NotInPath {
        /// The name on the command line.
        name: PathBuf,
        /// Where it was looked for.
        searched: String,
        /// Whether a file of this name stands in the working directory.
        here: bool,
    },
    /// It is there, but is a directory.
    #[error("cannot run `{}`: it is a directory", .0.display())]
    Directory(PathBuf),
    /// It is there, but may not be executed.
    #[error("cannot run `{}`: it is not executable", .0.display())]
    NotExecutable(PathBuf),
}

impl FindError {
    /// The exit status that shells, `env` and `timeout` use for this.
    pub(crate) fn status(&self) -> i32 {
        match self {
            FindError::NoSuchFile(_) | FindError::NotInPath { .. } => 127,
            FindError::Directory(_) | FindError::NotExecutable(_) => 126,
        }
    }
}

impl Explain for FindError {
    fn hint(&self) -> Option<String> {
        match self {
            FindError::NoSuchFile(_) => Some("build it first, or check the path".into()),
            FindError::NotInPath { name, here: true, .. } => {
                Some(format!("write `./{}` to run the file in this directory", name.display()))
            }
            FindError::NotInPath { .. } => Some("give a path, or check PATH".into()),
            FindError::Directory(path) => Some(format!("name a program inside `{}`", path.display())),
            FindError::NotExecutable(path) => {
                Some(format!("run `chmod +x {}`, or check the permissions of the folders above it", path.display()))
            }
        }
    }
}

/// Finds the file that a shell would run for `name`.
pub(crate) fn find_program(name: &OsStr, path: Option<&OsStr>) -> Result<PathBuf, FindError> {
    if name.as_bytes().contains(&b'/') {
        let file = PathBuf::from(name);
        return match std::fs::metadata(&file) {
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Err(FindError::NotExecutable(file)),
            Err(_) => Err(FindError::NoSuchFile(file)),
            Ok(metadata) if metadata.is_dir() => Err(FindError::Directory(file)),
            // `which` uses access(2), which takes ACLs and capabilities into account.
            Ok(_) => which::which_in(&file, None::<&OsStr>, ".")
                .map_err(|_| FindError::NotExecutable(file.clone()))
                .map(|_| file),
        };
    }
    let path = path.filter(|path| !path.is_empty()).map_or_else(|| OsString::from(DEFAULT_PATH), OsStr::to_owned);
    let cwd = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
    if let Ok(found) = which::which_in(name, Some(&path), &cwd) {
        return Ok(found);
    }
    // A shell that meets a file which it may not execute goes on looking, and reports that file in the end.
    let unusable =
        std::env::split_paths(&path).map(|directory| cwd.join(directory).join(name)).find(|file| file.is_file());
    match unusable {
        Some(file) => Err(FindError::NotExecutable(file)),
        None => Err(FindError::NotInPath {
            name: PathBuf::from(name),
            searched: path.to_string_lossy().into_owned(),
            here: !name.is_empty() && cwd.join(name).is_file(),
        }),
    }
}

/// Whether a file is a native program, and not a script that may start others.
pub(crate) fn is_elf(file: &Path) -> bool {
    let mut magic = [0; 4];
    std::fs::File::open(file).and_then(|mut file| file.read_exact(&mut magic)).is_ok() && magic == *b"\x7fELF"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_looked_up_in_path() {
        assert!(find_program(OsStr::new("sh"), Some(OsStr::new("/nowhere:/bin"))).unwrap().ends_with("sh"));
    }

    #[test]
    fn a_missing_program_is_127_and_an_unusable_one_126() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("plain"), "text").unwrap();
        let status = |name: &OsStr| find_program(name, Some(folder.path().as_os_str())).unwrap_err().status();
        assert_eq!(status(OsStr::new("missing")), 127);
        assert_eq!(status(OsStr::new("plain")), 126);
        assert_eq!(status(folder.path().join("plain").as_os_str()), 126);
        assert_eq!(status(folder.path().join("missing").as_os_str()), 127);
        assert_eq!(status(folder.path().as_os_str()), 126);
        assert_eq!(status(OsStr::new("")), 127);
    }
}
