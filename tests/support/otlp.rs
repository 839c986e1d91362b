//! An OTLP receiver in this process: HTTP with protobuf or JSON and gRPC, on one port of the system's choice, with TLS or
//! without, and with the failures that a test configures.

use std::collections::{BTreeMap, VecDeque};
use std::io::Read;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request as HttpRequest, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response as Reply};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{LogsService, LogsServiceServer};
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{ExportMetricsServiceRequest, ExportMetricsServiceResponse};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message;
use serde::de::DeserializeOwned;
use tonic::codec::CompressionEncoding;
use tonic::{Code, Request, Response, Status};

use super::expect::Traces;
use super::logs::{self, Log};
use super::metrics::Metrics;
use super::{model, tls};

/// How the receiver answers one request.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// It accepts all but so many, with a reason.
    Partly(i64, &'static str),
    /// HTTP's status or gRPC's code, and when to come again: a `Retry-After`, or its seconds as a `RetryInfo`.
    Failed(u16, Code, Option<String>),
    /// None at all.
    Never,
}

/// An export request as it came in.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) at: Instant,
    /// The URL's path.
    pub(crate) path: String,
    /// Header lines by name.
    pub(crate) headers: BTreeMap<String, String>,
}

#[derive(Default)]
struct Received {
    traces: Traces,
    metrics: Metrics,
    /// The same export by export.
    metric_exports: Vec<Metrics>,
    logs: Vec<Log>,
    /// Export requests by way: `http` or `grpc`.
    ways: Vec<&'static str>,
    /// All requests, answered or not.
    requests: Vec<Seen>,
    /// Bodies that were JSON, by path.
    json: Vec<(String, serde_json::Value)>,
    /// All bodies over HTTP, unpacked, if they are kept.
    bodies: Option<Vec<Vec<u8>>>,
    /// What to answer, instead of yes.
    answers: VecDeque<Answer>,
}

#[derive(Clone, Default)]
struct Store(Arc<Mutex<Received>>);

impl Store {
    fn lock(&self) -> std::sync::MutexGuard<'_, Received> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn traces(&self, request: &ExportTraceServiceRequest, way: &'static str) {
        let mut received = self.lock();
        received.traces.0.extend(model::spans(request));
        received.ways.push(way);
    }

    fn metrics(&self, request: &ExportMetricsServiceRequest, way: &'static str) {
        let mut received = self.lock();
        received.metrics.add(request);
        received.metric_exports.push(Metrics::of(request));
        received.ways.push(way);
    }

    fn logs(&self, request: &ExportLogsServiceRequest, way: &'static str) {
        let mut received = self.lock();
        received.logs.extend(logs::logs(request));
        received.ways.push(way);
    }

    /// Keeps the request, or fails as the test has set it. The answers of all signals look alike.
    async fn answer(&self, keep: impl FnOnce()) -> Result<ExportTraceServiceResponse, (u16, Code, Option<String>)> {
        let answer = self.lock().answers.pop_front();
        match answer {
            Some(Answer::Failed(status, code, again)) => return Err((status, code, again)),
            Some(Answer::Never) => std::future::pending().await,
            Some(Answer::Partly(rejected_spans, message)) => {
                keep();
                let partial_success =
                    Some(ExportTracePartialSuccess { rejected_spans, error_message: message.to_owned() });
                return Ok(ExportTraceServiceResponse { partial_success });
            }
            None => {}
        }
        keep();
        Ok(ExportTraceServiceResponse::default())
    }

    async fn http<M: Message + Default + DeserializeOwned>(
        &self,
        path: &str,
        headers: &HeaderMap,
        body: &[u8],
        keep: fn(&Store, &M, &'static str),
    ) -> Reply {
        let Some(plain) = unpacked(headers, body) else { return StatusCode::BAD_REQUEST.into_response() };
        if let Some(bodies) = &mut self.lock().bodies {
            bodies.push(plain.clone());
        }
        let is_json = headers.get("content-type").is_some_and(|kind| kind == "application/json");
        let request = if is_json {
            let Ok(value) = serde_json::from_slice(&plain) else { return StatusCode::BAD_REQUEST.into_response() };
            self.lock().json.push((path.to_owned(), value));
            serde_json::from_slice(&plain).ok()
        } else {
            M::decode(&plain[..]).ok()
        };
        let Some(request) = request else { return StatusCode::BAD_REQUEST.into_response() };
        match self.answer(|| keep(self, &request, "http")).await {
            Ok(response) if is_json => ([("content-type", "application/json")], in_json(&response)).into_response(),
            Ok(response) => ([("content-type", "application/x-protobuf")], response.encode_to_vec()).into_response(),
            Err((status, _, again)) => {
                let status = StatusCode::from_u16(status).expect("a status");
                let again = again.map(|again| [("retry-after", again)]);
                (status, again.map_or_else(HeaderMap::new, |again| as_headers(&again))).into_response()
            }
        }
    }

    async fn grpc<R: Message + Default>(&self, keep: impl FnOnce()) -> Result<Response<R>, Status> {
        match self.answer(keep).await {
            Ok(response) => Ok(Response::new(R::decode(&response.encode_to_vec()[..]).expect("the same on the wire"))),
            Err((_, code, again)) => {
                let seconds = again.map(|again| again.parse().expect("seconds"));
                let details = seconds.map(retry_info).unwrap_or_default();
                Err(Status::with_details(code, "on purpose", details.into()))
            }
        }
    }
}

