//! A crate of the user's own, woven at each of its compilations: its sources are younger than anything that bootstrap
//! could have written.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use semver::Version;

use super::functions::{functions_of, is_chosen};
use super::{HooksSource, mirror};
use crate::digest::short_digest;
use crate::project::files;
use crate::weave::spans::{PlacedSpan, SpanPattern, thread_calls, with_module, with_spans};

/// A crate that is about to be compiled.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OwnCrate<'a> {
    /// Its package.
    pub(crate) package: &'a str,
    /// The package's version.
    pub(crate) version: &'a Version,
    /// Its own name, as in paths.
    pub(crate) name: &'a str,
    /// The file of its root.
    pub(crate) root: &'a Path,
    /// The folder that is mirrored: files that refer to each other are in it.
    pub(crate) base: &'a Path,
    /// The folder as the compiler names it; empty for the current one.
    pub(crate) shown: &'a str,
}

/// The woven form of such a crate.
#[derive(Debug)]
pub(crate) struct OwnLayer {
    /// The mirror.
    pub(crate) folder: PathBuf,
    /// The file of the crate's root in it.
    pub(crate) root: PathBuf,
    /// The woven functions, and calls that start threads.
    pub(crate) spans: Vec<OwnSpan>,
}

/// A woven function, or a call that starts a thread.
#[derive(Debug)]
pub(crate) struct OwnSpan {
    /// Its file, as the compiler names it.
    pub(crate) file: String,
    /// Its lines, attributes included.
    pub(crate) lines: Range<usize>,
    /// Its whole path; of a call that starts a thread, its file and line.
    pub(crate) path: String,
    /// Whether it is such a call.
    pub(crate) is_thread: bool,
    /// Changes whenever its text does.
    key: String,
    with_value: bool,
}

/// What was seen not to compile woven: functions that are woven with less, or not at all, as long as they are the same.
#[derive(Debug, Default)]
pub(crate) struct Exceptions {
    calls_only: BTreeSet<String>,
    plain: BTreeSet<String>,
}

impl Exceptions {
    /// Those that earlier compilations have noted beside the mirror at `folder`.
    pub(crate) fn read(folder: &Path) -> Exceptions {
        let text = fs_err::read_to_string(Exceptions::file(folder)).unwrap_or_default();
        let mut exceptions = Exceptions::default();
        for line in text.lines() {
            match line.split_once(' ') {
                Some(("call", key)) => exceptions.calls_only.insert(key.to_owned()),
                Some(("plain", key)) => exceptions.plain.insert(key.to_owned()),
                _ => false,
            };
        }
        exceptions
    }

    /// Notes a function that did not compile woven; whether it is left out from now on.
    pub(crate) fn add(&mut self, span: &OwnSpan) -> bool {
        if span.with_value {
            self.calls_only.insert(span.key.clone());
        } else {
            self.plain.insert(span.key.clone());
        }
        !span.with_value
    }

    /// Writes them. What cannot be written costs another attempt at the next compilation.
    pub(crate) fn write(&self, folder: &Path) {
        let calls = self.calls_only.iter().map(|key| format!("call {key}\n"));
        let text: String = calls.chain(self.plain.iter().map(|key| format!("plain {key}\n"))).collect();
        let _ = files::write_if_changed(&Exceptions::file(folder), text.as_bytes());
    }

    fn file(folder: &Path) -> PathBuf {
        folder.with_extension("exceptions")
    }
}

