//! `otel-rs demo`: from bootstrap to telemetry in one command, on a program without telemetry code.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use include_dir::{Dir, include_dir};

use super::Outcome;
use crate::project::answers;
use crate::ui::{self, Explain};

static DEMO: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/templates/demo");

/// The options of `otel-rs demo`.
#[derive(Debug, Default)]
pub(crate) struct Options {
    /// Where to write the demo; a folder of the temporary directory if absent.
    pub(crate) path: Option<PathBuf>,
}

/// Why the demo could not be shown.
#[derive(Debug, thiserror::Error)]
enum DemoError {
    #[error("cannot write the demo to `{}`", path.display())]
    Write { path: PathBuf, source: std::io::Error },
    #[error("`{}` belongs to another user", path.display())]
    ForeignFolder { path: PathBuf },
    #[error("cannot run `{command}`")]
    Run { command: String, source: std::io::Error },
    #[error("cannot put the demo into `{}`: cargo would take it for a part of a workspace above it", path.display())]
    Workspace { path: PathBuf },
    #[error("`{command}` ended with {status}")]
    Failed { command: String, status: std::process::ExitStatus },
    #[error("the demo does not answer on port {port}")]
    Silent { port: u16 },
}

impl Explain for DemoError {
    fn hint(&self) -> Option<String> {
        match self {
            DemoError::Write { .. } | DemoError::ForeignFolder { .. } | DemoError::Workspace { .. } => {
                Some("choose a folder of your own: `otel-rs demo <folder>`".into())
            }
            DemoError::Failed { command, .. } if command.starts_with("cargo") => {
                Some("the demo fetches its dependencies from crates.io on the first run: check the network".into())
            }
            _ => None,
        }
    }
}

/// The settings of the demo, each unless the environment sets it: `OTEL_TRACES_EXPORTER=otlp otel-rs demo` shows it to
/// a collector.
const SETTINGS: [(&str, &str); 5] = [
    ("OTEL_SERVICE_NAME", "shop"),
    ("OTEL_TRACES_SAMPLER", "parentbased_always_off"),
    ("OTEL_TRACES_EXPORTER", "console"),
    ("OTEL_METRICS_EXPORTER", "console"),
    // The machine's own metrics would fill pages.
    ("OTEL_RS_HOST_METRICS", "process"),
];

/// Requests before the one that is shown. The demo samples only what its caller sampled, so they are counted in the
/// metrics and leave no trace.
const QUIET_REQUESTS: usize = 20;
/// The caller of the request that is shown: the example of W3C Trace Context, sampled.
const SAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Writes the demo, instruments, builds and launches it, sends it a request, and shows the telemetry.
pub(crate) fn run(options: Options) -> Outcome {
    let folder = chosen(options.path);
    write_apart(&folder)?;
    ui::note(format_args!(
        "The demo is in {}: two services, axum, reqwest and SQLite, no telemetry code.\n",
        folder.display()
    ));

    let tool = std::env::current_exe().map_err(|source| DemoError::Run { command: "otel-rs".into(), source })?;
    step(&folder, Command::new(&tool).arg("bootstrap"), "otel-rs bootstrap")?;
    step(&folder, Command::new("cargo").args(["build", "--locked"]), "cargo build")?;

    let (shop, stock) = (free_port(), free_port());
    let program = folder.join("target/debug/shop");
    let settings: Vec<(&str, String)> =
        SETTINGS.iter().map(|(name, value)| (*name, std::env::var(name).unwrap_or_else(|_| (*value).into()))).collect();
    let shown: Vec<String> = settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
    ui::note(format_args!("$ {} \\\n  otel-rs instrument -- target/debug/shop", shown.join(" \\\n  ")));
    let launched = Command::new(&tool)
        .args(["instrument", "--"])
        .arg(&program)
        .envs(settings)
        .env("SHOP_PORT", shop.to_string())
        .env("STOCK_PORT", stock.to_string())
        .stdin(Stdio::null())
        .spawn()
        .map_err(|source| DemoError::Run { command: "otel-rs instrument".into(), source })?;
    let mut launched = Launched(launched);
    wait_for(shop)?;
    for number in 0..QUIET_REQUESTS {
        get(shop, &format!("/orders/{}", number % 4), None);
    }
    ui::note(format_args!("$ curl -H 'traceparent: {SAMPLED}' http://127.0.0.1:{shop}/orders/1"));
    if let Some(answer) = get(shop, "/orders/1", Some(SAMPLED)) {
        ui::out(answer);
    }
    launched.stop();
    ui::note(format_args!(
        "\nYours next: run `otel-rs bootstrap` in a project. All that was done here can be undone: `otel-rs bootstrap -a remove`."
    ));
    Ok(0)
}

