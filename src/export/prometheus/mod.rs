//! The page that Prometheus scrapes: `http://localhost:9464/metrics`.

mod connections;
mod names;
mod targets;
mod text;

use std::collections::HashSet;
use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::{ACCEPT, ALLOW, CONTENT_TYPE};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc, oneshot};

use self::connections::{Connection, Connections};
use self::text::Format;
use crate::config::{self, ExporterSetting, SettingOrigin};
use crate::export::notices::ExportNotices;
use crate::signals::metrics::data::Collected;
use crate::ui::Explain;

/// How long a connection may take for the head of a request, and how long it may wait for the next one.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Metrics whose names are kept, to warn of each once.
const MAX_WARNINGS: usize = 32;
/// Requests that may wait for the metrics.
const MAX_SCRAPES: usize = connections::MOST;

/// A page cannot be offered.
#[derive(Debug, thiserror::Error)]
#[error("cannot offer metrics to Prometheus at `{at}`, the program keeps running without the page")]
pub(crate) struct CannotListen {
    at: String,
    origin: SettingOrigin,
    #[source]
    cause: std::io::Error,
}

impl CannotListen {
    fn at(config: &config::Prometheus, cause: std::io::Error) -> CannotListen {
        let at = format!("{}:{}", config.host, config.port);
        CannotListen { at, origin: config.origin.clone(), cause }
    }
}

impl Explain for CannotListen {
    fn hint(&self) -> Option<String> {
        let port = self.origin.name(ExporterSetting::Port);
        Some(match self.cause.kind() {
            std::io::ErrorKind::AddrInUse => format!("set {port} to a port that is free"),
            std::io::ErrorKind::PermissionDenied => format!("set {port} to a port above 1023"),
            _ => format!("set {} to an address of this machine", self.origin.name(ExporterSetting::Host)),
        })
    }
}

/// A request that waits for the metrics.
pub(crate) type Scrape = oneshot::Sender<Vec<Collected>>;

/// A page that is offered.
#[derive(Debug)]
pub(crate) struct Page {
    scrapes: mpsc::Receiver<Scrape>,
}

impl Page {
    /// Listens, or warns and does without. Must be called within a runtime; `wake` is notified when a page is requested.
    pub(crate) fn open(config: &config::Prometheus, notices: &Arc<ExportNotices>, wake: &Arc<Notify>) -> Option<Page> {
        let to_async = |listener: TcpListener| {
            listener.set_nonblocking(true)?;
            tokio::net::TcpListener::from_std(listener)
        };
        let listeners = listen(config).and_then(|bound| {
            let listeners: std::io::Result<Vec<_>> = bound.into_iter().map(to_async).collect();
            listeners.map_err(|cause| CannotListen::at(config, cause))
        });
        let listeners = listeners.inspect_err(|error| notices.warning_of(error)).ok()?;
        if config.port == 0
            && let Some(chosen) = listeners.first().and_then(|listener| listener.local_addr().ok())
        {
            notices.note(format_args!("metrics are at http://{chosen}/metrics"));
        }
        let (requests, scrapes) = mpsc::channel(MAX_SCRAPES);
        let server = Arc::new(Server {
            config: config.clone(),
            requests,
            wake: Arc::clone(wake),
            connections: Arc::default(),
            notices: Arc::clone(notices),
            left_out: Mutex::default(),
        });
        for listener in listeners {
            tokio::spawn(serve(Arc::clone(&server), listener));
        }
        Some(Page { scrapes })
    }

    /// The next request that waits, if there is one.
    pub(crate) fn next_scrape(&mut self) -> Option<Scrape> {
        self.scrapes.try_recv().ok()
    }
}

/// Whether a page could be offered now.
pub(crate) fn try_page(config: &config::Prometheus) -> Result<(), CannotListen> {
    listen(config).map(drop)
}

fn listen(config: &config::Prometheus) -> Result<Vec<TcpListener>, CannotListen> {
    bind(&config.host, config.port).map_err(|cause| CannotListen::at(config, cause))
}

/// Binds every address of a host: `localhost` has two, and a scraper may try either.
fn bind(host: &str, port: u16) -> std::io::Result<Vec<TcpListener>> {
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let mut bound: Vec<TcpListener> = Vec::new();
    let mut why = None;
    for address in (host, port).to_socket_addrs()? {
        // All share the port that the first one was given.
        let chosen = bound.first().and_then(|first| first.local_addr().ok()).map_or(port, |first| first.port());
        match TcpListener::bind(SocketAddr::new(address.ip(), chosen)) {
            Ok(listener) => bound.push(listener),
            // The program that has the port at this address would answer half of the requests.
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse && port != 0 => return Err(error),
            Err(error) => why = Some(error),
        }
    }
    if bound.is_empty() {
        return Err(why.unwrap_or_else(|| std::io::Error::other("the host has no address")));
    }
    Ok(bound)
}

