//! Caches and brokers that the tests start themselves, each with a folder and a port of its own.

use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::services::{find, folder, free_port, ready};

/// A server that answers at one URL.
pub(crate) struct Broker {
    server: Child,
    command: Command,
    port: u16,
    /// The variable by which programs find it.
    pub(crate) variable: &'static str,
    pub(crate) url: String,
    folder: tempfile::TempDir,
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Broker {
    /// Starts the one that `needs` of an `expected.toml` names; `None` if no broker has that name.
    pub(crate) fn start(name: &str) -> Option<Result<Broker, String>> {
        Some(match name {
            "redis" => redis(),
            "memcached" => memcached(),
            "nats" => nats(),
            "mosquitto" => mosquitto(),
            "rabbitmq" => rabbitmq(),
            _ => return None,
        })
    }

    /// Sends a signal to the server: to its whole group, since it may have been started by a script.
    pub(crate) fn send(&self, signal: Signal) {
        let _ = killpg(Pid::from_raw(self.server.id() as i32), signal);
    }

    /// Ends the server in the middle of whatever it does.
    pub(crate) fn kill(&mut self) {
        self.send(Signal::SIGKILL);
        let _ = self.server.wait();
    }

    /// Starts the server again, at the same place and with what it has kept, and waits until its port is open.
    pub(crate) fn restart(&mut self) -> Result<(), String> {
        self.kill();
        let program = self.command.get_program().to_owned();
        self.server = begin(&mut self.command, &program.to_string_lossy(), self.folder.path(), self.port)?;
        Ok(())
    }
}

/// Starts a server and waits until its port is open.
fn begin(command: &mut Command, program: &str, folder: &Path, port: u16) -> Result<Child, String> {
    let child = command.spawn().map_err(|error| format!("{program}: {error}"))?;
    let is_open = || TcpStream::connect_timeout(&([127, 0, 0, 1], port).into(), Duration::from_secs(1)).is_ok();
    ready(child, program, folder, is_open)
}

/// Starts a server, whose command the function makes of its folder and port, and waits until its port is open.
fn serve(
    program: PathBuf,
    variable: &'static str,
    scheme: &str,
    arrange: impl FnOnce(&mut Command, &Path, u16) -> Result<(), String>,
) -> Result<Broker, String> {
    let (folder, port) = (folder()?, free_port());
    let mut command = Command::new(&program);
    super::with_default_signals(&mut command);
    let log = std::fs::File::create(folder.path().join("log")).map_err(|error| error.to_string())?;
    command.process_group(0).current_dir(folder.path()).env("HOME", folder.path());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    arrange(&mut command, folder.path(), port)?;
    let server = begin(&mut command, &program.display().to_string(), folder.path(), port)?;
    Ok(Broker { server, command, port, variable, url: format!("{scheme}://127.0.0.1:{port}"), folder })
}

fn redis() -> Result<Broker, String> {
    serve(find(&["redis-server"])?, "REDIS_URL", "redis", |command, _, port| {
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port", &port.to_string()]);
        Ok(())
    })
}

fn memcached() -> Result<Broker, String> {
    serve(find(&["memcached"])?, "MEMCACHE_URL", "memcache", |command, _, port| {
        command.args(["-l", "127.0.0.1", "-U", "0", "-u", "nobody", "-p", &port.to_string()]);
        Ok(())
    })
}

fn nats() -> Result<Broker, String> {
    serve(find(&["nats-server"])?, "NATS_URL", "nats", |command, folder, port| {
        command.args(["-a", "127.0.0.1", "-js", "-p", &port.to_string(), "-sd"]).arg(folder);
        Ok(())
    })
}

fn mosquitto() -> Result<Broker, String> {
    serve(find(&["mosquitto"])?, "MQTT_URL", "mqtt", |command, folder, port| {
        let config = folder.join("conf");
        let text = format!("listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nuser root\n");
        std::fs::write(&config, text).map_err(|error| error.to_string())?;
        command.arg("-c").arg(config);
        Ok(())
    })
}

/// Erlang's own name server, which all nodes of a machine would share, is left out.
fn rabbitmq() -> Result<Broker, String> {
    let program = PathBuf::from("/usr/lib/rabbitmq/bin/rabbitmq-server");
    if !program.is_file() {
        return Err("`rabbitmq-server` is not installed".to_owned());
    }
    serve(program, "AMQP_URL", "amqp", |command, folder, port| {
        let plugins = folder.join("plugins");
        std::fs::write(&plugins, "[].\n").map_err(|error| error.to_string())?;
        let nodes = free_port();
        let erlang = format!("-start_epmd false -erl_epmd_port {nodes}");
        command.env("RABBITMQ_NODENAME", format!("otel-rs-{port}@localhost"));
        command.env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1").env("RABBITMQ_NODE_PORT", port.to_string());
        command.env("RABBITMQ_DIST_PORT", nodes.to_string()).env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", erlang);
        command.env("RABBITMQ_MNESIA_BASE", folder).env("RABBITMQ_LOG_BASE", folder).env("RABBITMQ_LOGS", "-");
        command.env("RABBITMQ_ENABLED_PLUGINS_FILE", plugins).env("RABBITMQ_CONFIG_FILE", folder.join("none"));
        command.env("RABBITMQ_PID_FILE", folder.join("pid")).env("RABBITMQ_CTL_ERL_ARGS", "-start_epmd false");
        Ok(())
    })
}
