//! HTTP servers and clients: calls with their attempts, excluded URLs, schemes, recorded headers.
//!
//! A client library (reqwest) sits on a connection pool (hyper-util). The pool makes a span for each attempt, since only
//! there the attempt's URL and headers are known; the library sees which attempts belong to one call, and why one was
//! given up. They meet in a thread-local slot that holds the [`Call`] which is being polled.
//!
//! Servers and clients share the excluded URLs and the headers that are recorded.

pub mod client;
mod errors;
mod forwarded;
mod host;
mod pattern;
mod transfer;

use std::cell::Cell;
use std::fmt;

use crate::attribute::{key, Key, Value};
use crate::context::Context;
use crate::headers::{first, Headers};
use crate::scope::Scope;
use crate::settings;

pub use errors::{class_of_io, error_class, root_cause};
use forwarded::Forwarded;
pub(crate) use host::{method_name, method_number, METHODS_COUNT as METHODS};
pub use transfer::Transfer;

/// What is known of one logical client call while its attempts come and go.
#[derive(Clone, Copy, Debug, Default)]
pub struct Call {
    is_dormant: bool,
    attempts: u32,
    timed_out: bool,
    /// Whether attempts of calls within it count as this one's.
    is_repeated: bool,
}

thread_local! {
    static CALL: Cell<Option<Call>> = const { Cell::new(None) };
}

impl Call {
    /// A call that has made no attempt yet, as the library of `scope` sees it.
    pub fn new(scope: &'static Scope) -> Call {
        Call { is_dormant: !scope.enabled(), attempts: 0, timed_out: false, is_repeated: false }
    }

    /// A call that a library repeats by calls of another library: each of them goes on counting where the last one ended.
    pub fn repeating(scope: &'static Scope) -> Call {
        Call { is_repeated: true, ..Call::new(scope) }
    }

    /// Runs `work`, in which attempts count as this call's. Inside of a call whose time is up, this one's is too.
    #[inline]
    pub fn run<R>(&mut self, work: impl FnOnce() -> R) -> R {
        if self.is_dormant {
            return work();
        }
        self.swapped_in(work)
    }

    fn swapped_in<R>(&mut self, work: impl FnOnce() -> R) -> R {
        let outer = CALL.try_with(Cell::get).ok().flatten();
        let timed_out = self.timed_out || outer.map_or(false, |outer| outer.timed_out);
        let before = outer.filter(|outer| outer.is_repeated).map_or(0, |outer| outer.attempts);
        let attempts = self.attempts.max(before);
        let _ = CALL.try_with(|slot| slot.set(Some(Call { timed_out, attempts, ..*self })));
        let _restore = Restore { call: self, outer };
        work()
    }

    /// Marks the call as timed out: so is an attempt that is dropped from now on.
    pub fn set_timed_out(&mut self) {
        self.timed_out = true;
    }
}

/// Puts the outer call back, after a panic too.
struct Restore<'a> {
    call: &'a mut Call,
    outer: Option<Call>,
}

impl Drop for Restore<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Ok(Some(call)) = CALL.try_with(Cell::get) {
            self.call.attempts = call.attempts;
            if let Some(outer) = self.outer.as_mut().filter(|outer| outer.is_repeated) {
                outer.attempts = outer.attempts.max(call.attempts);
            }
        }
        let _ = CALL.try_with(|slot| slot.set(self.outer));
    }
}

/// Counts an attempt of the call that is being polled, and returns how many there were before it. `None` outside of a
/// call.
pub fn count_attempt() -> Option<u32> {
    let count = |slot: &Cell<Option<Call>>| {
        let mut call = slot.get()?;
        let before = call.attempts;
        call.attempts = before.saturating_add(1);
        slot.set(Some(call));
        Some(before)
    };
    CALL.try_with(count).ok().flatten()
}

/// Why an attempt that is dropped before its end was given up: a value of `error.type`.
pub fn abandon_reason() -> &'static str {
    match CALL.try_with(Cell::get) {
        Ok(Some(Call { timed_out: true, .. })) => "timeout",
        _ => "cancelled",
    }
}

