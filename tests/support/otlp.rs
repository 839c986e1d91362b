//! An OTLP receiver in this process: http/protobuf and gRPC on one port of the system's choice.

use std::io::Read;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{ExportMetricsServiceRequest, ExportMetricsServiceResponse};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use prost::Message;
use tonic::{Request, Response, Status};

use super::expect::Traces;
use super::metrics::Metrics;
use super::model;

#[derive(Default)]
struct Received {
    traces: Traces,
    metrics: Metrics,
    /// Export requests by way: `http` or `grpc`.
    ways: Vec<&'static str>,
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
        received.ways.push(way);
    }
}

/// A running receiver; it lives as long as the test process.
pub(crate) struct Otlp {
    store: Store,
    address: SocketAddr,
}

impl Otlp {
    pub(crate) fn start() -> Self {
        let store = Store::default();
        let (tell, told) = std::sync::mpsc::channel();
        let served = store.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
                tell.send(listener.local_addr().expect("its number")).expect("the test waits");
                axum::serve(listener, router(served)).await.expect("axum serves for ever");
            });
        });
        Self { store, address: told.recv().expect("the receiver starts") }
    }

    /// `http://127.0.0.1:port`
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn traces(&self) -> Traces {
        self.store.lock().traces.clone()
    }

    pub(crate) fn metrics(&self) -> Metrics {
        self.store.lock().metrics.clone()
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

fn decode<M: Message + Default>(headers: &HeaderMap, body: &[u8]) -> Option<M> {
    if headers.get("content-encoding").is_none_or(|encoding| encoding != "gzip") {
        return M::decode(body).ok();
    }
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(body).read_to_end(&mut plain).ok()?;
    M::decode(plain.as_slice()).ok()
}

fn router(store: Store) -> Router {
    let (for_traces, for_metrics) = (store.clone(), store.clone());
    let traces = move |headers: HeaderMap, body: Bytes| async move {
        let Some(request) = decode::<ExportTraceServiceRequest>(&headers, &body) else {
            return StatusCode::BAD_REQUEST;
        };
        for_traces.traces(&request, "http");
        StatusCode::OK
    };
    let metrics = move |headers: HeaderMap, body: Bytes| async move {
        let Some(request) = decode::<ExportMetricsServiceRequest>(&headers, &body) else {
            return StatusCode::BAD_REQUEST;
        };
        for_metrics.metrics(&request, "http");
        StatusCode::OK
    };
    let service = "/opentelemetry.proto.collector";
    Router::new()
        .route("/v1/traces", post(traces))
        .route("/v1/metrics", post(metrics))
        .route_service(&format!("{service}.trace.v1.TraceService/Export"), TraceServiceServer::new(store.clone()))
        .route_service(&format!("{service}.metrics.v1.MetricsService/Export"), MetricsServiceServer::new(store))
        .layer(axum::extract::DefaultBodyLimit::max(64 << 20))
}

#[tonic::async_trait]
impl TraceService for Store {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.traces(request.get_ref(), "grpc");
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Store {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        self.metrics(request.get_ref(), "grpc");
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}
