//! The answers of collectors, in protobuf or in JSON: how much was rejected, and why.

use std::time::SystemTime;

use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use http::response::Parts;
use http_body_util::{BodyExt as _, Collected, Limited};
use hyper::body::{Bytes, Incoming};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;

use super::{JSON, MAX_ANSWER, PROTOBUF, retry};
use crate::export::connect::Error;
use crate::export::failure::Failure;

/// The longest text of a collector that is shown.
const MAX_WORDS: usize = 200;

/// The whole body, within a limit.
pub(super) async fn read(body: Incoming) -> Result<Collected<Bytes>, Error> {
    Limited::new(body, MAX_ANSWER).collect().await
}

/// What an answer other than 200 stands for.
pub(super) fn failure(head: &Parts, body: &[u8]) -> Failure {
    let failure = Failure::http(head.status, &words(&head.headers, body));
    failure.with_retry_after(retry::after(&head.headers, SystemTime::now()))
}

/// How many items a collector rejected, and its message about it.
pub(super) fn partial_success(headers: &HeaderMap, body: &[u8]) -> (u64, String) {
    if is_json(headers) { partial_success_in_json(body) } else { partial_success_in_protobuf(body) }
}

/// The answers of all signals look the same in protobuf.
pub(super) fn partial_success_in_protobuf(answer: &[u8]) -> (u64, String) {
    let answer = ExportTraceServiceResponse::decode(answer).unwrap_or_default();
    let partial = answer.partial_success.unwrap_or_default();
    (u64::try_from(partial.rejected_spans).unwrap_or(0), partial.error_message)
}

/// In JSON numbers of 64 bits are text, and names differ from signal to signal.
fn partial_success_in_json(answer: &[u8]) -> (u64, String) {
    let answer: serde_json::Value = serde_json::from_slice(answer).unwrap_or_default();
    let partial = &answer["partialSuccess"];
    let number = |name| partial[name].as_u64().or_else(|| partial[name].as_str()?.parse().ok());
    let rejected = ["rejectedSpans", "rejectedDataPoints", "rejectedLogRecords"].into_iter().find_map(number);
    (rejected.unwrap_or(0), partial["errorMessage"].as_str().unwrap_or_default().to_owned())
}

fn is_json(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(JSON.as_bytes()))
}

/// The collector's message about a failure; empty if the body is something else, such as a web page.
fn words(headers: &HeaderMap, body: &[u8]) -> String {
    let kind = headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let words = if kind.starts_with(PROTOBUF.as_bytes()) {
        tonic_types::Status::decode(body).unwrap_or_default().message
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

/// Few words, on one line.
pub(super) fn shortened(words: &str) -> String {
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
    fn rejected_items_are_read_from_the_collector_s_response() {
        let with_message = [0x0a, 0x07, 0x08, 0xac, 0x02, 0x12, 0x02, b'n', b'o'];
        assert_eq!(partial_success_in_protobuf(&with_message), (300, "no".into()));
        assert_eq!(partial_success_in_protobuf(&[0x0a, 0x04, 0x12, 0x02, b'h', b'i']), (0, "hi".into()));
        for other in [&[][..], &[0x0a, 0xff], b"{}", &[0x0a, 0x01, 0x08]] {
            assert_eq!(partial_success_in_protobuf(other).0, 0, "{other:?}");
        }
    }

    #[test]
    fn an_answer_in_json_has_numbers_as_text() {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, JSON)]);
        let of = |text: &str| partial_success(&headers, text.as_bytes());
        assert_eq!(of(r#"{"partialSuccess":{"rejectedDataPoints":"7","errorMessage":"old"}}"#), (7, "old".into()));
        assert_eq!(of(r#"{"partialSuccess":{"rejectedSpans":7}}"#), (7, String::new()));
        for none in ["{}", "", "null", r#"{"partialSuccess":null}"#, r#"{"partialSuccess":{"rejectedSpans":"-1"}}"#] {
            assert_eq!(of(none), (0, String::new()), "{none}");
        }
    }

    #[test]
    fn messages_of_a_collector_are_short_and_on_one_line() {
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
}