/// Whether the user excluded requests to this URL, which is given without its query. Credentials in the authority are
/// ignored.
pub fn is_excluded(scheme: &str, authority: &[u8], path: &str) -> bool {
    settings::get().map_or(false, |settings| {
        settings.excluded_urls.iter().any(|pattern| excludes(pattern, scheme, authority, path))
    })
}

fn excludes(pattern: &str, scheme: &str, authority: &[u8], path: &str) -> bool {
    let path = path.as_bytes();
    if !pattern.contains("://") {
        return pattern::matches(pattern.as_bytes(), |at| path.get(at).copied());
    }
    let host = authority.rsplit(|byte| *byte == b'@').next().unwrap_or(authority);
    let parts = [scheme.as_bytes(), b"://", host, path];
    pattern::matches(pattern.as_bytes(), |mut at| {
        for part in parts {
            match part.get(at) {
                Some(byte) => return Some(*byte),
                None => at -= part.len(),
            }
        }
        None
    })
}

/// The scheme of a request that a server received: the one that its client used as proxies report it, otherwise `own`, that of the
/// connection or of the target. Schemes other than HTTP's are dropped, since the scheme is an attribute of metrics.
pub fn scheme(headers: &dyn Headers, own: Option<&str>) -> Option<&'static str> {
    let proxied = first(headers, "forwarded").and_then(|header| Forwarded::first(header).scheme);
    let older = || first(headers, "x-forwarded-proto").and_then(|list| forwarded::scheme(forwarded::first_item(list)));
    proxied.or_else(older).or_else(|| forwarded::scheme(own?.as_bytes()))
}

/// The scheme of requests over a connection, by the name of its type; `None` where that does not show it.
pub fn scheme_over(io: &str) -> Option<&'static str> {
    let any = |words: &[&str]| words.iter().any(|word| io.contains(word));
    if any(&["TlsStream", "SslStream"]) {
        Some("https")
    } else if any(&["TcpStream", "UnixStream", "DuplexStream"]) && !any(&["Tls", "Ssl", "Https"]) {
        Some("http")
    } else {
        None
    }
}

/// Name or address, and port, of `host`, `host:port` or `[v6]:port` in a URL of that scheme, as far as they are known.
pub fn server<'a>(authority: &'a str, scheme: Option<&str>) -> (Option<&'a str>, Option<u16>) {
    let authority = authority.rsplit('@').next().unwrap_or_default();
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()),
        _ => (authority, None),
    };
    // Brackets belong to the URL's syntax, not to the address.
    let address = Some(host.trim_start_matches('[').trim_end_matches(']')).filter(|address| !address.is_empty());
    let default = match scheme {
        Some("https") => Some(443),
        Some("http") => Some(80),
        _ => None,
    };
    (address, port.or_else(|| default.filter(|_| address.is_some())))
}

/// How a response came to its end, on the span of its request. Absent where all of it was sent.
pub const RESPONSE_END: Key<'static> = Key::Named("otel_rs.http.response.end");
/// A value of [`RESPONSE_END`]: the client closed or reset the connection, or its stream.
pub const CLIENT_CLOSED: &str = "client_closed";

/// Whose headers they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// Of a request that a server received.
    ServerRequest,
    /// Of its response.
    ServerResponse,
    /// Of a request that a client sends.
    ClientRequest,
    /// Of its response.
    ClientResponse,
}

/// Longest value of a header that is recorded; what is longer is cut.
const MAX_HEADER: usize = 1 << 10;
/// Values that are recorded of one message.
const MAX_HEADERS: usize = 32;

/// Records those headers of a message that the user configured.
pub fn capture_headers(context: &Context, message: Message, headers: &dyn Headers) {
    let Some(settings) = settings::get() else { return };
    let [server_request, server_response, client_request, client_response] = &settings.headers;
    match message {
        Message::ServerRequest => record_headers(context, server_request, |name| Key::RequestHeader(name), headers),
        Message::ServerResponse => record_headers(context, server_response, |name| Key::ResponseHeader(name), headers),
        Message::ClientRequest => record_headers(context, client_request, |name| Key::RequestHeader(name), headers),
        Message::ClientResponse => record_headers(context, client_response, |name| Key::ResponseHeader(name), headers),
    }
}

