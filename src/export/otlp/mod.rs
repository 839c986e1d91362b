//! OTLP over HTTP and gRPC.
//!
//! Both are a POST of bytes over one kind of client. gRPC puts five bytes before them and says at the end of its answer
//! how it went ([`grpc`]); the rest is the same: encoded and compressed once, however often it is tried.

mod grpc;
mod retry;

use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{
    CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHORIZATION, TE, USER_AGENT,
};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use serde::Serialize;

use super::Signal;
use super::Unusable;
use super::connect::{Alert, Connector, Error};
use super::failure::Failure;
use super::json;
use super::notices::{ExportNotices, ExportTarget};
use crate::config::{Otlp, Protocol};

/// The longest answer that is read.
const MAX_ANSWER: usize = 1 << 20;
/// The longest text of a collector that is shown.
const MAX_WORDS: usize = 200;
const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const GZIP: HeaderValue = HeaderValue::from_static("gzip");

/// Sends one signal to one collector.
pub(crate) struct Sender {
    client: Client<Connector, Full<Bytes>>,
    alert: Alert,
    target: http::Uri,
    headers: HeaderMap,
    to: Otlp,
    signal: Signal,
    notices: Arc<ExportNotices>,
    /// Until when the collector requires to be left alone.
    paused_until: Mutex<Option<Instant>>,
}

impl Sender {
    pub(crate) fn new(to: &Otlp, signal: Signal, notices: &Arc<ExportNotices>) -> Result<Sender, Unusable> {
        let endpoint = match to.protocol {
            Protocol::Grpc => format!("{}{}", to.endpoint.as_str().trim_end_matches('/'), grpc::path(signal)),
            Protocol::HttpProtobuf | Protocol::HttpJson => to.endpoint.as_str().to_owned(),
        };
        let target = endpoint.parse().map_err(Unusable::Endpoint)?;
        let connector = Connector::new(to)?;
        let alert = connector.alert();
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .http2_only(to.protocol == Protocol::Grpc)
            .build(connector);
        let (to, headers, notices) = (to.clone(), headers(to), Arc::clone(notices));
        Ok(Sender { client, alert, target, headers, to, signal, notices, paused_until: Mutex::default() })
    }

    /// Where it goes.
    pub(crate) fn target(&self) -> ExportTarget {
        let proxy = self.to.proxy.as_ref().map(|proxy| proxy.variable);
        ExportTarget { name: self.to.endpoint.as_str().to_owned(), origin: self.to.written.clone(), proxy }
    }

