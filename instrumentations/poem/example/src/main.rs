//! Nested routes, and what becomes of requests that they do not take.

use std::net::SocketAddr;

use poem::http::StatusCode;
use poem::listener::{Acceptor, Listener, TcpListener};
use poem::middleware::CatchPanic;
use poem::web::Path;
use poem::{get, handler, EndpointExt, Route, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[handler]
fn user(Path(id): Path<u32>) -> String {
    format!("user {id}")
}

#[handler]
fn item(Path(name): Path<String>) -> String {
    format!("a {name}")
}

#[handler]
fn broken() -> poem::Result<String> {
    Err(poem::Error::from_status(StatusCode::INTERNAL_SERVER_ERROR))
}

#[handler]
fn panic() -> String {
    panic!("out of kettles")
}

async fn send(address: SocketAddr, method: &str, target: &str) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("{method} {target} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    println!("{method} {target}: {}", answer.split(' ').nth(1).unwrap_or_default());
    Ok(())
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let app = Route::new()
        .at("/users/:id", get(user))
        .nest("/shop", Route::new().at("/items/:name", get(item)))
        .at("/broken", get(broken))
        .at("/panic", get(panic))
        .with(CatchPanic::new());
    let acceptor = TcpListener::bind("127.0.0.1:0").into_acceptor().await?;
    let address = acceptor.local_addr().remove(0).as_socket_addr().copied().ok_or(std::io::ErrorKind::NotFound)?;
    tokio::spawn(Server::new_with_acceptor(acceptor).run(app));
    for target in ["/users/7?full=true", "/shop/items/kettle", "/shop/elsewhere", "/elsewhere", "/broken", "/panic"] {
        send(address, "GET", target).await?;
    }
    send(address, "POST", "/users/7").await?;
    send(address, "HEAD", "/users/7").await
}