fn record_headers(context: &Context, names: &[String], key: for<'n> fn(&'n str) -> Key<'n>, headers: &dyn Headers) {
    // All at once might be more than a record holds.
    const BATCH: usize = 8;
    let mut recorded = 0;
    for name in names {
        let mut batch = [(key::SCOPE, Value::None); BATCH];
        let mut used = 0;
        headers.named(name, &mut |value| {
            if recorded == MAX_HEADERS {
                return;
            }
            if let Some(slot) = batch.get_mut(used) {
                *slot = (key(name), value.get(..MAX_HEADER).unwrap_or(value).into());
            }
            recorded += 1;
            used += 1;
            if used == BATCH {
                context.set(&batch);
                batch = [(key::SCOPE, Value::None); BATCH];
                used = 0;
            }
        });
        if used > 0 {
            context.set(&batch);
        }
    }
}

/// Text that was formatted on the stack, so that an attribute can borrow it. What does not fit is cut.
#[derive(Clone, Copy)]
pub struct FormattedText<const ROOM: usize> {
    bytes: [u8; ROOM],
    len: usize,
}

impl<const ROOM: usize> FormattedText<ROOM> {
    /// Formats `value`.
    pub fn of(value: &dyn fmt::Display) -> FormattedText<ROOM> {
        let mut text = FormattedText { bytes: [0; ROOM], len: 0 };
        // An error means that the text was cut.
        let _ = fmt::write(&mut text, format_args!("{value}"));
        text
    }

    /// The text.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }
}

impl<const ROOM: usize> fmt::Write for FormattedText<ROOM> {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        let room = self.bytes.get_mut(self.len..).unwrap_or(&mut []);
        let fits = piece.len().min(room.len());
        for (to, from) in room.iter_mut().zip(piece.as_bytes()) {
            *to = *from;
        }
        self.len += fits;
        if fits == piece.len() {
            Ok(())
        } else {
            Err(fmt::Error)
        }
    }
}

impl<const ROOM: usize> fmt::Debug for FormattedText<ROOM> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&String::from_utf8_lossy(self.as_bytes()), f)
    }
}

