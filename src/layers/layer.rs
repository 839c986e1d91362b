//! One layer: woven in memory, then written beside a copy of the rest of its package.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use semver::Version;
use walkdir::WalkDir;

use super::{HooksSource, WeavingContext, metrics};
use crate::digest::{Digest, short_digest};
use crate::project::{ProjectDirs, files};
use crate::rules::Instrumentation;
use crate::ui::Explain;
use crate::weave::{Rule, WeaveError, weave};

/// The advice's module in a woven crate.
const MODULE: &str = "otel_rs";
/// What a layer is made of, and a digest over its files, by which it is verified before a compiler reads it.
const DIGEST_FILE: &str = ".otel-rs-digest";
/// Folders and files of a package that its library does not need.
const LEFT_OUT: [&str; 6] = [".git", ".github", "target", "tests", "benches", "examples"];

/// A package as cargo has it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Original<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// Its version.
    pub(crate) version: &'a Version,
    /// Its folder.
    pub(crate) folder: &'a Path,
}

/// A woven crate.
#[derive(Debug)]
pub(crate) struct Layer {
    /// Each file that differs from the package's, by its path in it.
    pub(crate) files: BTreeMap<String, String>,
}

/// Why a crate could not be woven.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LayerError {
    /// Something in the package could not be read, or in the cache not written.
    #[error(transparent)]
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
        // `#[used]` keeps the note in the binary even where nothing of the layer uses its scope.
        let advice = format!(
            "{}\npub(crate) static SCOPE: ::otel_rs_hooks::Scope = ::otel_rs_hooks::Scope::new(\"{marker}\\n\");\n\
             #[used]\nstatic NOTE: [u8; {}] = *b\"{marker}\\n\";\n{}",
            known.advice.trim_end(),
            marker.len() + 1,
            metrics::module(&known.metrics),
        );
        woven.insert(module, advice);
        Ok(Layer { files: woven })
    }

    /// Writes a log: the layer does not compile, with these messages of the compiler.
    pub(crate) fn note_failure(
        dirs: &ProjectDirs,
        name: &str,
        version: &Version,
        digest: &str,
        messages: &str,
    ) -> PathBuf {
        let path = failure_log(dirs, name, version);
        // A note that cannot be written leaves the warning, which is what counts.
        let _ = files::write_if_changed(&path, format!("layer {digest}\n{messages}\n").as_bytes());
        path
    }

    /// Removes the log of an earlier failure.
    pub(crate) fn note_success(dirs: &ProjectDirs, name: &str, version: &Version) {
        let _ = files::remove(&failure_log(dirs, name, version));
    }

    /// Whether this very layer was seen not to compile.
    pub(crate) fn has_failed(dirs: &ProjectDirs, name: &str, version: &Version, digest: &str) -> bool {
        fs_err::read_to_string(failure_log(dirs, name, version))
            .is_ok_and(|text| text.starts_with(&format!("layer {digest}\n")))
    }

    /// The advice's file, beside the library's root.
    pub(crate) fn module_file(root: &str) -> String {
        match root.rsplit_once('/') {
            Some((folder, _)) => format!("{folder}/{MODULE}.rs"),
            None => format!("{MODULE}.rs"),
        }
    }

    /// The location of a package's layer, written or not. It is named after all that the layer is made of, so that
    /// projects share it.
    pub(crate) fn location(
        dirs: &ProjectDirs,
        context: &WeavingContext,
        known: &Instrumentation,
        original: Original<'_>,
    ) -> io::Result<LayerLocation> {
        let source = content_digest(original.folder, package_files(original.folder)?)?;
        let rules = context.layer_digest(known, original.version);
        let short = short_digest([source.as_bytes(), rules.as_bytes()]);
        let name = format!("{}-{}-{short}", original.name, original.version);
        Ok(LayerLocation { folder: dirs.layers().join(name), made_of: format!("{source} {rules}") })
    }

    /// The folder of a package's layer, which is woven and written first where it is missing or not what it was.
    pub(crate) fn ensure(
        dirs: &ProjectDirs,
        context: &WeavingContext,
        known: &Instrumentation,
        original: Original<'_>,
    ) -> Result<LayerLocation, LayerError> {
        let location = Layer::location(dirs, context, known, original)?;
        if !location.is_whole() {
            Layer::weave(original, known, &context.hooks)?.write(dirs, original, &location)?;
        }
        Ok(location)
    }

    /// Writes the layer beside its location, then renames it: several compilers may need the same layer at once.
    pub(crate) fn write(&self, dirs: &ProjectDirs, original: Original<'_>, location: &LayerLocation) -> io::Result<()> {
        let new = tempfile::Builder::new().prefix(".new-").tempdir_in(dirs.layers())?;
        for relative in package_files(original.folder)? {
            if relative.to_str().is_none_or(|relative| !self.files.contains_key(relative)) {
                files::create_old(&new.path().join(&relative), &fs_err::read(original.folder.join(&relative))?)?;
            }
        }
        for (relative, text) in &self.files {
            files::create_old(&new.path().join(relative), text.as_bytes())?;
        }
        let files = content_digest(new.path(), layer_files(new.path())?)?;
        files::create_old(&new.path().join(DIGEST_FILE), location.digest_file(&files).as_bytes())?;
        files::place(new, &location.folder, || location.is_whole())
    }
}

/// The folder of a layer, and what the layer is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LayerLocation {
    /// The layer's folder.
    pub(crate) folder: PathBuf,
    made_of: String,
}

impl LayerLocation {
    /// Whether the layer is there, and each of its files as it was written.
    pub(crate) fn is_whole(&self) -> bool {
        // A link could lead to a file that another user can write.
        let is_folder = fs_err::symlink_metadata(&self.folder).is_ok_and(|found| found.is_dir());
        let digest = || content_digest(&self.folder, layer_files(&self.folder)?);
        is_folder
            && fs_err::read_to_string(self.folder.join(DIGEST_FILE))
                .is_ok_and(|found| digest().is_ok_and(|files| found == self.digest_file(&files)))
    }

    fn digest_file(&self, files: &str) -> String {
        format!("{}\n{files}\n", self.made_of)
    }
}

fn failure_log(dirs: &ProjectDirs, name: &str, version: &Version) -> PathBuf {
    dirs.folder().join(format!("{name}-{version}.log"))
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

/// The files of a layer, relative to it. Any additional file in the folder makes the layer invalid.
fn layer_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in WalkDir::new(folder).sort_by_file_name() {
        let entry = entry.map_err(io::Error::other)?;
        let relative = entry.path().strip_prefix(folder).map_err(io::Error::other)?;
        if entry.path_is_symlink() {
            return Err(io::Error::other(format!("`{}` is a link", entry.path().display())));
        }
        if entry.file_type().is_file() && relative != Path::new(DIGEST_FILE) {
            found.push(relative.to_owned());
        }
    }
    Ok(found)
}

/// A digest over files below `folder`, with their names.
fn content_digest(folder: &Path, files: Vec<PathBuf>) -> io::Result<String> {
    let mut digest = Digest::default();
    for relative in files {
        digest.add(relative.as_os_str().as_encoded_bytes());
        digest.add(&fs_err::read(folder.join(relative))?);
    }
    Ok(digest.whole())
}
