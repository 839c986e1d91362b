//! Responses that end early.

use std::io::{Read, Write};
use std::time::Duration;

use axum::body::Body;
use hyper::body::Body as _;
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::{begin, connect, run, versions};
use crate::support::Launched;
use crate::support::expect::{SpanMatcher, server};
use crate::support::metrics::Metrics;
use crate::support::model::Value;

const END: &str = "otel_rs.http.response.end";

fn at(path: &str) -> SpanMatcher {
    server().attr("url.path", path)
}

fn left_by_its_client(path: &str) -> SpanMatcher {
    let wanted = at(path).attr("http.response.status_code", 200).attr(END, "client_closed");
    wanted.without("error.type").not_failed()
}

/// Durations of a route, and those of them with an error.
fn counted(metrics: &Metrics, route: &str) -> (u64, u64) {
    let name = "http.server.request.duration";
    let of_route = [("http.route", Value::from(route))];
    let failed = metrics.all(name, &of_route).into_iter().filter(|series| series.attributes.contains_key("error.type"));
    (metrics.count(name, &of_route), failed.map(|series| series.count()).sum())
}

/// Asks over HTTP/2 and reads a piece of the body; then gives the stream back, or loses the connection.
fn over_http2(edge: &Launched, path: &str, loses_the_connection: bool) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(("127.0.0.1", edge.shop)).await.expect("a connection");
        let connection = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
        let (mut sender, driver) = connection.expect("a connection");
        let driver = tokio::spawn(driver);
        let request = hyper::Request::get(edge.url(path)).body(Body::empty()).expect("a request");
        let mut body = sender.send_request(request).await.expect("an answer").into_body();
        let frame = std::future::poll_fn(|cx| std::pin::Pin::new(&mut body).poll_frame(cx)).await;
        assert!(frame.is_some_and(|frame| frame.is_ok()), "{path}");
        if loses_the_connection {
            driver.abort();
            let _ = driver.await;
        } else {
            drop(body);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
}

#[test]
fn a_connection_closed_by_the_client_is_not_an_error() {
    for versions in &versions() {
        let (traces, metrics) = run(versions, &[], |edge| {
            // The first connection is closed, the second is reset, since it has unread bytes.
            let (mut stream, head) = begin(edge, "/events", "");
            assert!(head.starts_with("HTTP/1.1 200"), "{head}");
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            let _ = stream.read_to_end(&mut Vec::new());
            drop(begin(edge, "/download", ""));
            assert!(begin(edge, "/refused", "").1.starts_with("HTTP/1.1 503"));
            std::thread::sleep(Duration::from_millis(100));
        });
        for path in ["/events", "/download"] {
            traces.require(left_by_its_client(path));
            assert_eq!(counted(&metrics, path), (1, 0), "{metrics}");
        }
        traces.require(at("/refused").attr("error.type", "503").attr(END, "client_closed").failed());
    }
}

#[test]
fn a_stream_reset_by_the_client_is_not_an_error() {
    for versions in &versions() {
        let (traces, metrics) = run(versions, &[], |edge| {
            for path in ["/events", "/download", "/sized"] {
                over_http2(edge, path, false);
            }
        });
        for path in ["/events", "/download", "/sized"] {
            traces.require(left_by_its_client(path).attr("network.protocol.version", "2"));
            assert_eq!(counted(&metrics, path), (1, 0), "{metrics}");
        }
    }
}

#[test]
fn a_connection_that_dies_within_a_known_length_is_an_error() {
    for versions in &versions() {
        let (traces, metrics) = run(versions, &[], |edge| {
            drop(begin(edge, "/sized", ""));
            drop(begin(edge, "/known", ""));
            over_http2(edge, "/sized", true);
            over_http2(edge, "/events", true);
            std::thread::sleep(Duration::from_millis(100));
        });
        for (path, version) in [("/sized", "1.1"), ("/known", "1.1"), ("/sized", "2")] {
            traces.require(
                at(path)
                    .attr("network.protocol.version", version)
                    .attr("http.response.status_code", 200)
                    .attr("error.type", "client_disconnected")
                    .attr(END, "client_closed")
                    .failed(),
            );
        }
        assert_eq!((counted(&metrics, "/sized"), counted(&metrics, "/known")), ((2, 2), (1, 1)), "{metrics}");
        traces.require(left_by_its_client("/events"));
    }
}

#[test]
fn an_upgrade_is_over_with_its_head() {
    for versions in &versions() {
        let (traces, metrics) = run(versions, &[], |edge| {
            let mut stream = connect(edge.shop);
            write!(stream, "GET /socket HTTP/1.1\r\nhost: e\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n").unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                head.push(byte[0]);
            }
            stream.write_all(b"ping").unwrap();
            let mut echoed = [0; 4];
            stream.read_exact(&mut echoed).unwrap();
            assert_eq!(&echoed, b"ping");
            drop(stream);
            std::thread::sleep(Duration::from_millis(50));
        });
        let wanted = at("/socket").attr("http.response.status_code", 101);
        traces.require(wanted.without("error.type").without(END).not_failed());
        assert_eq!(counted(&metrics, "/socket"), (1, 0), "{metrics}");
    }
}

#[test]
fn an_unfinished_response_is_an_error() {
    for versions in &versions() {
        let (traces, _) = run(versions, &[], |edge| {
            let mut stream = connect(edge.shop);
            write!(stream, "GET /broken HTTP/1.1\r\nhost: edge.test\r\n\r\n").unwrap();
            let _ = stream.read_to_end(&mut Vec::new());
            let mut never = connect(edge.shop);
            write!(never, "GET /never HTTP/1.1\r\nhost: edge.test\r\n\r\n").unwrap();
            std::thread::sleep(Duration::from_millis(50));
            drop(never);
            assert_eq!(edge.get("/hello").0, 200);
        });
        traces.require(at("/broken").attr("error.type", "body_error").without(END).failed());
        traces.require(at("/never").attr("error.type", "client_disconnected").without("http.response.status_code"));
        traces.require(at("/hello").without(END).not_failed());
    }
}
