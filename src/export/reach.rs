//! The first part of the way to a collector: to itself, or to a proxy that stands before it.
//!
//! A proxy is asked for a tunnel where what is sent is encrypted or is HTTP/2; other requests it passes on by itself.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::uri::{Authority, Parts};
use http::{HeaderValue, Uri};
use hyper::rt::ReadBufCursor;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use tower_service::Service;

use super::connect::Error;
use super::tls::{self, TlsError};
use crate::config::{Otlp, Tls};

/// Anything that is a connection.
pub(super) trait Io: hyper::rt::Read + hyper::rt::Write + Connection + Send + Unpin {}
impl<T: hyper::rt::Read + hyper::rt::Write + Connection + Send + Unpin> Io for T {}

type Connecting = Pin<Box<dyn Future<Output = Result<Pipe, Error>> + Send>>;

/// Connects to a collector, or to the proxy before it.
#[derive(Clone, Debug)]
pub(super) struct Reach {
    dial: Dial,
    proxy: Option<Via>,
}

/// A proxy.
#[derive(Clone)]
struct Via {
    uri: Uri,
    /// What it is told of us when it is asked for a tunnel.
    authorization: Option<HeaderValue>,
    is_tunnel: bool,
}

impl fmt::Debug for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Via({})", self.uri)
    }
}

/// Connects to a server: a collector or a proxy.
#[derive(Clone, Debug)]
enum Dial {
    Tcp(HttpConnector),
    /// A proxy that itself is spoken to by TLS.
    Tls(HttpsConnector<HttpConnector>),
}

impl Reach {
    pub(super) fn new(otlp: &Otlp, tcp: HttpConnector) -> Result<Reach, TlsError> {
        let Some(proxy) = &otlp.proxy else { return Ok(Reach { dial: Dial::Tcp(tcp), proxy: None }) };
        let dial = match proxy.url.starts_with("https:") {
            // The files that are set are for collectors.
            true => Dial::Tls(
                HttpsConnectorBuilder::new()
                    .with_tls_config(tls::client(&Tls::default())?)
                    .https_only()
                    .enable_http1()
                    .wrap_connector(tcp),
            ),
            false => Dial::Tcp(tcp),
        };
        let (authorization, is_tunnel) = (proxy.authorization.clone(), otlp.is_tunneled());
        let via = proxy.url.parse().ok().map(|uri| Via { uri, authorization, is_tunnel });
        Ok(Reach { dial, proxy: via })
    }
}

impl Service<Uri> for Reach {
    type Response = Pipe;
    type Error = Error;
    type Future = Connecting;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, to: Uri) -> Connecting {
        let Reach { mut dial, proxy } = self.clone();
        let Some(via) = proxy else { return dial.call(to) };
        if !via.is_tunnel {
            return Box::pin(async move {
                let pipe = dial.call(via.uri).await?;
                Ok(Pipe { passes_on: true, ..pipe })
            });
        }
        let mut tunnel = Tunnel::new(via.uri, dial);
        if let Some(authorization) = via.authorization {
            tunnel = tunnel.with_auth(authorization);
        }
        Box::pin(async move { Ok(tunnel.call(with_port(to)).await?) })
    }
}

/// The same with its port, which a tunnel takes for 443 otherwise.
fn with_port(uri: Uri) -> Uri {
    let port = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    let Some(host) = uri.host().filter(|_| uri.port().is_none()) else { return uri };
    let authority: Option<Authority> = format!("{host}:{port}").parse().ok();
    let mut parts: Parts = uri.clone().into_parts();
    parts.authority = authority;
    Uri::from_parts(parts).unwrap_or(uri)
}

impl Service<Uri> for Dial {
    type Response = Pipe;
    type Error = Error;
    type Future = Connecting;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, to: Uri) -> Connecting {
        match self.clone() {
            Dial::Tcp(mut tcp) => Box::pin(async move { Ok(Pipe::new(tcp.call(to).await?)) }),
            Dial::Tls(mut tls) => Box::pin(async move { Ok(Pipe::new(tls.call(to).await?)) }),
        }
    }
}

/// A connection, and whether a proxy at its end passes requests on.
pub(super) struct Pipe {
    io: Box<dyn Io>,
    passes_on: bool,
}

impl Pipe {
    fn new(io: impl Io + 'static) -> Pipe {
        Pipe { io: Box::new(io), passes_on: false }
    }
}

impl Connection for Pipe {
    fn connected(&self) -> Connected {
        self.io.connected().proxy(self.passes_on)
    }
}

impl hyper::rt::Read for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut *self.io).poll_read(cx, buffer)
    }
}

impl hyper::rt::Write for Pipe {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut *self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut *self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut *self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut *self.io).poll_write_vectored(cx, buffers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tunnels_lead_to_a_port() {
        for (uri, expected) in [
            ("http://h/", "http://h:80/"),
            ("https://h/x?y", "https://h:443/x?y"),
            ("http://h:4317/", "http://h:4317/"),
            ("https://[::1]/", "https://[::1]:443/"),
        ] {
            assert_eq!(with_port(Uri::from_static(uri)), expected, "{uri}");
        }
    }
}
