//! A mirror of a folder of the user's: the woven files, and links to everything beside them, so that paths that lead from
//! one file to another (`include_str!`, `#[path]`, modules) go on leading there.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::project::files;

/// Brings the mirror at `at` of the folder `of` up to date: `woven` are its own files, by their paths below the folder.
pub(super) fn reflect(at: &Path, of: &Path, woven: &BTreeMap<PathBuf, String>) -> io::Result<()> {
    let folders: BTreeSet<&Path> = woven.keys().flat_map(|file| file.ancestors().skip(1)).collect();
    let is_own = |path: &Path| woven.contains_key(path) || folders.contains(path);
    for folder in &folders {
        let (mirrored, original) = (at.join(folder), of.join(folder));
        if mirrored.is_symlink() || mirrored.is_file() {
            files::remove(&mirrored)?;
        }
        fs_err::create_dir_all(&mirrored)?;
        let names = names_in(&original)?;
        for name in names_in(&mirrored)?.difference(&names) {
            if !is_own(&folder.join(name)) {
                files::remove(&mirrored.join(name))?;
            }
        }
        for name in &names {
            if !is_own(&folder.join(name)) {
                link(&original.join(name), &mirrored.join(name))?;
            }
        }
    }
    for (file, text) in woven {
        let path = at.join(file);
        if path.is_symlink() || path.is_dir() {
            files::remove(&path)?;
        }
        files::write_if_changed(&path, text.as_bytes())?;
    }
    Ok(())
}

fn names_in(folder: &Path) -> io::Result<BTreeSet<OsString>> {
    fs_err::read_dir(folder)?.map(|entry| Ok(entry?.file_name())).collect()
}

fn link(original: &Path, path: &Path) -> io::Result<()> {
    if std::fs::read_link(path).is_ok_and(|target| target == original) {
        return Ok(());
    }
    files::remove(path)?;
    symlink(original, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_follows_what_it_mirrors_and_never_writes_there() {
        let dir = tempfile::tempdir().unwrap();
        let (of, at) = (dir.path().join("of"), dir.path().join("at"));
        std::fs::create_dir_all(of.join("src/deep")).unwrap();
        for (name, text) in [("a.txt", "a"), ("src/lib.rs", "lib"), ("src/deep/x.rs", "x"), ("src/gone", "")] {
            std::fs::write(of.join(name), text).unwrap();
        }
        let woven = |names: &[&str]| names.iter().map(|name| (name.into(), format!("woven {name}"))).collect();
        reflect(&at, &of, &woven(&["src/lib.rs"])).unwrap();
        let read = |name: &str| std::fs::read_to_string(at.join(name)).unwrap();
        assert_eq!(
            (read("src/lib.rs"), read("src/../a.txt"), read("src/deep/x.rs")),
            ("woven src/lib.rs".into(), "a".into(), "x".into())
        );
        std::fs::remove_file(of.join("src/gone")).unwrap();
        std::fs::write(of.join("src/new"), "new").unwrap();
        // What was a link becomes a folder, and the other way round.
        reflect(&at, &of, &woven(&["src/deep/x.rs"])).unwrap();
        assert_eq!(
            (read("src/lib.rs"), read("src/new"), read("src/deep/x.rs")),
            ("lib".into(), "new".into(), "woven src/deep/x.rs".into())
        );
        assert!(!at.join("src/gone").is_symlink());
        reflect(&at, &of, &woven(&["src/lib.rs"])).unwrap();
        assert_eq!((read("src/lib.rs"), read("src/deep/x.rs")), ("woven src/lib.rs".into(), "x".into()));
        assert_eq!(std::fs::read_to_string(of.join("src/lib.rs")).unwrap(), "lib");
        assert_eq!(std::fs::read_to_string(of.join("src/deep/x.rs")).unwrap(), "x");
    }
}
