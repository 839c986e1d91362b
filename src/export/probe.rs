//! Whether an endpoint accepts telemetry: an empty export, written by hand.
//!
//! Of HTTP the status line is read, of HTTP/2 the frame that every server sends first: enough to distinguish a receiver
//! from a web page and one protocol from the other. TLS is set up as the exporters do it, so its files are read, too.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{AlertDescription, ClientConfig, ClientConnection, StreamOwned};
use url::Url;

use crate::config::{ExporterSetting, Otlp, Protocol, Proxy, Tls};
use crate::export::tls;

/// How long each step may take.
const STEP_TIMEOUT: Duration = Duration::from_secs(2);
/// The first bytes of an HTTP/2 client: the preface and an empty frame of settings.
const HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// The longest answer of a proxy to a request for a tunnel.
const MAX_HEAD: usize = 8192;
/// The kind of the first frame that a server of HTTP/2 sends.
const SETTINGS: u8 = 4;

/// The result of a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ProbeResult {
    /// A receiver accepts it.
    Accepts,
    /// Nothing was sent: TLS cannot be set up on this side. Why, and what to do.
    ExporterUnusable(String, Option<String>),
    /// The TLS handshake failed, and why.
    TlsFailed(String),
    /// A receiver or another server rejects it with this status.
    Rejects(u16),
    /// A server of gRPC's HTTP/2 where HTTP/1 is configured, or the other way round.
    OtherProtocol,
    /// A server of neither: bytes arrived, but none that begin an answer of either protocol.
    NotOtlp,
    /// A server accepts the connection, but no byte of an answer arrived in this time.
    TimedOut(Duration),
    /// A server closed the connection before a byte of an answer arrived.
    Closed,
    /// No connection, and why.
    CannotConnect(String),
    /// The proxy before it does not lead there: the proxy, its variable, and why.
    ProxyFailed { proxy: String, variable: &'static str, reason: String },
}

/// Probes an endpoint.
pub(crate) fn probe(to: &Otlp) -> ProbeResult {
    let url = to.endpoint.url();
    let probe = match Probe::new(url, to) {
        Ok(probe) => probe,
        Err(answer) => return answer,
    };
    let connection = match probe.connect() {
        Ok(connection) => connection,
        Err(answer) => return answer,
    };
    // A server may hang up on the protocol that it does not have, so the other one gets a connection of its own.
    match to.protocol {
        Protocol::Grpc => {
            let without = match is_http2(connection) {
                Ok(true) => return ProbeResult::Accepts,
                Ok(false) => ProbeResult::NotOtlp,
                Err(error) if let Some(answer) = tls_error(&error) => return answer,
                Err(error) => probe.without_answer(&error),
            };
            match probe.connect().map(|again| http_status(again, url, to)) {
                Ok(Ok(Some(_))) => ProbeResult::OtherProtocol,
                Ok(Ok(None)) => ProbeResult::NotOtlp,
                Ok(Err(_)) | Err(_) => without,
            }
        }
        Protocol::HttpProtobuf | Protocol::HttpJson => {
            let without = match http_status(connection, url, to) {
                Ok(Some(200..300)) => return ProbeResult::Accepts,
                Ok(Some(status @ (407 | 502..=504))) if probe.forwarding_proxy().is_some() => {
                    return probe.proxy_failed(format!("it answers {status}"));
                }
                Ok(Some(status)) => return ProbeResult::Rejects(status),
                Ok(None) => ProbeResult::NotOtlp,
                Err(error) if let Some(answer) = tls_error(&error) => return answer,
                Err(error) => probe.without_answer(&error),
            };
            match probe.connect().map(is_http2) {
                Ok(Ok(true)) => ProbeResult::OtherProtocol,
                Ok(Ok(false)) => ProbeResult::NotOtlp,
                Ok(Err(_)) | Err(_) => without,
            }
        }
    }
}

trait Connection: Read + Write {}
impl<T: Read + Write> Connection for T {}

/// An endpoint and how it is connected to.
struct Probe<'a> {
    url: &'a Url,
    to: &'a Otlp,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
}

