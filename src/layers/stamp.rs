//! Stamps: small files by which cargo notices that a crate must be compiled anew.
//!
//! Each known crate's dep-info names its stamp. A rule that changes then costs that crate and its dependents, and not the
//! whole program. A stamp is written only when its content changes, and then it is new.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use semver::Version;

use super::{WeavingContext, own_stamp};
use crate::project::{Locked, ProjectDirs, files};

/// Where a crate's stamp is.
pub(crate) fn stamp_path(dirs: &ProjectDirs, name: &str, version: &Version) -> PathBuf {
    dirs.stamps().join(format!("{name}-{version}"))
}

/// Brings all stamps up to date: those that are there, and those of the known crates among `packages`.
pub(crate) fn refresh_stamps(dirs: &ProjectDirs, context: &WeavingContext, packages: &[Locked]) -> io::Result<()> {
    for (name, version) in present(dirs) {
        write(dirs, context, &name, &version)?;
    }
    for package in packages {
        if context.catalog.get(&package.name).is_some() {
            write(dirs, context, &package.name, &package.version)?;
        }
    }
    own_stamp::refresh(dirs, context)
}

/// Makes sure that the stamp of a crate about to be compiled exists. It gets an old time: cargo compares with the moment
/// it started the compiler, and a younger stamp would have the crate compiled twice.
pub(crate) fn ensure_stamp(
    dirs: &ProjectDirs,
    context: &WeavingContext,
    name: &str,
    version: &Version,
) -> io::Result<PathBuf> {
    let path = stamp_path(dirs, name, version);
    // What could not be read is compiled plain whatever its stamp holds, and anew once it can be.
    if !path.exists() || context.catalog.get(name).is_none() {
        write(dirs, context, name, version)?;
        let hour_ago = SystemTime::now() - Duration::from_secs(3600);
        fs_err::File::options().write(true).open(&path)?.file().set_modified(hour_ago)?;
    }
    Ok(path)
}

fn write(dirs: &ProjectDirs, context: &WeavingContext, name: &str, version: &Version) -> io::Result<()> {
    let content = context.stamp(name, version);
    files::write_if_changed(&stamp_path(dirs, name, version), content.as_bytes()).map(drop)
}

/// The crates whose stamps are there.
fn present(dirs: &ProjectDirs) -> Vec<(String, Version)> {
    let Ok(entries) = fs_err::read_dir(dirs.stamps()) else { return Vec::new() };
    entries.flatten().filter_map(|entry| name_and_version(entry.file_name().to_str()?)).collect()
}

/// Splits `<name>-<version>`; both parts may hold dashes.
pub(crate) fn name_and_version(text: &str) -> Option<(String, Version)> {
    text.match_indices('-').find_map(|(at, _)| Some((text[..at].to_owned(), Version::parse(&text[at + 1..]).ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashes_in_names_do_not_hide_the_version() {
        let split = |text| name_and_version(text).map(|(name, version)| (name, version.to_string()));
        assert_eq!(split("cog-wheel-0.1.3"), Some(("cog-wheel".into(), "0.1.3".into())));
        assert_eq!(split("toy-1.0.0-alpha-2.1"), Some(("toy".into(), "1.0.0-alpha-2.1".into())));
        assert_eq!(split("toy"), None);
    }

    #[test]
    fn unchanged_stamp_is_not_touched() {
        let dir = tempfile::tempdir().unwrap();
        let dirs = ProjectDirs::in_cache(dir.path(), dir.path());
        let context = WeavingContext::load(&dirs).unwrap();
        let path = ensure_stamp(&dirs, &context, "toy", &Version::new(1, 0, 0)).unwrap();
        let before = fs_err::metadata(&path).unwrap().modified().unwrap();
        assert!(before < SystemTime::now() - Duration::from_secs(1800));
        refresh_stamps(&dirs, &context, &[]).unwrap();
        assert_eq!(fs_err::metadata(&path).unwrap().modified().unwrap(), before);
        fs_err::write(&path, "woven by an older one").unwrap();
        refresh_stamps(&dirs, &context, &[]).unwrap();
        assert_eq!(fs_err::read_to_string(&path).unwrap(), "plain\n");
    }
}
