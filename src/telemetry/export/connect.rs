//! One connector for both transports: plain or TLS, by our own TLS set-up, with no thread and no second HTTP stack.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::ReadBufCursor;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use rustls::crypto::ring::default_provider;
use tower_service::Service;

use crate::config::{Otlp, Protocol};

/// Any error on the way to a connection.
pub(super) type Error = Box<dyn std::error::Error + Send + Sync>;

/// Makes connections to one collector.
#[derive(Clone, Debug)]
pub(super) enum Connector {
    Tcp(HttpConnector),
    Tls(HttpsConnector<HttpConnector>),
}

impl Connector {
    pub(super) fn new(otlp: &Otlp) -> Result<Connector, rustls::Error> {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(otlp.timeout.min(Duration::from_secs(5))));
        if !otlp.endpoint.starts_with("https://") {
            return Ok(Connector::Tcp(tcp));
        }
        tcp.enforce_http(false);
        let builder = HttpsConnectorBuilder::new().with_tls_config(tls()?).https_only();
        Ok(Connector::Tls(match otlp.protocol {
            Protocol::Grpc => builder.enable_http2().wrap_connector(tcp),
            Protocol::HttpProtobuf => builder.enable_http1().wrap_connector(tcp),
        }))
    }
}

fn tls() -> Result<rustls::ClientConfig, rustls::Error> {
    let mut roots = rustls::RootCertStore::empty();
    // Certificates that cannot be read are other people's trouble; if none can, the handshake says so.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let builder = rustls::ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    Ok(builder.with_no_client_auth())
}

impl Service<http::Uri> for Connector {
    type Response = BoxedIo;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<BoxedIo, Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: http::Uri) -> Self::Future {
        match self.clone() {
            Connector::Tcp(mut tcp) => Box::pin(async move { Ok(BoxedIo(Box::new(tcp.call(uri).await?))) }),
            Connector::Tls(mut tls) => Box::pin(async move { Ok(BoxedIo(Box::new(tls.call(uri).await?))) }),
        }
    }
}

trait Io: hyper::rt::Read + hyper::rt::Write + Connection + Send + Unpin {}
impl<T: hyper::rt::Read + hyper::rt::Write + Connection + Send + Unpin> Io for T {}

/// A connection of either kind.
pub(super) struct BoxedIo(Box<dyn Io>);

impl hyper::rt::Read for BoxedIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut *self.0).poll_read(cx, buffer)
    }
}

impl hyper::rt::Write for BoxedIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut *self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut *self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut *self.0).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut *self.0).poll_write_vectored(cx, buffers)
    }
}

impl Connection for BoxedIo {
    fn connected(&self) -> Connected {
        self.0.connected()
    }
}