impl Probe<'_> {
    fn new<'a>(url: &'a Url, to: &'a Otlp) -> Result<Probe<'a>, ProbeResult> {
        if url.scheme() != "https" {
            return Ok(Probe { url, to, tls: None });
        }
        let mut config = tls::client(&to.tls).map_err(|error| {
            let causes = std::iter::successors(std::error::Error::source(&error), |error| error.source());
            let text = causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"));
            ProbeResult::ExporterUnusable(text, error.hint(&to.origin))
        })?;
        config.alpn_protocols = match to.protocol {
            Protocol::Grpc => vec![b"h2".to_vec()],
            Protocol::HttpProtobuf | Protocol::HttpJson => vec![b"http/1.1".to_vec()],
        };
        let name = server_name(url).map_err(|_| {
            let host = url.host_str().unwrap_or_default();
            ProbeResult::ExporterUnusable(
                format!("no TLS server can have the name `{host}`"),
                Some(format!("correct {}", to.origin.name(ExporterSetting::Endpoint))),
            )
        })?;
        Ok(Probe { url, to, tls: Some((Arc::new(config), name)) })
    }

    /// The proxy that forwards requests.
    fn forwarding_proxy(&self) -> Option<&Proxy> {
        self.to.proxy.as_deref().filter(|_| !self.to.is_tunneled())
    }

    fn proxy_failed(&self, reason: String) -> ProbeResult {
        match self.to.proxy.as_deref() {
            Some(Proxy { url, variable, .. }) => ProbeResult::ProxyFailed { proxy: url.clone(), variable, reason },
            None => ProbeResult::CannotConnect(reason),
        }
    }

    /// The result where the connection failed before a byte of an answer arrived.
    fn without_answer(&self, error: &std::io::Error) -> ProbeResult {
        let result = match error.kind() {
            _ if is_timeout(error) => ProbeResult::TimedOut(STEP_TIMEOUT),
            ErrorKind::UnexpectedEof
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe => ProbeResult::Closed,
            _ => ProbeResult::CannotConnect(error.to_string()),
        };
        // What was connected to is the proxy.
        match (self.forwarding_proxy(), result) {
            (None, result) => result,
            (Some(_), ProbeResult::TimedOut(time)) => {
                self.proxy_failed(format!("it does not answer within {} s", time.as_secs()))
            }
            (Some(_), ProbeResult::Closed) => self.proxy_failed("it closes the connection without an answer".into()),
            (Some(_), _) => self.proxy_failed(error.to_string()),
        }
    }

    fn connect(&self) -> Result<Box<dyn Connection>, ProbeResult> {
        let connection = self.connect_first().map_err(|error| self.proxy_failed(error.to_string()))?;
        let Some((config, name)) = &self.tls else { return Ok(connection) };
        handshake(connection, config, name).map_err(|error| match tls_error(&error) {
            Some(answer) => answer,
            None if is_timeout(&error) => ProbeResult::TimedOut(STEP_TIMEOUT),
            None => ProbeResult::TlsFailed(error.to_string()),
        })
    }

    /// Connects to the collector, or to the proxy in front of it.
    fn connect_first(&self) -> std::io::Result<Box<dyn Connection>> {
        let Some(proxy) = &self.to.proxy else { return Ok(Box::new(connect(self.url)?)) };
        let url = Url::parse(&proxy.url).map_err(std::io::Error::other)?;
        let mut connection: Box<dyn Connection> = Box::new(connect(&url)?);
        if url.scheme() == "https" {
            let config = tls::client(&Tls::default()).map_err(std::io::Error::other)?;
            connection = handshake(connection, &Arc::new(config), &server_name(&url)?)?;
        }
        if self.to.is_tunneled() {
            tunnel(&mut connection, self.url, proxy)?;
        }
        Ok(connection)
    }
}

fn server_name(url: &Url) -> std::io::Result<ServerName<'static>> {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    ServerName::try_from(host.to_owned()).map_err(std::io::Error::other)
}

fn handshake(
    mut connection: Box<dyn Connection>,
    config: &Arc<ClientConfig>,
    name: &ServerName<'static>,
) -> std::io::Result<Box<dyn Connection>> {
    let mut tls = ClientConnection::new(Arc::clone(config), name.clone()).map_err(std::io::Error::other)?;
    while tls.is_handshaking() {
        tls.complete_io(&mut connection)?;
    }
    Ok(Box::new(StreamOwned::new(tls, connection)))
}

