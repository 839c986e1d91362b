//! Writing files so that nothing is ever half-written, and nothing is touched without need.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The age of woven sources: cargo rebuilds what is younger than its output. (The number is the one cargo itself gives
/// to the files it unpacks.)
const LONG_AGO: Duration = Duration::from_secs(1_153_704_088);

/// Writes `content` unless the file holds it already; true when it wrote.
pub(crate) fn write_if_changed(path: &Path, content: &[u8]) -> io::Result<bool> {
    if fs_err::read(path).is_ok_and(|found| found == content) {
        return Ok(false);
    }
    replace(path, content, false)?;
    Ok(true)
}

/// As [`write_if_changed`], for a file that can be executed.
pub(crate) fn write_executable_if_changed(path: &Path, content: &[u8]) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt;
    let executable = fs_err::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o111 == 0o111);
    if executable && fs_err::read(path).is_ok_and(|found| found == content) {
        return Ok(false);
    }
    replace(path, content, true)?;
    Ok(true)
}

/// Writes `content` with an old modification time, into a folder that is not in use yet.
pub(crate) fn create_old(path: &Path, content: &[u8]) -> io::Result<()> {
    fs_err::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
    let mut file = fs_err::File::create(path)?;
    file.write_all(content)?;
    file.file().set_modified(SystemTime::UNIX_EPOCH + LONG_AGO)
}

/// A new file beside the old one, then renamed over it: a reader sees one or the other.
fn replace(path: &Path, content: &[u8], executable: bool) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let folder = path.parent().unwrap_or(Path::new("."));
    fs_err::create_dir_all(folder)?;
    let with_path =
        |error: io::Error| io::Error::new(error.kind(), format!("cannot write `{}`: {error}", path.display()));
    let mut file = tempfile::Builder::new().prefix(".otel-rs-").tempfile_in(folder).map_err(with_path)?;
    file.write_all(content).map_err(with_path)?;
    let mode = match fs_err::metadata(path) {
        Ok(old) if !executable => old.permissions().mode() & 0o7777,
        _ if executable => 0o755,
        _ => 0o644,
    };
    file.as_file().set_permissions(std::fs::Permissions::from_mode(mode)).map_err(with_path)?;
    file.persist(path).map_err(|error| with_path(error.error))?;
    Ok(())
}

/// Takes a lock that lasts until it is dropped. What is in the file stays there, and a link is not followed.
pub(crate) fn lock(path: &Path) -> io::Result<std::fs::File> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let file = options.custom_flags(nix::libc::O_NOFOLLOW).open(path).map_err(|error| named(path, &error))?;
    file.lock()?;
    Ok(file)
}

/// Gives a file the time of now; a link is not followed.
pub(crate) fn touch(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let file = std::fs::OpenOptions::new().read(true).custom_flags(nix::libc::O_NOFOLLOW).open(path)?;
    file.set_modified(SystemTime::now())
}

/// Puts a finished folder in its place unless a good one is there by now; what is there otherwise is removed.
pub(crate) fn place(new: tempfile::TempDir, at: &Path, is_good: impl Fn() -> bool) -> io::Result<()> {
    if std::fs::rename(new.path(), at).is_err() {
        if is_good() {
            return Ok(());
        }
        // Moved aside first: a compiler that reads it keeps its files.
        let aside = tempfile::Builder::new().prefix(".old-").tempdir_in(at.parent().unwrap_or(at))?;
        match std::fs::rename(at, aside.path().join("old")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(named(at, &error)),
            _ => {}
        }
        if let Err(error) = std::fs::rename(new.path(), at)
            && !is_good()
        {
            return Err(named(at, &error));
        }
    }
    // The folder was renamed, so that the temporary name no longer exists.
    let _ = new.keep();
    Ok(())
}

/// The error with the file that it is about.
fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("`{}`: {error}", path.display()))
}

/// The first link below `folder`, or at it.
pub(crate) fn link_in(folder: &Path) -> Option<PathBuf> {
    let entries = walkdir::WalkDir::new(folder).follow_root_links(false).into_iter();
    entries.flatten().find(|entry| entry.path_is_symlink()).map(walkdir::DirEntry::into_path)
}

/// Removes a file or a whole folder; that it is not there is as good.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs_err::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs_err::remove_dir_all(path),
        Ok(_) => fs_err::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Whether files can be created in `folder`, or in the nearest of its parents that exists.
pub(crate) fn check_writable(folder: &Path) -> io::Result<()> {
    let existing = folder.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("/"));
    tempfile::Builder::new()
        .prefix(".otel-rs-")
        .tempfile_in(existing)
        .map(drop)
        .map_err(|error| io::Error::new(error.kind(), format!("cannot write into `{}`: {error}", existing.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unchanged_content_keeps_its_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        assert!(write_if_changed(&path, b"x").unwrap());
        fs_err::File::open(&path).unwrap().file().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        assert!(!write_if_changed(&path, b"x").unwrap());
        assert_eq!(fs_err::metadata(&path).unwrap().modified().unwrap(), SystemTime::UNIX_EPOCH);
    }

    #[test]
    fn old_file_is_old() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        create_old(&path, b"x").unwrap();
        assert_eq!(fs_err::metadata(&path).unwrap().modified().unwrap(), SystemTime::UNIX_EPOCH + LONG_AGO);
    }

    #[test]
    fn a_lock_truncates_nothing_and_follows_no_link() {
        let dir = tempfile::tempdir().unwrap();
        let (path, victim) = (dir.path().join("lock"), dir.path().join("victim"));
        std::fs::write(&path, "kept").unwrap();
        drop(lock(&path).unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "kept");
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&victim, "kept").unwrap();
        std::os::unix::fs::symlink(&victim, &path).unwrap();
        assert!(lock(&path).is_err() && touch(&path).is_err());
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "kept");
    }

    #[test]
    fn a_finished_folder_takes_the_place_of_whatever_is_not_good() {
        let dir = tempfile::tempdir().unwrap();
        let (at, victim) = (dir.path().join("at"), dir.path().join("victim"));
        let new = || {
            let new = tempfile::tempdir_in(dir.path()).unwrap();
            std::fs::write(new.path().join("new"), "").unwrap();
            new
        };
        let placed = |good| {
            place(new(), &at, || good).unwrap();
            at.join("new").is_file() && !at.is_symlink()
        };
        assert!(placed(false), "where nothing is");
        std::fs::remove_dir_all(&at).unwrap();
        std::fs::create_dir(&at).unwrap();
        std::fs::write(at.join("old"), "").unwrap();
        assert!(!placed(true) && at.join("old").exists(), "a good one stays");
        assert!(placed(false) && !at.join("old").exists(), "another does not");
        std::fs::remove_dir_all(&at).unwrap();
        std::fs::create_dir(&victim).unwrap();
        std::fs::write(victim.join("kept"), "").unwrap();
        std::os::unix::fs::symlink(&victim, &at).unwrap();
        assert!(placed(false) && victim.join("kept").exists(), "nor does a link, which leads nowhere");
        let names = std::fs::read_dir(dir.path()).unwrap().count();
        assert_eq!(names, 2, "nothing is left lying about");
    }

    #[test]
    fn lost_execute_permission_is_given_back() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        write_if_changed(&path, b"x").unwrap();
        assert!(write_executable_if_changed(&path, b"x").unwrap());
        assert_eq!(fs_err::metadata(&path).unwrap().permissions().mode() & 0o777, 0o755);
        assert!(!write_executable_if_changed(&path, b"x").unwrap());
    }
}
