//! The peer address of a connection, and connections that have none.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::{begin, connect, get, run, versions};
use crate::support::expect::{SpanMatcher, client, server};
use crate::support::http::{ClientRequest, Http};
use crate::support::tls::Authority;
use crate::support::{Launched, wait_for};

fn at(path: &str) -> SpanMatcher {
    server().attr("url.path", path)
}

fn without_peer(matcher: SpanMatcher) -> SpanMatcher {
    matcher.without("client.address").without("network.peer.address").without("network.peer.port")
}

fn of(matcher: SpanMatcher, stream: &TcpStream) -> SpanMatcher {
    let address = stream.local_addr().expect("an address");
    let ip = address.ip().to_string();
    matcher.attr("client.address", &ip).attr("network.peer.address", &ip).attr("network.peer.port", address.port())
}

/// A connection from another of this machine's addresses.
fn connect_from(address: &str, port: u16) -> TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let connected = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4()?;
        socket.bind(format!("{address}:0").parse().expect("an address"))?;
        socket.connect(format!("127.0.0.1:{port}").parse().expect("an address")).await?.into_std()
    });
    let stream = connected.expect("a connection");
    stream.set_nonblocking(false).expect("a socket");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
    stream
}

/// The ports of the two other listeners.
fn ports(edge: &Launched) -> (u16, u16) {
    let text = edge.get("/ports").1;
    let (handed, secured) = text.split_once(' ').expect("two numbers");
    (handed.parse().expect("a number"), secured.parse().expect("a number"))
}

/// Sends a request and reads the whole answer to it, of which the connection survives.
fn request(mut stream: impl Read + Write, path: &str) {
    write!(stream, "GET {path} HTTP/1.1\r\nhost: edge.test\r\n\r\n").expect("room");
    let mut answer = Vec::new();
    while !answer.ends_with(b"edge.test\n") && !answer.ends_with(b"hello") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("an answer");
        answer.push(byte[0]);
    }
}

#[test]
fn a_socket_of_the_file_system_has_no_address() {
    for versions in &versions() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("edge.sock");
        let (traces, _) = run(versions, &[("EDGE_SOCKET", path.to_str().unwrap())], |edge| {
            let local = wait_for("the socket", 10, || UnixStream::connect(&path).ok());
            for number in 0..2 {
                // The one thread reads from this connection last.
                assert_eq!(edge.get("/hello").0, 200);
                request(&local, &format!("/local/{number}"));
            }
            // The same over HTTP/2.
            let mut stream = UnixStream::connect(&path).unwrap();
            stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
            stream.write_all(b"\0\0\x03\x01\x05\0\0\0\x01\x82\x86\x84").unwrap();
            stream.read_exact(&mut [0; 9]).unwrap();
            std::thread::sleep(Duration::from_millis(100));
        });
        for path in ["/local/0", "/local/1", "/"] {
            traces.require(without_peer(at(path)));
        }
    }
}

#[test]
fn a_pipe_within_the_process_has_no_address() {
    for versions in &versions() {
        let (traces, _) = run(versions, &[], |edge| {
            for way in ["/piped/http1", "/piped/http2"] {
                assert_eq!(get(edge, way, &[]).0, 200);
            }
        });
        for way in ["/piped/http1", "/piped/http2"] {
            let request = traces.require(at(way).attr("client.address", "127.0.0.1"));
            let call = traces.require(client().child_of(&request).attr("url.full", "http://pipe.test/piped"));
            traces.require(without_peer(at("/piped")).child_of(&call));
        }
    }
}

#[test]
fn a_connection_that_was_handed_over_has_its_own_address() {
    for versions in &versions() {
        let mut first = None;
        let (traces, _) = run(versions, &[], |edge| {
            let (port, _) = ports(edge);
            let mut stream = connect_from("127.0.0.3", port);
            let mut other = connect_from("127.0.0.2", port);
            write!(stream, "GET /handed/1 HTTP/1.1\r\nhost: edge.test\r\n\r\n").unwrap();
            other.write_all(b"x").unwrap();
            let mut answer = [0; 64];
            stream.read_exact(&mut answer).unwrap();
            std::thread::sleep(Duration::from_millis(50));
            first = Some(stream);
        });
        traces.require(of(at("/handed/1"), &first.unwrap()));
    }
}

#[test]
fn connections_that_are_read_by_turns_have_their_own_addresses() {
    for versions in &versions() {
        let mut kept = Vec::new();
        let (traces, _) = run(versions, &[], |edge| {
            let (mut one, two) = (connect_from("127.0.0.3", edge.stock), connect_from("127.0.0.2", edge.stock));
            write!(one, "GET /turns/one HTTP/1.1\r\n").unwrap();
            request(&two, "/turns/two");
            write!(one, "host: edge.test\r\n\r\n").unwrap();
            one.read_exact(&mut [0; 64]).unwrap();
            request(&two, "/turns/three");
            kept.extend([("/turns/one", one), ("/turns/two", two.try_clone().unwrap()), ("/turns/three", two)]);
            // Shorter than what is read to distinguish HTTP/2 from HTTP/1.
            let mut short = connect_from("127.0.0.4", edge.stock);
            write!(short, "GET /s HTTP/1.0\r\n\r\n").unwrap();
            short.read_exact(&mut [0; 17]).unwrap();
            kept.push(("/s", short));
        });
        for (path, stream) in &kept {
            traces.require(of(at(path), stream));
        }
    }
}

#[test]
fn the_address_shows_beneath_tls_and_in_http2() {
    let authority = Authority::new();
    authority.sign("edge", "localhost");
    let (certificate, key) = (authority.file("edge.pem"), authority.file("edge.key"));
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority.file("ca.pem")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_root_certificates(roots).with_no_client_auth());
    for versions in &versions() {
        let settings = [("EDGE_CERTIFICATE", certificate.as_str()), ("EDGE_KEY", key.as_str())];
        let mut kept = None;
        let (traces, _) = run(versions, &settings, |edge| {
            let (_, port) = ports(edge);
            let session = rustls::ClientConnection::new(Arc::clone(&config), "localhost".try_into().unwrap()).unwrap();
            let mut stream = rustls::StreamOwned::new(session, connect_from("127.0.0.5", port));
            request(&mut stream, "/secured/1");
            assert_eq!(edge.get("/hello").0, 200);
            request(&mut stream, "/secured/2");
            kept = Some(stream);
            let request = ClientRequest { method: "GET", url: edge.url("/hello"), headers: Vec::new() };
            assert_eq!(Http::new(true).send(request).0, 200);
        });
        let stream = &kept.as_ref().unwrap().sock;
        for path in ["/secured/1", "/secured/2"] {
            traces.require(of(at(path).attr("url.scheme", "https"), stream));
        }
        traces.require(at("/hello").attr("network.protocol.version", "2").attr("client.address", "127.0.0.1"));
    }
}

#[test]
fn a_handler_that_reads_from_elsewhere_changes_nothing() {
    for versions in &versions() {
        let mut kept = None;
        let (traces, _) = run(versions, &[], |edge| {
            let stream = begin(edge, "/proxy/pool", "").0;
            std::thread::sleep(Duration::from_millis(100));
            drop(connect(edge.stock));
            kept = Some(stream);
        });
        traces.require(of(at("/proxy/pool"), &kept.unwrap()));
    }
}