/// Opens a tunnel through a proxy.
fn tunnel(connection: &mut Box<dyn Connection>, to: &Url, proxy: &Proxy) -> std::io::Result<()> {
    let (host, port) = (to.host_str().unwrap_or_default(), to.port_or_known_default().unwrap_or(443));
    let request = format!("CONNECT {host}:{port} HTTP/1.1\r\nhost: {host}:{port}\r\n{}\r\n", authorization(proxy));
    connection.write_all(request.as_bytes())?;
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && head.len() < MAX_HEAD {
        connection.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    match status(&head) {
        Some(200) => Ok(()),
        Some(status) => Err(std::io::Error::other(format!("it answers {status}"))),
        None => Err(std::io::Error::other("it is no HTTP proxy")),
    }
}

/// The header with the credentials for a proxy.
fn authorization(proxy: &Proxy) -> String {
    let value = proxy.authorization.as_ref().and_then(|value| value.to_str().ok());
    value.map_or_else(String::new, |value| format!("proxy-authorization: {value}\r\n"))
}

/// `HTTP/1.1 200`
fn status(head: &[u8]) -> Option<u16> {
    let head = std::str::from_utf8(head.get(..12)?).ok()?;
    head.strip_prefix("HTTP/1.")?.get(2..)?.parse().ok()
}

/// The error of TLS in an error. A server that does not accept the client certificate sends its alert only after the
/// handshake.
fn tls_error(error: &std::io::Error) -> Option<ProbeResult> {
    let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    Some(match error {
        rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol) => ProbeResult::OtherProtocol,
        other => ProbeResult::TlsFailed(other.to_string()),
    })
}

