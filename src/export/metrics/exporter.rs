//! opentelemetry-otlp's exporter, over the transport of all signals.
//!
//! The exporter makes the request of one program and hands it to its HTTP client, as protobuf. That client is ours: it adds
//! what the SDK does not keep (exemplars, histograms that programs add up themselves, other programs), encodes it for the
//! protocol that is configured, and delivers it. Nothing else of the exporter's request is used, so none of the variables
//! that the exporter reads by itself (URL, headers, compression) overrides a flag or a file.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use hyper::body::Bytes;
use opentelemetry_http::{HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{MetricExporter, Protocol, RetryPolicy, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter as _;
use prost::Message as _;

use crate::bounds::budget::{Budget, Charge};
use crate::export::delivery::{Delivery, Outcome};
use crate::export::failure::Failure;
use crate::export::sink::Sink;
use crate::signals::metrics::data::Collected;
use crate::signals::metrics::encode;

/// A URL that the exporter accepts; requests go where the sink leads.
const ANY_URL: &str = "http://localhost:4318/v1/metrics";

/// Exports metrics of programs, each export by one request.
pub(super) struct Exporter {
    /// `Err` where it cannot be made.
    exporter: Result<MetricExporter, Failure>,
    client: Arc<Client>,
}

/// An export that has been tried once.
pub(super) struct SentRequest {
    /// The encoded request, for further attempts.
    pub(super) request: Bytes,
    pub(super) outcome: Outcome,
    _charge: Charge,
}

/// The exporter's HTTP client.
struct Client {
    sink: Arc<Sink>,
    delivery: Arc<Delivery>,
    budget: Budget,
    /// What is being exported: the exporter itself passes on one program of it.
    export: Mutex<Option<Arc<Export>>>,
}

/// The metrics of all programs, and their request when it has been sent.
struct Export {
    programs: Vec<Collected>,
    points: u64,
    sent: OnceLock<Result<SentRequest, Failure>>,
}

impl Exporter {
    pub(super) fn new(sink: Arc<Sink>, delivery: Arc<Delivery>, timeout: Duration, budget: &Budget) -> Exporter {
        let client = Arc::new(Client { sink, delivery, budget: budget.clone(), export: Mutex::default() });
        let exporter = MetricExporter::builder()
            .with_temporality(Temporality::Cumulative)
            .with_http()
            .with_shared_http_client(Arc::clone(&client) as _)
            .with_endpoint(ANY_URL)
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(timeout)
            // Attempts are made, and what is sent is bounded, by the delivery.
            .with_retry_policy(RetryPolicy::disabled())
            .with_max_request_body_size(usize::MAX)
            .build();
        let exporter = exporter.map_err(|error| Failure::encoding(&std::io::Error::other(error)));
        Exporter { exporter, client }
    }

    /// Exports `points` of all programs by one request; `None` if it could not be made, which has been warned of.
    pub(super) async fn export(&self, programs: Vec<Collected>, points: u64) -> Option<SentRequest> {
        let export = Arc::new(Export { programs, points, sent: OnceLock::new() });
        *self.client.export.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&export));
        let first = export.programs.first()?;
        let exported = match &self.exporter {
            // The collector's answer is kept with the export; the exporter's own error is only text.
            Ok(exporter) => exporter.export(&first.metrics).await.map_err(std::io::Error::other),
            Err(failure) => Err(std::io::Error::other(failure.clone())),
        };
        self.client.export.lock().unwrap_or_else(PoisonError::into_inner).take();
        let sent = Arc::into_inner(export).and_then(|export| export.sent.into_inner());
        let unsent = || exported.err().unwrap_or_else(|| std::io::Error::other("the exporter has sent nothing"));
        match sent.unwrap_or_else(|| Err(Failure::encoding(&unsent()))) {
            Ok(sent) => Some(sent),
            Err(failure) => {
                self.client.delivery.failed(&failure);
                None
            }
        }
    }
}

impl Client {
    /// Completes and delivers the request that the exporter has made of the first program.
    async fn send(&self, export: &Export, request: Bytes) -> Result<SentRequest, Failure> {
        let request = ExportMetricsServiceRequest::decode(request).map_err(std::io::Error::other);
        let request = request.map_err(|error| Failure::encoding(&error))?;
        let request = self.sink.encode(&encode::complete(request, &export.programs))?;
        let charge = self.budget.charge(request.len());
        let outcome = self.delivery.attempt(request.clone(), export.points).await;
        Ok(SentRequest { request, outcome, _charge: charge })
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let export = self.export.lock().unwrap_or_else(PoisonError::into_inner).take();
        let export = export.ok_or("nothing is being exported")?;
        let sent = self.send(&export, request.into_body()).await;
        let is_accepted = sent.as_ref().is_ok_and(|sent| matches!(sent.outcome, Outcome::Accepted { .. }));
        let _ = export.sent.set(sent);
        // The exporter would only log which points were rejected.
        if is_accepted { Ok(Response::new(Bytes::new())) } else { Err("the export failed".into()) }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::metrics::MeterProvider as _;
    use opentelemetry_sdk::metrics::SdkMeterProvider;

    use super::*;
    use crate::config::{Exporter as ExporterConfig, JsonTarget};
    use crate::signals::Signal;
    use crate::signals::metrics::testing::reading;

    fn program() -> Collected {
        let count = |provider: &SdkMeterProvider| provider.meter("m").u64_counter("c").build().add(1, &[]);
        Collected { metrics: reading(SdkMeterProvider::builder(), count), ..Collected::default() }
    }

    #[tokio::test]
    async fn the_exporters_request_is_completed_and_delivered_once() {
        let folder = tempfile::tempdir().unwrap();
        let (file, notices, timeout) = (folder.path().join("metrics.jsonl"), Arc::default(), Duration::from_secs(1));
        let lines = ExporterConfig::JsonLines(JsonTarget::File(file.clone()));
        let sink = Sink::new(&lines, Signal::Metrics, &notices).unwrap();
        let delivery = Delivery::new(Arc::clone(&sink) as _, Signal::Metrics, timeout, &notices);
        let exporter = Exporter::new(sink, delivery, timeout, &Budget::new(1 << 20));
        for count in 1..=2 {
            let sent = exporter.export((0..count).map(|_| program()).collect(), 1).await.unwrap();
            assert_eq!(sent.outcome, Outcome::Accepted { rejected: 0 });
        }
        let text = std::fs::read_to_string(file).unwrap();
        let programs = text.lines().map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            line["resourceMetrics"].as_array().unwrap().len()
        });
        assert_eq!(programs.collect::<Vec<_>>(), [1, 2]);
    }
}
