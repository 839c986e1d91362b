//! Requests through the pooling client: one that is answered, one that is refused.

use std::convert::Infallible;
use std::error::Error;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full};
use hyper::service::service_fn;
use hyper::{server, Response};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await?;
        let hello = service_fn(|_| async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("hello"))) });
        server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), hello).await?;
        Ok::<_, Box<dyn Error + Send + Sync>>(())
    });
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let answer = client.get(format!("http://{address}/greeting?from=example").parse()?).await?;
    println!("{}", String::from_utf8_lossy(&answer.into_body().collect().await?.to_bytes()));
    let nobody = client.get("http://127.0.0.1:1/".parse()?).await;
    println!("refused: {}", nobody.is_err());
    Ok(())
}
