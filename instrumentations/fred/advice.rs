//! One span per command, pipeline or transaction: from the moment it is sent until it is answered.

use std::any::type_name;
use std::fmt;
use std::ops::Deref;

use otel_rs_hooks::http::FormattedText;
use otel_rs_hooks::key;
use otel_rs_hooks::kit::statement::{Database, Language, Session, Statement};
use otel_rs_hooks::kit::Failure;
use redis_protocol::resp3::types::BytesFrame;

/// The longest name of a command.
const MAX_NAME: usize = 64;
/// How many arguments are shown; the launcher shows one less, and that there are more.
const MAX_ARGUMENTS: usize = 17;

/// What the commands of a client have in common. Which of several servers answers is unknown.
pub(crate) fn session<'a>(
    mut servers: impl ExactSizeIterator<Item = (&'a str, u16)>,
    is_sentinel: bool,
    database: Option<u8>,
) -> Session {
    let is_only = servers.len() == 1 && !is_sentinel;
    let (address, port) = servers.next().filter(|_| is_only).unwrap_or_default();
    let namespace = database.unwrap_or(0).to_string();
    // A socket's file has no port.
    let port = Some(port).filter(|port| *port != 0);
    let (system, language) = ("redis", Language::Command);
    Session::multiplexed(&SCOPE, &Database { system, language, namespace: &namespace, address, port })
}

/// A command, or several, until they are answered.
pub(crate) struct Sent {
    statement: Statement,
    is_transaction: bool,
}

impl Sent {
    /// Nothing that is recorded.
    const NONE: Sent = Sent { statement: Statement::NONE, is_transaction: false };

    /// Ends with the only answer; `of` is for the kind of an error, and its message.
    pub(crate) fn answered<E>(
        mut self,
        answer: Result<BytesFrame, E>,
        of: impl FnOnce(&E) -> (&'static str, &str),
    ) -> Result<BytesFrame, E> {
        self.end(answer.as_ref().map_err(of));
        answer
    }

    /// Ends with all answers, or with the error of waiting for them.
    pub(crate) fn all_answered<E>(
        mut self,
        answer: Result<Result<BytesFrame, E>, E>,
        of: impl FnOnce(&E) -> (&'static str, &str),
    ) -> Result<Result<BytesFrame, E>, E> {
        self.end(answer.as_ref().and_then(Result::as_ref).map_err(of));
        answer
    }

    fn end(&mut self, answer: Result<&BytesFrame, (&'static str, &str)>) {
        let refused = match answer {
            Ok(frame) => refused(frame, if self.is_transaction { 2 } else { 1 }),
            Err((kind, message)) => Some(failure(kind, message)),
        };
        match refused {
            Some(failure) => self.statement.fail(&failure, |failure| *failure),
            None => self.statement.end(),
        }
    }
}

/// The prefix that the server gives to an error, such as `WRONGTYPE`.
fn code(message: &str) -> Option<Failure> {
    let code = message.split(' ').next().filter(|code| code.len() > 1)?;
    let is_code = code.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    is_code.then(|| Failure::code(&code))
}

/// The first error of the server in an answer, or in the answers inside of it.
fn refused(frame: &BytesFrame, depth: usize) -> Option<Failure> {
    let other = Failure::class("_OTHER");
    match frame {
        BytesFrame::SimpleError { data, .. } => Some(code(data).unwrap_or(other)),
        BytesFrame::BlobError { data, .. } => Some(std::str::from_utf8(data).ok().and_then(code).unwrap_or(other)),
        BytesFrame::Array { data, .. } if depth > 0 => data.iter().find_map(|frame| refused(frame, depth - 1)),
        _ => None,
    }
}

/// What a span records of an error: the server's code, if it is one of the server.
fn failure(kind: &'static str, message: &str) -> Failure {
    Failure::class(match kind {
        "Timeout Error" => "timeout",
        "IO Error" => "io",
        "Canceled" => "cancelled",
        "TLS Error" => "tls",
        "Routing Error" => "routing",
        "Protocol Error" => "protocol",
        "Backpressure" => "backpressure",
        "Sentinel Error" => "sentinel",
        _ => return code(message).unwrap_or(Failure::class("_OTHER")),
    })
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
    /// A second word of a command's name counts as an argument.
    fn new(name: &'a str, has_second: bool, arguments: usize) -> Option<Named<'a>> {
        let may = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        let is_name = name.len() <= MAX_NAME && name.bytes().next().map_or(false, |byte| byte.is_ascii_alphabetic());
        let arguments = arguments.saturating_add(usize::from(has_second));
        (is_name && name.bytes().all(may)).then_some(Named { name, arguments })
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

/// Whether commands of such a client are only queued: they are sent together, later.
fn is_queue<C>() -> bool {
    let name = type_name::<C>();
    name.contains("::Pipeline<") || name.contains("::transaction::Transaction")
}

/// Starts a command.
pub(crate) fn command<C>(session: &Session, name: &str, has_second: bool, arguments: usize) -> Sent {
    if !SCOPE.enabled() || is_queue::<C>() {
        return Sent::NONE;
    }
    let statement = Named::new(name, has_second, arguments).map_or(Statement::NONE, |named| named.start(session));
    Sent { statement, is_transaction: false }
}

/// Starts several commands.
pub(crate) fn several<N: Deref<Target = str>>(
    session: &Session,
    mut commands: impl ExactSizeIterator<Item = (N, bool, usize)>,
    is_transaction: bool,
) -> Sent {
    let size = commands.len();
    if !SCOPE.enabled() {
        return Sent::NONE;
    }
    let Some((name, has_second, arguments)) = commands.next() else { return Sent::NONE };
    let first = Named::new(&name, has_second, arguments);
    let statement = match first {
        Some(only) if size == 1 && !is_transaction => only.start(session),
        _ => {
            let alike = first.filter(|first| commands.all(|(name, ..)| *name == *first.name));
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
