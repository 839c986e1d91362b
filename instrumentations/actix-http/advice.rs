//! A span for each request that is served, from the service's call until its response has been written.

use std::io;
use std::task::Poll;

use otel_rs_hooks::http::scheme_over;
use otel_rs_hooks::kit::served::{Exchange, Request, Server};
use otel_rs_hooks::net::AddressText;
use otel_rs_hooks::{Entered, Headers};

use crate::body::BodySize;
use crate::header::HeaderMap;
use crate::{ResponseHead, StatusCode, Version};

static SERVER: Server = Server::new(&SCOPE);

/// Names are compared as text: a look-up by one that is not known in advance would allocate it.
struct Map<'a>(&'a HeaderMap);

impl Headers for Map<'_> {
    fn named<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
        self.0.iter().filter(|(known, _)| known.as_str() == name).for_each(|(_, value)| visit(value.as_bytes()));
    }

    fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a [u8])) {
        self.0.iter().for_each(|(name, value)| visit(name.as_str(), value.as_bytes()));
    }
}

fn open<P>(request: &crate::Request<P>, scheme: Option<&str>) -> Exchange {
    let head = request.head();
    let peer = head.peer_addr.map(|peer| (AddressText::of(peer.ip()), peer.port()));
    let target = Request {
        method: head.method.as_str(),
        scheme: head.uri.scheme_str().or(scheme),
        authority: head.uri.authority().map(|authority| authority.as_str()),
        path: head.uri.path(),
        query: head.uri.query(),
        version: version(head.version),
        peer: peer.as_ref().map(|(address, port)| (address.as_bytes(), *port)),
    };
    Exchange::start(&SERVER, &target, &Map(&head.headers))
}

fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        _ => "1.1",
    }
}

/// The service has answered; the body follows.
pub(crate) fn head(exchange: &mut Exchange, head: &ResponseHead) {
    exchange.head(head.status.as_u16(), &Map(&head.headers));
}

/// A connection over HTTP/1, with the request that it is serving.
pub(crate) struct Connection {
    exchange: Exchange,
    /// The name of the type of its I/O.
    io: &'static str,
    /// Whether the request's `Expect` is being answered, so that its service is yet to be called.
    is_expecting: bool,
    /// Whether all of the response is in the buffer, or beyond.
    is_complete: bool,
    /// Whether the client has closed its side, or all of the connection.
    has_left: bool,
}

impl Connection {
    #[inline]
    pub(crate) fn over(io: &'static str) -> Connection {
        let exchange = Exchange::NONE;
        Connection { exchange, io, is_expecting: false, is_complete: false, has_left: false }
    }

    /// The service is about to be called.
    #[inline]
    pub(crate) fn start(&mut self, request: &crate::Request) {
        let is_started = std::mem::replace(&mut self.is_expecting, false);
        if SERVER.enabled() && !is_started {
            self.open(request);
        }
    }

    /// The service that answers the request's `Expect` is about to be called.
    pub(crate) fn expect(&mut self, request: &crate::Request) {
        self.start(request);
        self.is_expecting = true;
    }

    fn open(&mut self, request: &crate::Request) {
        self.end_if_complete(); // The last response may not have been flushed.
        self.exchange = open(request, scheme_over(self.io));
    }

    #[inline]
    pub(crate) fn enter(&self) -> Option<Entered> {
        self.exchange.enter()
    }

    /// The head of a response is about to be written. Its request may have been refused before it was one.
    #[inline]
    pub(crate) fn head(&mut self, head: &ResponseHead, size: BodySize) {
        self.end_if_complete();
        self.is_expecting = false;
        if self.exchange.is_none() {
            return;
        }
        self::head(&mut self.exchange, head);
        self.exchange.sized(matches!(size, BodySize::Sized(_)));
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            // What follows is another protocol's, and may last for days.
            self.exchange.sent();
        }
        self.is_complete = matches!(size, BodySize::None | BodySize::Sized(0));
    }

    /// A part of the body has been put into the buffer, which has grown by so much: there is a frame around it, or none
    /// of it was to be written.
    #[inline]
    pub(crate) fn sent(&mut self, bytes: usize, growth: usize) {
        self.exchange.transfer.sent(bytes.min(growth));
    }

    #[inline]
    pub(crate) fn received(&mut self, bytes: usize) {
        self.exchange.transfer.received(bytes);
    }

    /// All of the body has been put into the buffer.
    #[inline]
    pub(crate) fn complete(&mut self) {
        self.is_complete = true;
    }

    #[cold]
    pub(crate) fn broken(&mut self) {
        self.exchange.broken();
    }

    /// Bytes were read from the client or written to it: none, or an error, where it has left.
    #[inline]
    pub(crate) fn transferred(&mut self, bytes: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &bytes {
            Poll::Ready(Ok(0)) => self.has_left = true,
            Poll::Ready(Err(error)) if error.kind() != io::ErrorKind::WouldBlock => self.has_left = true,
            _ => {}
        }
        bytes
    }

    /// What was in the buffer is out.
    #[inline]
    pub(crate) fn flushed(&mut self, flushed: Poll<io::Result<()>>) -> Poll<io::Result<()>> {
        match &flushed {
            Poll::Ready(Ok(())) => self.end_if_complete(),
            Poll::Ready(Err(_)) => self.has_left = true,
            Poll::Pending => {}
        }
        flushed
    }

    #[inline]
    fn end_if_complete(&mut self) {
        if std::mem::replace(&mut self.is_complete, false) {
            self.exchange.sent();
        }
    }
}

impl Drop for Connection {
    #[inline]
    fn drop(&mut self) {
        if self.has_left && !self.exchange.is_none() && !std::thread::panicking() {
            self.exchange.client_left(false);
        }
    }
}

#[cfg(feature = "http2")]
pub(crate) use self::h2::{is_reset, start};

#[cfg(feature = "http2")]
mod h2 {
    use ::h2::Reason;
    use otel_rs_hooks::kit::served::Exchange;

    use super::{open, SERVER};

    /// The service is about to be called. The bytes of the request's body are counted where they are read.
    #[inline]
    pub(crate) fn start(request: &mut crate::Request) -> Exchange {
        if !SERVER.enabled() {
            return Exchange::NONE;
        }
        let exchange = open(request, None);
        if let crate::Payload::H2 { payload } = request.payload() {
            payload.otel = exchange.transfer.clone();
        }
        exchange
    }

    /// Whether the client gave the stream back, as it does with what it no longer needs.
    pub(crate) fn is_reset(reason: Option<Reason>) -> bool {
        reason == Some(Reason::CANCEL) || reason == Some(Reason::NO_ERROR)
    }
}
