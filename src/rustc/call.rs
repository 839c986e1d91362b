//! A compiler call as cargo makes it: which programs, which arguments, and what they mean.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// A call, taken apart.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// The compiler, or a wrapper and the compiler (`clippy-driver rustc`).
    pub(crate) programs: Vec<OsString>,
    /// All that follows, as it came.
    pub(crate) arguments: Vec<OsString>,
    /// Where among the arguments the crate root is.
    input: Option<usize>,
    facts: Facts,
}

#[derive(Debug, Clone, Default)]
struct Facts {
    crate_name: Option<String>,
    crate_types: Vec<String>,
    cap_lints: bool,
    metadata: bool,
    extra_filename: String,
    out_dir: Option<PathBuf>,
    target: Option<String>,
    artifact_notices: bool,
    externs: Vec<PathBuf>,
    configuration: Vec<String>,
    queries_version: bool,
    links: bool,
    tests: bool,
}

/// Options whose value is the next argument, if they have no `=`.
const WITH_VALUE: [&str; 19] = [
    "--crate-name",
    "--crate-type",
    "--edition",
    "--emit",
    "--extern",
    "--cfg",
    "--check-cfg",
    "--out-dir",
    "--target",
    "--cap-lints",
    "--error-format",
    "--json",
    "--print",
    "--sysroot",
    "--codegen",
    "--remap-path-prefix",
    "--diagnostic-width",
    "--color",
    "--explain",
];

impl Call {
    /// Takes the words after `otel-rs __rustc` apart.
    pub(crate) fn parse(words: &[OsString]) -> Call {
        // The first is always a program. What follows is one as long as it is neither an option nor a source.
        let is_program = |word: &&OsString| {
            let text = word.to_string_lossy();
            !text.starts_with('-') && !text.starts_with('@') && !text.ends_with(".rs")
        };
        let count = 1 + words.iter().skip(1).take_while(is_program).count();
        let (programs, arguments) = words.split_at(count.min(words.len()));
        let mut call =
            Call { programs: programs.to_vec(), arguments: arguments.to_vec(), input: None, facts: Facts::default() };
        let mut index = 0;
        while index < arguments.len() {
            let word = arguments[index].to_string_lossy();
            let next = arguments.get(index + 1).map(OsString::as_os_str);
            index += call.take(&word, next, index);
        }
        call
    }

    /// Notes one option; returns how many arguments it took.
    fn take(&mut self, word: &str, next: Option<&OsStr>, index: usize) -> usize {
        if !word.starts_with('-') || word == "-" {
            self.input.get_or_insert(index);
            return 1;
        }
        if word == "-vV" || word == "-Vv" {
            self.facts.queries_version = true;
            return 1;
        }
        let next = next.map(OsStr::to_string_lossy).unwrap_or_default();
        let (name, value, taken) = match word.split_once('=') {
            Some((name, value)) if word.starts_with("--") => (name, value, 1),
            _ if WITH_VALUE.contains(&word) || word.len() == 2 && "-C-L-l-A-W-D-F-Z-o".contains(word) => {
                (word, &*next, 2)
            }
            _ if word.len() > 2 && !word.starts_with("--") => (&word[..2], &word[2..], 1),
            _ => (word, "", 1),
        };
        let facts = &mut self.facts;
        match name {
            "--crate-name" => facts.crate_name = Some(value.to_owned()),
            "--crate-type" => facts.crate_types.extend(value.split(',').map(str::to_owned)),
            "--cfg" | "--edition" => facts.configuration.push(value.to_owned()),
            "--cap-lints" => facts.cap_lints = true,
            "--test" => facts.tests = true,
            "--emit" => facts.links |= value.split(',').any(|kind| kind == "link"),
            "--out-dir" => facts.out_dir = Some(value.into()),
            "--target" => facts.target = Some(value.to_owned()),
            "--json" => facts.artifact_notices |= value.split(',').any(|kind| kind == "artifacts"),
            "--extern" => facts.externs.extend(value.split_once('=').map(|(_, path)| PathBuf::from(path))),
            "-C" | "--codegen" => {
                facts.metadata |= value.starts_with("metadata=");
                if let Some(extra) = value.strip_prefix("extra-filename=") {
                    extra.clone_into(&mut facts.extra_filename);
                }
            }
            _ => {}
        }
        taken
    }