fn as_headers(pairs: &[(&'static str, String)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value"))).collect()
}

fn in_json(response: &ExportTraceServiceResponse) -> String {
    let Some(partial) = &response.partial_success else { return "{}".into() };
    let (rejected, words) = (partial.rejected_spans.to_string(), &partial.error_message);
    let partial = serde_json::json!({"rejectedSpans": rejected, "errorMessage": words});
    serde_json::json!({ "partialSuccess": partial }).to_string()
}

/// A `google.rpc.Status` that holds a `google.rpc.RetryInfo` of less than 128 s and nothing else, byte by byte.
fn retry_info(seconds: u8) -> Vec<u8> {
    let with_length = |tag: u8, bytes: &[u8]| [&[tag, bytes.len() as u8], bytes].concat();
    let info = with_length(0x0a, &[0x08, seconds]);
    let kind = with_length(0x0a, b"type.googleapis.com/google.rpc.RetryInfo");
    with_length(0x1a, &[kind, with_length(0x12, &info)].concat())
}

/// A running receiver; it lives as long as the test process.
pub(crate) struct Otlp {
    store: Store,
    address: SocketAddr,
    scheme: &'static str,
}

impl Otlp {
    pub(crate) fn start() -> Self {
        Self::listen("127.0.0.1:0", false, None).expect("a port")
    }

    /// A receiver that keeps what comes over HTTP byte by byte.
    pub(crate) fn keeping_bodies() -> Self {
        let otlp = Self::start();
        otlp.store.lock().bodies = Some(Vec::new());
        otlp
    }

    /// Whether a text is in what has come over HTTP.
    pub(crate) fn has_received(&self, text: &str) -> bool {
        let received = self.store.lock();
        let bodies = received.bodies.as_ref().expect("a receiver that keeps bodies");
        bodies.iter().any(|body| body.windows(text.len()).any(|bytes| bytes == text.as_bytes()))
    }

    /// A receiver that takes requests and never answers.
    pub(crate) fn silent() -> Self {
        Self::listen("127.0.0.1:0", true, None).expect("a port")
    }

    /// A receiver where the world expects one.
    pub(crate) fn start_at(address: &str) -> std::io::Result<Self> {
        Self::listen(address, false, None)
    }

    /// A receiver with TLS.
    pub(crate) fn secure(config: tls::Config) -> Self {
        Self::listen("127.0.0.1:0", false, Some(config)).expect("a port")
    }

    fn listen(address: &str, silent: bool, config: Option<tls::Config>) -> std::io::Result<Self> {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let store = Store::default();
        let served = store.clone();
        let scheme = if config.is_some() { "https" } else { "http" };
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).expect("it does not block");
                let router = router(served, silent);
                match config {
                    None => axum::serve(listener, router).await,
                    Some(config) => axum::serve(tls::Listener::new(listener, config), router).await,
                }
                .expect("axum serves for ever");
            });
        });
        Ok(Self { store, address, scheme })
    }

    /// `http://127.0.0.1:port`
    pub(crate) fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// Answers the next requests so.
    pub(crate) fn will(&self, answers: impl IntoIterator<Item = Answer>) {
        self.store.lock().answers.extend(answers);
    }

    /// All bodies so far that were JSON, of one path.
    pub(crate) fn json(&self, path: &str) -> Vec<serde_json::Value> {
        let received = self.store.lock();
        received.json.iter().filter(|(other, _)| other == path).map(|(_, body)| body.clone()).collect()
    }

    pub(crate) fn traces(&self) -> Traces {
        self.store.lock().traces.clone()
    }

    pub(crate) fn metrics(&self) -> Metrics {
        self.store.lock().metrics.clone()
    }

    /// What each export of metrics held, in order of arrival.
    pub(crate) fn metric_exports(&self) -> Vec<Metrics> {
        self.store.lock().metric_exports.clone()
    }

    pub(crate) fn logs(&self) -> Vec<Log> {
        self.store.lock().logs.clone()
    }

    /// Export requests of one signal: `trace`, `metric` or `log`, in order of arrival.
    pub(crate) fn requests(&self, signal: &str) -> Vec<Seen> {
        let all = &self.store.lock().requests;
        all.iter().filter(|seen| seen.path.to_ascii_lowercase().contains(signal)).cloned().collect()
    }

    pub(crate) fn ways(&self) -> Vec<&'static str> {
        self.store.lock().ways.clone()
    }

    /// Number of spans so far, without a copy.
    pub(crate) fn spans(&self) -> usize {
        self.store.lock().traces.0.len()
    }

    /// Forgets what was received, so that long runs stay small.
    pub(crate) fn forget(&self) {
        *self.store.lock() = Received::default();
    }
}

