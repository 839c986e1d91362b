//! Messages of NATS: one span when a message is published, requested or acknowledged, and one for the work on it.

use std::fmt::{self, Debug, Display};
use std::future::Future;
use std::ops::Deref;
use std::sync::Arc;

use bytes::Bytes;
use otel_rs_hooks::kit::message::Destination;
use otel_rs_hooks::kit::{Failure, Operation};
use otel_rs_hooks::{carry, current, detach, key, Carry, Context, Headers, HeadersMut};
use tokio::sync::watch;

use crate::{Client, HeaderMap, Message, ServerInfo, StatusCode, Subject};

type Address = Option<Arc<(String, u16)>>;

/// Where a connector keeps the server that it is connected to.
#[derive(Debug)]
pub(crate) struct Place(watch::Sender<Address>);

impl Place {
    pub(crate) fn new() -> Place {
        Place(watch::channel(None).0)
    }

    pub(crate) fn set(&self, host: &str, port: u16) {
        if SCOPE.enabled() {
            self.0.send_replace(Some(Arc::new((host.to_owned(), port))));
        }
    }

    pub(crate) fn server(&self) -> Server {
        Server(Some(self.0.subscribe()))
    }
}

/// The server of a client's connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Server(Option<watch::Receiver<Address>>);

impl Server {
    fn address(&self) -> Address {
        self.0.as_ref().and_then(|address| address.borrow().clone())
    }
}

/// Whether messages to a server may have headers; not before its information has come.
pub(crate) trait HeaderSupport {
    fn has_headers(&self) -> bool;
}

impl HeaderSupport for ServerInfo {
    fn has_headers(&self) -> bool {
        self.headers
    }
}

impl HeaderSupport for Option<ServerInfo> {
    fn has_headers(&self) -> bool {
        self.as_ref().map_or(false, |info| info.headers)
    }
}

/// A client's connection, as a message that it sends sees it.
pub(crate) struct Connection {
    address: Address,
    inboxes: Arc<str>,
    has_headers: bool,
    max_payload: usize,
}

impl Connection {
    pub(crate) fn of(server: &Server, inboxes: &Arc<str>, info: &impl HeaderSupport, max_payload: usize) -> Connection {
        let inboxes = Arc::clone(inboxes);
        Connection { address: server.address(), inboxes, has_headers: info.has_headers(), max_payload }
    }
}

fn destination<'a>(address: &'a Address, inboxes: &str, subject: &'a str) -> Destination<'a> {
    let (address, port) = address.as_deref().map_or(("", None), |(host, port)| (host.as_str(), Some(*port)));
    let is_below = |prefix: &str| subject.strip_prefix(prefix).map_or(false, |rest| rest.starts_with('.'));
    let is_usual = is_below("_INBOX");
    let is_temporary = is_usual || is_below(inboxes);
    let template = if is_usual { "_INBOX.*" } else { "" };
    Destination { system: "nats", name: subject, template, is_temporary, address, port, ..Destination::default() }
}

/// Subjects of the servers' own interfaces, and of what is kept in streams without being a message.
fn is_internal(subject: &str) -> bool {
    subject.starts_with('$')
}

/// A message's headers.
struct Map<M>(M);

impl<M: Deref<Target = HeaderMap>> Headers for Map<M> {
    fn named<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        self.each(&mut |known, value| {
            if known.eq_ignore_ascii_case(name) {
                visit(value);
            }
        });
    }

    fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a [u8])) {
        for (name, values) in self.0.iter() {
            values.iter().for_each(|value| visit(name.as_ref(), value.as_str().as_bytes()));
        }
    }
}

impl HeadersMut for Map<&mut HeaderMap> {
    fn set(&mut self, name: &str, value: &[u8]) {
        self.remove(name);
        if let Ok(value) = std::str::from_utf8(value) {
            self.0.insert(name, value);
        }
    }

    fn remove(&mut self, name: &str) {
        let is_meant = |known: &crate::HeaderName| AsRef::<str>::as_ref(known).eq_ignore_ascii_case(name);
        if !self.0.iter().any(|(known, _)| is_meant(known)) {
            return;
        }
        let mut kept = HeaderMap::new();
        for (known, values) in self.0.iter().filter(|(known, _)| !is_meant(known)) {
            values.iter().for_each(|value| kept.append(known.clone(), value.clone()));
        }
        *self.0 = kept;
    }
}