    /// The compiler itself.
    pub(crate) fn compiler(&self) -> &OsStr {
        self.programs.last().map_or(OsStr::new("rustc"), OsString::as_os_str)
    }

    /// Whether this is `-vV`, by which cargo identifies the compiler.
    pub(crate) fn queries_version(&self) -> bool {
        self.facts.queries_version
    }

    /// Whether this compiles a crate for cargo, as opposed to probing the compiler. Build scripts probe too, with
    /// their package's name and environment; only cargo itself gives `metadata`.
    pub(crate) fn compiles(&self) -> bool {
        self.facts.metadata && self.facts.crate_name.is_some() && self.input().is_some()
    }

    /// Whether the crate is foreign: cargo silences the lints of registry, git and vendored packages alike.
    pub(crate) fn is_foreign(&self) -> bool {
        self.facts.cap_lints
    }

    /// Whether a library is compiled.
    pub(crate) fn is_library(&self) -> bool {
        self.facts.crate_types.iter().any(|kind| kind == "lib" || kind == "rlib")
    }

    /// The crate's name.
    pub(crate) fn crate_name(&self) -> Option<&str> {
        self.facts.crate_name.as_deref()
    }

    /// Whether code is made that becomes a part of a program, by the compiler alone, and of an edition in which any crate
    /// can be named by a path: no check, no test, no macro.
    pub(crate) fn is_for_programs(&self) -> bool {
        const KINDS: [&str; 5] = ["lib", "rlib", "bin", "cdylib", "staticlib"];
        let editions = self.facts.configuration.iter().any(|word| ["2018", "2021", "2024"].contains(&word.as_str()));
        let kinds = &self.facts.crate_types;
        self.facts.links
            && !self.facts.tests
            && self.programs.len() == 1
            && editions
            && !kinds.is_empty()
            && kinds.iter().all(|kind| KINDS.contains(&kind.as_str()))
    }

    /// The crate root.
    pub(crate) fn input(&self) -> Option<&Path> {
        self.input
            .map(|index| Path::new(&self.arguments[index]))
            .filter(|path| path.extension() == Some(OsStr::new("rs")))
    }

    /// The target, if one is named.
    pub(crate) fn target(&self) -> Option<&str> {
        self.facts.target.as_deref()
    }

    /// Where the output goes.
    pub(crate) fn out_dir(&self) -> Option<&Path> {
        self.facts.out_dir.as_deref()
    }

    /// Whether the compiler reports each artifact that it has written.
    pub(crate) fn reports_artifacts(&self) -> bool {
        self.facts.artifact_notices
    }

    /// What cargo calls the output of this very call, without `lib` and ending.
    pub(crate) fn unit(&self) -> Option<String> {
        Some(format!("{}{}", self.facts.crate_name.as_deref()?, self.facts.extra_filename))
    }

    /// The program that this call links, where it links one.
    pub(crate) fn program(&self) -> Option<PathBuf> {
        let is_program = self.facts.links && self.facts.crate_types == ["bin"];
        is_program.then(|| Some(self.out_dir()?.join(self.unit()?))).flatten()
    }

    /// The dep-info that the compiler writes for cargo.
    pub(crate) fn dep_info(&self) -> Option<PathBuf> {
        Some(self.out_dir()?.join(format!("{}.d", self.unit()?)))
    }

    /// The libraries this crate names.
    pub(crate) fn externs(&self) -> &[PathBuf] {
        &self.facts.externs
    }

    /// The edition and the `--cfg` options: with which features the crate is compiled.
    pub(crate) fn configuration(&self) -> &[String] {
        &self.facts.configuration
    }

    /// The arguments for a compilation that makes nothing but messages; what it has to write goes to `scratch`, and what it
    /// keeps for the next time beside what the real one keeps.
    pub(crate) fn checking_arguments(&self, scratch: &Path) -> Vec<OsString> {
        let mut arguments = Vec::with_capacity(self.arguments.len());
        let mut words = self.arguments.iter().peekable();
        while let Some(word) = words.next() {
            let text = word.to_string_lossy();
            if ["--emit", "--out-dir", "-o"].contains(&&*text) {
                words.next();
                continue;
            }
            if text.starts_with("--emit=") || text.starts_with("--out-dir=") {
                continue;
            }
            arguments.push(word.clone());
            let is_incremental = |next: &&OsString| next.to_string_lossy().starts_with("incremental=");
            if text == "-C"
                && let Some(incremental) = words.next_if(is_incremental)
            {
                arguments.push(Path::new(incremental).join("otel-rs").into_os_string());
            }
        }
        arguments.extend(["--emit=metadata".into(), "--out-dir".into(), scratch.as_os_str().to_owned()]);
        arguments
    }

