//! One connector for both transports: plain or TLS, with no thread and no second HTTP stack.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::ReadBufCursor;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use tower_service::Service;

use super::reach::{Io, Reach};
use super::tls::{self, TlsError};
use crate::config::{Otlp, Protocol};

/// Any error on the way to a connection.
pub(super) type Error = Box<dyn std::error::Error + Send + Sync>;

/// Makes connections to one collector.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    way: Way,
    alert: Alert,
}

#[derive(Clone, Debug)]
enum Way {
    Tcp(Reach),
    Tls(HttpsConnector<Reach>),
}

/// What a collector said last before it hung up. A collector that does not like our certificate says so after the
/// handshake, in the middle of what we send; then all that HTTP can tell is that the connection was closed.
#[derive(Clone, Debug, Default)]
pub(super) struct Alert(Arc<Mutex<Option<rustls::Error>>>);

impl Alert {
    pub(super) fn take(&self) -> Option<rustls::Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn hear(&self, read: &std::io::Result<()>) {
        let Err(error) = read else { return };
        if let Some(alert @ rustls::Error::AlertReceived(_)) = error.get_ref().and_then(|inner| inner.downcast_ref()) {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(alert.clone());
        }
    }
}

impl Connector {
    pub(super) fn new(otlp: &Otlp) -> Result<Connector, TlsError> {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(otlp.timeout.min(Duration::from_secs(5))));
        tcp.enforce_http(false);
        let tcp = Reach::new(otlp, tcp)?;
        if !otlp.endpoint.is_https() {
            return Ok(Connector { way: Way::Tcp(tcp), alert: Alert::default() });
        }
        let builder = HttpsConnectorBuilder::new().with_tls_config(tls::client(&otlp.tls)?).https_only();
        let way = Way::Tls(match otlp.protocol {
            Protocol::Grpc => builder.enable_http2().wrap_connector(tcp),
            Protocol::HttpProtobuf | Protocol::HttpJson => builder.enable_http1().wrap_connector(tcp),
        });
        Ok(Connector { way, alert: Alert::default() })
    }

    /// What is said on its connections.
    pub(super) fn alert(&self) -> Alert {
        self.alert.clone()
    }
}

impl Service<http::Uri> for Connector {
    type Response = BoxedIo;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<BoxedIo, Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: http::Uri) -> Self::Future {
        let Connector { way, alert } = self.clone();
        match way {
            Way::Tcp(mut tcp) => {
                Box::pin(async move { Ok(BoxedIo { io: Box::new(tcp.call(uri).await?), alert, broken: None }) })
            }
            Way::Tls(mut tls) => {
                Box::pin(async move { Ok(BoxedIo { io: Box::new(tls.call(uri).await?), alert, broken: None }) })
            }
        }
    }
}

/// A connection of either kind.
pub(super) struct BoxedIo {
    io: Box<dyn Io>,
    alert: Alert,
    /// Why writing failed, while what came before is being read.
    broken: Option<std::io::Error>,
}

impl BoxedIo {
    /// Writes. After a failure, reads what came before the end, for which the system may need a moment.
    fn write<T>(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut dyn Io>, &mut Context<'_>) -> Poll<std::io::Result<T>>,
    ) -> Poll<std::io::Result<T>> {
        if self.broken.is_none() {
            match write(Pin::new(&mut *self.io), cx) {
                Poll::Ready(Err(error)) => self.broken = Some(error),
                other => return other,
            }
        }
        let mut bytes = [0];
        let mut buffer = hyper::rt::ReadBuf::new(&mut bytes);
        let read = ready!(Pin::new(&mut *self.io).poll_read(cx, buffer.unfilled()));
        self.alert.hear(&read);
        Poll::Ready(Err(self.broken.take().unwrap_or_else(|| std::io::ErrorKind::BrokenPipe.into())))
    }
}

impl hyper::rt::Read for BoxedIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<std::io::Result<()>> {
        let read = Pin::new(&mut *self.io).poll_read(cx, buffer);
        if let Poll::Ready(read) = &read {
            self.alert.hear(read);
        }
        read
    }
}

impl hyper::rt::Write for BoxedIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        self.write(cx, |io, cx| io.poll_write(cx, bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        self.write(cx, |io, cx| io.poll_flush(cx))
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
        self.write(cx, |io, cx| io.poll_write_vectored(cx, buffers))
    }
}

impl Connection for BoxedIo {
    fn connected(&self) -> Connected {
        self.io.connected()
    }
}
