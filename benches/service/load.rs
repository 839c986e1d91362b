//! Load on a service, and a receiver that counts what is exported.

use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

/// How many connections send requests.
const CONNECTIONS: u32 = 32;

/// What one round of load showed.
#[derive(Debug)]
pub(crate) struct Round {
    /// Requests that were answered with status 200.
    pub(crate) answered: u64,
    /// All others.
    pub(crate) failed: u64,
    /// Requests per second.
    pub(crate) throughput: f64,
    /// The slowest of each hundred requests, in microseconds. At a fixed rate it counts from when a request was due.
    pub(crate) p99: f64,
}

/// Sends requests for some time: at `rate` per second, or each as soon as the last one of its connection is answered.
pub(crate) fn round(address: SocketAddr, path: &str, duration: Duration, rate: Option<u32>) -> Round {
    let start = Instant::now();
    let threads: Vec<_> = (0..CONNECTIONS)
        .map(|number| {
            let path = path.to_owned();
            thread::spawn(move || connection(address, &path, number, start, duration, rate))
        })
        .collect();
    let (mut latencies, mut failed) = (Vec::new(), 0);
    for thread in threads {
        let (times, others) = thread.join().expect("a connection's thread");
        latencies.extend(times);
        failed += others;
    }
    let seconds = start.elapsed().as_secs_f64();
    latencies.sort_unstable();
    let p99 = latencies.get(latencies.len() * 99 / 100).copied().unwrap_or_default();
    Round {
        answered: latencies.len() as u64,
        failed,
        throughput: latencies.len() as f64 / seconds,
        p99: p99.as_secs_f64() * 1e6,
    }
}

/// The requests of one connection: the times that they took, and how many failed.
fn connection(
    address: SocketAddr,
    path: &str,
    number: u32,
    start: Instant,
    duration: Duration,
    rate: Option<u32>,
) -> (Vec<Duration>, u64) {
    let mut stream = TcpStream::connect(address).expect("the service accepts connections");
    stream.set_nodelay(true).expect("an option");
    let (mut times, mut failed) = (Vec::new(), 0);
    let mut buffer = [0; 4096];
    for turn in 0.. {
        let due = match rate {
            Some(rate) => start + Duration::from_secs_f64(f64::from(number + turn * CONNECTIONS) / f64::from(rate)),
            None => Instant::now(),
        };
        if due.duration_since(start) >= duration {
            break;
        }
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let path = path.replace("{id}", &((number + turn) % 100 + 1).to_string());
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("a request is written");
        if is_answered(&mut stream, &mut buffer) { times.push(due.elapsed()) } else { failed += 1 }
    }
    (times, failed)
}

/// Reads an answer to its end; whether its status is 200. All answers are short and have a content-length.
fn is_answered(stream: &mut TcpStream, buffer: &mut [u8]) -> bool {
    let mut length = 0;
    loop {
        let read = stream.read(&mut buffer[length..]).expect("an answer is read");
        assert!(read > 0, "the service closed the connection");
        length += read;
        let text = std::str::from_utf8(&buffer[..length]).expect("text");
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        if body.len() >= content_length(head) {
            return head.starts_with("HTTP/1.1 200");
        }
    }
}

fn content_length(head: &str) -> usize {
    let fields = head.lines().filter_map(|line| line.split_once(": "));
    let mut lengths = fields.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    lengths.next().map_or(0, |(_, value)| value.trim().parse().expect("a number"))
}

/// A receiver of OTLP over HTTP. It counts spans and reads as little else as it can, since it shares the cores with what is
/// measured.
#[derive(Debug)]
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    spans: Arc<AtomicU64>,
}

impl Receiver {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let spans = Arc::new(AtomicU64::new(0));
        let counted = spans.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let counted = counted.clone();
                thread::spawn(move || serve(stream, &counted));
            }
        });
        Receiver { address, spans }
    }

    /// How many spans arrived since the last call.
    pub(crate) fn take(&self) -> u64 {
        self.spans.swap(0, Relaxed)
    }
}

fn serve(mut stream: TcpStream, spans: &AtomicU64) {
    let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            if reader.read_exact(&mut byte).is_err() {
                return;
            }
            head.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let mut body = vec![0; content_length(&head)];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        if head.starts_with("POST /v1/traces") {
            spans.fetch_add(count(&body, &[1, 2, 2]), Relaxed);
        }
        let answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
        if stream.write_all(answer).is_err() {
            return;
        }
    }
}

/// How many messages there are at the path of field numbers in a protobuf message: spans at `resource_spans` (1),
/// `scope_spans` (2), `spans` (2) of an `ExportTraceServiceRequest`.
fn count(mut message: &[u8], path: &[u64]) -> u64 {
    let Some((field, rest)) = path.split_first() else { return 1 };
    let mut sum = 0;
    while !message.is_empty() {
        let key = varint(&mut message);
        match key & 7 {
            0 => drop(varint(&mut message)),
            1 => message = &message[8..],
            5 => message = &message[4..],
            _ => {
                let length = usize::try_from(varint(&mut message)).expect("a length");
                let (inner, others) = message.split_at(length);
                message = others;
                if key >> 3 == *field {
                    sum += count(inner, rest);
                }
            }
        }
    }
    sum
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let (first, rest) = bytes.split_first().expect("a whole message");
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            break;
        }
    }
    value
}
