//! Projects that are bootstrapped and built with plain cargo, once per run, all into one target directory.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};

use nix::fcntl::{Flock, FlockArg};

use super::{OTEL_RS, clean, kept, source, succeed};

/// The shops: one source, a set of locked versions each.
pub(crate) const SHOPS: [&str; 5] = ["newest", "axum07", "axum08", "sqlx07", "oldest"];

/// What stands at the edge: one source, a set of locked versions each.
pub(crate) const EDGES: [&str; 2] = ["newest", "oldest"];

/// The functions of a cloud: one source, a set of locked versions each.
pub(crate) const FUNCTIONS: [&str; 3] = ["newest", "middle", "oldest"];

/// The registries: one source, a version and its features each.
pub(crate) const REGISTRIES: [&str; 4] = ["oldest", "middle", "newest", "plain"];

/// A project that is woven and built.
#[derive(Debug)]
pub(crate) struct Fixture {
    /// The folder with its `Cargo.toml`.
    pub(crate) folder: PathBuf,
    /// The program.
    pub(crate) program: PathBuf,
    /// What bootstrap and the build said on stderr.
    pub(crate) said: String,
}

impl Fixture {
    /// The shop with one of [`SHOPS`]' sets of versions.
    pub(crate) fn shop(versions: &str) -> Arc<Self> {
        Self::built(&format!("shop-{versions}"), |folder| write_shop(versions, folder))
    }

    /// The proxy with one of [`EDGES`]' sets of versions.
    pub(crate) fn edge(versions: &str) -> Arc<Self> {
        Self::built(&format!("edge-{versions}"), |folder| {
            let edge = source("tests/fixtures/edge");
            put(&edge.join(versions).join("Cargo.toml.in"), &folder.join("Cargo.toml"));
            put(&edge.join(versions).join("Cargo.lock"), &folder.join("Cargo.lock"));
            for file in ["main.rs", "connections.rs", "proxy.rs", "streams.rs"] {
                put(&edge.join("src").join(file), &folder.join("src").join(file));
            }
        })
    }

    /// The small server with versions that cannot live in one program with a shop's others.
    pub(crate) fn hello() -> Arc<Self> {
        Self::built("hello", |folder| {
            let hello = source("tests/fixtures/hello");
            put(&hello.join("Cargo.toml.in"), &folder.join("Cargo.toml"));
            put(&hello.join("Cargo.lock"), &folder.join("Cargo.lock"));
            put(&hello.join("src/main.rs"), &folder.join("src/main.rs"));
        })
    }

    /// The function with one of [`FUNCTIONS`]' sets of versions.
    pub(crate) fn function(versions: &str) -> Arc<Self> {
        Self::built(&format!("function-{versions}"), |folder| {
            let function = source("tests/fixtures/function");
            put(&function.join(versions).join("Cargo.toml.in"), &folder.join("Cargo.toml"));
            put(&function.join(versions).join("Cargo.lock"), &folder.join("Cargo.lock"));
            put(&function.join("src/main.rs"), &folder.join("src/main.rs"));
        })
    }

    /// A business that measures itself with every version of OpenTelemetry's API, and no SDK.
    pub(crate) fn business() -> Arc<Self> {
        Self::built("business", |folder| {
            let business = source("tests/fixtures/business");
            put(&business.join("Cargo.toml.in"), &folder.join("Cargo.toml"));
            for file in ["Cargo.lock", "src/main.rs", "src/shop.rs"] {
                put(&business.join(file), &folder.join(file));
            }
        })
    }

    /// A business that measures itself with every minor of the facade `metrics`, in their oldest or newest versions.
    pub(crate) fn facade(versions: &str) -> Arc<Self> {
        Self::built(&format!("facade-{versions}"), |folder| {
            let facade = source("tests/fixtures/facade");
            put(&facade.join(versions).join("Cargo.toml.in"), &folder.join("Cargo.toml"));
            put(&facade.join(versions).join("Cargo.lock"), &folder.join("Cargo.lock"));
            for file in ["src/main.rs", "src/shop.rs"] {
                put(&facade.join(file), &folder.join(file));
            }
        })
    }

    /// The example of an instrumentation, with a version of its crate that a fixture of that name has, too.
    pub(crate) fn example(of: &str, version: &str, fixture: &str) -> Arc<Self> {
        let name = format!("example-{of}");
        Self::built(&name, |folder| {
            let example = source("instrumentations").join(of).join("example");
            let manifest = fs::read_to_string(example.join("Cargo.toml.in")).expect("a manifest");
            let manifest = manifest.replace("{version}", version).replace("\"example\"", &format!("{name:?}"));
            let made = folder.join("made.toml");
            fs::create_dir_all(folder).expect("a folder");
            fs::write(&made, manifest + "\n[workspace]\n").expect("room on the disk");
            put(&made, &folder.join("Cargo.toml"));
            put(&example.join("src/main.rs"), &folder.join("src/main.rs"));
            if !folder.join("Cargo.lock").exists() {
                // What is locked there stays as it is, and what is not needed here goes.
                put(&source("tests/fixtures").join(fixture).join("Cargo.lock"), &folder.join("Cargo.lock"));
                succeed(cargo(folder).args(["update", "--workspace"]));
            }
        })
    }

