//! OTLP over gRPC: tonic frames a message and reads the status; the message itself stays bytes, compressed before.

use std::error::Error as _;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, Engine as _};
use http::header::CONTENT_TYPE;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::BodyExt as _;
use hyper::body::{Bytes, Frame};
use percent_encoding::percent_decode;
use prost::bytes::{Buf as _, BufMut as _, BytesMut};
use tonic::body::Body;
use tonic::client::Grpc;
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::MetadataMap;
use tonic::{Extensions, Status};
use tonic_types::StatusExt as _;
use tower_service::Service;

use super::{Client, MAX_ANSWER, answer};
use crate::export::connect::Error;
use crate::export::failure::Failure;
use crate::signals::Signal;

/// The header or trailer that holds a call's status.
const STATUS: &str = "grpc-status";
const MESSAGE: &str = "grpc-message";
const ENCODING: &str = "grpc-encoding";
const DETAILS: &str = "grpc-status-details-bin";

/// Calls one method of one collector.
pub(super) struct Method {
    client: Grpc<GrpcOnly>,
    path: PathAndQuery,
    metadata: MetadataMap,
}

impl Method {
    /// The method at `origin` that accepts a signal; `headers` go with each call. `gzip`: messages are compressed already.
    pub(super) fn new(client: Client, origin: Uri, signal: Signal, headers: HeaderMap, gzip: bool) -> Method {
        // A server may answer in the encoding of the request, whether or not the client offers to accept that (grpc-go).
        let client = Grpc::with_origin(GrpcOnly { client, gzip }, origin)
            .max_decoding_message_size(MAX_ANSWER)
            .accept_compressed(CompressionEncoding::Gzip);
        let path = PathAndQuery::from_static(match signal {
            Signal::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            Signal::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
            Signal::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
        });
        Method { client, path, metadata: MetadataMap::from_headers(headers) }
    }

    /// Sends a message and returns the answer's, which is empty where there is none. An error without a source is the
    /// status that the collector has sent.
    pub(super) async fn call(&self, message: Bytes) -> Result<Bytes, Status> {
        let seen = SeenStatus::default();
        let answer = self.answer(message, seen.clone()).await;
        match (answer, seen.0.get()) {
            (Ok(message), Some(_)) => Ok(message),
            (Err(status), seen) if seen.is_some() || status.source().is_some() => Err(status),
            // tonic makes a status of its own of what it cannot read.
            (Ok(_) | Err(_), _) => Err(Status::from_error(Box::new(Failure::not_grpc()))),
        }
    }

    async fn answer(&self, message: Bytes, seen: SeenStatus) -> Result<Bytes, Status> {
        let mut extensions = Extensions::default();
        extensions.insert(seen);
        let request = tonic::Request::from_parts(self.metadata.clone(), extensions, message);
        let mut client = self.client.clone();
        // One message comes back. An answer without a message rejects nothing, so it is not an error as in a unary
        // call.
        let answer = client.server_streaming(request, self.path.clone(), BytesCodec).await?;
        let mut messages = answer.into_inner();
        let message = messages.message().await?.unwrap_or_default();
        // The status is in the trailers.
        messages.trailers().await?;
        Ok(message)
    }
}

/// Set when the collector has sent a status, whatever it is.
#[derive(Clone, Default)]
struct SeenStatus(Arc<OnceLock<()>>);

impl SeenStatus {
    /// Looks for it in a block of headers or trailers.
    fn read(&self, headers: &HeaderMap) {
        if headers.contains_key(STATUS) {
            let _ = self.0.set(());
        }
    }
}

/// The failure that a status of the collector stands for.
pub(super) fn failure(status: &Status) -> Failure {
    let wait = status.get_details_retry_info().and_then(|info| info.retry_delay);
    Failure::grpc(status.code(), &answer::shortened(status.message())).with_retry_after(wait)
}

/// An HTTP client whose answers are those of gRPC: others, such as a web server's, are failures.
#[derive(Clone)]
struct GrpcOnly {
    client: Client,
    gzip: bool,
}

