//! One layer: woven in memory, then written beside a copy of the rest of its package.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use semver::Version;
use walkdir::WalkDir;

use super::{HooksSource, Knowledge, short_digest};
use crate::project::{Home, Source, files};
use crate::rules::{Instrumentation, Rule};
use crate::ui::Explain;
use crate::weave::{WeaveError, weave};

/// The advice's module in a woven crate.
const MODULE: &str = "otel_rs";
/// Written last, so that a layer that has it is whole.
const DIGEST_FILE: &str = ".otel-rs-digest";
/// What of a package no library needs.
const LEFT_OUT: [&str; 6] = [".git", ".github", "target", "tests", "benches", "examples"];

/// A package as cargo has it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Original<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// Its version.
    pub(crate) version: &'a Version,
    /// Where it comes from.
    pub(crate) source: Source,
    /// Its folder.
    pub(crate) folder: &'a Path,
}

/// A woven crate.
#[derive(Debug)]
pub(crate) struct Layer {
    /// Each file that differs from the package's, by its path in it.
    pub(crate) files: BTreeMap<String, String>,
}

/// Why a crate stays as it is although it was to be woven.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LayerError {
    /// Something in the package could not be read, or in the project not written.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A rule missed.
    #[error(transparent)]
    Weave(#[from] WeaveError),
    /// A rule names a file that is not there.
    #[error("rule `{rule}` expects the file `{file}`, which is not in the package")]
    NoFile {
        /// The rule.
        rule: String,
        /// The file.
        file: String,
    },
    /// The package has no library.
    #[error("cannot find the library of the package in `{}`", .0.display())]
    NoLibrary(PathBuf),
}

impl Explain for LayerError {}

/// The root of the library of the package in `folder`, relative to it.
pub(crate) fn library_root(folder: &Path) -> Result<String, LayerError> {
    #[derive(serde::Deserialize)]
    struct Manifest {
        lib: Option<Library>,
    }
    #[derive(serde::Deserialize)]
    struct Library {
        path: Option<String>,
    }
    let text = fs_err::read_to_string(folder.join("Cargo.toml"))?;
    let path = toml::from_str::<Manifest>(&text).ok().and_then(|manifest| manifest.lib?.path);
    let path = path.map_or_else(|| "src/lib.rs".to_owned(), |path| path.trim_start_matches("./").to_owned());
    if folder.join(&path).is_file() { Ok(path) } else { Err(LayerError::NoLibrary(folder.to_owned())) }
}