    /// Runtimes and nothing else, with the oldest or the newest version that tells of them, or with the newest and its
    /// unstable flag.
    pub(crate) fn runtime(versions: &str) -> Arc<Self> {
        Self::built(&format!("runtime-{versions}"), |folder| {
            let runtime = source("tests/fixtures/runtime");
            put(&runtime.join(versions).join("Cargo.toml.in"), &folder.join("Cargo.toml"));
            put(&runtime.join(versions).join("Cargo.lock"), &folder.join("Cargo.lock"));
            for file in ["src/main.rs", "src/counts.rs"] {
                put(&runtime.join(file), &folder.join(file));
            }
            let config = runtime.join(versions).join("config.toml");
            if config.exists() {
                put(&config, &folder.join(".cargo/config.toml"));
            }
        })
    }

    /// A business that counts with a registry for Prometheus, with one of [`REGISTRIES`]' versions.
    pub(crate) fn registry(versions: &str) -> Arc<Self> {
        Self::built(&format!("registry-{versions}"), |folder| {
            let registry = source("tests/fixtures/registry");
            put(&registry.join(versions).join("Cargo.toml.in"), &folder.join("Cargo.toml"));
            put(&registry.join(versions).join("Cargo.lock"), &folder.join("Cargo.lock"));
            put(&registry.join("src/main.rs"), &folder.join("src/main.rs"));
        })
    }

    fn built(name: &str, write: impl FnOnce(&Path)) -> Arc<Self> {
        static BUILT: Mutex<BTreeMap<String, Arc<Fixture>>> = Mutex::new(BTreeMap::new());
        let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
        built.entry(name.to_owned()).or_insert_with(|| Arc::new(Self::build(name, write))).clone()
    }

    fn build(name: &str, write: impl FnOnce(&Path)) -> Self {
        // Test processes may run side by side, as nextest does it.
        let _lock = lock("build");
        let folder = kept(name);
        write(&folder);
        let mut said = succeed(otel_rs(&folder).arg("bootstrap")).1;
        let target = kept("target");
        said += &succeed(cargo(&folder).args(["build", "--locked"]).env("CARGO_TARGET_DIR", &target)).1;
        Self { program: target.join("debug").join(name), folder, said }
    }

    /// The versions of a crate in the lock file.
    pub(crate) fn locked(&self, name: &str) -> Vec<String> {
        let text = fs::read_to_string(self.folder.join("Cargo.lock")).expect("a lock file");
        let lock: toml::Table = text.parse().expect("a lock file in TOML");
        let packages = lock["package"].as_array().expect("packages");
        let named = packages.iter().filter(|package| package["name"].as_str() == Some(name));
        named.filter_map(|package| Some(package["version"].as_str()?.to_owned())).collect()
    }

    /// A route's template as this shop's axum writes it.
    pub(crate) fn route(&self, template: &str) -> String {
        let colon = self.locked("axum").iter().all(|version| version.starts_with("0.7."));
        if colon { template.replace('{', ":").replace('}', "") } else { template.to_owned() }
    }
}

/// Keeps other test processes out until it is dropped.
pub(crate) fn lock(name: &str) -> Flock<File> {
    fs::create_dir_all(kept("")).expect("a folder below target");
    let file = File::create(kept(&format!("{name}.lock"))).expect("a lock file");
    Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, error)| error).expect("a lock")
}

/// Writes the shop's sources; what is the same already keeps its time, so that cargo need not build it again.
pub(crate) fn write_shop(versions: &str, folder: &Path) {
    let shop = source("tests/fixtures/shop");
    put(&shop.join(versions).join("Cargo.toml.in"), &folder.join("Cargo.toml"));
    put(&shop.join(versions).join("Cargo.lock"), &folder.join("Cargo.lock"));
    for entry in fs::read_dir(shop.join("src")).expect("the shop's sources") {
        let path = entry.expect("an entry").path();
        put(&path, &folder.join("src").join(path.file_name().expect("a name")));
    }
}

/// Copies a file unless it is there already.
pub(crate) fn put(from: &Path, to: &Path) {
    let new = fs::read(from).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
    if fs::read(to).ok().as_ref() != Some(&new) {
        fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
        fs::write(to, new).expect("room on the disk");
    }
}

/// `otel-rs` in a project.
pub(crate) fn otel_rs(folder: &Path) -> Command {
    let mut command = clean(OTEL_RS);
    command.current_dir(folder);
    command
}

/// `cargo` in a project of somebody who has otel-rs in PATH.
pub(crate) fn cargo(folder: &Path) -> Command {
    let mut command = clean(env!("CARGO"));
    let own = Path::new(OTEL_RS).parent().expect("a folder").to_owned();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(own).chain(std::env::split_paths(&path))).expect("a PATH");
    command.current_dir(folder).env("PATH", path);
    command
}

/// `cargo` in a project of somebody who does not have otel-rs.
pub(crate) fn cargo_without_us(folder: &Path) -> Command {
    let mut command = clean(env!("CARGO"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let others = std::env::split_paths(&path).filter(|folder| !folder.join("otel-rs").exists());
    command.current_dir(folder).env("PATH", std::env::join_paths(others).expect("a PATH"));
    command
}
