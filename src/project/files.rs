//! Writing files so that nothing is ever half-written, and nothing is touched without need.

use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// The age of woven sources: cargo rebuilds what is younger than its output. (The number is the one cargo itself gives
/// to the files it unpacks.)
const LONG_AGO: Duration = Duration::from_secs(1_153_704_088);

/// Writes `content` unless the file holds it already; true when it wrote.
pub(crate) fn write_if_changed(path: &Path, content: &[u8]) -> io::Result<bool> {
    if fs_err::read(path).is_ok_and(|found| found == content) {
        return Ok(false);
    }
    replace(path, content, None, false)?;
    Ok(true)
}

/// As [`write_if_changed`], for a file that can be executed.
pub(crate) fn write_executable_if_changed(path: &Path, content: &[u8]) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt;
    let executable = fs_err::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o111 == 0o111);
    if executable && fs_err::read(path).is_ok_and(|found| found == content) {
        return Ok(false);
    }
    replace(path, content, None, true)?;
    Ok(true)
}

/// Writes `content` as if it had been there long ago.
pub(crate) fn write_old(path: &Path, content: &[u8]) -> io::Result<()> {
    if fs_err::read(path).is_ok_and(|found| found == content) {
        return Ok(());
    }
    replace(path, content, Some(SystemTime::UNIX_EPOCH + LONG_AGO), false)
}

/// As [`write_old`], into a folder that nobody reads yet: about three times as fast.
pub(crate) fn create_old(path: &Path, content: &[u8]) -> io::Result<()> {
    fs_err::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
    let mut file = fs_err::File::create(path)?;
    file.write_all(content)?;
    file.file().set_modified(SystemTime::UNIX_EPOCH + LONG_AGO)
}

/// A new file beside the old one, then renamed over it: a reader sees one or the other.
fn replace(path: &Path, content: &[u8], modified: Option<SystemTime>, executable: bool) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let folder = path.parent().unwrap_or(Path::new("."));
    fs_err::create_dir_all(folder)?;
    let said = |error: io::Error| io::Error::new(error.kind(), format!("cannot write `{}`: {error}", path.display()));
    let mut file = tempfile::Builder::new().prefix(".otel-rs-").tempfile_in(folder).map_err(said)?;
    file.write_all(content).map_err(said)?;
    let mode = match fs_err::metadata(path) {
        Ok(old) if !executable => old.permissions().mode() & 0o7777,
        _ if executable => 0o755,
        _ => 0o644,
    };
    file.as_file().set_permissions(std::fs::Permissions::from_mode(mode)).map_err(said)?;
    if let Some(modified) = modified {
        file.as_file().set_modified(modified).map_err(said)?;
    }
    file.persist(path).map_err(|error| said(error.error))?;
    Ok(())
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
        write_old(&path, b"x").unwrap();
        assert_eq!(fs_err::metadata(&path).unwrap().modified().unwrap(), SystemTime::UNIX_EPOCH + LONG_AGO);
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