struct Server {
    config: config::Prometheus,
    requests: mpsc::Sender<Scrape>,
    wake: Arc<Notify>,
    connections: Arc<Connections>,
    notices: Arc<ExportNotices>,
    /// Metrics that cannot be shown, of which a warning has been given.
    left_out: Mutex<HashSet<String>>,
}

async fn serve(server: Arc<Server>, listener: tokio::net::TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Dropped, and so closed, where all others are being answered.
                if let Some(connection) = Connections::admit(&server.connections) {
                    tokio::spawn(converse(Arc::clone(&server), stream, connection));
                }
            }
            // For example no file descriptor is left: that passes, and must not keep this thread busy until then.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn converse(server: Arc<Server>, stream: TcpStream, connection: Connection) {
    let answer = service_fn(|request| {
        let server = Arc::clone(&server);
        let answering = connection.answering();
        async move {
            let answer = answer(&server, &request).await;
            drop(answering);
            Ok::<_, Infallible>(answer)
        }
    });
    let http = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), answer);
    tokio::select! {
        // A client that hangs up in the middle needs no answer.
        _ = http => {}
        () = connection.displaced() => {}
    }
}

async fn answer(server: &Server, request: &Request<Incoming>) -> Response<String> {
    if request.uri().path() != "/metrics" {
        return plain(StatusCode::NOT_FOUND, "metrics are at /metrics\n");
    }
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let mut answer = plain(StatusCode::METHOD_NOT_ALLOWED, "");
        answer.headers_mut().insert(ALLOW, http::HeaderValue::from_static("GET, HEAD"));
        return answer;
    }
    let (reply, collected) = oneshot::channel();
    let requested = server.requests.send(reply).await;
    server.wake.notify_one();
    let (Ok(()), Ok(all)) = (requested, collected.await) else {
        return plain(StatusCode::SERVICE_UNAVAILABLE, "the program has ended\n");
    };
    let accepts = request.headers().get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let format = negotiate(accepts);
    let page = text::render(&all, format, &server.config);
    warn_of(server, page.left_out);
    let mut answer = plain(StatusCode::OK, page.text);
    answer.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static(format.content_type()));
    answer
}

fn warn_of(server: &Server, left_out: Vec<String>) {
    let mut warned = server.left_out.lock().unwrap_or_else(PoisonError::into_inner);
    for name in left_out {
        if warned.len() < MAX_WARNINGS && warned.insert(name.clone()) {
            let cause = "another metric has this name and another type".to_owned();
            server.notices.warning(format_args!("cannot offer `{name}` to Prometheus"), vec![cause], None);
        }
    }
}

fn plain(status: StatusCode, text: impl Into<String>) -> Response<String> {
    let mut answer = Response::new(text.into());
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("text/plain; charset=utf-8"));
    answer
}

/// OpenMetrics for clients that accept it by name and prefer nothing else; the older format for all others.
fn negotiate<'a>(accepts: impl Iterator<Item = &'a str>) -> Format {
    let (mut open, mut text) = (0.0, 0.0);
    for range in accepts.flat_map(|header| header.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        let parameter = |name: &str| range.split(';').find_map(|part| part.trim().strip_prefix(name));
        let quality: f32 = parameter("q=").and_then(|q| q.parse().ok()).unwrap_or(1.0);
        let version = parameter("version=").unwrap_or("");
        if kind.eq_ignore_ascii_case("application/openmetrics-text") && ["", "1.0.0"].contains(&version) {
            open = quality.max(open);
        } else if kind.eq_ignore_ascii_case("text/plain") && ["", "0.0.4"].contains(&version) {
            text = quality.max(text);
        }
    }
    if open > 0.0 && open >= text { Format::OpenMetrics } else { Format::Text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_the_one_that_the_client_prefers() {
        for (accept, expected) in [
            ("", Format::Text),
            ("*/*", Format::Text),
            ("text/html", Format::Text),
            ("application/openmetrics-text", Format::OpenMetrics),
            ("application/openmetrics-text; version=0.0.1", Format::Text),
            ("text/plain;q=0.5,application/openmetrics-text;version=1.0.0;q=0.2", Format::Text),
            // Prometheus 2 and 3.
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                 text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                Format::OpenMetrics,
            ),
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
                 text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
                Format::OpenMetrics,
            ),
        ] {
            assert_eq!(negotiate([accept].into_iter()), expected, "{accept}");
        }
    }

    #[tokio::test]
    async fn every_address_of_a_host_has_the_same_port() {
        let listeners = bind("localhost", 0).unwrap();
        let ports: HashSet<u16> = listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect();
        assert_eq!(ports.len(), 1);
        assert!(listeners.iter().all(|listener| listener.local_addr().unwrap().ip().is_loopback()));
        let taken = ports.into_iter().next().unwrap();
        let error = bind("localhost", taken).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    }

    #[test]
    fn a_host_without_a_name_is_an_error() {
        assert!(bind("no-such-host.invalid", 0).is_err());
    }
}
