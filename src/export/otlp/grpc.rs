//! What gRPC adds to HTTP/2, as far as a single answer to a single message needs it.

use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, Engine as _};
use http::HeaderMap;
use hyper::body::Bytes;
use percent_encoding::percent_decode;
use prost::Message;
use tonic::Code;

use crate::export::Signal;
use crate::export::failure::Failure;

/// The type of details that say when to come again.
const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Status {
    #[prost(string, tag = "2")]
    pub(super) message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// `google.rpc.RetryInfo`.
#[derive(Clone, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<Delay>,
}

/// `google.protobuf.Duration`.
#[derive(Clone, PartialEq, Message)]
struct Delay {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

/// The path that takes a signal.
pub(super) fn path(signal: Signal) -> &'static str {
    match signal {
        Signal::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        Signal::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        Signal::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    }
}

/// A message as it is sent: whether it is compressed, its length, and itself.
pub(super) fn frame(message: &[u8], is_compressed: bool) -> Bytes {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    let mut framed = Vec::with_capacity(message.len() + 5);
    framed.push(u8::from(is_compressed));
    framed.extend(length.to_be_bytes());
    framed.extend(message);
    framed.into()
}

/// The message of an answer, if all went well. What was said early stands in the head, all else in the trailers.
pub(super) fn message<'a>(head: &HeaderMap, trailers: Option<&HeaderMap>, body: &'a [u8]) -> Result<&'a [u8], Failure> {
    let found = |name: &str| head.get(name).or_else(|| trailers?.get(name));
    let code = found("grpc-status").and_then(|code| code.to_str().ok()?.parse::<i32>().ok());
    let Some(code) = code else {
        return Err(Failure::not_grpc());
    };
    if code == 0 {
        // An answer without a message has nothing to object.
        return Ok(body.get(5..).unwrap_or_default());
    }
    let words = found("grpc-message").map(|words| percent_decode(words.as_bytes()).decode_utf8_lossy());
    let wait = found("grpc-status-details-bin").and_then(|details| retry_delay(details.as_bytes()));
    Err(Failure::grpc(Code::from(code), &super::shortened(&words.unwrap_or_default())).with_retry_after(wait))
}

fn retry_delay(details: &[u8]) -> Option<Duration> {
    let bytes = BASE64_STANDARD_NO_PAD.decode(details).or_else(|_| BASE64_STANDARD.decode(details)).ok()?;
    let status = Status::decode(&bytes[..]).ok()?;
    let info = status.details.into_iter().find(|detail| detail.type_url == RETRY_INFO)?;
    let delay = RetryInfo::decode(&info.value[..]).ok()?.retry_delay?;
    Some(Duration::new(u64::try_from(delay.seconds).ok()?, u32::try_from(delay.nanos).ok()?.min(999_999_999)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(headers: &[(&'static str, String)]) -> Result<Vec<u8>, Failure> {
        let trailers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let body = [0, 0, 0, 0, 2, 0x0a, 0x00];
        message(&HeaderMap::new(), Some(&trailers), &body).map(<[u8]>::to_vec)
    }

    fn status(code: usize) -> (&'static str, String) {
        ("grpc-status", code.to_string())
    }

    #[test]
    fn a_message_stands_behind_its_length() {
        assert_eq!(frame(b"abc", true)[..], [1, 0, 0, 0, 3, b'a', b'b', b'c']);
        assert_eq!(answer(&[status(0)]).unwrap(), [0x0a, 0x00]);
    }

    #[test]
    fn only_what_the_specification_lists_is_tried_again() {
        let again = (1..17).filter(|code| answer(&[status(*code)]).unwrap_err().is_retryable());
        assert_eq!(again.collect::<Vec<_>>(), [1, 4, 10, 11, 14, 15]);
        assert!(!answer(&[status(99)]).unwrap_err().is_retryable());
        assert!(!answer(&[]).unwrap_err().is_retryable());
    }

    #[test]
    fn words_are_decoded() {
        let failure = answer(&[status(16), ("grpc-message", "no%20token%0A".into())]).unwrap_err();
        assert_eq!(failure, Failure::grpc(Code::Unauthenticated, "no token"));
    }

    #[test]
    fn an_exhausted_collector_may_say_when_to_come_again() {
        let info = RetryInfo { retry_delay: Some(Delay { seconds: 2, nanos: 500_000_000 }) };
        let other = Any { type_url: "type.googleapis.com/google.rpc.Help".into(), value: vec![1] };
        let retry = Any { type_url: RETRY_INFO.into(), value: info.encode_to_vec() };
        let details = Status { message: "full".into(), details: vec![other, retry] }.encode_to_vec();
        for text in [BASE64_STANDARD.encode(&details), BASE64_STANDARD_NO_PAD.encode(&details)] {
            let failure = answer(&[status(8), ("grpc-status-details-bin", text)]).unwrap_err();
            assert_eq!(failure.retry_after(), Some(Duration::from_millis(2500)));
        }
        for bad in ["", "%", "AAAA"] {
            assert!(
                !answer(&[status(8), ("grpc-status-details-bin", bad.into())]).unwrap_err().is_retryable(),
                "{bad}"
            );
        }
    }
}
