//! A workspace with a program and two vendored packages: `gear`, which can be instrumented, and `engine`, which uses it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use tempfile::TempDir;

pub(crate) struct Project {
    folder: TempDir,
    cache: PathBuf,
}

/// What a command ended with.
pub(crate) struct Ended {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    #[track_caller]
    pub(crate) fn ok(self) -> Ended {
        assert_eq!(self.status, 0, "{}{}", self.out, self.err);
        self
    }
}

const RULES: &str = r#"crate = "gear"
versions = ">=1.0.0, <2"
tested = ["1.2.0"]
summary = "Gears"
signals = ["traces"]
emits = ["span `turn`"]

[[rule]]
id = "turn"
where = { file = "src/lib.rs", in = ["fn turn"], match = "double($x)" }
do = { replace = "crate::otel_rs::seen(double($x))" }
"#;

const ADVICE: &str = "pub(crate) fn seen(x: u32) -> u32 {\n    std::hint::black_box(&SCOPE);\n    x + 1000\n}\n";

impl Project {
    /// A project whose program prints 4 as it is, and 1004 when `gear` is woven.
    pub(crate) fn new() -> Project {
        let folder = tempfile::Builder::new().prefix("otel rs ").tempdir().unwrap();
        let project = Project { folder, cache: crate::support::cache() };
        let checksum =
            "{\"files\":{},\"package\":\"0000000000000000000000000000000000000000000000000000000000000000\"}";
        project.write("instrumentations/gear/instrumentation.toml", RULES);
        project.write("instrumentations/gear/advice.rs", ADVICE);
        project.write("p/Cargo.toml", "[workspace]\nmembers = [\"app\"]\nresolver = \"2\"\n");
        project.write(
            "p/app/Cargo.toml",
            "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\nengine = \"1\"\n",
        );
        project.write("p/app/src/main.rs", "fn main() {\n    println!(\"{}\", engine::run(2));\n}\n");
        project.write(
            "p/vendor/engine/Cargo.toml",
            "[package]\nname = \"engine\"\nversion = \"1.0.0\"\nedition = \"2021\"\n[dependencies]\ngear = \"1\"\n",
        );
        project.write("p/vendor/engine/src/lib.rs", "pub fn run(x: u32) -> u32 {\n    gear::turn(x)\n}\n");
        project.write("p/vendor/engine/.cargo-checksum.json", checksum);
        project
            .write("p/vendor/gear/Cargo.toml", "[package]\nname = \"gear\"\nversion = \"1.2.0\"\nedition = \"2021\"\n");
        project.write(
            "p/vendor/gear/src/lib.rs",
            "/// ```\n/// gear::turn(2);\n/// ```\npub fn turn(x: u32) -> u32 {\n    double(x) // twice\n}\n\n\
             fn double(x: u32) -> u32 {\n    x * 2\n}\n",
        );
        project.write("p/vendor/gear/.cargo-checksum.json", checksum);
        project.write(
            "p/.cargo/config.toml",
            "[source.crates-io]\nreplace-with = \"vendored\"\n\n[source.vendored]\ndirectory = \"vendor\"",
        );
        project.cargo(&["generate-lockfile", "--offline"]).ok();
        project
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    #[track_caller]
    pub(crate) fn replace(&self, name: &str, from: &str, to: &str) {
        let text = self.read(name);
        assert!(text.contains(from), "{name} has no {from:?}");
        self.write(name, &text.replace(from, to));
    }

    /// A command in the project, without the variables of the tester's own environment for compilers and telemetry.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        let ours = |name: &str| {
            name.starts_with("OTEL_")
                || (name.starts_with("CARGO") && name != "CARGO_HOME")
                || (name.starts_with("RUST") && !name.starts_with("RUSTUP"))
        };
        for (name, _) in std::env::vars().filter(|(name, _)| ours(name)) {
            command.env_remove(name);
        }
        command.current_dir(self.path("p")).env("OTEL_RS_INSTRUMENTATIONS", self.path("instrumentations"));
        command.env("CARGO_TERM_COLOR", "never").env("OTEL_RS_CACHE_DIR", &self.cache);
        command
    }

    /// The same project with a cache of its own, for a test that changes what is in there. The hooks, which take a while to
    /// compile, are in there already.
    pub(crate) fn with_own_cache(mut self) -> Project {
        let hooks = compiled_hooks();
        self.cache = self.path("own cache");
        let (key, digest) = (hooks.file_name().unwrap(), hooks.parent().unwrap().file_name().unwrap());
        let to = self.cache("hooks").join(digest).join(key);
        fs::create_dir_all(&to).unwrap();
        for folder in ["", "hooks"] {
            fs::set_permissions(self.cache(folder), fs::Permissions::from_mode(0o700)).unwrap();
        }
        for entry in fs::read_dir(hooks).unwrap() {
            let file = entry.unwrap().path();
            fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
        }
        self
    }

    /// A file or folder of the cache.
    pub(crate) fn cache(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.cache.clone() } else { self.cache.join(name) }
    }

    /// What is in a folder of the cache.
    pub(crate) fn cached(&self, name: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.cache.join(name)).into_iter().flatten().flatten();
        let mut entries: Vec<_> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
        entries.sort();
        entries
    }

    /// The project's folder in the cache.
    pub(crate) fn home(&self) -> PathBuf {
        let root = self.path("p").into_os_string().into_encoded_bytes();
        let is_ours = |folder: &PathBuf| fs::read(folder.join("root")).is_ok_and(|found| found == root);
        self.cached("projects").into_iter().find(is_ours).expect("the project is in the cache")
    }

    /// A git repository with all of it committed, whose `target` is ignored.
    pub(crate) fn commit(&self) {
        self.write("p/.gitignore", "target\n");
        for args in [&["init", "--quiet"][..], &["add", "--all", "--force", "."]] {
            self.git(args);
        }
        self.git(&["-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "--quiet", "-m", "as it is"]);
    }

    /// What git prints in the project.
    #[track_caller]
    pub(crate) fn git(&self, args: &[&str]) -> String {
        let mut git = self.command("git");
        git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
        run_to_end(git.args(args)).ok().out
    }

    /// What git calls changed or new.
    pub(crate) fn changed(&self) -> String {
        self.git(&["status", "--porcelain", "--untracked-files=all"])
    }

    pub(crate) fn cargo(&self, args: &[&str]) -> Ended {
        run_to_end(self.command(env!("CARGO")).args(args))
    }

    pub(crate) fn otel_rs(&self, args: &[&str]) -> Ended {
        run_to_end(self.command(env!("CARGO_BIN_EXE_otel-rs")).args(args))
    }

    /// What the program prints.
    #[track_caller]
    pub(crate) fn run(&self) -> String {
        self.cargo(&["run", "--quiet", "--offline"]).ok().out.trim().to_owned()
    }

    /// The names of what cargo compiles in the next build, in order.
    #[track_caller]
    pub(crate) fn compiled(&self) -> Vec<String> {
        let ended = self.cargo(&["build", "--offline"]).ok();
        let name = |line: &str| Some(line.trim().strip_prefix("Compiling ")?.split(' ').next()?.to_owned());
        ended.err.lines().filter_map(name).collect()
    }

    /// Every file of the project, other than in `target` and `.git`, with its content and time.
    pub(crate) fn files(&self) -> Vec<(PathBuf, Vec<u8>, std::time::SystemTime)> {
        let root = self.path("p");
        let files = walkdir::WalkDir::new(&root).sort_by_file_name().into_iter().map(Result::unwrap);
        let is_left_out = |path: &Path| ["target", ".git"].iter().any(|name| path.starts_with(root.join(name)));
        let files = files.filter(|entry| entry.file_type().is_file() && !is_left_out(entry.path()));
        files
            .map(|entry| {
                let path = entry.path().strip_prefix(&root).unwrap().to_owned();
                (path, fs::read(entry.path()).unwrap(), entry.metadata().unwrap().modified().unwrap())
            })
            .collect()
    }
}

/// The folder of the cache of all tests with the hooks that programs are built with.
fn compiled_hooks() -> &'static Path {
    static HOOKS: OnceLock<PathBuf> = OnceLock::new();
    HOOKS.get_or_init(|| {
        let project = Project::new();
        project.otel_rs(&["bootstrap"]).ok();
        assert_eq!(project.run(), "1004");
        let folders = walkdir::WalkDir::new(project.cache("hooks")).min_depth(2).max_depth(2).into_iter().flatten();
        let is_used = |folder: &PathBuf| {
            let key = folder.file_name().unwrap().to_string_lossy().into_owned();
            project.path("p/target/debug/deps").join(format!("libotel_rs_hooks-{key}.rlib")).exists()
        };
        folders.map(walkdir::DirEntry::into_path).find(is_used).expect("compiled hooks")
    })
}

/// Runs a command to its end.
pub(crate) fn run_to_end(command: &mut Command) -> Ended {
    let Output { status, stdout, stderr } = command.output().unwrap();
    Ended {
        status: status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&stdout).into_owned(),
        err: String::from_utf8_lossy(&stderr).into_owned(),
    }
}

/// An executable script.
pub(crate) fn script(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}