    /// Sends an encoded request, again if need be, for as long as it may take; says how many of its items the collector
    /// sent back.
    pub(super) async fn send(&self, body: Bytes) -> Result<u64, Failure> {
        let deadline = Instant::now() + self.to.timeout;
        let mut last = None;
        for attempt in 0.. {
            let pause = if attempt == 0 { Duration::ZERO } else { retry::backoff(attempt) };
            let start = self.paused_until().map_or(Instant::now() + pause, |until| until.max(Instant::now() + pause));
            if start >= deadline {
                return Err(last.unwrap_or_else(Failure::paused));
            }
            tokio::time::sleep_until(start.into()).await;
            let Ok(answer) = tokio::time::timeout_at(deadline.into(), self.attempt(body.clone())).await else {
                return Err(last.unwrap_or_else(|| Failure::timeout(self.to.timeout)));
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

    fn paused_until(&self) -> Option<Instant> {
        *self.paused_until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pause_until(&self, until: Instant) {
        let mut known = self.paused_until.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some(known.map_or(until, |known| known.max(until)));
    }

    /// A request as it is sent.
    pub(super) fn encode(&self, request: &(impl Message + Serialize)) -> std::io::Result<Bytes> {
        let plain = match self.to.protocol {
            Protocol::HttpJson => json::encode(request)?,
            Protocol::Grpc | Protocol::HttpProtobuf => request.encode_to_vec(),
        };
        let packed = if self.to.gzip {
            // Most of what can be saved is saved at once; better levels cost more than twice the time.
            let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 4), Compression::fast());
            encoder.write_all(&plain)?;
            encoder.finish()?
        } else {
            plain
        };
        Ok(match self.to.protocol {
            Protocol::Grpc => grpc::frame(&packed, self.to.gzip),
            // As long as it is: it may wait for long.
            Protocol::HttpProtobuf | Protocol::HttpJson => packed.into_boxed_slice().into(),
        })
    }

    /// An alert that the collector sent before it closed the connection is the cause of that.
    fn no_answer(&self, error: impl Into<Error>) -> Failure {
        let failure = match self.alert.take() {
            Some(alert) => Failure::tls(&alert),
            None => Failure::transport(error.into().as_ref()),
        };
        match &self.to.proxy {
            Some(proxy) => failure.through_proxy(&proxy.url),
            None => failure,
        }
    }

    async fn attempt(&self, body: Bytes) -> Result<u64, Failure> {
        let mut request =
            http::Request::post(self.target.clone()).body(Full::new(body)).map_err(|error| self.no_answer(error))?;
        *request.headers_mut() = self.headers.clone();
        let answer = self.client.request(request).await.map_err(|error| self.no_answer(error))?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, MAX_ANSWER).collect().await.map_err(|error| self.no_answer(error))?;
        let trailers = body.trailers().cloned();
        let body = body.to_bytes();
        if head.status != http::StatusCode::OK {
            let words = words(&head.headers, &body);
            let failure = match &self.to.proxy {
                Some(proxy) if head.status == http::StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
                    Failure::proxy_authentication(&proxy.url)
                }
                _ => Failure::http(head.status, &words),
            };
            return Err(failure.with_retry_after(retry::after(&head.headers, SystemTime::now())));
        }
        let (rejected, words) = match self.to.protocol {
            Protocol::Grpc => partial_success(grpc::message(&head.headers, trailers.as_ref(), &body)?),
            _ if is_json(&head.headers) => partial_success_in_json(&body),
            _ => partial_success(&body),
        };
        if !words.is_empty() {
            self.notices.accepted_with_warning(self.signal.many(), self.to.endpoint.as_str(), &shortened(&words));
        }
        Ok(rejected)
    }
}

fn headers(to: &Otlp) -> HeaderMap {
    let mut map = HeaderMap::new();
    map.insert(USER_AGENT, HeaderValue::from_static(concat!("otel-rs/", env!("CARGO_PKG_VERSION"))));
    for (name, value) in &to.headers.0 {
        if let (Ok(name), Ok(mut value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
            value.set_sensitive(true);
            map.insert(name, value);
        }
    }
    // After the user's, since these are facts.
    let (content_type, encoding) = match to.protocol {
        Protocol::Grpc => (GRPC, HeaderName::from_static("grpc-encoding")),
        Protocol::HttpProtobuf => (PROTOBUF, CONTENT_ENCODING),
        Protocol::HttpJson => (JSON, CONTENT_ENCODING),
    };
    map.insert(CONTENT_TYPE, content_type);
    if to.protocol == Protocol::Grpc {
        map.insert(TE, HeaderValue::from_static("trailers"));
    }
    if to.gzip {
        map.insert(encoding, GZIP);
    }
    if let Some(proxy) = to.proxy.as_ref().filter(|_| !to.is_tunneled()) {
        map.remove(PROXY_AUTHORIZATION);
        map.extend(proxy.authorization.clone().map(|value| (PROXY_AUTHORIZATION, value)));
    }
    map
}

fn is_json(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(JSON.as_bytes()))
}

/// How many items a collector sent back, and what it has to say. The answers of all signals look the same in protobuf.
fn partial_success(answer: &[u8]) -> (u64, String) {
    let answer = ExportTraceServiceResponse::decode(answer).unwrap_or_default();
    let partial = answer.partial_success.unwrap_or_default();
    (u64::try_from(partial.rejected_spans).unwrap_or(0), partial.error_message)
}

/// The same in JSON, in which numbers of 64 bits are text and names differ.
fn partial_success_in_json(answer: &[u8]) -> (u64, String) {
    let answer: serde_json::Value = serde_json::from_slice(answer).unwrap_or_default();
    let partial = &answer["partialSuccess"];
    let number = |name| partial[name].as_u64().or_else(|| partial[name].as_str()?.parse().ok());
    let rejected = ["rejectedSpans", "rejectedDataPoints", "rejectedLogRecords"].into_iter().find_map(number);
    (rejected.unwrap_or(0), partial["errorMessage"].as_str().unwrap_or_default().to_owned())
}

