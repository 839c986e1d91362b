//! One span for each request that reaches the network, redirects included: until the head of its response has arrived.

/// The advice for ureq 2, beside its `Unit`.
#[allow(unused_macros)]
macro_rules! version_2 {
    () => {
        mod otel {
            use std::ops::Deref;

            use otel_rs_hooks::http::{error_class, root_cause};
            use otel_rs_hooks::kit::sent::{Attempt, Request};
            use otel_rs_hooks::{Headers, HeadersMut};
            use url::Position;

            use super::{Error, ErrorKind, Header, Response, Unit};
            use crate::otel_rs::SCOPE;

            /// Sends a request by `send`, inside a span of its own. The next redirect gets the same headers, so what was
            /// put into them is taken out again.
            pub(super) fn attempt(
                unit: &mut Unit,
                resends: usize,
                send: impl FnOnce(&Unit) -> Result<Response, Error>,
            ) -> Result<Response, Error> {
                if !SCOPE.enabled() {
                    return send(unit);
                }
                let attempt = start(unit, resends);
                attempt.inject(&mut Fields(&mut unit.headers));
                let entered = attempt.enter();
                let result = send(unit);
                drop(entered);
                attempt.withdraw(&mut Fields(&mut unit.headers));
                match &result {
                    Ok(response) => {
                        let version = response.http_version().trim_start_matches("HTTP/");
                        attempt.answered(response.status(), version, &Received(response));
                    }
                    Err(error) => attempt.failed(error_class(error, &class), &root_cause(error)),
                }
                result
            }

            fn start(unit: &Unit, resends: usize) -> Attempt {
                let url = &unit.url;
                let request = Request {
                    method: &unit.method,
                    url: Some(url),
                    scheme: Some(url.scheme()),
                    authority: &url[Position::BeforeHost..Position::AfterPort],
                    target: url.path(),
                    resend: Some(resends as u32),
                };
                Attempt::start(&SCOPE, &request, &Fields(&unit.headers))
            }

            fn class(error: &(dyn std::error::Error + 'static)) -> Option<&'static str> {
                match error.downcast_ref::<Error>()?.kind() {
                    ErrorKind::Dns => Some("dns"),
                    ErrorKind::BadStatus | ErrorKind::BadHeader => Some("invalid_response"),
                    _ => None,
                }
            }

            /// Headers of a request.
            struct Fields<F>(F);

            impl<F: Deref<Target = Vec<Header>>> Headers for Fields<F> {
                fn named<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
                    self.0.iter().filter(|header| header.is_name(name)).for_each(|header| visit(header.value_raw()));
                }

                fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a [u8])) {
                    self.0.iter().for_each(|header| visit(header.name(), header.value_raw()));
                }
            }

            impl HeadersMut for Fields<&mut Vec<Header>> {
                fn set(&mut self, name: &str, value: &[u8]) {
                    if let Ok(value) = std::str::from_utf8(value) {
                        self.remove(name);
                        self.0.push(Header::new(name, value));
                    }
                }

                fn remove(&mut self, name: &str) {
                    self.0.retain(|header| !header.is_name(name));
                }
            }

            /// Headers of a response, found by their names alone.
            struct Received<'a>(&'a Response);

            impl Headers for Received<'_> {
                fn named<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
                    self.0.all(name).into_iter().for_each(|value| visit(value.as_bytes()));
                }

                fn each<'a>(&'a self, _: &mut dyn FnMut(&'a str, &'a [u8])) {}
            }
        }
    };
}

