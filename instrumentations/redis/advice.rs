//! One span per command, pipeline or transaction: from the moment it is sent until it is answered.

use std::fmt;

use otel_rs_hooks::http::FormattedText;
use otel_rs_hooks::key;
use otel_rs_hooks::kit::statement::{Database, Language, Session, Statement};
use otel_rs_hooks::kit::Failure;

use crate::{Arg, Cmd, ConnectionAddr, ConnectionInfo, RedisError, RedisResult, Value};

/// The longest name of a command.
const MAX_NAME: usize = 64;
/// How many arguments are shown; the launcher shows one less, and that there are more.
const MAX_ARGUMENTS: usize = 17;

/// What the commands of a connection have in common.
fn session(info: &ConnectionInfo) -> Session {
    let (address, port) = match &info.addr {
        ConnectionAddr::Tcp(host, port) => (host.as_str().into(), Some(*port)),
        ConnectionAddr::TcpTls { host, port, .. } => (host.as_str().into(), Some(*port)),
        ConnectionAddr::Unix(path) => (path.to_string_lossy(), None),
    };
    let namespace = info.redis.db.to_string();
    let (system, language) = ("redis", Language::Command);
    Session::multiplexed(&SCOPE, &Database { system, language, namespace: &namespace, address: &address, port })
}

/// What a span records of an error: the prefix that the server gives it, such as `WRONGTYPE`.
fn failure(error: &RedisError) -> Failure {
    match error.code() {
        Some(code) => Failure::code(&code),
        None if error.is_timeout() => Failure::class("timeout"),
        None if error.is_io_error() => Failure::class("io"),
        None => Failure::class("_OTHER"),
    }
}

/// The first error of the server in an answer. Those of a transaction are in the answer to its end.
fn refused<'a>(values: &'a [Value], nested: bool) -> Option<Failure> {
    values.iter().find_map(|value| match value {
        Value::ServerError(error) => Some(Failure::code(&error.code())),
        Value::Array(values) if nested => refused(values, false),
        _ => None,
    })
}

/// A connection has been set up.
pub(crate) fn connected(
    info: &ConnectionInfo,
    connection: RedisResult<crate::Connection>,
) -> RedisResult<crate::Connection> {
    connection.map(|mut connection| {
        connection.otel = Some(session(info));
        connection
    })
}

/// A command, or several, until they are answered.
pub(crate) struct Sent {
    statement: Statement,
    is_transaction: bool,
}

impl Sent {
    /// Nothing that is recorded.
    const NONE: Sent = Sent { statement: Statement::NONE, is_transaction: false };

    /// Ends with the only answer.
    pub(crate) fn answered(mut self, answer: RedisResult<Value>) -> RedisResult<Value> {
        match &answer {
            Ok(value) => self.end(std::slice::from_ref(value)),
            Err(error) => self.statement.fail(error, failure),
        }
        answer
    }

    /// Ends with all answers.
    pub(crate) fn all_answered(mut self, answers: RedisResult<Vec<Value>>) -> RedisResult<Vec<Value>> {
        match &answers {
            Ok(values) => self.end(values),
            Err(error) => self.statement.fail(error, failure),
        }
        answers
    }

    fn end(&mut self, values: &[Value]) {
        // Errors of commands come as values, and are made errors of the caller's later on.
        match refused(values, self.is_transaction) {
            Some(refused) => self.statement.fail(&refused, |refused| *refused),
            None => self.statement.end(),
        }
    }
}

/// A command as it is recorded: its name, and how many arguments it has.
#[derive(Clone, Copy)]
struct Named<'a> {
    name: &'a str,
    arguments: usize,
}

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        (0..self.arguments.min(MAX_ARGUMENTS)).try_for_each(|_| f.write_str(" ?"))
    }
}