/// What a collector says about a failure; nothing where it would be a web page.
fn words(headers: &HeaderMap, body: &[u8]) -> String {
    let kind = headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let words = if kind.starts_with(PROTOBUF.as_bytes()) {
        grpc::Status::decode(body).unwrap_or_default().message
    } else if kind.starts_with(JSON.as_bytes()) {
        let status: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
        status["message"].as_str().unwrap_or_default().to_owned()
    } else if kind.starts_with(b"text/plain") {
        String::from_utf8_lossy(body).into_owned()
    } else {
        String::new()
    };
    shortened(&words)
}

fn shortened(words: &str) -> String {
    let clean: String = words.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match clean.char_indices().nth(MAX_WORDS) {
        Some((end, _)) => format!("{}…", &clean[..end]),
        None => clean,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_collector_rejected_is_read_from_its_answer() {
        let with_message = [0x0a, 0x07, 0x08, 0xac, 0x02, 0x12, 0x02, b'n', b'o'];
        assert_eq!(partial_success(&with_message), (300, "no".into()));
        assert_eq!(partial_success(&[0x0a, 0x04, 0x12, 0x02, b'h', b'i']), (0, "hi".into()));
        for other in [&[][..], &[0x0a, 0xff], b"{}", &[0x0a, 0x01, 0x08]] {
            assert_eq!(partial_success(other).0, 0, "{other:?}");
        }
    }

    #[test]
    fn an_answer_in_json_has_numbers_as_text() {
        let of = |text: &str| partial_success_in_json(text.as_bytes());
        assert_eq!(of(r#"{"partialSuccess":{"rejectedDataPoints":"7","errorMessage":"old"}}"#), (7, "old".into()));
        assert_eq!(of(r#"{"partialSuccess":{"rejectedSpans":7}}"#), (7, String::new()));
        for none in ["{}", "", "null", r#"{"partialSuccess":null}"#, r#"{"partialSuccess":{"rejectedSpans":"-1"}}"#] {
            assert_eq!(of(none), (0, String::new()), "{none}");
        }
    }

    #[test]
    fn a_collector_s_words_are_few_and_on_one_line() {
        let mut headers = HeaderMap::new();
        let mut of = |kind, body: &str| {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            words(&headers, body.as_bytes())
        };
        assert_eq!(of("application/json; charset=utf-8", r#"{"code":3,"message":"bad id"}"#), "bad id");
        assert_eq!(of("application/x-protobuf", "\x08\x03\x12\x06bad id"), "bad id");
        assert_eq!(of("text/plain", " no\nroom "), "no room");
        assert_eq!(of("text/html", "<html>"), "");
        assert_eq!(of("text/plain", &"ä".repeat(300)).chars().count(), MAX_WORDS + 1);
    }

    #[test]
    fn headers_say_what_is_sent_whatever_the_user_says() {
        let mut otlp = Otlp {
            endpoint: crate::config::Endpoint::of_test("http://localhost:4318"),
            protocol: Protocol::HttpJson,
            headers: crate::config::Headers(vec![("x".into(), "a%20b".into()), ("content-type".into(), "x/y".into())]),
            gzip: true,
            timeout: Duration::from_secs(1),
            tls: crate::config::Tls::default(),
            proxy: None,
            written: crate::config::SettingOrigin::default(),
        };
        let map = headers(&otlp);
        assert_eq!((&map["x"], &map["content-type"]), (&HeaderValue::from_static("a%20b"), &JSON));
        assert_eq!((&map["content-encoding"], map.get("te")), (&GZIP, None));
        otlp.protocol = Protocol::Grpc;
        let map = headers(&otlp);
        assert_eq!(
            (&map["content-type"], &map["grpc-encoding"], &map["te"]),
            (&GRPC, &GZIP, &HeaderValue::from_static("trailers"))
        );
        assert!(format!("{map:?}").contains("Sensitive"), "{map:?}");
    }
}
