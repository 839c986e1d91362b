//! hyper 1, over `server::conn` and `client::conn`.

use std::convert::Infallible;
use std::error::Error;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{client, server, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};

async fn greet(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from(format!("hello {}\n", request.uri().path()))))
}

pub async fn run() -> Result<(), Box<dyn Error + Send + Sync>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let serving = tokio::spawn(async move {
        let (stream, _) = listener.accept().await?;
        server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(greet)).await?;
        let (stream, _) = listener.accept().await?;
        server::conn::http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(stream), service_fn(greet))
            .await?;
        Ok::<_, Box<dyn Error + Send + Sync>>(())
    });
    let request = |path: &str| {
        Request::get(format!("http://{address}{path}")).header("host", address.to_string()).body(Empty::<Bytes>::new())
    };

    let stream = TokioIo::new(TcpStream::connect(address).await?);
    let (mut one, connection) = client::conn::http1::handshake(stream).await?;
    tokio::spawn(connection);
    let answer = one.send_request(request("/one")?).await?.into_body().collect().await?;
    print!("{}", String::from_utf8_lossy(&answer.to_bytes()));
    drop(one);

    let stream = TokioIo::new(TcpStream::connect(address).await?);
    let (mut two, connection) = client::conn::http2::handshake(TokioExecutor::new(), stream).await?;
    tokio::spawn(connection);
    let answer = two.send_request(request("/two")?).await?.into_body().collect().await?;
    print!("{}", String::from_utf8_lossy(&answer.to_bytes()));
    drop(two);
    serving.await?
}
