//! Requests that are served: from the time that the head is read until the response is written, whichever threads do it.

use std::io::{self, ErrorKind, Read, Write};
use std::mem;

use otel_rs_hooks::kit::served::{self, Server};
use otel_rs_hooks::net::AddressText;
use otel_rs_hooks::{Headers, Transfer};

use crate::{HTTPVersion, Header, Request, Response};

pub(crate) use self::served::Exchange;

static SERVER: Server = Server::new(&SCOPE);

struct List<'a>(&'a [Header]);

impl Headers for List<'_> {
    fn named<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        let is_named = |header: &&Header| header.field.as_str().as_str().eq_ignore_ascii_case(name);
        self.0.iter().filter(is_named).for_each(|header| visit(header.value.as_bytes()));
    }

    fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a [u8])) {
        self.0.iter().for_each(|header| visit(header.field.as_str().as_str(), header.value.as_bytes()));
    }
}

/// The request's head has been read.
#[inline]
pub(crate) fn start(request: &Request) -> Exchange {
    if SERVER.enabled() {
        open(request)
    } else {
        Exchange::NONE
    }
}

fn open(request: &Request) -> Exchange {
    let peer: Option<&std::net::SocketAddr> = request.remote_addr().into();
    let peer = peer.map(|peer| (AddressText::of(peer.ip()), peer.port()));
    let (authority, target) = split(request.url());
    let mut parts = target.splitn(2, '?');
    let head = served::Request {
        method: request.method().as_str(),
        scheme: Some(if request.secure() { "https" } else { "http" }),
        authority,
        path: parts.next().unwrap_or_default(),
        query: parts.next(),
        version: match request.http_version() {
            HTTPVersion(1, 0) => "1.0",
            HTTPVersion(1, 1) => "1.1",
            _ => "",
        },
        peer: peer.as_ref().map(|(address, port)| (address.as_bytes(), *port)),
    };
    Exchange::start(&SERVER, &head, &List(request.headers()))
}

/// Splits the authority from an absolute target.
fn split(target: &str) -> (Option<&str>, &str) {
    let absolute = target.splitn(2, "://").nth(1).filter(|_| !target.starts_with('/'));
    absolute.map_or((None, target), |rest| {
        let (authority, path) = rest.split_at(rest.find(|c| c == '/' || c == '?').unwrap_or(rest.len()));
        (Some(authority), path)
    })
}

/// Reads what another reader has, and counts it.
pub(crate) struct Counted<R> {
    pub(crate) reader: R,
    pub(crate) transfer: Transfer,
    count: fn(&Transfer, usize),
}

impl<R> Counted<R> {
    /// The body of a request that is not recorded yet.
    #[inline]
    pub(crate) fn new(reader: R) -> Counted<R> {
        Counted { reader, transfer: Transfer::NONE, count: Transfer::received }
    }
}

impl<R: Read> Read for Counted<R> {
    #[inline]
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let bytes = self.reader.read(room)?;
        (self.count)(&self.transfer, bytes);
        Ok(bytes)
    }
}

/// There is a response, which will be written next.
#[inline]
pub(crate) fn answered<R: Read>(exchange: &mut Exchange, response: Response<R>) -> Response<Counted<R>> {
    if !exchange.is_none() {
        exchange.head(response.status_code().0, &List(response.headers()));
        exchange.sized(response.data_length().is_some());
    }
    let transfer = exchange.transfer.clone();
    response.otel_read_by(|reader| Counted { reader, transfer, count: Transfer::sent })
}

/// Head and body have been written into the connection's buffer.
#[inline]
pub(crate) fn printed(result: io::Result<()>, exchange: &mut Exchange) -> io::Result<()> {
    if let Err(error) = &result {
        failed(error, exchange);
    }
    result
}

/// The connection's buffer has been written.
#[inline]
pub(crate) fn flushed(result: io::Result<()>, exchange: &mut Exchange) -> io::Result<()> {
    match &result {
        Ok(()) => exchange.sent(),
        Err(error) => failed(error, exchange),
    }
    result
}

#[cold]
fn failed(error: &io::Error, exchange: &mut Exchange) {
    match error.kind() {
        ErrorKind::BrokenPipe
        | ErrorKind::ConnectionAborted
        | ErrorKind::ConnectionRefused
        | ErrorKind::ConnectionReset => exchange.client_left(false),
        ErrorKind::TimedOut | ErrorKind::WouldBlock => exchange.fail("timeout"),
        _ => exchange.broken(),
    }
}

/// `HTTP/1.1 200`
const STATUS_LINE: usize = 12;

/// The writer of a program that writes its responses itself. The status is read from the first bytes.
struct Raw {
    writer: Box<dyn Write + Send>,
    exchange: Exchange,
    line: [u8; STATUS_LINE],
    written: usize,
}

/// The program takes the writer.
pub(crate) fn handed_out(writer: Box<dyn Write + Send>, exchange: &mut Exchange) -> Box<dyn Write + Send> {
    if exchange.is_none() {
        return writer;
    }
    let mut exchange = mem::replace(exchange, Exchange::NONE);
    // Head and body cannot be told apart.
    exchange.transfer = Transfer::NONE;
    Box::new(Raw { writer, exchange, line: [0; STATUS_LINE], written: 0 })
}

impl Write for Raw {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.writer.write(bytes)?;
        if self.written < STATUS_LINE {
            let room = self.line.iter_mut().skip(self.written);
            let new = room.zip(bytes.iter().take(written)).map(|(room, byte)| *room = *byte).count();
            self.written += new;
            let status = self.line.get(9..).and_then(|digits| std::str::from_utf8(digits).ok());
            if let (STATUS_LINE, Some(status)) = (self.written, status.and_then(|status| status.parse().ok())) {
                self.exchange.head(status, &List(&[]));
            }
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.exchange.sent();
        }
    }
}