/// The advice for ureq 3, beside the type of a call that is about to be sent.
#[allow(unused_macros)]
macro_rules! version_3 {
    ($call:ty) => {
        mod otel {
            use std::fmt::Display;
            use std::io::ErrorKind;

            use otel_rs_hooks::http::{error_class, is_excluded};
            use otel_rs_hooks::kit::sent::{self, Attempt};
            use otel_rs_hooks::{current, Headers, HeadersMut};

            use super::*;
            use crate::http::header::HeaderName;
            use crate::http::uri::Authority;
            use crate::http::HeaderMap;
            use crate::otel_rs::SCOPE;

            otel_rs_hooks::http_types!(http);

            /// A request under way; `None` where it is not recorded, and once it has been answered.
            pub(super) struct Sending(Option<Attempt>);

            pub(super) fn start(call: &mut $call, resends: u32) -> Sending {
                if !SCOPE.enabled() {
                    return Sending(None);
                }
                let uri = call.uri();
                let request = sent::Request {
                    method: call.method().as_str(),
                    url: Some(uri),
                    scheme: uri.scheme_str(),
                    authority: uri.authority().map_or("", Authority::as_str),
                    target: uri.path(),
                    resend: Some(resends),
                };
                let attempt = Attempt::start(&SCOPE, &request, &Map(call.headers()));
                attempt.inject(&mut Amended(call));
                Sending(if attempt.is_none() { None } else { Some(attempt) })
            }

            impl Sending {
                pub(super) fn run<T>(
                    mut self,
                    send: impl FnOnce(&mut Sending) -> Result<T, Error>,
                ) -> Result<T, Error> {
                    let entered = self.0.as_ref().and_then(Attempt::enter);
                    let result = send(&mut self);
                    drop(entered);
                    if let (Some(attempt), Err(error)) = (self.0, &result) {
                        let (class, message) = class_and_message(error);
                        attempt.failed(class, message);
                    }
                    result
                }

                pub(super) fn answered(&mut self, response: &Response<()>) {
                    if let Some(attempt) = self.0.take() {
                        let (status, version) = (response.status().as_u16(), version(response.version()));
                        attempt.answered(status, version, &Map(response.headers()));
                    }
                }
            }

            fn class_and_message(error: &Error) -> (&'static str, &dyn Display) {
                let class = match error {
                    Error::Io(io) if io.kind() == ErrorKind::UnexpectedEof => "connection_closed",
                    Error::Io(io) => return (error_class(io, &|_| None), io),
                    Error::Timeout(_) => "timeout",
                    Error::HostNotFound => "dns",
                    Error::ConnectionFailed => "connection_failed",
                    Error::Protocol(_) | Error::LargeResponseHeader(..) => "invalid_response",
                    Error::BodyExceedsLimit(_) => "body_error",
                    // Their messages quote the URL.
                    Error::BadUri(_) | Error::RequireHttpsOnly(_) => return ("invalid_url", &"invalid URL"),
                    other => error_class(other, &|_| None),
                };
                (class, error)
            }

            /// Headers of a call: those that the program set, and more to be sent with them.
            struct Amended<'c>(&'c mut $call);

            impl Headers for Amended<'_> {
                fn named<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
                    self.0.headers().get_all(name).into_iter().for_each(|value| visit(value.as_bytes()));
                }

                fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a [u8])) {
                    self.0.headers().iter().for_each(|(name, value)| visit(name.as_str(), value.as_bytes()));
                }
            }

            impl HeadersMut for Amended<'_> {
                fn set(&mut self, name: &str, value: &[u8]) {
                    if !self.0.headers().get(name).map_or(false, |known| known.as_bytes() == value) {
                        // What is no header is left out.
                        let _ = self.0.header(name, value);
                    }
                }

                fn remove(&mut self, _: &str) {}
            }

            /// Takes the trace out of the headers that was copied from the request which is being served: the attempt's own
            /// takes its place.
            pub(super) fn drop_copies(request: &mut Request<()>) {
                if !SCOPE.enabled() {
                    return;
                }
                let uri = request.uri();
                let authority = uri.authority().map_or("", Authority::as_str);
                if is_excluded(uri.scheme_str().unwrap_or("http"), authority.as_bytes(), uri.path()) {
                    return;
                }
                let mut copies = Copies { headers: request.headers(), found: Vec::new() };
                current().inject(&mut copies);
                for name in copies.found {
                    request.headers_mut().remove(name);
                }
            }

            /// Headers out of which copies are taken, and nothing else.
            struct Copies<'h> {
                headers: &'h HeaderMap,
                found: Vec<HeaderName>,
            }

            impl Headers for Copies<'_> {
                fn named<'a>(&'a self, name: &str, visit: &mut dyn FnMut(&'a [u8])) {
                    self.headers.get_all(name).into_iter().for_each(|value| visit(value.as_bytes()));
                }

                fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a [u8])) {
                    self.headers.iter().for_each(|(name, value)| visit(name.as_str(), value.as_bytes()));
                }
            }

            impl HeadersMut for Copies<'_> {
                fn set(&mut self, _: &str, _: &[u8]) {}

                fn remove(&mut self, name: &str) {
                    if let Ok(name) = HeaderName::from_bytes(name.as_bytes()) {
                        if self.headers.contains_key(&name) {
                            self.found.push(name);
                        }
                    }
                }
            }
        }
    };
}

pub(crate) use {version_2, version_3};
