//! OTLP over HTTP and gRPC, by one kind of client: a request is encoded once, however often it is sent.

mod answer;
mod grpc;
mod retry;

use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{
    CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHORIZATION, USER_AGENT,
};
use http::{StatusCode, Uri};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use prost::Message;
use serde::Serialize;
use tonic::body::Body;

use super::connect::{Alert, Connector};
use super::failure::Failure;
use super::json;
use super::notices::{ExportNotices, ExportTarget};
use super::sink::Unusable;
use crate::config::{Otlp, Protocol};
use crate::signals::Signal;

/// The longest answer that is read.
const MAX_ANSWER: usize = 1 << 20;
const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const GZIP: HeaderValue = HeaderValue::from_static("gzip");

/// The client below both transports.
type Client = hyper_util::client::legacy::Client<Connector, Body>;

/// Sends one signal to one collector.
pub(crate) struct OtlpSender {
    transport: Transport,
    alert: Alert,
    config: Otlp,
    signal: Signal,
    notices: Arc<ExportNotices>,
    /// The time before which the collector accepts no further request.
    paused_until: Mutex<Option<Instant>>,
}

enum Transport {
    Http { client: Client, target: Uri, headers: HeaderMap },
    Grpc(grpc::Method),
}

impl OtlpSender {
    pub(crate) fn new(config: &Otlp, signal: Signal, notices: &Arc<ExportNotices>) -> Result<OtlpSender, Unusable> {
        let target: Uri = config.endpoint.as_str().parse().map_err(Unusable::Endpoint)?;
        let connector = Connector::new(config)?;
        let alert = connector.alert();
        let is_grpc = config.protocol == Protocol::Grpc;
        let client = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .http2_only(is_grpc)
            .build(connector);
        let headers = headers(config);
        let transport = match is_grpc {
            true => Transport::Grpc(grpc::Method::new(client, target, signal, headers, config.gzip)),
            false => Transport::Http { client, target, headers },
        };
        let (config, notices) = (config.clone(), Arc::clone(notices));
        Ok(OtlpSender { transport, alert, config, signal, notices, paused_until: Mutex::default() })
    }

    /// Where it sends.
    pub(crate) fn target(&self) -> ExportTarget {
        let proxy = self.config.proxy.as_ref().map(|proxy| proxy.variable);
        ExportTarget { name: self.config.endpoint.as_str().to_owned(), origin: self.config.origin.clone(), proxy }
    }

    /// A request as it is sent. tonic frames that of gRPC.
    pub(super) fn encode(&self, request: &(impl Message + Serialize)) -> std::io::Result<Bytes> {
        let plain = match self.config.protocol {
            Protocol::Grpc | Protocol::HttpProtobuf => request.encode_to_vec(),
            Protocol::HttpJson => json::encode(request)?,
        };
        self.pack(plain)
    }

    /// Whether requests are sent as protobuf.
    pub(super) fn takes_protobuf(&self) -> bool {
        self.config.protocol != Protocol::HttpJson
    }

