//! Requests for endpoints: answered, refused by the handler, refused by the router.

use std::error::Error;
use std::net::SocketAddr;

use dropshot::{
    endpoint, ApiDescription, ConfigDropshot, HttpError, HttpResponseOk, HttpServerStarter, Path, RequestContext,
};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[derive(Deserialize, JsonSchema)]
struct Order {
    id: u32,
}

#[derive(Deserialize, JsonSchema)]
struct File {
    path: Vec<String>,
}

/// Orders from 1 on can be found.
#[endpoint { method = GET, path = "/orders/{id}" }]
async fn order(_: RequestContext<()>, path: Path<Order>) -> Result<HttpResponseOk<u32>, HttpError> {
    match path.into_inner().id {
        0 => Err(HttpError::for_not_found(None, "there is no order 0".to_owned())),
        id => Ok(HttpResponseOk(id)),
    }
}

#[endpoint { method = GET, path = "/files/{path:.*}", unpublished = true }]
async fn file(_: RequestContext<()>, path: Path<File>) -> Result<HttpResponseOk<usize>, HttpError> {
    Ok(HttpResponseOk(path.into_inner().path.len()))
}

/// The status of the response.
async fn request(server: SocketAddr, line: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(server).await?;
    stream.write_all(format!("{line} HTTP/1.1\r\nhost: shop.test\r\nconnection: close\r\n\r\n").as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer.split(' ').nth(1).unwrap_or_default().to_owned())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut api = ApiDescription::new();
    api.register(order)?;
    api.register(file)?;
    let log = slog::Logger::root(slog::Discard, slog::o!());
    let server = HttpServerStarter::new(&ConfigDropshot::default(), api, (), &log)?.start();
    let address = server.local_addr();
    for line in ["GET /orders/7", "GET /orders/0", "GET /orders/x", "GET /files/a/b", "GET /nothing", "PUT /orders/7"] {
        println!("{line}: {}", request(address, line).await?);
    }
    server.close().await?;
    Ok(())
}
