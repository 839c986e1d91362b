//! OTLP over HTTP and gRPC.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry_http::hyper::HyperClient;
use opentelemetry_http::{Bytes, HttpClient, HttpError};
use opentelemetry_otlp::{
    MetricExporter, Protocol as OtlpProtocol, SpanExporter, WithExportConfig, WithHttpConfig, WithTonicConfig,
};
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint};

use super::complaints::Failure;
use super::connect::Connector;
use crate::config::{Otlp, Protocol};
use crate::ui::Explain;

/// What keeps an exporter from being made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExporterError {
    /// TLS cannot be used at all.
    #[error("cannot set up TLS")]
    Tls(#[from] rustls::Error),
    /// The endpoint is a URL, but not one that can be connected to.
    #[error("cannot use the endpoint `{endpoint}`")]
    Endpoint {
        /// Without credentials.
        endpoint: String,
        #[source]
        cause: tonic::transport::Error,
    },
    /// The exporter says no.
    #[error("cannot set up the exporter for `{endpoint}`")]
    Build {
        /// Without credentials.
        endpoint: String,
        #[source]
        cause: opentelemetry_otlp::ExporterBuildError,
    },
}

impl Explain for ExporterError {
    fn hint(&self) -> Option<String> {
        Some("check OTEL_EXPORTER_OTLP_ENDPOINT".into())
    }
}

/// What went wrong last on a way to a collector: the exporter itself tells HTTP's errors from each other no more, and
/// keeps to itself what a collector took only in part.
#[derive(Debug, Default)]
pub(crate) struct LastFailure {
    failure: Mutex<Option<Failure>>,
    rejected: AtomicU64,
}

impl LastFailure {
    fn set(&self, failure: Option<Failure>) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = failure;
    }

    /// Spans or points that a collector has sent back out of exports that it took otherwise, since the last call.
    pub(crate) fn rejected(&self) -> u64 {
        self.rejected.swap(0, Relaxed)
    }

    /// The failure behind an exporter's result.
    pub(crate) fn behind(&self, result: OTelSdkResult) -> Result<(), Failure> {
        let Err(error) = result else { return Ok(()) };
        let known = self.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        Err(known.unwrap_or_else(|| from_text(&error)))
    }
}

/// gRPC exporters put the status into their message and nowhere else.
fn from_text(error: &OTelSdkError) -> Failure {
    let text = match error {
        OTelSdkError::InternalFailure(text) => text.trim().to_owned(),
        other => other.to_string(),
    };
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    const NEVER: &[&str] = &[
        "InvalidArgument",
        "NotFound",
        "PermissionDenied",
        "Unauthenticated",
        "Unimplemented",
        "FailedPrecondition",
        "not implemented",
        "invalid argument",
        "does not have permission",
        "valid authentication",
    ];
    let shown = without_ceremony(&text);
    if has(NEVER) {
        Failure::Refused(shown)
    } else if has(&["ResourceExhausted", "resource has been exhausted"]) {
        Failure::Busy(shown)
    } else {
        Failure::Unreachable(shown)
    }
}

/// "TonicTracesClient export failed with gRPC code: Unavailable: transport error: tcp connect error: tcp connect error:
/// Connection refused" says it all in its last two words; a collector's own answer begins with its code.
fn without_ceremony(text: &str) -> String {
    let text = text.split_once("gRPC code: ").map_or(text, |(_, rest)| rest);
    let text = text.split_once("transport error: ").map_or(text, |(_, rest)| rest);
    let mut parts: Vec<&str> = text.split(": ").collect();
    parts.dedup();
    parts.join(": ")
}

/// A way to a collector.
enum Transport {
    Http(Arc<dyn HttpClient>),
    Grpc(Channel),
}

impl Transport {
    fn new(otlp: &Otlp, last: &Arc<LastFailure>) -> Result<Transport, ExporterError> {
        let connector = Connector::new(otlp)?;
        match otlp.protocol {
            Protocol::HttpProtobuf => {
                let inner = HyperClient::new(connector, otlp.timeout, None);
                Ok(Transport::Http(Arc::new(Remembering { inner, last: Arc::clone(last) })))
            }
            Protocol::Grpc => {
                let endpoint = || crate::telemetry::redact::url(&otlp.endpoint).into_owned();
                let channel = Endpoint::from_shared(otlp.endpoint.clone())
                    .and_then(|target| target.user_agent(concat!("otel-rs/", env!("CARGO_PKG_VERSION"))))
                    .map_err(|cause| ExporterError::Endpoint { endpoint: endpoint(), cause })?
                    .timeout(otlp.timeout)
                    .connect_timeout(otlp.timeout)
                    .connect_with_connector_lazy(connector);
                Ok(Transport::Grpc(channel))
            }
        }
    }
}