/// What headers take of a message's size.
fn size_of(headers: &HeaderMap) -> usize {
    let mut size = "NATS/1.0\r\n\r\n".len();
    Map(headers).each(&mut |name, value| size += name.len() + value.len() + ": \r\n".len());
    size
}

/// Records the message's own id, where its headers have one.
fn describe(operation: &Operation, headers: &dyn Headers) {
    headers.named("Nats-Msg-Id", &mut |id| {
        operation.set(&[(key::MESSAGING_MESSAGE, std::str::from_utf8(id).ok().into())]);
    });
}

/// A message is about to be published; its context goes along, unless it has one already, or there is no room for it.
pub(crate) fn publish(
    client: &Client,
    name: &str,
    subject: &Subject,
    size: usize,
    headers: &mut Option<HeaderMap>,
) -> Operation {
    if !SCOPE.enabled() || is_internal(subject) {
        return Operation::NONE;
    }
    let connection = client.otel_connection();
    let mut carrying = headers.clone().unwrap_or_default();
    let destination = destination(&connection.address, &connection.inboxes, subject);
    let operation = destination.send(&SCOPE, name, &mut Map(&mut carrying));
    describe(&operation, &Map(&carrying));
    if connection.has_headers && size_of(&carrying) + size <= connection.max_payload {
        if !carrying.is_empty() {
            *headers = Some(carrying);
        }
    } else {
        operation.set(&[(key::MESSAGING_INJECTED, false.into())]);
    }
    operation
}

/// What a span records of an error: its kind.
pub(crate) fn failure<K: Clone + Debug + Display + PartialEq>(error: &crate::error::Error<K>) -> Failure {
    Failure::code(&format_args!("{:?}", error.kind()))
}

/// The same if the connection's task is gone.
#[allow(dead_code)]
pub(crate) fn closed<T>(_: &tokio::sync::mpsc::error::SendError<T>) -> Failure {
    Failure::class("Send")
}

/// The same of a sink.
#[allow(dead_code)]
pub(crate) fn full<E>(_: &E) -> Failure {
    Failure::class("Send")
}

/// The same if the server has not confirmed an acknowledgement.
#[allow(dead_code)]
pub(crate) fn unconfirmed(error: &crate::Error) -> Failure {
    let kind = error.downcast_ref::<std::io::Error>().map(|error| error.kind());
    Failure::class(if kind == Some(std::io::ErrorKind::TimedOut) { "TimedOut" } else { "_OTHER" })
}

/// A message published to a stream, whose sender may wait until the stream has it.
#[derive(Debug)]
pub(crate) struct Confirmation(Operation);

impl Default for Confirmation {
    fn default() -> Confirmation {
        Confirmation(Operation::NONE)
    }
}

impl std::panic::UnwindSafe for Confirmation {}
impl std::panic::RefUnwindSafe for Confirmation {}

impl Confirmation {
    #[allow(dead_code)]
    pub(crate) fn take(&mut self) -> Operation {
        std::mem::replace(&mut self.0, Operation::NONE)
    }
}

impl Drop for Confirmation {
    fn drop(&mut self) {
        if !self.0.is_none() && !std::thread::panicking() {
            self.0.end(&[]);
        }
    }
}

/// Waits until a message is handed to the connection. The operation lasts until the message is confirmed.
#[allow(dead_code)]
pub(crate) async fn handed_over<T, K: Clone + Debug + Display + PartialEq>(
    mut operation: Operation,
    work: impl Future<Output = Result<T, crate::error::Error<K>>>,
    confirmation: fn(&mut T) -> &mut Confirmation,
) -> Result<T, crate::error::Error<K>> {
    let mut result = work.await;
    match &mut result {
        Ok(sent) => *confirmation(sent) = Confirmation(operation),
        Err(error) => operation.fail(&failure(error)),
    }
    result
}

/// Where a message that is acknowledged came from.
#[derive(Clone, Default)]
pub(crate) struct Origin(Option<(Subject, Context)>);

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Origin")
    }
}

impl std::panic::UnwindSafe for Origin {}
impl std::panic::RefUnwindSafe for Origin {}

impl Origin {
    #[allow(dead_code)]
    pub(crate) fn of(message: &Message) -> Origin {
        if !SCOPE.enabled() {
            return Origin(None);
        }
        Origin(Some((message.subject.clone(), sender(message))))
    }
}

/// The context that a message came with.
fn sender(message: &Message) -> Context {
    message.headers.as_ref().map_or(Context::EMPTY, |headers| Context::extract(&Map(headers)))
}

