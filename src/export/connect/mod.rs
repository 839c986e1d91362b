//! Connections to collectors, for both transports: plain or by TLS, direct or through a proxy, with no thread and no second
//! HTTP stack.

mod route;
mod stream;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use tower_service::Service;

use self::route::Route;
use self::stream::{Io, Stream};
use super::tls::{self, TlsError};
use crate::config::{Otlp, Protocol, Tls};

/// Any error on the way to a connection.
pub(super) type Error = Box<dyn std::error::Error + Send + Sync>;

/// A connection that is being made.
type Connecting = Pin<Box<dyn Future<Output = Result<Stream, Error>> + Send>>;

/// Makes connections to one collector.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    collector: MaybeTls<Route>,
    alert: Alert,
}

/// The last TLS alert of a collector. One that does not accept a client certificate sends it after the handshake, amid the
/// first request; all that HTTP reports then is that the connection was closed.
#[derive(Clone, Debug, Default)]
pub(super) struct Alert(Arc<Mutex<Option<rustls::Error>>>);

impl Alert {
    pub(super) fn take(&self) -> Option<rustls::Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Keeps the alert that reading may have ended with.
    fn keep(&self, read: &std::io::Result<()>) {
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
        let route = Route::new(otlp, tcp)?;
        let collector = match otlp.endpoint.is_https() {
            true => MaybeTls::tls(route, &otlp.tls, otlp.protocol == Protocol::Grpc)?,
            false => MaybeTls::Plain(route),
        };
        Ok(Connector { collector, alert: Alert::default() })
    }

    /// Where the collector's last alert will be found.
    pub(super) fn alert(&self) -> Alert {
        self.alert.clone()
    }
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = Error;
    type Future = Connecting;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Connecting {
        let Connector { mut collector, alert } = self.clone();
        Box::pin(async move { Ok(collector.call(uri).await?.with_alert(alert)) })
    }
}

/// A connector as it is, or one that adds TLS.
#[derive(Clone, Debug)]
enum MaybeTls<C> {
    Plain(C),
    Tls(HttpsConnector<C>),
}

impl<C> MaybeTls<C> {
    /// Adds TLS, for HTTP/2 or HTTP/1.
    fn tls(connector: C, files: &Tls, is_http2: bool) -> Result<MaybeTls<C>, TlsError> {
        let builder = HttpsConnectorBuilder::new().with_tls_config(tls::client(files)?).https_only();
        Ok(MaybeTls::Tls(match is_http2 {
            true => builder.enable_http2().wrap_connector(connector),
            false => builder.enable_http1().wrap_connector(connector),
        }))
    }
}

impl<C> Service<Uri> for MaybeTls<C>
where
    C: Service<Uri> + Clone + Send + 'static,
    C::Response: Io + 'static,
    C::Error: Into<Error>,
    C::Future: Send + 'static,
{
    type Response = Stream;
    type Error = Error;
    type Future = Connecting;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Connecting {
        match self {
            MaybeTls::Plain(plain) => {
                let connecting = plain.call(uri);
                Box::pin(async move { Ok(Stream::new(connecting.await.map_err(Into::into)?)) })
            }
            MaybeTls::Tls(tls) => {
                let connecting = tls.call(uri);
                Box::pin(async move { Ok(Stream::new(connecting.await?)) })
            }
        }
    }
}
