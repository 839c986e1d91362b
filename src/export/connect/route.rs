//! The first part of the way to a collector: to itself, or to the proxy in front of it.
//!
//! A proxy opens a tunnel where what is sent is encrypted or is HTTP/2; other requests it forwards.

use std::fmt;
use std::task::{Context, Poll};

use http::uri::{Authority, Parts};
use http::{HeaderValue, Uri};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use tower_service::Service;

use super::stream::Stream;
use super::{Connecting, Error, MaybeTls};
use crate::config::{Otlp, Tls};
use crate::export::tls::TlsError;

/// Connects to a collector, or to the proxy in front of it.
#[derive(Clone, Debug)]
pub(super) struct Route {
    first: MaybeTls<HttpConnector>,
    proxy: Option<ProxyRoute>,
}

/// A proxy.
#[derive(Clone)]
struct ProxyRoute {
    uri: Uri,
    /// Credentials for a tunnel.
    authorization: Option<HeaderValue>,
    is_tunnel: bool,
}

impl fmt::Debug for ProxyRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProxyRoute({})", self.uri)
    }
}

impl Route {
    pub(super) fn new(otlp: &Otlp, tcp: HttpConnector) -> Result<Route, TlsError> {
        let Some(proxy) = &otlp.proxy else { return Ok(Route { first: MaybeTls::Plain(tcp), proxy: None }) };
        let first = match proxy.url.starts_with("https:") {
            // The files that are set are for collectors.
            true => MaybeTls::tls(tcp, &Tls::default(), false)?,
            false => MaybeTls::Plain(tcp),
        };
        let (authorization, is_tunnel) = (proxy.authorization.clone(), otlp.is_tunneled());
        let proxy = proxy.url.parse().ok().map(|uri| ProxyRoute { uri, authorization, is_tunnel });
        Ok(Route { first, proxy })
    }
}

impl Service<Uri> for Route {
    type Response = Stream;
    type Error = Error;
    type Future = Connecting;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, to: Uri) -> Connecting {
        let Route { mut first, proxy } = self.clone();
        let Some(proxy) = proxy else { return first.call(to) };
        if !proxy.is_tunnel {
            return Box::pin(async move { Ok(first.call(proxy.uri).await?.forwarded()) });
        }
        let mut tunnel = Tunnel::new(proxy.uri, first);
        if let Some(authorization) = proxy.authorization {
            tunnel = tunnel.with_auth(authorization);
        }
        Box::pin(async move { Ok(tunnel.call(with_port(to)).await?) })
    }
}

/// The same with its port: a tunnel takes 443 where there is none.
fn with_port(uri: Uri) -> Uri {
    let port = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    let Some(host) = uri.host().filter(|_| uri.port().is_none()) else { return uri };
    let authority: Option<Authority> = format!("{host}:{port}").parse().ok();
    let mut parts: Parts = uri.clone().into_parts();
    parts.authority = authority;
    Uri::from_parts(parts).unwrap_or(uri)
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
