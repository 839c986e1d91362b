//! A server that answers on one thread what another one has read, and its client.

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use tiny_http::{Method, Request, Response, Server, StatusCode};

struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::InvalidData.into())
    }
}

fn serve(mut request: Request) -> io::Result<()> {
    match (request.method(), request.url()) {
        (Method::Post, _) => {
            let mut body = String::new();
            request.as_reader().read_to_string(&mut body)?;
            request.respond(Response::from_string(body))
        }
        (Method::Head, _) => request.respond(Response::from_string("seven")),
        (_, "/users/7?full=true") => request.respond(Response::from_string("user 7")),
        (_, "/chunks") => request.respond(Response::new(StatusCode(200), vec![], &b"in chunks"[..], None, None)),
        (_, "/dropped") => Ok(()),
        (_, "/panic") => panic!("out of kettles"),
        (_, "/broken") => {
            let _ = request.respond(Response::new(StatusCode(200), vec![], Broken, Some(7), None));
            Ok(())
        }
        (_, "/raw") => {
            let mut writer = request.into_writer();
            write!(writer, "HTTP/1.1 {} {}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", 418, "I am a teapot")?;
            writer.flush()
        }
        (_, "/socket") => {
            let mut socket = request.upgrade("echo", Response::empty(101));
            let mut bytes = [0; 4];
            socket.read_exact(&mut bytes)?;
            socket.write_all(&bytes)?;
            socket.flush()
        }
        _ => request.respond(Response::empty(404)),
    }
}

fn send(address: SocketAddr, method: &str, target: &str, rest: &str) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "{method} {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{rest}")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    println!("{method} {target}: {}", answer.split(' ').nth(1).unwrap_or_default());
    Ok(())
}

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let server = Server::from_listener(listener, None)?;
    thread::spawn(move || {
        while let Ok(request) = server.recv() {
            let _ = thread::spawn(move || serve(request)).join();
        }
    });
    for target in ["/users/7?full=true", "/elsewhere", "/chunks", "/dropped", "/panic", "/broken", "/raw"] {
        send(address, "GET", target, "\r\n")?;
    }
    send(address, "HEAD", "/users/7", "\r\n")?;
    send(address, "POST", "/users", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")?;
    send(address, "GET", "/socket", "Upgrade: echo\r\n\r\nping")?;
    Ok(())
}
