//! HTTP requests that a client sends: one span for each attempt that reaches the network, until the response's head.
//!
//! ```text
//! let request = Request { method, url: Some(&uri), scheme, authority, target, resend: None };
//! let attempt = Attempt::start(&SCOPE, &request, &Map(headers));
//! attempt.inject(&mut Map(headers_mut));
//! let result = { let _entered = attempt.enter(); carry(&SCOPE, send()) }.await;
//! match result {
//!     Ok(response) => attempt.answered(status, version, &headers),
//!     Err(error) => attempt.failed(class, &root),
//! }
//! ```

use std::{fmt, mem};

use crate::attribute::{key, Attribute, Value};
use crate::context::{Context, Entered};
use crate::headers::{Headers, HeadersMut};
use crate::http::client::{ActiveRequest, Host};
use crate::http::{self, FormattedText, Message};
use crate::scope::Scope;
use crate::span::{Domain, Span};

/// Longest URL that is recorded.
const MAX_URL: usize = 2048;
/// Longest message of an error.
const MAX_MESSAGE: usize = 256;

/// A request that is about to be sent.
#[derive(Clone, Copy, Default)]
pub struct Request<'a> {
    /// As it is sent.
    pub method: &'a str,
    /// The whole URL, raw; where the library has none, it is put together from what follows.
    pub url: Option<&'a dyn fmt::Display>,
    /// `http` or `https`; `None` if unknown.
    pub scheme: Option<&'a str>,
    /// Name or address of the server, with or without its port; empty if unknown.
    pub authority: &'a str,
    /// The target: its path, and its query if it has one.
    pub target: &'a str,
    /// Which resend of the same call it is, where the library counts them itself; otherwise those of the
    /// [`Call`](http::Call) are counted.
    pub resend: Option<u32>,
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("authority", &self.authority)
            .finish_non_exhaustive()
    }
}

/// A request under way. Dropped before its end, it was given up: `timeout` if its [`Call`](http::Call) has timed out,
/// otherwise `cancelled`.
#[derive(Debug)]
#[must_use = "the attempt counts as given up as soon as this is dropped"]
pub struct Attempt {
    span: Span,
    /// Counts it for as long as it lasts.
    active: Option<ActiveRequest>,
}

impl Attempt {
    /// An attempt that is not recorded.
    pub const NONE: Attempt = Attempt { span: Span::NONE, active: None };

    /// Starts the attempt's span: as a child of the span that the program itself named in the headers, otherwise of the current
    /// one. No attempt where the user excluded the URL.
    #[inline]
    pub fn start(scope: &'static Scope, request: &Request<'_>, headers: &dyn Headers) -> Attempt {
        if scope.enabled() {
            Attempt::open(scope, request, headers)
        } else {
            Attempt::NONE
        }
    }

    fn open(scope: &'static Scope, request: &Request<'_>, headers: &dyn Headers) -> Attempt {
        let Request { scheme, authority, target, .. } = *request;
        let path = target.split('?').next().unwrap_or_default();
        if http::is_excluded(scheme.unwrap_or("http"), authority.as_bytes(), path) {
            return Attempt::NONE;
        }
        let url = match (request.url, scheme) {
            (Some(url), _) => Some(FormattedText::<MAX_URL>::of(url)),
            (None, Some(scheme)) if !authority.is_empty() => {
                Some(FormattedText::of(&format_args!("{scheme}://{authority}{target}")))
            }
            _ => None,
        };
        let (address, port) = http::server(authority, scheme);
        let span = Span::start_with_parent(
            scope,
            Domain::HttpClient,
            Context::of_request(headers),
            &[
                (key::HTTP_METHOD, request.method.into()),
                (key::URL_FULL, url.as_ref().into()),
                (key::SERVER_ADDRESS, address.into()),
                (key::SERVER_PORT, port.into()),
                (key::HTTP_RESEND, request.resend.or_else(http::count_attempt).into()),
            ],
        );
        let host = address.and_then(|address| Some(Host::of(scope, address, port?)));
        Attempt { span, active: host.map(|host| host.active_request(request.method)) }
    }

    /// Puts the attempt's context into the request's headers.
    #[inline]
    pub fn inject(&self, headers: &mut dyn HeadersMut) {
        if !self.span.is_none() {
            self.span.context().inject(headers);
            http::capture_headers(self.span.context(), Message::ClientRequest, headers);
        }
    }

    /// Whether the attempt is not recorded.
    #[inline]
    pub fn is_none(&self) -> bool {
        self.span.is_none()
    }

    /// The context in which the attempt's work belongs.
    pub fn context(&self) -> &Context {
        self.span.context()
    }

    /// Makes the attempt's context current.
    #[inline]
    pub fn enter(&self) -> Option<Entered> {
        if self.span.is_none() {
            None
        } else {
            Some(self.span.context().enter())
        }
    }

    /// The head of the response has arrived, in that version of HTTP: `1.0`, `1.1`, `2`, `3`; empty if unknown.
    pub fn answered(mut self, status: u16, version: &str, headers: &dyn Headers) {
        if !self.span.is_none() {
            http::capture_headers(self.span.context(), Message::ClientResponse, headers);
            self.end(&[(key::HTTP_STATUS, status.into()), (key::HTTP_VERSION, Value::known(version))]);
        }
    }

    /// There is no response: the class of the error, of which there are few, and its root's message.
    #[cold]
    pub fn failed(mut self, class: &'static str, message: &dyn fmt::Display) {
        if !self.span.is_none() {
            let message = FormattedText::<MAX_MESSAGE>::of(message);
            self.end(&[(key::ERROR_TYPE, class.into()), (key::ERROR_MESSAGE, (&message).into())]);
        }
    }

    /// Takes the attempt's context out of the headers of a request that was given back unsent, or that is sent again.
    pub fn withdraw(&self, headers: &mut dyn HeadersMut) {
        if !self.span.is_none() {
            self.span.context().withdraw(headers);
        }
    }

    fn end(&mut self, attributes: &[Attribute<'_>]) {
        mem::replace(&mut self.span, Span::NONE).end(attributes);
        self.active = None;
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if !self.span.is_none() {
            self.end(&[(key::ERROR_TYPE, http::abandon_reason().into())]);
        }
    }
}
