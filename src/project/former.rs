//! The user's own compiler wrapper and rustdoc, which cargo would run without otel-rs: our shims run them.
//!
//! Read at each call rather than written down by bootstrap, so that what the user sets later counts as well.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::{ProjectDirs, cargo_config};

/// Depth limit of includes: files may include each other.
const DEEPEST: usize = 8;

/// The program that `build.<key>` names for the project at `root`, as cargo resolves it; ours do not count.
pub(crate) fn program(root: &Path, key: &str) -> Option<PathBuf> {
    let cargo_home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let last = cargo_home.into_iter().flat_map(|home| [home.join("config"), home.join("config.toml")]);
    let found = root.ancestors().map(cargo_config::path).chain(last).find_map(|file| in_file(&file, key, 0));
    found.filter(|program| !program.as_os_str().is_empty())
}

/// The program that the environment names for a tool, as cargo resolves it: empty where it is to be none.
pub(crate) fn in_environment(variables: [&str; 2]) -> Option<OsString> {
    let value = variables.into_iter().find_map(std::env::var_os)?;
    if value.is_empty() {
        return Some(value);
    }
    let folder = std::env::current_dir().unwrap_or_default();
    let path = resolved(&folder, &value);
    (!is_ours(&path)).then(|| path.into_os_string())
}

/// A program's name is searched for in `PATH`; a path is relative to where it is written.
pub(crate) fn resolved(folder: &Path, program: &OsStr) -> PathBuf {
    if program.as_encoded_bytes().contains(&b'/') { folder.join(program) } else { program.into() }
}

/// What a file sets itself counts more than what it includes, and of that the last counts most. An empty path is none.
fn in_file(file: &Path, key: &str, depth: usize) -> Option<PathBuf> {
    let table: Table = std::fs::read_to_string(file).ok()?.parse().ok()?;
    // Paths are relative to the parent of the folder that the file is in.
    let folder = file.parent()?.parent()?;
    let own = table.get("build").and_then(|build| build.get(key)).and_then(Value::as_str);
    let own = own.map(|value| resolved(folder, OsStr::new(value)));
    own.filter(|path| !is_ours(path)).or_else(|| {
        let included = table.get("include").and_then(Value::as_array).filter(|_| depth < DEEPEST)?;
        let path = |item: &Value| item.as_str().or_else(|| item.get("path")?.as_str()).map(str::to_owned);
        included.iter().rev().filter_map(path).find_map(|path| in_file(&file.parent()?.join(path), key, depth + 1))
    })
}

/// Whether a program is a shim of ours, of this project or of another.
fn is_ours(program: &Path) -> bool {
    let Some(folder) = program.parent() else { return false };
    let is_shim = program.file_name().is_some_and(|name| name == "rustc" || name == "rustdoc");
    let in_cache =
        || folder.join("root").is_file() && folder.parent().is_some_and(|parent| parent.ends_with("projects"));
    is_shim && (folder.ends_with(ProjectDirs::SHARED) || in_cache())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrapper(files: &[(&str, &str)]) -> Option<String> {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text.replace("DIR", dir.path().to_str().unwrap())).unwrap();
        }
        let found = program(&dir.path().join("a/p"), "rustc-wrapper")?;
        let text = found.strip_prefix(dir.path()).unwrap_or(&found).to_str().unwrap().to_owned();
        Some(text)
    }

    #[test]
    fn a_path_is_relative_to_the_parent_of_the_folder_of_its_file() {
        let set = |value: &str| format!("[build]\nrustc-wrapper = \"{value}\"\n");
        let (slash, dot, bare) = (set("tools/wrap.sh"), set("./wrap.sh"), set("wrap"));
        assert_eq!(wrapper(&[("a/p/.cargo/config.toml", &slash)]).unwrap(), "a/p/tools/wrap.sh");
        assert_eq!(wrapper(&[("a/p/.cargo/config", &dot)]).unwrap(), "a/p/./wrap.sh");
        assert_eq!(wrapper(&[("a/.cargo/config.toml", &slash)]).unwrap(), "a/tools/wrap.sh");
        assert_eq!(wrapper(&[("a/.cargo/config.toml", &bare)]).unwrap(), "wrap");
        assert_eq!(wrapper(&[("a/.cargo/config.toml", &slash), ("a/p/.cargo/config.toml", &bare)]).unwrap(), "wrap");
        assert_eq!(wrapper(&[("a/.cargo/config.toml", &slash), ("a/p/.cargo/config.toml", &set(""))]), None);
    }

    #[test]
    fn included_files_count_and_our_shims_do_not() {
        let theirs = "include = [\"one.toml\", { path = \"two.toml\", optional = true }]\n";
        let two = "build.rustc-wrapper = \"tools/two\"\n";
        assert_eq!(
            wrapper(&[("a/p/.cargo/config.toml", theirs), ("a/p/.cargo/two.toml", two)]).unwrap(),
            "a/p/tools/two"
        );
        let ours = "[[include]]\npath = \"DIR/c/projects/1/cargo.toml\"\n";
        let cargo = "build.rustc-wrapper = \"DIR/c/projects/1/rustc\"\n";
        let files = [
            ("a/p/.cargo/config.toml", ours),
            ("c/projects/1/cargo.toml", cargo),
            ("c/projects/1/root", "/"),
            ("a/.cargo/config.toml", "build.rustc-wrapper = \".otel-rs/rustc\"\n"),
            (".cargo/config.toml", two),
        ];
        assert_eq!(wrapper(&files).unwrap(), "tools/two");
    }
}