impl OwnLayer {
    /// Weaves the functions that patterns choose into a mirror at `folder`, and, `with_threads`, calls that start threads;
    /// `None` where there are none.
    pub(crate) fn write(
        own: OwnCrate<'_>,
        patterns: &[SpanPattern],
        with_threads: bool,
        exceptions: &Exceptions,
        hooks: &HooksSource,
        folder: &Path,
    ) -> io::Result<Option<OwnLayer>> {
        let mut woven = BTreeMap::new();
        let mut spans = Vec::new();
        // What cannot be read here is for the compiler to name.
        let Ok(files) = functions_of(own.root) else { return Ok(None) };
        for file in files {
            // A file elsewhere has no place in the mirror.
            let Ok(relative) = file.path.strip_prefix(own.base).map(Path::to_owned) else { continue };
            let Some(relative_text) = relative.to_str() else { continue };
            let shown = match own.shown {
                "" => relative_text.to_owned(),
                shown => format!("{shown}/{relative_text}"),
            };
            let mut chosen = Vec::new();
            for (path, function) in &file.functions {
                if function.shape.is_err() || !is_chosen(patterns, own.name, path) {
                    continue;
                }
                let path = format!("{}::{}", own.name, path.join("::"));
                let lines = function.first_line..function.lines.end;
                let text: Vec<&str> = file.text.lines().skip(lines.start - 1).take(lines.len()).collect();
                let key = short_digest([path.as_bytes(), text.join("\n").as_bytes()]);
                if exceptions.plain.contains(&key) {
                    continue;
                }
                let with_value = function.can_hold_value() && !exceptions.calls_only.contains(&key);
                let span = OwnSpan { file: shown.clone(), lines, path, is_thread: false, key, with_value };
                chosen.push((function, span));
            }
            let mut threads = if with_threads { thread_calls(&file.text) } else { Vec::new() };
            threads.retain(|call| {
                let path = format!("{shown}:{}", call.lines.start);
                let text: Vec<&str> = file.text.lines().skip(call.lines.start - 1).take(call.lines.len()).collect();
                let key = short_digest([b"thread".as_slice(), shown.as_bytes(), text.join("\n").as_bytes()]);
                let is_woven = !exceptions.plain.contains(&key);
                let (file, lines) = (shown.clone(), call.lines.clone());
                spans.extend(is_woven.then_some(OwnSpan {
                    file,
                    lines,
                    path,
                    is_thread: true,
                    key,
                    with_value: false,
                }));
                is_woven
            });
            if chosen.is_empty() && threads.is_empty() && file.path != own.root {
                continue;
            }
            let placed: Vec<_> = chosen
                .iter()
                .map(|(function, OwnSpan { path, with_value, .. })| PlacedSpan {
                    function,
                    path,
                    with_value: *with_value,
                })
                .collect();
            let mut text = with_spans(&file.text, &shown, &placed, &threads.iter().collect::<Vec<_>>());
            if file.path == own.root {
                text = with_module(text, &hooks.marker(own.package, own.version));
            }
            woven.insert(relative, text);
            spans.extend(chosen.into_iter().map(|(_, span)| span));
        }
        let Ok(root) = own.root.strip_prefix(own.base) else { return Ok(None) };
        if spans.is_empty() || !woven.contains_key(root) {
            return Ok(None);
        }
        mirror::reflect(folder, own.base, &woven)?;
        Ok(Some(OwnLayer { folder: folder.to_owned(), root: folder.join(root), spans }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chosen_functions_are_woven_beside_links_to_all_else() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().join("project");
        std::fs::create_dir_all(base.join("src")).unwrap();
        std::fs::write(base.join("src/lib.rs"), "mod a;\nmod b;\n").unwrap();
        std::fs::write(base.join("src/a.rs"), "fn one() -> Result<(), ()> {\n    Ok(())\n}\nconst fn two() {}\n")
            .unwrap();
        std::fs::write(base.join("src/b.rs"), "fn three() {\n    std::thread::spawn(|| ());\n}\n").unwrap();
        let root = base.join("src/lib.rs");
        let own = OwnCrate {
            package: "shop",
            version: &Version::new(1, 0, 0),
            name: "shop",
            root: &root,
            base: &base,
            shown: "",
        };
        let patterns = [SpanPattern::parse("shop::a::*").unwrap()];
        let folder = dir.path().join("mirror");
        let hooks = HooksSource::embedded();
        let write =
            |exceptions: &Exceptions| OwnLayer::write(own, &patterns, true, exceptions, &hooks, &folder).unwrap();
        let layer = write(&Exceptions::read(&folder)).unwrap();
        let shown: Vec<_> =
            layer.spans.iter().map(|span| (span.file.as_str(), span.lines.clone(), span.path.as_str())).collect();
        assert_eq!(shown, [("src/a.rs", 1..4, "shop::a::one"), ("src/b.rs", 2..3, "src/b.rs:2")]);
        assert!(folder.join("src").is_dir() && !folder.join("src/a.rs").is_symlink());
        assert!(std::fs::read_to_string(folder.join("src/b.rs")).unwrap().contains("spawn(::otel_rs_hooks::carry_fn("));
        let text = || std::fs::read_to_string(folder.join("src/a.rs")).unwrap();
        assert!(text().contains("Guard::returned("), "{}", text());
        // A function that does not compile woven is woven with less, then not at all.
        let mut exceptions = Exceptions::default();
        assert!(!exceptions.add(&layer.spans[0]));
        exceptions.write(&folder);
        let layer = write(&Exceptions::read(&folder)).unwrap();
        assert!(!text().contains("Guard::returned(") && text().contains("enter("), "{}", text());
        assert!(exceptions.add(&layer.spans[0]) && exceptions.add(&layer.spans[1]));
        assert!(write(&exceptions).is_none());
    }
}
