//! Nested routers, a nested service and a fallback.

use axum::routing::get;
use axum::Router;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let users = Router::new().route("/all", get(|| async { "everybody" }));
    let api = Router::new().route("/stock", get(|| async { "plenty" })).fallback(|| async { "nothing" });
    let app = Router::new().nest("/users", users).fallback(|| async { "nobody" });
    let app = app.nest_service("/api", api).nest_service("/files", get(|| async { "a file" }));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    #[cfg(not(feature = "hyper-0"))]
    tokio::spawn(async move { axum::serve(listener, app).await });
    #[cfg(feature = "hyper-0")]
    tokio::spawn(axum::Server::from_tcp(listener.into_std()?).expect("a server").serve(app.into_make_service()));
    for path in ["/users/all", "/elsewhere", "/api/stock", "/api/nope", "/api", "/files/a/b"] {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        println!("{path}: {}", answer.lines().last().unwrap_or_default());
    }
    Ok(())
}
