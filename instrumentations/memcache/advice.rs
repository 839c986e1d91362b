//! One span per command: from the moment it is sent until it is answered.

use std::io;

use otel_rs_hooks::kit::statement::{Database, Language, Session, Statement};
use otel_rs_hooks::kit::Failure;
use r2d2::PooledConnection;
use url::Url;

use crate::connection::{Connection, ConnectionManager};
use crate::error::{ClientError, CommandError, MemcacheError};

const fn database<'a>(address: &'a str, port: Option<u16>) -> Database<'a> {
    Database { system: "memcached", language: Language::Plain, namespace: "", address, port }
}

/// What the commands of a connection have in common.
pub(crate) fn session(url: &Url) -> Session {
    // A socket's file has no host.
    let address = url.host_str().unwrap_or_else(|| url.path());
    Session::multiplexed(&SCOPE, &database(address, url.port()))
}

/// A command, and the connection that it has got.
pub(crate) struct Sent {
    connection: PooledConnection<ConnectionManager>,
    statement: Statement,
}

/// The name that the server has for a method of the client.
fn named(method: &'static str) -> &'static str {
    match method {
        "increment" => "incr",
        "decrement" => "decr",
        "flush" | "flush_with_delay" => "flush_all",
        _ => method,
    }
}

/// Starts a command, once it has got a connection.
pub(crate) fn start(
    method: &'static str,
    connection: Result<PooledConnection<ConnectionManager>, r2d2::Error>,
) -> Result<Sent, r2d2::Error> {
    match connection {
        Ok(connection) => {
            let statement = connection.otel.start(named(method), "");
            Ok(Sent { connection, statement })
        }
        Err(error) => {
            if SCOPE.enabled() {
                let session = Session::multiplexed(&SCOPE, &database("", None));
                session.start(named(method), "").fail(&error, |_| Failure::class("pool"));
            }
            Err(error)
        }
    }
}

impl Sent {
    /// Sends the command, and waits for its answer.
    pub(crate) fn run<T>(
        mut self,
        command: impl FnOnce(&mut Connection) -> Result<T, MemcacheError>,
    ) -> Result<T, MemcacheError> {
        let answer = command(&mut self.connection);
        self.statement.ended(&answer, failure);
        answer
    }
}

/// What a span records of an error. The server's message is kept out: it may quote a key.
fn failure(error: &MemcacheError) -> Failure {
    Failure::class(match error {
        MemcacheError::IOError(error) => match error.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => "timeout",
            _ => "io",
        },
        MemcacheError::CommandError(error) => match error {
            CommandError::KeyExists => "key_exists",
            CommandError::KeyNotFound => "key_not_found",
            CommandError::ValueTooLarge => "value_too_large",
            CommandError::InvalidArguments => "invalid_arguments",
            CommandError::AuthenticationRequired => "authentication_required",
            CommandError::InvalidCommand => "invalid_command",
            CommandError::Unknown(status) => return Failure::code(status),
        },
        MemcacheError::ClientError(ClientError::KeyTooLong) => "key_too_long",
        MemcacheError::ClientError(_) => "client_error",
        MemcacheError::ServerError(_) => "server_error",
        MemcacheError::ParseError(_) => "parse",
        MemcacheError::PoolError(_) => "pool",
        _ => "_OTHER",
    })
}