    /// An encoded request as it is sent.
    pub(super) fn pack(&self, plain: Vec<u8>) -> std::io::Result<Bytes> {
        let packed = if self.config.gzip {
            // Most of what can be saved is saved at once; better levels cost more than twice the time.
            let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 4), Compression::fast());
            encoder.write_all(&plain)?;
            encoder.finish()?
        } else {
            plain
        };
        // Without spare capacity: it may wait for long.
        Ok(packed.into_boxed_slice().into())
    }

    /// Sends an encoded request, again if need be, for as long as an export may take; returns how many of its items the
    /// collector rejected.
    pub(super) async fn send(&self, body: Bytes) -> Result<u64, Failure> {
        let deadline = Instant::now() + self.config.timeout;
        let mut last = None;
        for attempt in 0.. {
            let pause = if attempt == 0 { Duration::ZERO } else { retry::backoff(attempt) };
            let start = self.paused_until().map_or(Instant::now() + pause, |until| until.max(Instant::now() + pause));
            if start >= deadline {
                return Err(last.unwrap_or_else(Failure::paused));
            }
            tokio::time::sleep_until(start.into()).await;
            let Ok(answer) = tokio::time::timeout_at(deadline.into(), self.attempt(body.clone())).await else {
                return Err(last.unwrap_or_else(|| Failure::timeout(self.config.timeout)));
            };
            let failure = match answer {
                Ok(rejected) => return Ok(rejected),
                Err(failure) => failure,
            };
            if let Some(until) = failure.retry_after().and_then(|wait| Instant::now().checked_add(wait)) {
                self.pause_until(until);
            }
            if !failure.is_retryable() || retry::is_enough(&failure, attempt) {
                return Err(failure);
            }
            last = Some(failure);
        }
        unreachable!("the loop has no end")
    }

    /// Sends an encoded request once.
    pub(super) async fn attempt(&self, body: Bytes) -> Result<u64, Failure> {
        let (rejected, words) = match &self.transport {
            Transport::Http { client, target, headers } => self.post(client, target, headers, body).await?,
            Transport::Grpc(method) => {
                let answer = method.call(body).await.map_err(|status| self.failure_of(&status))?;
                answer::partial_success_in_protobuf(&answer)
            }
        };
        if !words.is_empty() {
            let words = answer::shortened(&words);
            self.notices.accepted_with_warning(self.signal.many(), self.config.endpoint.as_str(), &words);
        }
        Ok(rejected)
    }

    async fn post(
        &self,
        client: &Client,
        target: &Uri,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<(u64, String), Failure> {
        let mut request = http::Request::new(Body::new(Full::new(body)));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = target.clone();
        *request.headers_mut() = headers.clone();
        let answer = client.request(request).await.map_err(|error| self.no_answer(&error))?;
        let (head, body) = answer.into_parts();
        let body = answer::read(body).await.map_err(|error| self.no_answer(error.as_ref()))?.to_bytes();
        match (head.status, &self.config.proxy) {
            (StatusCode::OK, _) => Ok(answer::partial_success(&head.headers, &body)),
            (StatusCode::PROXY_AUTHENTICATION_REQUIRED, Some(proxy)) => Err(Failure::proxy_authentication(&proxy.url)),
            _ => Err(answer::failure(&head, &body)),
        }
    }

    /// What a gRPC status stands for: the collector's own, or what came instead of one.
    fn failure_of(&self, status: &tonic::Status) -> Failure {
        let Some(source) = std::error::Error::source(status) else { return grpc::failure(status) };
        match source.downcast_ref::<Failure>() {
            Some(failure) => failure.clone(),
            None => self.no_answer(source),
        }
    }

    /// An alert that the collector sent before it closed the connection is the cause of that.
    fn no_answer(&self, error: &(dyn std::error::Error + 'static)) -> Failure {
        let failure = match self.alert.take() {
            Some(alert) => Failure::tls(&alert),
            None => Failure::transport(error),
        };
        match &self.config.proxy {
            Some(proxy) => failure.through_proxy(&proxy.url),
            None => failure,
        }
    }

    fn paused_until(&self) -> Option<Instant> {
        *self.paused_until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pause_until(&self, until: Instant) {
        let mut known = self.paused_until.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some(known.map_or(until, |known| known.max(until)));
    }
}

/// The headers of each request. tonic adds those of gRPC.
fn headers(config: &Otlp) -> HeaderMap {
    let mut map = HeaderMap::new();
    map.insert(USER_AGENT, HeaderValue::from_static(concat!("otel-rs/", env!("CARGO_PKG_VERSION"))));
    for (name, value) in &config.headers.0 {
        if let (Ok(name), Ok(mut value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
            value.set_sensitive(true);
            map.insert(name, value);
        }
    }
    // After the configured ones, since these are facts.
    match config.protocol {
        Protocol::Grpc => {
            map.remove(CONTENT_TYPE);
            map.remove("grpc-encoding");
        }
        Protocol::HttpProtobuf => _ = map.insert(CONTENT_TYPE, PROTOBUF),
        Protocol::HttpJson => _ = map.insert(CONTENT_TYPE, JSON),
    }
    if config.gzip && config.protocol != Protocol::Grpc {
        map.insert(CONTENT_ENCODING, GZIP);
    }
    if let Some(proxy) = config.proxy.as_ref().filter(|_| !config.is_tunneled()) {
        map.remove(PROXY_AUTHORIZATION);
        map.extend(proxy.authorization.clone().map(|value| (PROXY_AUTHORIZATION, value)));
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_name_what_is_sent_whatever_is_configured() {
        let mut otlp = Otlp {
            endpoint: crate::config::Endpoint::of_test("http://localhost:4318"),
            protocol: Protocol::HttpJson,
            headers: crate::config::Headers(vec![("x".into(), "a%20b".into()), ("content-type".into(), "x/y".into())]),
            gzip: true,
            timeout: Duration::from_secs(1),
            tls: crate::config::Tls::default(),
            proxy: None,
            origin: crate::config::SettingOrigin::default(),
        };
        let map = headers(&otlp);
        assert_eq!((&map["x"], &map["content-type"]), (&HeaderValue::from_static("a%20b"), &JSON));
        assert_eq!((&map["content-encoding"], map.get("te")), (&GZIP, None));
        otlp.protocol = Protocol::Grpc;
        let map = headers(&otlp);
        assert_eq!((map.get("content-type"), map.get("content-encoding")), (None, None), "tonic adds its own");
        assert!(format!("{map:?}").contains("Sensitive"), "{map:?}");
    }
}