impl Service<Request<Body>> for GrpcOnly {
    type Response = Response<Body>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        if self.gzip {
            request.headers_mut().insert(ENCODING, HeaderValue::from_static("gzip"));
            request = request.map(marked_as_compressed);
        }
        let seen = request.extensions().get::<SeenStatus>().cloned().unwrap_or_default();
        let calling = self.client.request(request);
        Box::pin(async move {
            let (mut head, body) = calling.await?.into_parts();
            if head.status != StatusCode::OK {
                return Err(answer::failure(&head, &answer::read(body).await?.to_bytes()).into());
            }
            let is_grpc =
                head.headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
            if !is_grpc && !head.headers.contains_key(STATUS) {
                return Err(Failure::not_grpc().into());
            }
            seen.read(&head.headers);
            drop_malformed(&mut head.headers);
            let body = body.map_frame(move |frame| match frame.into_trailers() {
                Ok(mut trailers) => {
                    seen.read(&trailers);
                    drop_malformed(&mut trailers);
                    Frame::trailers(trailers)
                }
                Err(data) => data,
            });
            Ok(Response::from_parts(head, Body::new(body)))
        })
    }
}

/// A message that was compressed before tonic framed it: a frame begins with a byte that states so. tonic would compress
/// the message at each attempt, and a batch that waits would take its whole size.
fn marked_as_compressed(body: Body) -> Body {
    let mut is_begun = false;
    Body::new(body.map_frame(move |frame| match frame.into_data() {
        Ok(data) if !std::mem::replace(&mut is_begun, true) => {
            let mut data = BytesMut::from(data);
            data.first_mut().into_iter().for_each(|flag| *flag = 1);
            Frame::data(data.freeze())
        }
        Ok(data) => Frame::data(data),
        Err(frame) => frame,
    }))
}

/// Removes what tonic cannot read: it panics at details that are not base64, and takes a message that is not UTF-8 for
/// another status.
fn drop_malformed(headers: &mut HeaderMap) {
    let is_base64 = |text: &[u8]| BASE64_STANDARD_NO_PAD.decode(text).or_else(|_| BASE64_STANDARD.decode(text)).is_ok();
    if headers.get(DETAILS).is_some_and(|details| !is_base64(details.as_bytes())) {
        headers.remove(DETAILS);
    }
    if headers.get(MESSAGE).is_some_and(|text| percent_decode(text.as_bytes()).decode_utf8().is_err()) {
        headers.remove(MESSAGE);
    }
}

/// Messages as they are: they have been encoded before.
struct BytesCodec;

impl Codec for BytesCodec {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = BytesCodec;
    type Decoder = BytesCodec;

    fn encoder(&mut self) -> BytesCodec {
        BytesCodec
    }

    fn decoder(&mut self) -> BytesCodec {
        BytesCodec
    }
}

impl Encoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(message);
        Ok(())
    }
}

impl Decoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// The failure that a trailer or header block stands for.
    fn failure_of(code: i32, others: &[(&'static str, String)]) -> Failure {
        let mut headers: HeaderMap =
            others.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        headers.insert(STATUS, code.into());
        drop_malformed(&mut headers);
        failure(&Status::from_header_map(&headers).unwrap())
    }

    #[test]
    fn only_codes_that_the_specification_lists_are_retried() {
        let again = (1..17).filter(|code| failure_of(*code, &[]).is_retryable());
        assert_eq!(again.collect::<Vec<_>>(), [1, 4, 10, 11, 14, 15]);
        assert!(!failure_of(99, &[]).is_retryable());
    }

    #[test]
    fn messages_are_percent_decoded() {
        let failure = failure_of(16, &[(MESSAGE, "no%20token%0A".into())]);
        assert_eq!(failure, Failure::grpc(tonic::Code::Unauthenticated, "no token"));
        assert_eq!(failure_of(16, &[(MESSAGE, "%ff".into())]), Failure::grpc(tonic::Code::Unauthenticated, ""));
    }

    #[test]
    fn an_exhausted_collector_may_name_the_time_of_the_next_attempt() {
        let mut details = tonic_types::ErrorDetails::new();
        details.set_request_info("id", "data").set_retry_info(Some(Duration::from_millis(2500)));
        let status = Status::with_error_details(tonic::Code::ResourceExhausted, "full", details);
        let bytes = status.details();
        for text in [BASE64_STANDARD.encode(bytes), BASE64_STANDARD_NO_PAD.encode(bytes)] {
            let failure = failure_of(8, &[(DETAILS, text)]);
            assert_eq!(failure.retry_after(), Some(Duration::from_millis(2500)));
        }
        for bad in ["", "%", "AAAA"] {
            assert!(!failure_of(8, &[(DETAILS, bad.into())]).is_retryable(), "{bad}");
        }
    }
}
