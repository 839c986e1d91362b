//! The functions of a crate of the user's own: its module files, from the root on, and those functions that patterns choose.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::weave::spans::{Contents, FoundFunction, ModuleFile, SpanPattern, find};

/// The functions of one source file.
#[derive(Debug)]
pub(crate) struct SourceFunctions {
    /// The file.
    pub(crate) path: PathBuf,
    /// Its text.
    pub(crate) text: String,
    /// Each function with its path from the crate on, without the crate.
    pub(crate) functions: Vec<(Vec<String>, FoundFunction)>,
}

/// A source file that is one of the modules.
struct Pending {
    path: PathBuf,
    module: Vec<String>,
    /// The folder of the files of its modules.
    folder: PathBuf,
}

/// All functions of the crate whose root is at `root`. A module whose file is missing or no Rust is left out: it may be
/// for another platform. A file that is two modules is left out as well, since its functions have two paths.
pub(crate) fn functions_of(root: &Path) -> io::Result<Vec<SourceFunctions>> {
    let mut found: BTreeMap<PathBuf, Option<SourceFunctions>> = BTreeMap::new();
    let folder = root.parent().unwrap_or(Path::new("")).to_owned();
    let mut pending = vec![Pending { path: root.to_owned(), module: Vec::new(), folder }];
    while let Some(Pending { path, module, folder }) = pending.pop() {
        if let Some(known) = found.get_mut(&path) {
            *known = None;
            continue;
        }
        let text = match fs_err::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if path == root => return Err(error),
            Err(_) => continue,
        };
        let Contents { functions, modules } = match find(&text) {
            Ok(contents) => contents,
            Err(reason) if path == root => return Err(io::Error::new(io::ErrorKind::InvalidData, reason)),
            Err(_) => continue,
        };
        pending.extend(modules.iter().filter_map(|declared| file_of(&path, &folder, &module, declared)));
        let full = |function: FoundFunction| {
            let path = module.iter().chain(&function.path).cloned().collect();
            (path, function)
        };
        let functions = functions.into_iter().map(full).collect();
        found.insert(path.clone(), Some(SourceFunctions { path, text, functions }));
    }
    Ok(found.into_values().flatten().collect())
}

/// The file of a module that the file at `path` declares.
fn file_of(path: &Path, folder: &Path, module: &[String], declared: &ModuleFile) -> Option<Pending> {
    let ModuleFile { inside, name, path: given } = declared;
    let module = module.iter().chain(inside).chain([name]).cloned().collect();
    let within = inside.iter().fold(folder.to_owned(), |folder, name| folder.join(name));
    if let Some(given) = given {
        // Relative to the file where it stands in no inline module; its own modules are beside it.
        let from = if inside.is_empty() { path.parent()? } else { &within };
        let path = normal(&from.join(given));
        let folder = path.parent()?.to_owned();
        return path.is_file().then_some(Pending { path, module, folder });
    }
    let own = within.join(name);
    let files = [within.join(format!("{name}.rs")), own.join("mod.rs")];
    files.into_iter().find(|path| path.is_file()).map(|path| Pending { path, module, folder: own })
}

/// A path without `.` and `..`.
fn normal(path: &Path) -> PathBuf {
    use std::path::Component;
    path.components().fold(PathBuf::new(), |mut normal, part| {
        match part {
            Component::CurDir => {}
            Component::ParentDir if normal.file_name().is_some() => {
                normal.pop();
            }
            part => normal.push(part),
        }
        normal
    })
}

/// Whether one of the patterns chooses the function at `path` in the crate.
pub(crate) fn is_chosen(patterns: &[SpanPattern], crate_name: &str, path: &[String]) -> bool {
    patterns.iter().any(|pattern| pattern.crate_name() == crate_name && pattern.matches(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn module_files_are_found_where_the_compiler_finds_them() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write(
            "src/lib.rs",
            "mod a; mod b; mod i { mod c; } #[path = \"../other/d.rs\"] mod d; mod missing; fn root() {}",
        );
        write("src/a.rs", "mod deep; fn a() {}");
        write("src/a/deep.rs", "fn deep() {}");
        write("src/b/mod.rs", "mod deep; fn b() {}");
        write("src/b/deep.rs", "fn deep() {}");
        write("src/i/c.rs", "fn c() {}");
        write("other/d.rs", "mod e; fn d() {}");
        write("other/e.rs", "fn e() {}");
        let found = functions_of(&dir.path().join("src/lib.rs")).unwrap();
        let mut paths: Vec<_> =
            found.iter().flat_map(|file| &file.functions).map(|(path, _)| path.join("::")).collect();
        paths.sort();
        assert_eq!(paths, ["a::a", "a::deep::deep", "b::b", "b::deep::deep", "d::d", "d::e::e", "i::c::c", "root"]);
    }

    #[test]
    fn a_file_that_is_two_modules_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("lib.rs"), "mod a; #[path = \"a.rs\"] mod b; fn root() {}").unwrap();
        std::fs::write(dir.path().join("a.rs"), "fn a() {}").unwrap();
        let found = functions_of(&dir.path().join("lib.rs")).unwrap();
        assert_eq!(found.len(), 1);
    }
}