macro_rules! exporter {
    ($name:ident, $Exporter:ident, $what:literal) => {
        /// An exporter of
        #[doc = $what]
        /// . Must be called within a runtime.
        pub(crate) fn $name(otlp: &Otlp) -> Result<($Exporter, Arc<LastFailure>), ExporterError> {
            let last = Arc::new(LastFailure::default());
            let built = match Transport::new(otlp, &last)? {
                Transport::Grpc(channel) => $Exporter::builder()
                    .with_tonic()
                    .with_channel(channel)
                    .with_metadata(MetadataMap::from_headers(header_map(otlp)))
                    .with_timeout(otlp.timeout)
                    .build(),
                Transport::Http(client) => $Exporter::builder()
                    .with_http()
                    .with_protocol(OtlpProtocol::HttpBinary)
                    .with_endpoint(otlp.endpoint.clone())
                    .with_shared_http_client(client)
                    .with_headers(encoded_headers(otlp))
                    .with_timeout(otlp.timeout)
                    .build(),
            };
            let endpoint = || crate::telemetry::redact::url(&otlp.endpoint).into_owned();
            let exporter = built.map_err(|cause| ExporterError::Build { endpoint: endpoint(), cause })?;
            Ok((exporter, last))
        }
    };
}
exporter!(span_exporter, SpanExporter, "spans");
exporter!(metric_exporter, MetricExporter, "metrics");

fn header_map(otlp: &Otlp) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in &otlp.headers.0 {
        if let (Ok(name), Ok(mut value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
            value.set_sensitive(true);
            map.insert(name, value);
        }
    }
    map
}

/// The HTTP exporter decodes what it is given, the gRPC exporter does not: ours are decoded already.
fn encoded_headers(otlp: &Otlp) -> HashMap<String, String> {
    otlp.headers.0.iter().map(|(name, value)| (name.clone(), value.replace('%', "%25"))).collect()
}

/// An HTTP client that remembers why it failed.
#[derive(Debug)]
struct Remembering {
    inner: HyperClient<Connector>,
    last: Arc<LastFailure>,
}

type Answer<'a> = Pin<Box<dyn Future<Output = Result<http::Response<Bytes>, HttpError>> + Send + 'a>>;

// Written out as `async_trait` would, for want of a reason to depend on it.
impl HttpClient for Remembering {
    fn send_bytes<'a, 'b>(&'a self, request: http::Request<Bytes>) -> Answer<'b>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(async move {
            let answer = self.inner.send_bytes(request).await;
            self.last.set(match &answer {
                Ok(response) if response.status().is_success() => {
                    self.last.rejected.fetch_add(rejected(response.body()), Relaxed);
                    None
                }
                Ok(response) => Some(Failure::of_status(response.status())),
                Err(error) => Some(Failure::Unreachable(innermost(error.as_ref()))),
            });
            answer
        })
    }
}

/// How much a collector rejected: field 1 (a number) of field 1 (`partial_success`) of any OTLP response.
fn rejected(response: &[u8]) -> u64 {
    fn varint(bytes: &mut &[u8]) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (first, rest) = bytes.split_first()?;
            *bytes = rest;
            value |= u64::from(first & 0x7f) << shift;
            if first & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
    fn read(mut bytes: &[u8]) -> Option<u64> {
        if varint(&mut bytes)? != 0x0a {
            return None;
        }
        let length = usize::try_from(varint(&mut bytes)?).ok()?;
        let mut partial = bytes.get(..length)?;
        if varint(&mut partial)? != 0x08 {
            return None;
        }
        varint(&mut partial)
    }
    read(response).unwrap_or(0)
}

/// The last two links of a chain of causes say what happened; those before say "client error".
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let chain: Vec<String> =
        std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect();
    let mut last: Vec<&str> = Vec::new();
    for text in chain.iter().rev() {
        if last.len() == 2 {
            break;
        }
        if !last.iter().any(|known| text.contains(known)) {
            last.insert(0, text);
        }
    }
    last.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grpc_errors_are_told_in_few_words_and_sorted() {
        let of = |text: &str| {
            from_text(&OTelSdkError::InternalFailure(format!("Client export failed with gRPC code: {text}")))
        };
        assert_eq!(
            of("Unavailable: transport error: tcp connect error: tcp connect error: Connection refused (os error 111)"),
            Failure::Unreachable("tcp connect error: Connection refused (os error 111)".into())
        );
        assert_eq!(of("Unauthenticated: no token"), Failure::Refused("Unauthenticated: no token".into()));
        assert_eq!(of("ResourceExhausted: later"), Failure::Busy("ResourceExhausted: later".into()));
    }

    #[test]
    fn what_a_collector_rejected_is_read_from_its_answer() {
        let with_message = [0x0a, 0x07, 0x08, 0xac, 0x02, 0x12, 0x02, b'n', b'o'];
        assert_eq!(rejected(&with_message), 300);
        for other in [&[][..], &[0x0a, 0x04, 0x12, 0x02, b'h', b'i'], &[0x0a, 0xff], b"{}", &[0x0a, 0x01, 0x08]] {
            assert_eq!(rejected(other), 0, "{other:?}");
        }
    }

    #[test]
    fn values_with_per_cent_signs_survive_the_exporter() {
        let (config, _) = crate::config::resolve(
            &[("OTEL_EXPORTER_OTLP_HEADERS", "x=a%2520b".into())],
            &|_| None,
            std::path::Path::new("x"),
        )
        .unwrap();
        assert_eq!(encoded_headers(&config.traces.otlp)["x"], "a%2520b");
        assert_eq!(header_map(&config.traces.otlp)["x"], "a%20b");
    }
}
