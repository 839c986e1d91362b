//! The least OTLP receiver that can count: HTTP with protobuf, traces kept, the rest accepted.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

/// A running receiver.
pub(crate) struct Collector {
    pub(crate) url: String,
    spans: Arc<Mutex<Vec<Span>>>,
}

impl Collector {
    pub(crate) fn start() -> Collector {
        Collector::answering_after(Duration::ZERO)
    }

    /// One that takes its time for every answer.
    pub(crate) fn answering_after(delay: Duration) -> Collector {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let spans = Arc::default();
        let kept = Arc::clone(&spans);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || serve(stream.unwrap(), &kept, delay));
            }
        });
        Collector { url, spans }
    }

    /// The values of `number` of all spans called `counted`, sorted.
    pub(crate) fn numbers(&self) -> Vec<i64> {
        let spans = self.spans.lock().unwrap();
        let mut numbers: Vec<i64> = spans.iter().filter(|span| span.name == "counted").map(number).collect();
        numbers.sort_unstable();
        numbers
    }
}

fn number(span: &Span) -> i64 {
    let attribute = span.attributes.iter().find(|attribute| attribute.key == "number");
    match attribute.and_then(|attribute| attribute.value.as_ref()?.value.as_ref()) {
        Some(Value::IntValue(number)) => *number,
        // A span whose end was never written has no number.
        _ => -1,
    }
}

fn serve(stream: TcpStream, kept: &Mutex<Vec<Span>>, delay: Duration) {
    let mut reader = BufReader::new(&stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).unwrap_or(0) == 0 {
                return;
            }
        }
        let head = head.to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:")).unwrap_or("0");
        let mut body = vec![0; length.trim().parse().unwrap()];
        reader.read_exact(&mut body).unwrap();
        std::thread::sleep(delay);
        if head.starts_with("post /v1/traces") {
            let request = ExportTraceServiceRequest::decode(&body[..]).unwrap();
            let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
            kept.lock().unwrap().extend(scopes.flat_map(|scope| scope.spans));
        }
        let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
        if (&stream).write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}