fn unpacked(headers: &HeaderMap, body: &[u8]) -> Option<Vec<u8>> {
    if headers.get("content-encoding").is_none_or(|encoding| encoding != "gzip") {
        return Some(body.to_vec());
    }
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(body).read_to_end(&mut plain).ok()?;
    Some(plain)
}

/// Remembers a request before it is answered, which may be never. An answer of gRPC names the encoding of its request, as
/// grpc-go's do.
async fn see(State((store, silent)): State<(Store, bool)>, request: HttpRequest, next: Next) -> Reply {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = request.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let path = request.uri().path().to_owned();
    store.lock().requests.push(Seen { at: Instant::now(), path, headers });
    if silent {
        std::future::pending::<()>().await;
    }
    let encoding = request.headers().get("grpc-encoding").cloned();
    let mut reply = next.run(request).await;
    if let Some(encoding) = encoding {
        reply.headers_mut().insert("grpc-encoding", encoding);
    }
    reply
}

fn router(store: Store, silent: bool) -> Router {
    let seeing = from_fn_with_state((store.clone(), silent), see);
    let (for_traces, for_metrics, for_logs) = (store.clone(), store.clone(), store.clone());
    let traces = move |headers: HeaderMap, body: Bytes| async move {
        for_traces.http("/v1/traces", &headers, &body, Store::traces).await
    };
    let metrics = move |headers: HeaderMap, body: Bytes| async move {
        for_metrics.http("/v1/metrics", &headers, &body, Store::metrics).await
    };
    let logs = move |headers: HeaderMap, body: Bytes| async move {
        for_logs.http("/v1/logs", &headers, &body, Store::logs).await
    };
    let service = "/opentelemetry.proto.collector";
    let gzip = CompressionEncoding::Gzip;
    let grpc_traces = TraceServiceServer::new(store.clone()).accept_compressed(gzip);
    let grpc_metrics = MetricsServiceServer::new(store.clone()).accept_compressed(gzip);
    let grpc_logs = LogsServiceServer::new(store.clone()).accept_compressed(gzip);
    Router::new()
        .route("/v1/traces", post(traces))
        .route("/v1/metrics", post(metrics))
        .route("/v1/logs", post(logs))
        .route_service(&format!("{service}.trace.v1.TraceService/Export"), grpc_traces)
        .route_service(&format!("{service}.metrics.v1.MetricsService/Export"), grpc_metrics)
        .route_service(&format!("{service}.logs.v1.LogsService/Export"), grpc_logs)
        .layer(axum::extract::DefaultBodyLimit::max(64 << 20))
        .layer(seeing)
}

#[tonic::async_trait]
impl TraceService for Store {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.grpc(|| self.traces(request.get_ref(), "grpc")).await
    }
}

#[tonic::async_trait]
impl MetricsService for Store {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        self.grpc(|| self.metrics(request.get_ref(), "grpc")).await
    }
}

#[tonic::async_trait]
impl LogsService for Store {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        self.grpc(|| self.logs(request.get_ref(), "grpc")).await
    }
}
