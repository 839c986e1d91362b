//! A way to a receiver that can be closed, and a proxy: small servers of bytes, a thread for each direction.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::spawn;

/// Passes connections on to a receiver, while it is open.
pub(crate) struct Gate {
    address: SocketAddr,
    state: Arc<GateState>,
}

#[derive(Default)]
struct GateState {
    is_closed: AtomicBool,
    refused: AtomicUsize,
    connections: Mutex<Vec<TcpStream>>,
}

impl Gate {
    /// An open gate before the receiver at `url`.
    pub(crate) fn before(url: &str) -> Self {
        let to = authority(url).to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::<GateState>::default();
        let shared = Arc::clone(&state);
        spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // Connections in progress are cut.
                let mut connections = shared.connections.lock().unwrap_or_else(PoisonError::into_inner);
                if shared.is_closed.load(SeqCst) {
                    shared.refused.fetch_add(1, SeqCst);
                    continue;
                }
                let Ok(there) = TcpStream::connect(&to) else { continue };
                connections.extend([&stream, &there].map(|end| end.try_clone().expect("a handle")));
                relay(stream, there);
            }
        });
        Self { address, state }
    }

    /// `http://127.0.0.1:port`
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends all connections and takes no others.
    pub(crate) fn close(&self) {
        let mut connections = self.state.connections.lock().unwrap_or_else(PoisonError::into_inner);
        self.state.is_closed.store(true, SeqCst);
        for connection in connections.drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    pub(crate) fn open(&self) {
        self.state.is_closed.store(false, SeqCst);
    }

    /// Connections that it did not take.
    pub(crate) fn refused(&self) -> usize {
        self.state.refused.load(SeqCst)
    }
}

/// A proxy that may require credentials.
pub(crate) struct HttpProxy {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl HttpProxy {
    pub(crate) fn start() -> Self {
        Self::requiring(None)
    }

    /// One that requires this value of `Proxy-Authorization`.
    pub(crate) fn requiring(authorization: Option<&'static str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&requests);
        spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let seen = Arc::clone(&seen);
                spawn(move || serve(stream, authorization, &seen));
            }
        });
        Self { address, requests }
    }

    /// `http://CREDENTIALS127.0.0.1:port`
    pub(crate) fn url(&self, credentials: &str) -> String {
        format!("http://{credentials}{}", self.address)
    }

    /// The first lines of all requests to it.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Serves one request, and for a tunnel all that follows.
fn serve(mut stream: TcpStream, authorization: Option<&str>, seen: &Mutex<Vec<String>>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let first = head.lines().next()?.to_owned();
    seen.lock().unwrap_or_else(PoisonError::into_inner).push(first.clone());
    let value = |name: &str| {
        let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    if authorization.is_some_and(|required| value("proxy-authorization:").as_deref() != Some(required)) {
        let _ = stream.write_all(b"HTTP/1.1 407 No\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
        return None;
    }
    let target = first.split(' ').nth(1)?;
    if first.starts_with("CONNECT ") {
        let there = TcpStream::connect(target).ok()?;
        stream.write_all(b"HTTP/1.1 200 Go on\r\n\r\n").ok()?;
        relay(stream, there);
        return None;
    }
    let length = value("content-length:").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let authority = authority(target);
    let path = target.split_once(authority)?.1;
    let mut there = TcpStream::connect(authority).ok()?;
    let rest: Vec<&str> = head.lines().skip(1).filter(|line| !is_hop(line)).collect();
    let request = format!("POST {path} HTTP/1.1\r\n{}\r\nconnection: close\r\n\r\n", rest.join("\r\n"));
    there.write_all(request.as_bytes()).ok()?;
    there.write_all(&body).ok()?;
    let mut answer = Vec::new();
    there.read_to_end(&mut answer).ok()?;
    stream.write_all(&answer).ok()
}

/// Headers that are for the proxy, and the end of them.
fn is_hop(line: &str) -> bool {
    let line = line.to_ascii_lowercase();
    line.is_empty() || line.starts_with("connection:") || line.starts_with("proxy-")
}

fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default()
}

fn relay(here: TcpStream, there: TcpStream) {
    for (mut from, mut to) in [(&here, &there), (&there, &here)].map(|(a, b)| (copy(a), copy(b))) {
        spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        });
    }
}

fn copy(stream: &TcpStream) -> TcpStream {
    stream.try_clone().expect("a handle")
}