/// The launched demo; it does not outlive this command.
struct Launched(Child);

impl Launched {
    /// Ends the demo as a service manager would and waits for the launcher's last messages.
    fn stop(&mut self) {
        let pid = nix::unistd::Pid::from_raw(self.0.id().cast_signed());
        // It may have ended by itself; then there is nothing to do.
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let _ = self.0.wait();
    }
}

impl Drop for Launched {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            self.stop();
        }
    }
}

fn chosen(path: Option<PathBuf>) -> PathBuf {
    // The same folder every time: the second demo finds its dependencies built.
    let name = || format!("otel-rs-demo-{}", nix::unistd::getuid());
    let path = path.unwrap_or_else(|| std::env::temp_dir().join(name()));
    std::path::absolute(&path).unwrap_or(path)
}

fn make(path: &Path) -> Result<(), DemoError> {
    use std::os::unix::fs::{DirBuilderExt, MetadataExt};
    let user = nix::unistd::getuid();
    let path = path.to_owned();
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&path);
    made.map_err(|source| DemoError::Write { path: path.clone(), source })?;
    let metadata = fs_err::symlink_metadata(&path).map_err(|source| DemoError::Write { path: path.clone(), source })?;
    // A temporary directory is shared: another user could have put a folder of this name there.
    if metadata.uid() != user.as_raw() || !metadata.is_dir() {
        return Err(DemoError::ForeignFolder { path });
    }
    Ok(())
}

/// Writes the demo, but not where a workspace above it would take it in and be broken by it.
fn write_apart(folder: &Path) -> Result<(), DemoError> {
    let above = folder.parent().filter(|_| !folder.join("Cargo.toml").exists());
    let before = above.map(answers);
    make(folder)?;
    write(folder)?;
    let after = above.map(answers).into_iter().flatten();
    if before.into_iter().flatten().zip(after).any(|(before, after)| before.is_ok() && after.is_err()) {
        for (name, _) in FILES {
            let _ = fs_err::remove_file(folder.join(name));
        }
        for made in [&folder.join("src"), folder] {
            let _ = std::fs::remove_dir(made);
        }
        return Err(DemoError::Workspace { path: folder.to_owned() });
    }
    Ok(())
}

/// The demo's files, and the templates that they are copies of.
const FILES: [(&str, &str); 3] =
    [("Cargo.toml", "Cargo.toml.in"), ("Cargo.lock", "Cargo.lock"), ("src/main.rs", "src/main.rs")];

fn write(folder: &Path) -> Result<(), DemoError> {
    for (name, template) in FILES {
        let path = folder.join(name);
        let contents = DEMO.get_file(template).map(include_dir::File::contents).unwrap_or_default();
        // Unchanged files keep their time, so that cargo has nothing to rebuild.
        if fs_err::read(&path).is_ok_and(|present| present == contents) {
            continue;
        }
        let parent = path.parent().unwrap_or(folder);
        fs_err::create_dir_all(parent)
            .and_then(|()| fs_err::write(&path, contents))
            .map_err(|source| DemoError::Write { path: path.clone(), source })?;
    }
    Ok(())
}

/// Runs one step of the demo, showing the command as a user would type it.
fn step(folder: &Path, command: &mut Command, shown: &str) -> Result<(), DemoError> {
    ui::note(format_args!("$ {shown}"));
    // The demo's own folders and settings apply, not those of a cargo this command may run under.
    for variable in ["CARGO_TARGET_DIR", "RUSTC_WRAPPER", "CARGO_BUILD_RUSTC_WRAPPER", "RUSTFLAGS"] {
        command.env_remove(variable);
    }
    let status = command.current_dir(folder).status();
    let status = status.map_err(|source| DemoError::Run { command: shown.into(), source })?;
    if status.success() { Ok(()) } else { Err(DemoError::Failed { command: shown.into(), status }) }
}

fn free_port() -> u16 {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    TcpListener::bind(address).and_then(|listener| listener.local_addr()).map_or(0, |address| address.port())
}

fn wait_for(port: u16) -> Result<(), DemoError> {
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(20) {
        if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Err(DemoError::Silent { port })
}

/// The body of the answer to a GET request; nothing if there was none.
fn get(port: u16, path: &str, traceparent: Option<&str>) -> Option<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let parent = traceparent.map_or_else(String::new, |value| format!("traceparent: {value}\r\n"));
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nuser-agent: otel-rs-demo\r\n{parent}connection: close\r\n\r\n"
    )
    .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned())
}
