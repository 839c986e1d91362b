//! Messages between a client and a server, and handshakes: accepted, redirected, refused, broken off.

use std::error::Error;
use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tungstenite::{accept_hdr, client, connect, Message};

/// Returns texts and bytes, until the client closes the connection.
fn echo(stream: TcpStream, chat: &str) -> tungstenite::Result<()> {
    let answer = |request: &Request, response: Response| {
        let (status, location) = match request.uri().path() {
            "/chat" => return Ok(response),
            "/moved" => (302, chat),
            _ => (404, "/"),
        };
        let mut refusal = ErrorResponse::new(None);
        *refusal.status_mut() = status.try_into().expect("it is a status");
        refusal.headers_mut().insert("location", location.parse().expect("it is a header's value"));
        Err(refusal)
    };
    let Ok(mut socket) = accept_hdr(stream, answer) else { return Ok(()) };
    loop {
        match socket.read()? {
            message if message.is_text() || message.is_binary() => socket.send(message)?,
            _ => {}
        }
    }
}

/// Reads a request, and closes the connection.
fn break_off() -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || listener.accept().map(|(mut stream, _)| stream.read(&mut [0; 4096])));
    Ok(address)
}

fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let server = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = echo(stream, &format!("ws://{server}/chat?token=opensesame"));
        }
    });

    let (mut socket, response) = connect(format!("ws://{server}/moved"))?;
    println!("moved: {}", response.status().as_u16());
    socket.send(Message::text("hello"))?;
    println!("answer: {}", socket.read()?);
    socket.send(Message::binary(vec![1, 2, 3]))?;
    println!("answer: {} bytes", socket.read()?.len());
    socket.send(Message::Ping(Vec::new().into()))?;
    println!("pong: {}", socket.read()?.is_pong());
    socket.close(None)?;
    println!("close: {}", socket.read()?.is_close());
    println!("closed: {}", socket.read().is_err());

    println!("missing: {}", connect(format!("ws://{server}/missing")).is_err());
    let (mut socket, response) = client("ws://chat.test/chat", TcpStream::connect(server)?)?;
    println!("on a stream: {}", response.status().as_u16());
    socket.close(None)?;
    while socket.read().is_ok() {}
    println!("broken off: {}", client("ws://chat.test/chat", TcpStream::connect(break_off()?)?).is_err());
    println!("nobody: {}", connect("ws://127.0.0.1:1/chat").is_err());
    Ok(())
}