impl<'a> Named<'a> {
    fn new(name: &'a [u8], arguments: usize) -> Option<Named<'a>> {
        let may = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.-".contains(byte);
        let is_name = name.len() <= MAX_NAME && name.first().map_or(false, u8::is_ascii_alphabetic);
        let name = if is_name && name.iter().all(may) { std::str::from_utf8(name).ok()? } else { return None };
        Some(Named { name, arguments })
    }

    fn of(command: &'a Cmd) -> Option<Named<'a>> {
        let mut words = command.args_iter();
        match words.next()? {
            Arg::Simple(name) => Named::new(name, words.len()),
            _ => None,
        }
    }

    /// What only identifies the client to the server is not recorded.
    fn is_credentials(&self) -> bool {
        ["AUTH", "HELLO"].iter().any(|name| self.name.eq_ignore_ascii_case(name))
    }

    fn start(self, session: &Session) -> Statement {
        if self.is_credentials() {
            return Statement::NONE;
        }
        let text = FormattedText::<{ MAX_NAME + 2 * MAX_ARGUMENTS }>::of(&self);
        session.start("", std::str::from_utf8(text.as_bytes()).unwrap_or(""))
    }
}

/// The session of a connection whose commands are recorded.
fn recorded(session: &Option<Session>) -> Option<&Session> {
    session.as_ref().filter(|_| SCOPE.enabled() && !is_own_task())
}

/// Starts a command.
pub(crate) fn command(session: &Option<Session>, command: &Cmd) -> Sent {
    let started = recorded(session).and_then(|session| Some(Named::of(command)?.start(session)));
    started.map_or(Sent::NONE, |statement| Sent { statement, is_transaction: false })
}

/// Starts several commands. Of a transaction, only the answer to its end is kept.
fn several<'a>(
    session: &Session,
    mut commands: impl Iterator<Item = Option<Named<'a>>>,
    offset: usize,
    count: usize,
) -> Sent {
    let is_transaction = offset > 0 && count == 1;
    let size = if is_transaction { offset - 1 } else { count };
    let first = commands.next().flatten();
    let statement = match first {
        Some(only) if size == 1 && !is_transaction => only.start(session),
        _ => {
            let is_first = |next: Option<Named<'_>>| next.map(|next| next.name) == first.map(|first| first.name);
            let alike = first.filter(|_| commands.all(is_first));
            if alike.map_or(false, |alike| alike.is_credentials()) {
                return Sent::NONE;
            }
            let kind = if is_transaction { "MULTI" } else { "PIPELINE" };
            let (space, name) = alike.map_or(("", ""), |alike| (" ", alike.name));
            let operation = FormattedText::<{ MAX_NAME + 10 }>::of(&format_args!("{kind}{space}{name}"));
            let statement = session.start(std::str::from_utf8(operation.as_bytes()).unwrap_or(kind), "");
            statement.set(&[(key::DB_BATCH_SIZE, i64::try_from(size).unwrap_or(i64::MAX).into())]);
            statement
        }
    };
    Sent { statement, is_transaction }
}

/// Starts what is sent in one piece.
pub(crate) fn packed(session: &Option<Session>, bytes: &[u8], offset: usize, count: usize) -> Sent {
    let Some(session) = recorded(session) else { return Sent::NONE };
    let is_transaction = offset > 0 && count == 1;
    // MULTI and EXEC, which the library puts around a transaction's commands.
    let (skipped, size) = if is_transaction { (1, offset - 1) } else { (0, count) };
    several(session, Packed(bytes).skip(skipped).take(size), offset, count)
}

/// Commands in the protocol's form: `*2\r\n$3\r\nGET\r\n$1\r\na\r\n`.
struct Packed<'a>(&'a [u8]);

impl<'a> Packed<'a> {
    /// A number behind its sign, up to the end of its line.
    fn number(&mut self, sign: u8) -> Option<usize> {
        let end = self.0.iter().take(24).position(|byte| *byte == b'\r')?;
        let (line, rest) = (self.0.get(..end)?, self.0.get(end + 2..)?);
        let digits = line.strip_prefix(&[sign])?;
        self.0 = rest;
        std::str::from_utf8(digits).ok()?.parse().ok()
    }

