//! The stamps of the user's own crates: by them cargo notices that other functions are to be
//! spans, or that threads are to be woven.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::{LAYER_FORMAT, WeavingContext};
use crate::project::{ProjectDirs, files};

fn folder(dirs: &ProjectDirs) -> PathBuf {
    dirs.folder().join("spans")
}

/// Brings the stamps of all own crates up to date that have one, or that a pattern names.
pub(super) fn refresh(dirs: &ProjectDirs, context: &WeavingContext) -> io::Result<()> {
    let present = fs_err::read_dir(folder(dirs)).into_iter().flatten().flatten();
    let present = present.filter_map(|entry| entry.file_name().into_string().ok());
    let named = context.spans().into_iter().map(|pattern| pattern.crate_name().to_owned());
    for name in present.chain(named) {
        let content = content(context, &name);
        files::write_if_changed(&folder(dirs).join(&name), content.as_bytes())?;
    }
    Ok(())
}

/// Makes sure that the stamp of a crate about to be compiled exists. It gets an old time, as all stamps do.
pub(crate) fn ensure_own_stamp(dirs: &ProjectDirs, context: &WeavingContext, name: &str) -> io::Result<PathBuf> {
    let path = folder(dirs).join(name);
    if !path.exists() {
        files::write_if_changed(&path, content(context, name).as_bytes())?;
        let hour_ago = SystemTime::now() - Duration::from_secs(3600);
        fs_err::File::options().write(true).open(&path)?.file().set_modified(hour_ago)?;
    }
    Ok(path)
}

fn content(context: &WeavingContext, name: &str) -> String {
    let patterns = context.spans();
    let patterns: Vec<_> =
        patterns.iter().filter(|pattern| pattern.crate_name() == name).map(|pattern| pattern.text()).collect();
    let threads = if context.manifest.threads { " threads" } else { "" };
    match patterns.as_slice() {
        [] if threads.is_empty() => "plain\n".to_owned(),
        patterns => format!("spans{threads} {LAYER_FORMAT} {} {}\n", context.hooks.digest, patterns.join(" ")),
    }
}
