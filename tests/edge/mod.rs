//! The fixture `edge`, woven and launched: requests passed on, connections of every kind, answers that end early.

mod connections;
mod ends;
mod forwarded;
mod proxied;
mod unpooled;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::support::expect::Traces;
use crate::support::fixture::sets;
use crate::support::http::ClientRequest;
use crate::support::launched::{Launch, Launched};
use crate::support::metrics::Metrics;
use crate::support::{Fixture, Otlp};

/// Ids of a caller that is not instrumented by us. The trace has 64 bits, which every format knows.
const TRACE: &str = "00000000000000008448eb211c80319c";
const SHORT: &str = "8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

/// The sets of versions that the program is built with.
fn versions() -> Vec<String> {
    sets("edge")
}

/// Runs the program, sends requests, and ends it: what was received.
fn run(versions: &str, settings: &[(&str, &str)], send: impl FnOnce(&Launched)) -> (Traces, Metrics) {
    let otlp = Otlp::start();
    let launch = Launch::of(&Fixture::with("edge", versions)).to(&otlp);
    let edge = settings.iter().fold(launch, |launch, (name, value)| launch.env(name, value)).start();
    send(&edge);
    edge.stop();
    (otlp.traces(), otlp.metrics())
}

/// `GET path` with these headers.
fn get(edge: &Launched, path: &str, headers: &[(&'static str, &str)]) -> (u16, String) {
    let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    edge.ask(ClientRequest { method: "GET", url: edge.url(path), headers })
}

/// A connection without any byte sent.
fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
    stream
}

/// Asks over HTTP/1.1 and reads the first bytes of the answer.
fn begin(edge: &Launched, path: &str, more: &str) -> (TcpStream, String) {
    let mut stream = connect(edge.shop);
    write!(stream, "GET {path} HTTP/1.1\r\nhost: edge.test\r\n{more}\r\n").expect("room");
    let mut some = [0; 128];
    stream.read_exact(&mut some).expect("an answer");
    (stream, String::from_utf8_lossy(&some).into_owned())
}