    fn word(&mut self) -> Option<&'a [u8]> {
        let length = self.number(b'$')?;
        let word = self.0.get(..length)?;
        self.0 = self.0.get(length.checked_add(2)?..)?;
        Some(word)
    }

    fn command(&mut self) -> Option<(&'a [u8], usize)> {
        let words = self.number(b'*')?;
        let name = self.word()?;
        for _ in 1..words {
            self.word()?;
        }
        Some((name, words.saturating_sub(1)))
    }
}

impl<'a> Iterator for Packed<'a> {
    type Item = Option<Named<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        let (name, arguments) = self.command()?;
        Some(Named::new(name, arguments))
    }
}

#[cfg(not(feature = "aio"))]
fn is_own_task() -> bool {
    false
}

#[cfg(feature = "aio")]
pub(crate) use asynchronous::*;

#[cfg(feature = "aio")]
mod asynchronous {
    use std::cell::Cell;
    use std::fmt;
    use std::future::Future;

    use super::{several, Named, Sent, Session, SCOPE};
    use crate::aio::MultiplexedConnection;
    use crate::{ConnectionInfo, RedisResult};

    /// The number of a connection's database, and the session, once the connection has been set up.
    #[derive(Clone)]
    pub(crate) struct Numbered {
        pub(crate) number: i64,
        pub(crate) session: Option<Session>,
    }

    impl Numbered {
        pub(crate) fn new(number: i64) -> Numbered {
            Numbered { number, session: None }
        }
    }

    impl fmt::Debug for Numbered {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.number.fmt(f)
        }
    }

    /// A connection has been set up.
    pub(crate) fn multiplexed<D>(
        info: &ConnectionInfo,
        connection: RedisResult<(MultiplexedConnection, D)>,
    ) -> RedisResult<(MultiplexedConnection, D)> {
        connection.map(|(mut connection, driver)| {
            connection.db.session = Some(super::session(info));
            (connection, driver)
        })
    }

    /// Starts a pipeline or a transaction.
    pub(crate) fn pipeline(session: &Option<Session>, commands: &crate::Pipeline, offset: usize, count: usize) -> Sent {
        let Some(session) = super::recorded(session) else { return Sent::NONE };
        several(session, commands.cmd_iter().map(Named::of), offset, count)
    }

    /// There is no connection for what was to be sent, if `error` is one.
    #[cfg(feature = "connection-manager")]
    pub(crate) fn unconnected(
        info: &ConnectionInfo,
        error: Option<&crate::RedisError>,
        start: impl FnOnce(&Option<Session>) -> Sent,
    ) {
        if let (Some(error), true) = (error, SCOPE.enabled()) {
            start(&Some(super::session(info))).statement.fail(error, super::failure);
        }
    }

    thread_local! {
        static IS_OWN_TASK: Cell<bool> = const { Cell::new(false) };
    }

    /// Whether a task of the library's own is being polled.
    pub(super) fn is_own_task() -> bool {
        IS_OWN_TASK.try_with(Cell::get).unwrap_or(false)
    }

    struct Polled(bool);

    impl Polled {
        fn enter() -> Polled {
            Polled(IS_OWN_TASK.try_with(|is_own| is_own.replace(true)).unwrap_or(false))
        }
    }

    impl Drop for Polled {
        fn drop(&mut self) {
            let _ = IS_OWN_TASK.try_with(|is_own| is_own.set(self.0));
        }
    }

    /// A task of the library's own: what it sends is not recorded.
    pub(crate) fn own_task<F>(task: F) -> impl Future<Output = ()> + Send + 'static
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut task = Box::pin(task);
        let quiet = std::future::poll_fn(move |waking| {
            let _polled = Polled::enter();
            task.as_mut().poll(waking)
        });
        otel_rs_hooks::detach(&SCOPE, quiet)
    }
}
