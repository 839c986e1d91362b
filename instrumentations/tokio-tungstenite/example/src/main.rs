//! A server that upgrades its requests, as axum and others do, and clients of it: accepted, refused, given up.

use std::convert::Infallible;
use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Message, Role};
use tokio_tungstenite::{client_async, connect_async, WebSocketStream};

/// Returns every message, until the client closes the connection.
async fn echo(request: Request<Incoming>) {
    let upgraded = TokioIo::new(hyper::upgrade::on(request).await.expect("it is upgraded"));
    let mut socket = WebSocketStream::from_raw_socket(upgraded, Role::Server, None).await;
    while let Some(Ok(message)) = socket.next().await {
        if message.is_text() {
            socket.send(message).await.expect("the client reads");
        }
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, Infallible> {
    let mut response = Response::new(Empty::new());
    match request.headers().get("sec-websocket-key") {
        Some(key) if request.uri().path() == "/chat" => {
            let accept = derive_accept_key(key.as_bytes());
            *response.status_mut() = 101.try_into().expect("it is a status");
            for (name, value) in
                [("connection", "upgrade"), ("upgrade", "websocket"), ("sec-websocket-accept", &accept)]
            {
                response.headers_mut().insert(name, value.parse().expect("it is a header's value"));
            }
            tokio::spawn(echo(request));
        }
        _ => *response.status_mut() = 404.try_into().expect("it is a status"),
    }
    Ok(response)
}

async fn serve(listener: TcpListener) -> std::io::Result<()> {
    loop {
        let stream = TokioIo::new(listener.accept().await?.0);
        tokio::spawn(http1::Builder::new().serve_connection(stream, service_fn(answer)).with_upgrades());
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let server = listener.local_addr()?;
    tokio::spawn(serve(listener));

    let (mut socket, response) = connect_async(format!("ws://{server}/chat?token=opensesame")).await?;
    println!("connected: {}", response.status().as_u16());
    for text in ["one", "two"] {
        socket.send(Message::text(text)).await?;
        println!("answer: {}", socket.next().await.ok_or("it is closed")??);
    }
    socket.close(None).await?;
    while socket.next().await.is_some() {}

    let (mut socket, response) = client_async("ws://chat.test/chat", TcpStream::connect(server).await?).await?;
    println!("on a stream: {}", response.status().as_u16());
    socket.close(None).await?;
    while socket.next().await.is_some() {}

    println!("missing: {}", connect_async(format!("ws://{server}/missing")).await.is_err());
    println!("nobody: {}", connect_async("ws://127.0.0.1:1/chat").await.is_err());
    let silent = TcpListener::bind("127.0.0.1:0").await?;
    let given_up = connect_async(format!("ws://{}/silent", silent.local_addr()?));
    println!("given up: {}", tokio::time::timeout(Duration::from_millis(50), given_up).await.is_err());
    Ok(())
}
