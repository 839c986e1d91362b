//! One span per operation: from when the driver begins to choose a server until the last of its commands is answered.

use std::cell::Cell;
use std::future::{poll_fn, Future};
use std::io;

use otel_rs_hooks::kit::statement::{Database, Language, Session, Statement};
use otel_rs_hooks::kit::Failure;
use otel_rs_hooks::{key, Value};

use crate::bson::RawDocument;
use crate::error::{Error, ErrorKind, Result, WriteFailure};
use crate::options::ServerAddress;
use crate::Client;

/// The port of a server without one.
const PORT: u16 = 27017;

/// The commands that begin with the name of a collection. Others may begin with that of a user.
const OF_A_COLLECTION: [&str; 21] = [
    "aggregate",
    "collMod",
    "collStats",
    "count",
    "create",
    "createIndexes",
    "createSearchIndexes",
    "delete",
    "distinct",
    "drop",
    "dropIndexes",
    "dropSearchIndex",
    "find",
    "findAndModify",
    "insert",
    "killCursors",
    "listIndexes",
    "mapReduce",
    "update",
    "updateSearchIndex",
    "validate",
];

/// The name of an operation: a text, or one that ends with a zero.
pub(crate) trait Name {
    fn text(&self) -> &str;
}

impl Name for str {
    fn text(&self) -> &str {
        self
    }
}

#[cfg(feature = "bson-3")]
impl Name for crate::bson::raw::CStr {
    fn text(&self) -> &str {
        self.as_str()
    }
}

/// Whether the driver makes spans of its own.
#[cfg(feature = "opentelemetry")]
fn has_own_spans(client: &Client) -> bool {
    static IS_SET: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    let is_set =
        || matches!(std::env::var("OTEL_RUST_INSTRUMENTATION_MONGODB_ENABLED").as_deref(), Ok("1" | "true" | "yes"));
    let own = client.options().tracing.as_ref().and_then(|options| options.enabled);
    own.unwrap_or_else(|| *IS_SET.get_or_init(is_set))
}

#[cfg(not(feature = "opentelemetry"))]
fn has_own_spans(_: &Client) -> bool {
    false
}

/// An operation under way, and what is known of it.
pub(crate) struct Operation {
    statement: Statement,
    is_named: bool,
    is_known: bool,
}

/// Starts an operation.
pub(crate) fn start(client: &Client, name: &(impl Name + ?Sized)) -> Operation {
    if !SCOPE.enabled() || has_own_spans(client) {
        return Operation { statement: Statement::NONE, is_named: true, is_known: true };
    }
    let (system, language) = ("mongodb", Language::Plain);
    let unknown = Database { system, language, namespace: "", address: "", port: None };
    // Before 3.6, a command that the program writes itself has no name yet.
    let name = Some(name.text()).filter(|name| !name.starts_with('$')).unwrap_or("");
    let statement = Session::multiplexed(&SCOPE, &unknown).start(name, "");
    Operation { statement, is_named: !name.is_empty(), is_known: false }
}

impl Operation {
    /// Until the operation has its result.
    pub(crate) async fn around<T>(self, work: impl Future<Output = Result<T>>) -> Result<T> {
        if self.is_known {
            return work.await;
        }
        let (mut operation, mut work) = (Some(self), Box::pin(work));
        let result = poll_fn(|waking| {
            let _polled = Polled::enter(&mut operation);
            work.as_mut().poll(waking)
        })
        .await;
        if let Some(operation) = &mut operation {
            operation.statement.ended(&result, failure);
        }
        result
    }

    /// A command of the operation is sent. The first one tells what it is about; later ones may go to another server.
    fn sent(&mut self, address: &ServerAddress, namespace: &str, command: &str, document: &RawDocument) {
        let path;
        let (address, port) = match address {
            ServerAddress::Tcp { host, port } => (host.as_str(), Some(port.unwrap_or(PORT))),
            #[cfg(unix)]
            ServerAddress::Unix { path: socket } => {
                path = socket.to_string_lossy();
                (&*path, None)
            }
        };
        self.statement.set(&[(key::SERVER_ADDRESS, address.into()), (key::SERVER_PORT, port.into())]);
        if !self.is_known {
            self.is_known = true;
            let place = if command == "getMore" { "collection" } else { command };
            let has_collection = command == "getMore" || OF_A_COLLECTION.contains(&command);
            let collection = if has_collection { document.get_str(place).unwrap_or("") } else { "" };
            let collection = if collection.is_empty() { Value::None } else { collection.into() };
            let name = if self.is_named { Value::None } else { command.into() };
            self.statement.set(&[
                (key::DB_OPERATION, name),
                (key::DB_NAMESPACE, namespace.into()),
                (key::DB_COLLECTION, collection),
            ]);
        }
    }
}

thread_local! {
    /// The operation that is being polled.
    static CURRENT: Cell<Option<Operation>> = const { Cell::new(None) };
}

/// An operation that is being polled, and the one inside of which it is.
struct Polled<'a> {
    operation: &'a mut Option<Operation>,
    outer: Option<Operation>,
}

impl<'a> Polled<'a> {
    fn enter(operation: &'a mut Option<Operation>) -> Polled<'a> {
        let outer = CURRENT.try_with(|current| current.replace(operation.take())).ok().flatten();
        Polled { operation, outer }
    }
}

impl Drop for Polled<'_> {
    fn drop(&mut self) {
        let _ = CURRENT.try_with(|current| *self.operation = current.replace(self.outer.take()));
    }
}

/// A command is about to be sent.
pub(crate) fn sent(address: &ServerAddress, namespace: &str, command: &str, document: &RawDocument) {
    let _ = CURRENT.try_with(|current| {
        if let Some(mut operation) = current.take() {
            operation.sent(address, namespace, command, document);
            current.set(Some(operation));
        }
    });
}

/// What a span records of an error: the server's code, if there is one.
fn failure(error: &Error) -> Failure {
    if let Some(code) = error.otel_write_error() {
        return Failure::code(&code);
    }
    Failure::class(match &*error.kind {
        ErrorKind::Command(error) => return Failure::code(&error.code),
        ErrorKind::Write(WriteFailure::WriteError(error)) => return Failure::code(&error.code),
        ErrorKind::Write(WriteFailure::WriteConcernError(error)) => return Failure::code(&error.code),
        ErrorKind::Authentication { .. } => "authentication",
        ErrorKind::BsonDeserialization(_) | ErrorKind::BsonSerialization(_) => "bson",
        ErrorKind::ConnectionPoolCleared { .. } => "pool_cleared",
        ErrorKind::DnsResolve { .. } => "dns",
        ErrorKind::IncompatibleServer { .. } | ErrorKind::SessionsNotSupported => "incompatible_server",
        ErrorKind::InvalidArgument { .. } => "invalid_argument",
        ErrorKind::InvalidResponse { .. } => "invalid_response",
        ErrorKind::Io(error) if error.kind() == io::ErrorKind::TimedOut => "timeout",
        ErrorKind::Io(_) => "io",
        ErrorKind::ServerSelection { .. } => "server_selection",
        ErrorKind::Shutdown => "shutdown",
        ErrorKind::Transaction { .. } => "transaction",
        _ => "_OTHER",
    })
}