impl Layer {
    /// Weaves a crate. Reads its files, writes nothing.
    pub(crate) fn weave(
        original: Original<'_>,
        known: &Instrumentation,
        hooks: &HooksSource,
    ) -> Result<Layer, LayerError> {
        let mut by_file: BTreeMap<&str, Vec<&Rule>> = BTreeMap::new();
        for rule in known.rules_for(original.version) {
            by_file.entry(&rule.file).or_default().push(rule);
        }
        let mut woven = BTreeMap::new();
        for (file, rules) in by_file {
            let source = match fs_err::read_to_string(original.folder.join(file)) {
                Ok(source) => source,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Err(LayerError::NoFile { rule: rules[0].name.clone(), file: file.to_owned() });
                }
                Err(error) => return Err(error.into()),
            };
            woven.insert(file.to_owned(), weave(&source, &rules)?.0);
        }
        let root = library_root(original.folder)?;
        let mut text = match woven.remove(&root) {
            Some(text) => text,
            None => fs_err::read_to_string(original.folder.join(&root))?,
        };
        if !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(&format!("mod {MODULE};\n"));
        let module = Layer::module_file(&root);
        woven.insert(root, text);
        let marker = hooks.marker(original.name, original.version);
        // `#[used]` keeps the note in the binary even where nothing of the layer asks for its scope.
        let advice = format!(
            "{}\npub(crate) static SCOPE: ::otel_rs_hooks::Scope = ::otel_rs_hooks::Scope::new(\"{marker}\\n\");\n\
             #[used]\nstatic NOTE: [u8; {}] = *b\"{marker}\\n\";\n",
            known.advice.trim_end(),
            marker.len() + 1,
        );
        woven.insert(module, advice);
        Ok(Layer { files: woven })
    }

    /// Notes that the layer does not compile, with what the compiler says, for whoever looks next.
    pub(crate) fn note_failure(home: &Home, name: &str, version: &Version, digest: &str, said: &str) -> PathBuf {
        let path = failure_log(home, name, version);
        // A note that cannot be written leaves the warning, which is what counts.
        let _ = files::write_if_changed(&path, format!("layer {digest}\n{said}\n").as_bytes());
        path
    }

    /// Forgets an earlier failure.
    pub(crate) fn note_success(home: &Home, name: &str, version: &Version) {
        let _ = files::remove(&failure_log(home, name, version));
    }

    /// Whether this very layer was seen not to compile.
    pub(crate) fn has_failed(home: &Home, name: &str, version: &Version, digest: &str) -> bool {
        fs_err::read_to_string(failure_log(home, name, version))
            .is_ok_and(|text| text.starts_with(&format!("layer {digest}\n")))
    }

    /// The advice's file, beside the library's root.
    pub(crate) fn module_file(root: &str) -> String {
        match root.rsplit_once('/') {
            Some((folder, _)) => format!("{folder}/{MODULE}.rs"),
            None => format!("{MODULE}.rs"),
        }
    }

    /// Where the layer of a package is, or is to be.
    pub(crate) fn folder(home: &Home, original: Original<'_>) -> io::Result<PathBuf> {
        let mut folder = format!("{}-{}", original.name, original.version);
        if original.source != Source::Registry {
            folder.push('-');
            folder.push_str(&content_digest(original.folder)?[..8]);
        }
        Ok(home.layers().join(folder))
    }

    /// The folder of a package's layer, which is woven and written first where it is missing or out of date.
    pub(crate) fn ensure(
        home: &Home,
        knowledge: &Knowledge,
        known: &Instrumentation,
        original: Original<'_>,
    ) -> Result<PathBuf, LayerError> {
        let folder = Layer::folder(home, original)?;
        let digest = knowledge.layer_digest(known, original.version);
        let is_current = || fs_err::read_to_string(folder.join(DIGEST_FILE)).is_ok_and(|found| found == digest);
        if is_current() {
            return Ok(folder);
        }
        let layer = Layer::weave(original, known, &knowledge.hooks)?;
        // Several compilers may want the same layer at once.
        fs_err::create_dir_all(home.local())?;
        let lock = fs_err::File::create(home.local().join("lock"))?;
        lock.file().lock()?;
        if !is_current() {
            layer.write(original, &folder, &digest)?;
        }
        Ok(folder)
    }

    /// Whether the layer on disk is what it should be; `None` when there is none.
    pub(crate) fn is_current(folder: &Path, digest: &str) -> Option<bool> {
        folder.is_dir().then(|| fs_err::read_to_string(folder.join(DIGEST_FILE)).is_ok_and(|found| found == digest))
    }

    /// Where a layer is already, file by file: a compiler may be reading what does not change.
    fn write(&self, original: Original<'_>, folder: &Path, digest: &str) -> io::Result<()> {
        let write = if folder.exists() { files::write_old } else { files::create_old };
        files::remove(&folder.join(DIGEST_FILE))?;
        fs_err::create_dir_all(folder)?;
        for relative in package_files(original.folder)? {
            if relative.to_str().is_none_or(|relative| !self.files.contains_key(relative)) {
                write(&folder.join(&relative), &fs_err::read(original.folder.join(&relative))?)?;
            }
        }
        for (relative, text) in &self.files {
            write(&folder.join(relative), text.as_bytes())?;
        }
        files::write_old(&folder.join(DIGEST_FILE), digest.as_bytes())
    }
}

fn failure_log(home: &Home, name: &str, version: &Version) -> PathBuf {
    home.local().join(format!("{name}-{version}.log"))
}

/// The files of a package that its library may read, relative to it.
fn package_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = WalkDir::new(folder).follow_links(true).sort_by_file_name().into_iter().filter_entry(|entry| {
        entry.depth() != 1 || !entry.file_type().is_dir() || !LEFT_OUT.iter().any(|name| entry.file_name() == *name)
    });
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(io::Error::other)?;
        if entry.file_type().is_file() {
            found.push(entry.path().strip_prefix(folder).map_err(io::Error::other)?.to_owned());
        }
    }
    Ok(found)
}

/// A digest over a package's files: outside of a registry, name and version do not tell what is in it.
fn content_digest(folder: &Path) -> io::Result<String> {
    let mut parts = Vec::new();
    for relative in package_files(folder)? {
        let content = fs_err::read(folder.join(&relative))?;
        parts.push(relative.into_os_string().into_encoded_bytes());
        parts.push(content);
    }
    Ok(short_digest(parts.iter().map(Vec::as_slice)))
}