fn connect(url: &Url) -> std::io::Result<TcpStream> {
    let mut last = std::io::Error::other("the name has no address");
    for address in url.socket_addrs(|| None)? {
        match TcpStream::connect_timeout(&address, STEP_TIMEOUT) {
            Ok(connection) => {
                connection.set_read_timeout(Some(STEP_TIMEOUT))?;
                connection.set_write_timeout(Some(STEP_TIMEOUT))?;
                return Ok(connection);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Whether a read or write did not end in time.
fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// The first bytes of an answer: as many as are there before the end. An error where there are none.
fn first_bytes<const N: usize>(connection: &mut dyn Connection) -> std::io::Result<[u8; N]> {
    let (mut bytes, mut length) = ([0; N], 0);
    while length < N {
        match connection.read(&mut bytes[length..]) {
            Ok(0) if length == 0 => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if length == 0 => return Err(error),
            Err(_) => break,
        }
    }
    Ok(bytes)
}

/// Exports nothing; the status of the answer, if it is one of HTTP/1.
fn http_status(mut connection: Box<dyn Connection>, url: &Url, to: &Otlp) -> std::io::Result<Option<u16>> {
    let (kind, body) = match to.protocol {
        Protocol::HttpJson => ("application/json", "{}"),
        _ => ("application/x-protobuf", ""),
    };
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    let host = url.host_str().unwrap_or_default();
    let proxy = to.proxy.as_deref().filter(|_| !to.is_tunneled());
    let origin = proxy.map(|_| url.origin().ascii_serialization()).unwrap_or_default();
    let mut request = format!(
        "POST {origin}{}{query} HTTP/1.1\r\nhost: {host}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n",
        url.path(),
        body.len()
    );
    request.extend(proxy.map(authorization));
    let is_clean = |text: &str| !text.contains(['\r', '\n']);
    for (name, value) in to.headers.0.iter().filter(|(name, value)| is_clean(name) && is_clean(value)) {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    connection.write_all(format!("{request}\r\n{body}").as_bytes())?;
    // "HTTP/1.1 200"
    Ok(status(&first_bytes::<12>(&mut *connection)?))
}

fn is_http2(mut connection: Box<dyn Connection>) -> std::io::Result<bool> {
    // A frame begins with three bytes of length, then its kind.
    connection.write_all(HTTP2)?;
    let head = first_bytes::<9>(&mut *connection)?;
    Ok(head[3] == SETTINGS && head[..2] == [0, 0])
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// A server that answers connections whose first bytes begin so with these bytes.
    fn server(answers: &'static [(&'static str, &'static [u8])]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1/traces", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let mut connection = connection.unwrap();
                let mut received = [0; 4];
                let _ = connection.read_exact(&mut received);
                for (_, answer) in answers.iter().filter(|(start, _)| received.starts_with(start.as_bytes())) {
                    let _ = connection.write_all(answer);
                }
                // Closing a connection with unread bytes would discard the answer.
                connection.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
                let _ = connection.read_to_end(&mut Vec::new());
            }
        });
        url
    }

    fn probed(endpoint: String, protocol: Protocol) -> ProbeResult {
        probe(&otlp(endpoint, protocol))
    }

    fn otlp(endpoint: String, protocol: Protocol) -> Otlp {
        let endpoint = crate::config::Endpoint::of_test(&endpoint);
        let config = crate::config::resolve(&[], &|_| None).unwrap().config;
        let crate::config::Exporter::Otlp(otlp) = config.traces.processors[0].exporter.clone() else { panic!() };
        Otlp { endpoint, protocol, ..otlp }
    }

    const GRPC: &[(&str, &[u8])] = &[("PRI ", b"\0\0\x06\x04\0\0\0\0\0\0\x05\0\0\x40\0")];

    #[test]
    fn receivers_are_distinguished_from_other_servers() {
        use Protocol::{Grpc, HttpJson, HttpProtobuf};
        const HTTP: &[(&str, &[u8])] =
            &[("POST", b"HTTP/1.1 200 OK\r\n\r\n"), ("PRI ", b"HTTP/1.1 400 Bad Request\r\n\r\n")];
        const PAGE: &[(&str, &[u8])] = &[("POST", b"HTTP/1.1 404 Not Found\r\n\r\n")];
        assert_eq!(probed(server(HTTP), HttpProtobuf), ProbeResult::Accepts);
        assert_eq!(probed(server(HTTP), HttpJson), ProbeResult::Accepts);
        assert_eq!(probed(server(HTTP), Grpc), ProbeResult::OtherProtocol);
        assert_eq!(probed(server(GRPC), Grpc), ProbeResult::Accepts);
        assert_eq!(probed(server(GRPC), HttpProtobuf), ProbeResult::OtherProtocol);
        assert_eq!(probed(server(PAGE), HttpProtobuf), ProbeResult::Rejects(404));
        assert_eq!(probed(server(&[("POST", b"SSH-2.0-OpenSSH\r\n")]), HttpProtobuf), ProbeResult::NotOtlp);
        // Less than the head of an answer is an answer as well.
        const SHORT: [&[(&str, &[u8])]; 3] = [&[("", b"-ERR")], &[("POST", b"-ERR")], &[("PRI ", b"-ERR")]];
        for answers in SHORT {
            assert_eq!(probed(server(answers), HttpProtobuf), ProbeResult::NotOtlp, "{answers:?}");
            assert_eq!(probed(server(answers), Grpc), ProbeResult::NotOtlp, "{answers:?}");
        }
    }

    #[test]
    fn a_server_that_closes_the_connection_has_not_answered() {
        for protocol in [Protocol::HttpProtobuf, Protocol::Grpc] {
            assert_eq!(probed(server(&[]), protocol), ProbeResult::Closed);
        }
    }

    #[test]
    fn a_server_without_an_answer_in_time_has_not_answered() {
        // The kernel accepts connections of the backlog.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        for (scheme, protocol) in
            [("http", Protocol::HttpProtobuf), ("http", Protocol::Grpc), ("https", Protocol::Grpc)]
        {
            let endpoint = format!("{scheme}://{address}/v1/traces");
            assert_eq!(probed(endpoint, protocol), ProbeResult::TimedOut(STEP_TIMEOUT), "{scheme}");
        }
    }

    #[test]
    fn a_proxy_that_closes_the_connection_is_named() {
        let url = server(&[]);
        let proxy = Proxy { url: url.clone(), authorization: None, variable: "HTTP_PROXY" };
        let otlp = otlp("http://collector.example/".into(), Protocol::HttpProtobuf);
        let reason = "it closes the connection without an answer".to_owned();
        assert_eq!(
            probe(&Otlp { proxy: Some(proxy.into()), ..otlp }),
            ProbeResult::ProxyFailed { proxy: url, variable: "HTTP_PROXY", reason }
        );
    }

    #[test]
    fn a_host_that_is_no_name_for_tls_is_an_error_of_the_endpoint() {
        let ProbeResult::ExporterUnusable(reason, hint) = probed("https://-a.example/".into(), Protocol::Grpc) else {
            panic!()
        };
        assert_eq!(reason, "no TLS server can have the name `-a.example`");
        assert_eq!(hint.as_deref(), Some("correct `OTEL_EXPORTER_OTLP_ENDPOINT`"));
    }

    #[test]
    fn a_port_without_a_server_refuses_connections() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let ProbeResult::CannotConnect(reason) = probed(format!("http://{free}/"), Protocol::Grpc) else { panic!() };
        assert!(reason.contains("refused"), "{reason}");
    }
}
