//! Requests through curl: answered, redirected, failed, given up.

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::net::TcpListener;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{server, Request, Response};
use hyper_util::rt::TokioIo;
use isahc::config::{Configurable, RedirectPolicy};
use isahc::HttpClient;

async fn serve(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::default());
    match request.uri().path() {
        "/greeting" => *response.body_mut() = "hello".into(),
        "/moved" => {
            *response.status_mut() = hyper::StatusCode::FOUND;
            response.headers_mut().insert("location", "/greeting?from=moved".parse().unwrap());
        }
        _ => *response.status_mut() = hyper::StatusCode::NOT_FOUND,
    }
    Ok(response)
}

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Runtime::new()?;
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))?;
    let url = format!("http://{}", listener.local_addr()?);
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(serve)));
        }
    });

    let client = HttpClient::builder().redirect_policy(RedirectPolicy::Follow).build()?;
    for path in ["/greeting", "/moved", "/missing"] {
        let mut answer = client.get(format!("{url}{path}"))?;
        println!("{path}: {} {}", answer.status().as_u16(), io::read_to_string(answer.body_mut())?);
    }
    println!("refused: {}", client.get("http://127.0.0.1:1/").is_err());
    println!("unknown: {}", client.get(format!("http://{}.invalid/", "x".repeat(64))).is_err());

    let silent = TcpListener::bind("127.0.0.1:0")?;
    let silent_url = format!("http://{}/", silent.local_addr()?);
    let hasty = HttpClient::builder().timeout(Duration::from_millis(100)).build()?;
    println!("silent: {}", hasty.get(&silent_url).is_err());
    let given_up = runtime
        .block_on(async { tokio::time::timeout(Duration::from_millis(50), client.get_async(&silent_url)).await });
    println!("given up: {}", given_up.is_err());
    Ok(())
}