    /// The arguments with another crate root.
    pub(crate) fn arguments_with_input(&self, root: &Path) -> Vec<OsString> {
        let mut arguments = self.arguments.clone();
        if let Some(index) = self.input {
            arguments[index] = root.as_os_str().to_owned();
        }
        arguments
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(text: &str) -> Call {
        Call::parse(&text.split_whitespace().map(OsString::from).collect::<Vec<_>>())
    }

    const DEPENDENCY: &str = "--crate-name toy --edition=2021 /r/toy-1.0.0/src/lib.rs --error-format=json \
        --json=diagnostic-rendered-ansi,artifacts,future-incompat --crate-type lib --emit=dep-info,metadata,link \
        -C embed-bitcode=no -C debuginfo=2 --cfg feature=\"std\" -C metadata=abc -C extra-filename=-def \
        --out-dir /t/deps -L dependency=/t/deps --extern log=/t/deps/liblog-1.rmeta --cap-lints allow";

    #[test]
    fn dependency_is_a_foreign_library() {
        let call = call(&format!("rustc {DEPENDENCY}"));
        assert!(call.compiles() && call.is_foreign() && call.is_library() && call.reports_artifacts());
        assert_eq!(call.input(), Some(Path::new("/r/toy-1.0.0/src/lib.rs")));
        assert_eq!(call.dep_info(), Some("/t/deps/toy-def.d".into()));
        assert_eq!(call.externs(), [PathBuf::from("/t/deps/liblog-1.rmeta")]);
    }

    #[test]
    fn clippy_puts_two_programs_first() {
        let call = call(&format!("/bin/clippy-driver /bin/rustc {DEPENDENCY}"));
        assert_eq!(call.programs, ["/bin/clippy-driver", "/bin/rustc"]);
        assert_eq!(call.compiler(), "/bin/rustc");
        assert!(call.compiles());
        assert!(self::call("clippy-driver rustc -vV").queries_version());
        assert_eq!(self::call("cargo clippy-driver rustc --crate-name toy src/lib.rs").compiler(), "rustc");
    }

    #[test]
    fn probes_are_not_compiling() {
        assert!(!call("rustc - --crate-name ___ --print=file-names --crate-type bin").compiles());
        assert!(!call("rustc --crate-name toy --crate-type lib --emit=metadata src/probe.rs").compiles());
        assert!(call("rustc -vV").queries_version());
    }

    #[test]
    fn a_check_writes_elsewhere() {
        let call = call(
            "rustc --crate-name a --edition=2021 a/src/main.rs --crate-type bin --emit=dep-info,link -C metadata=1 \
             -C incremental=/t/incremental --out-dir /t/deps",
        );
        assert!(call.is_for_programs());
        assert_eq!(
            call.checking_arguments(Path::new("/s")).join(std::ffi::OsStr::new(" ")),
            "--crate-name a --edition=2021 a/src/main.rs --crate-type bin -C metadata=1 \
             -C incremental=/t/incremental/otel-rs --emit=metadata --out-dir /s"
        );
    }

    #[test]
    fn tests_checks_macros_and_lints_are_not_for_programs() {
        let base = "rustc --crate-name a --edition=2021 a.rs --emit=dep-info,metadata,link -C metadata=1 ";
        assert!(call(&format!("{base} --crate-type lib")).is_for_programs());
        for other in ["--test", "--crate-type proc-macro", "--crate-type lib --test", "--crate-type dylib"] {
            assert!(!call(&format!("{base} {other}")).is_for_programs(), "{other}");
        }
        assert!(!call(&format!("clippy-driver {base} --crate-type lib")).is_for_programs());
        assert!(!call(&base.replace(",link", "--crate-type lib")).is_for_programs());
        assert!(!call(&format!("{base} --crate-type lib").replace("2021", "2015")).is_for_programs());
    }

    #[test]
    fn only_the_input_is_exchanged() {
        let call = call("rustc --crate-name toy src/lib.rs -C metadata=1");
        assert_eq!(
            call.arguments_with_input(Path::new("/l/lib.rs")),
            ["--crate-name", "toy", "/l/lib.rs", "-C", "metadata=1"]
        );
    }
}
