//! Services that the tests start themselves: own folder, own port, gone when dropped.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::brokers::Broker;
use super::cloud::Cloud;
use super::{output, wait_for};

/// A service that an example needs.
pub(crate) enum Service {
    Database(Database),
    Broker(Box<Broker>),
    Lambda(Cloud),
}

/// The payload of each event that a function gets.
const EVENTS: [&str; 2] = ["tea", "kettle"];

impl Service {
    /// Starts the service that `needs` of an `expected.toml` names.
    pub(crate) fn start(name: &str) -> Result<Self, String> {
        match name {
            "postgresql" => postgres().map(Self::Database),
            "mariadb" => mariadb().map(Self::Database),
            "lambda" => Ok(Self::Lambda(Cloud::start(&EVENTS, "Root=1-5759e988-bd862e3fe1be46a994272793"))),
            other => match Broker::start(other) {
                Some(started) => started.map(|broker| Self::Broker(Box::new(broker))),
                None => panic!("no service is called `{other}`: it needs a starter in tests/support/brokers.rs"),
            },
        }
    }

    /// The variables by which a program finds the service.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        match self {
            // By its own name too, for programs that use several.
            Self::Database(database) => {
                let own = if database.url.starts_with("mysql") { "MARIADB_URL" } else { "POSTGRESQL_URL" };
                vec![("DATABASE_URL", database.url.clone()), (own, database.url.clone())]
            }
            Self::Broker(broker) => vec![(broker.variable, broker.url.clone())],
            Self::Lambda(cloud) => vec![
                ("AWS_LAMBDA_RUNTIME_API", cloud.address.clone()),
                ("AWS_LAMBDA_FUNCTION_NAME", "shop".to_owned()),
                ("AWS_LAMBDA_FUNCTION_VERSION", "7".to_owned()),
                ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128".to_owned()),
                ("AWS_LAMBDA_LOG_STREAM_NAME", "stream".to_owned()),
                ("AWS_LAMBDA_LOG_GROUP_NAME", "group".to_owned()),
                // As `docs/guide/lambda.md` advises.
                ("OTEL_RS_EXCLUDED_URLS", "http://*/2018-06-01/runtime/*".to_owned()),
            ],
        }
    }

    /// Waits until the program has nothing more to do, and returns whether it has to be ended from outside.
    pub(crate) fn wait(&self) -> bool {
        match self {
            Self::Database(_) | Self::Broker(_) => false,
            Self::Lambda(cloud) => {
                wait_for("all answers", 60, || (cloud.answers().len() == EVENTS.len()).then_some(()));
                true
            }
        }
    }
}

/// A database server with an empty database named `shop`.
pub(crate) struct Database {
    server: Child,
    pub(crate) port: u16,
    /// What the shop connects to.
    pub(crate) url: String,
    _folder: tempfile::TempDir,
}