impl<'a, const ROOM: usize> From<&'a FormattedText<ROOM>> for Value<'a> {
    fn from(text: &'a FormattedText<ROOM>) -> Self {
        Value::Bytes(text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static SCOPE: Scope = Scope::new("otel-rs:layer:1|client|1.0.0|0.1.0|\n");

    fn call() -> Call {
        Call { is_dormant: false, ..Call::new(&SCOPE) }
    }

    #[test]
    fn a_repeated_call_counts_the_attempts_of_all() {
        let mut repeated = Call { is_repeated: true, ..call() };
        // Each is dropped while the outer one lives on, as a retry's is.
        for expected in [[0, 1], [2, 3]] {
            let mut inner = call();
            for before in expected {
                assert_eq!(repeated.run(|| inner.run(count_attempt)), Some(before));
            }
        }
        let mut plain = call();
        plain.run(count_attempt);
        assert_eq!(plain.run(|| call().run(count_attempt)), Some(0), "no other call is joined");
        assert_eq!(plain.run(count_attempt), Some(1));
    }

    #[test]
    fn a_pattern_is_for_paths_or_for_whole_urls() {
        for (pattern, expected) in [
            ("/health", true),
            ("/heal*", true),
            ("http://*/health", true),
            ("*://shop.test:3000/*", true),
            ("http://shop.test:3000/health", true),
            ("http://user:pw@shop.test:3000/health", false),
            ("https://*", false),
            ("http://shop.test/health", false),
            ("shop.test*", false),
            ("http://shop.test:3000/health?a", false),
        ] {
            assert_eq!(excludes(pattern, "http", b"user:pw@shop.test:3000", "/health"), expected, "{pattern}");
        }
    }

    struct List(&'static [(&'static str, &'static str)]);

    impl Headers for List {
        fn named<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
            self.0.iter().filter(|(known, _)| *known == name).for_each(|(_, value)| visit(value.as_bytes()));
        }

        fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a [u8])) {
            self.0.iter().for_each(|(name, value)| visit(name, value.as_bytes()));
        }
    }

    #[test]
    fn the_scheme_is_the_clients_if_a_proxy_reports_it() {
        for (headers, own, expected) in [
            (&[][..], Some("https"), Some("https")),
            (&[], None, None),
            (&[], Some("gopher"), None),
            (&[("x-forwarded-proto", "https")], Some("http"), Some("https")),
            (&[("x-forwarded-proto", "http, https")], Some("https"), Some("http")),
            (&[("x-forwarded-proto", "gopher")], Some("https"), Some("https")),
            (&[("forwarded", "proto=https"), ("x-forwarded-proto", "http")], Some("http"), Some("https")),
            (&[("forwarded", "for=1.2.3.4"), ("x-forwarded-proto", "wss")], Some("http"), Some("https")),
            (&[("forwarded", "proto=gopher"), ("x-forwarded-proto", "https")], Some("http"), Some("https")),
        ] {
            assert_eq!(scheme(&List(headers), own), expected, "{headers:?} {own:?}");
        }
    }

    #[test]
    fn a_connections_type_may_show_its_scheme() {
        for (io, expected) in [
            ("hyper_util::rt::tokio::TokioIo<tokio::net::tcp::stream::TcpStream>", Some("http")),
            ("hyper_util::rt::tokio::TokioIo<tokio::io::util::mem::DuplexStream>", Some("http")),
            ("TokioIo<tokio_rustls::client::TlsStream<tokio::net::tcp::stream::TcpStream>>", Some("https")),
            ("TokioIo<tokio_openssl::SslStream<tokio::net::tcp::stream::TcpStream>>", Some("https")),
            ("hyper_rustls::stream::MaybeHttpsStream<TokioIo<tokio::net::tcp::stream::TcpStream>>", None),
            ("alloc::boxed::Box<dyn app::Io>", None),
        ] {
            assert_eq!(scheme_over(io), expected, "{io}");
        }
    }

    #[test]
    fn a_servers_port_is_that_of_its_authority_or_its_scheme() {
        for (authority, scheme, expected) in [
            ("shop.test", Some("http"), (Some("shop.test"), Some(80))),
            ("shop.test:81", Some("https"), (Some("shop.test"), Some(81))),
            ("u:p@shop.test", Some("https"), (Some("shop.test"), Some(443))),
            ("[::1]:81", None, (Some("::1"), Some(81))),
            ("[::1]", Some("http"), (Some("::1"), Some(80))),
            ("shop.test", None, (Some("shop.test"), None)),
            ("", Some("http"), (None, None)),
        ] {
            assert_eq!(server(authority, scheme), expected, "{authority} {scheme:?}");
        }
    }

    #[test]
    fn attempts_are_counted_per_call() {
        assert_eq!(count_attempt(), None);
        let (mut first, mut nested) = (call(), call());
        first.swapped_in(|| {
            assert_eq!(count_attempt(), Some(0));
            assert_eq!(nested.swapped_in(count_attempt), Some(0));
        });
        assert_eq!(first.swapped_in(count_attempt), Some(1));
        assert_eq!(count_attempt(), None);
    }

    #[test]
    fn an_attempt_dropped_after_a_timeout_has_that_error_type() {
        let mut call = self::call();
        assert_eq!(call.swapped_in(abandon_reason), "cancelled");
        call.set_timed_out();
        assert_eq!(call.swapped_in(abandon_reason), "timeout");
        assert_eq!(call.swapped_in(|| self::call().swapped_in(abandon_reason)), "timeout");
        assert_eq!(abandon_reason(), "cancelled");
    }

    #[test]
    fn text_that_does_not_fit_is_cut() {
        assert_eq!(FormattedText::<8>::of(&"http://a/b").as_bytes(), b"http://a");
        assert_eq!(FormattedText::<8>::of(&80).as_bytes(), b"80");
    }
}
