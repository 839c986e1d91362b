//! Nested routers, and what becomes of requests that they do not take.

use std::net::SocketAddr;

use salvo_core::http::StatusCode;
use salvo_core::prelude::{handler, Listener, Request, Response, Router, Server, TcpListener};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[handler]
async fn show(request: &mut Request, response: &mut Response) {
    response.render(format!("{:?}", request.param::<String>("name")));
}

#[handler]
async fn is_there(response: &mut Response) {
    response.status_code(StatusCode::OK);
}

#[handler]
async fn broken(response: &mut Response) {
    response.status_code(StatusCode::INTERNAL_SERVER_ERROR);
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
    let router = Router::new()
        .push(Router::with_path("users/{name}").get(show).head(is_there))
        .push(Router::with_path("shop").push(Router::with_path("items/{name}").get(show)))
        .push(Router::with_path("broken").get(broken))
        .push(Router::with_path("files/{**name}").get(show))
        .push(Router::with_path("file-{**name}").get(show));
    let acceptor = TcpListener::new("127.0.0.1:0").bind().await;
    let address = acceptor.local_addr()?;
    tokio::spawn(Server::new(acceptor).serve(router));
    for target in ["/users/7?full=true", "/shop/items/kettle", "/shop/elsewhere", "/elsewhere", "/broken"] {
        send(address, "GET", target).await?;
    }
    send(address, "GET", "/files/a/b").await?;
    send(address, "GET", "/file-a/b").await?;
    send(address, "POST", "/users/7").await?;
    send(address, "HEAD", "/users/7").await
}