impl Drop for Database {
    fn drop(&mut self) {
        let pid = nix::unistd::Pid::from_raw(self.server.id() as i32);
        // SIGQUIT is PostgreSQL's quickest end; MariaDB's is any.
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGQUIT);
        for _ in 0..50 {
            if self.server.try_wait().is_ok_and(|status| status.is_some()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Database {
    /// Asks PostgreSQL, over a connection of psql's own: the answer's first line, empty where there is none.
    pub(crate) fn ask(&self, query: &str) -> String {
        let mut psql = Command::new(find(&["psql"]).expect("it has created the database"));
        psql.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", "shop", "-At", "-c", query, "shop"]);
        output(&mut psql).1.lines().next().unwrap_or_default().to_owned()
    }
}

/// A port that is free at the moment.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its number").port()
}

/// A program in PATH or where Debian puts servers.
pub(super) fn find(names: &[&str]) -> Result<PathBuf, String> {
    let mut folders: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect();
    folders.extend(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    folders.extend(versions.map(|version| version.path().join("bin")));
    let candidates = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    candidates.into_iter().find(|path| path.is_file()).ok_or_else(|| format!("`{}` is not installed", names[0]))
}

/// A command as a user who may run a database server: root may not.
fn as_user(user: &str, program: &Path) -> Command {
    if nix::unistd::geteuid().is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", user, "--regid", user, "--clear-groups", "--pdeathsig", "KILL"]).arg(program);
        command
    } else {
        Command::new(program)
    }
}

/// A folder with a short path: a Unix socket may lie in it.
pub(super) fn folder() -> Result<tempfile::TempDir, String> {
    tempfile::Builder::new().prefix("otel-rs-").tempdir_in("/tmp").map_err(|error| error.to_string())
}

/// The same that the user may write to.
fn folder_for(user: &str) -> Result<tempfile::TempDir, String> {
    let folder = folder()?;
    if nix::unistd::geteuid().is_root() {
        let (good, _, why) = output(Command::new("chown").arg(user).arg(folder.path()));
        if !good {
            return Err(format!("no user `{user}`: {}", why.trim()));
        }
    }
    Ok(folder)
}

pub(super) fn ready(
    mut server: Child,
    what: &str,
    folder: &Path,
    mut ask: impl FnMut() -> bool,
) -> Result<Child, String> {
    for _ in 0..1800 {
        if let Ok(Some(status)) = server.try_wait() {
            let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
            return Err(format!("{what} ended at once ({status}): {log}"));
        }
        if ask() {
            return Ok(server);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let _ = server.kill();
    Err(format!("{what} did not answer within 90 s"))
}

/// Starts PostgreSQL.
pub(crate) fn postgres() -> Result<Database, String> {
    let (initdb, server, psql) = (find(&["initdb"])?, find(&["postgres"])?, find(&["psql"])?);
    let folder = folder_for("postgres")?;
    let (data, port) = (folder.path().join("data"), free_port());
    let mut init = as_user("postgres", &initdb);
    init.args(["--auth=trust", "--username=shop", "--no-sync", "--locale=C", "--encoding=UTF8", "-D"]).arg(&data);
    let (good, _, why) = output(init.current_dir(folder.path()));
    if !good {
        return Err(format!("initdb: {why}"));
    }
    let log = std::fs::File::create(folder.path().join("log")).map_err(|error| error.to_string())?;
    let mut command = as_user("postgres", &server);
    command.arg("-D").arg(&data).args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-p"]);
    command.arg(port.to_string()).arg("-k").arg(folder.path()).current_dir(folder.path());
    let child = command.stdout(Stdio::null()).stderr(log).spawn().map_err(|error| error.to_string())?;
    let create = || {
        let mut ask = Command::new(&psql);
        ask.args(["-h", "127.0.0.1", "-p", &port.to_string(), "-U", "shop", "-c", "CREATE DATABASE shop", "postgres"]);
        output(&mut ask).0
    };
    let server = ready(child, "postgres", folder.path(), create)?;
    Ok(Database { server, port, url: format!("postgres://shop@127.0.0.1:{port}/shop"), _folder: folder })
}

/// Starts MariaDB.
pub(crate) fn mariadb() -> Result<Database, String> {
    let install = find(&["mariadb-install-db", "mysql_install_db"])?;
    let (server, client) = (find(&["mariadbd", "mysqld"])?, find(&["mariadb", "mysql"])?);
    let folder = folder_for("mysql")?;
    let (data, port) = (folder.path().join("data"), free_port());
    // A server that starts removes the temporary tables of others from TMPDIR.
    let mut init = as_user("mysql", &install);
    init.env("TMPDIR", folder.path()).args([
        "--no-defaults",
        "--auth-root-authentication-method=normal",
        "--skip-test-db",
    ]);
    let (good, _, why) = output(init.arg(format!("--datadir={}", data.display())).current_dir(folder.path()));
    if !good {
        return Err(format!("mariadb-install-db: {why}"));
    }
    let log = std::fs::File::create(folder.path().join("log")).map_err(|error| error.to_string())?;
    let socket = folder.path().join("socket");
    let mut command = as_user("mysql", &server);
    command.env("TMPDIR", folder.path()).arg("--no-defaults").arg(format!("--datadir={}", data.display()));
    command.arg(format!("--socket={}", socket.display())).arg(format!("--port={port}"));
    command.args(["--bind-address=127.0.0.1", "--innodb-flush-log-at-trx-commit=0"]).current_dir(folder.path());
    let child = command.stdout(Stdio::null()).stderr(log).spawn().map_err(|error| error.to_string())?;
    let create = || {
        let mut ask = Command::new(&client);
        ask.args(["--no-defaults", "--user=root"]).arg(format!("--socket={}", socket.display()));
        let statements = "CREATE DATABASE shop; CREATE USER shop@127.0.0.1 IDENTIFIED BY 'pass'; \
            GRANT ALL ON shop.* TO shop@127.0.0.1; CREATE USER shop@localhost IDENTIFIED BY 'pass'; \
            GRANT ALL ON shop.* TO shop@localhost;";
        output(ask.args(["-e", statements])).0
    };
    let server = ready(child, "mariadbd", folder.path(), create)?;
    Ok(Database { server, port, url: format!("mysql://shop:pass@127.0.0.1:{port}/shop"), _folder: folder })
}