/// Answers a request to a service. Where no span is open, that is a part of the trace which the request came with.
#[allow(dead_code)]
pub(crate) fn answer<F>(request: &Message, work: F) -> Carry<F> {
    let _entered = if SCOPE.enabled() && current().is_empty() { Some(sender(request).enter()) } else { None };
    carry(&SCOPE, work)
}

/// Spawns what belongs to nobody's request.
#[allow(dead_code)]
pub(crate) fn spawn<F>(work: F) -> tokio::task::JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::task::spawn(detach(&SCOPE, work))
}

/// The name of an acknowledgement.
fn name_of(kind: &[u8]) -> &'static str {
    match kind.get(..4) {
        Some(b"-NAK") => "nak",
        Some(b"+WPI") => "progress",
        Some(b"+NXT") => "next",
        Some(b"+TER") => "term",
        _ => "ack",
    }
}

/// Acknowledges a message. Where no span is open, that is a part of the trace which the message came with.
#[allow(dead_code)]
pub(crate) async fn settle<F, E>(
    client: &Client,
    origin: Origin,
    kind: Bytes,
    work: impl FnOnce(Bytes) -> F,
    failure: fn(&E) -> Failure,
) -> Result<(), E>
where
    F: Future<Output = Result<(), E>>,
{
    let operation = settling(client, &origin, name_of(&kind));
    operation.around(work(kind), failure).await
}

fn settling(client: &Client, origin: &Origin, name: &str) -> Operation {
    let (subject, sender) = match &origin.0 {
        Some((subject, _)) if is_internal(subject) => return Operation::NONE,
        Some((subject, sender)) => (subject.as_str(), sender),
        None => ("", &Context::EMPTY),
    };
    if !SCOPE.enabled() {
        return Operation::NONE;
    }
    let connection = client.otel_connection();
    let destination = destination(&connection.address, &connection.inboxes, subject);
    let _entered = if current().is_empty() { Some(sender.enter()) } else { None };
    destination.settle(&SCOPE, name)
}

/// A subscription, and the work on the message that it gave last.
pub(crate) struct Subscription {
    of: Option<Box<Subscribed>>,
    work: Operation,
}

struct Subscribed {
    server: Server,
    inboxes: Arc<str>,
    subject: Subject,
    group: String,
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subscription")
    }
}

impl Default for Subscription {
    fn default() -> Subscription {
        Subscription { of: None, work: Operation::NONE }
    }
}

impl std::panic::UnwindSafe for Subscription {}
impl std::panic::RefUnwindSafe for Subscription {}

impl Subscription {
    pub(crate) fn of(client: &Client, subject: &Subject, group: &str) -> Subscription {
        let subscribed = || {
            let (server, inboxes) = client.otel_server_and_inboxes();
            Box::new(Subscribed { server, inboxes, subject: subject.clone(), group: group.to_owned() })
        };
        let of = if SCOPE.enabled() { Some(subscribed()) } else { None };
        Subscription { of, work: Operation::NONE }
    }

    /// Its messages are a part of something else.
    pub(crate) fn silence(&mut self) {
        self.of = None;
    }

    /// It is that of a consumer of JetStream, which has a name of its own if it is durable.
    #[allow(dead_code)]
    pub(crate) fn of_consumer(&mut self, durable: &Option<String>) {
        if let (Some(of), Some(durable)) = (&mut self.of, durable) {
            of.group = durable.clone();
        }
    }

    /// The next message is asked for.
    pub(crate) fn over(&mut self) {
        if !self.work.is_none() {
            self.work.end(&[]);
        }
    }

    pub(crate) fn came(&mut self, message: &Message) {
        let of = match &self.of {
            Some(of) if !is_internal(&message.subject) => of,
            _ => return,
        };
        // A status comes instead of a message.
        if message.status.map_or(false, |status| status != StatusCode::OK) {
            return;
        }
        let address = of.server.address();
        let is_many = of.subject.split('.').any(|token| token == "*" || token == ">");
        let mut destination = destination(&address, &of.inboxes, &message.subject);
        destination.group = &of.group;
        if is_many && !destination.is_temporary {
            destination.template = &of.subject;
        }
        let work = |headers: &dyn Headers| {
            let work = destination.process(&SCOPE, "process", headers);
            describe(&work, headers);
            work
        };
        self.work = match &message.headers {
            Some(headers) => work(&Map(headers)),
            None => work(&Vec::<(String, String)>::new()),
        };
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.over();
        }
    }
}
