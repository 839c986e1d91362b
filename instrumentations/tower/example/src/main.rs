//! A server whose answers come from a slow service behind the middleware that makes requests wait or fail.

use std::convert::Infallible;
use std::future::{ready, Ready};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower::retry::Policy;
use tower::{service_fn, BoxError, Service, ServiceBuilder, ServiceExt};

/// Shorter than the service takes.
const SHORT: Duration = Duration::from_millis(5);
/// Longer than it takes until a second request arrives, on a busy machine as well.
const LONG: Duration = Duration::from_millis(300);

type Answer = Result<u64, BoxError>;

async fn double(number: u64) -> Answer {
    tokio::time::sleep(LONG).await;
    Ok(number * 2)
}

/// Calls the service twice at once.
async fn twice<S>(service: S) -> Vec<Answer>
where
    S: Service<u64, Response = u64, Error = BoxError> + Clone,
{
    let (first, second) = tokio::join!(service.clone().oneshot(1), service.oneshot(2));
    vec![first, second]
}

/// Sends what failed again.
#[derive(Clone)]
struct Again;

#[cfg(tower_0_4)]
impl Policy<u64, u64, BoxError> for Again {
    type Future = Ready<Self>;

    fn retry(&self, _: &u64, result: Result<&u64, &BoxError>) -> Option<Self::Future> {
        result.is_err().then(|| ready(Again))
    }

    fn clone_request(&self, number: &u64) -> Option<u64> {
        Some(*number)
    }
}

#[cfg(not(tower_0_4))]
impl Policy<u64, u64, BoxError> for Again {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut u64, result: &mut Result<u64, BoxError>) -> Option<Self::Future> {
        result.is_err().then(|| ready(()))
    }

    fn clone_request(&mut self, number: &u64) -> Option<u64> {
        Some(*number)
    }
}

/// Calls a service that refuses its first two requests.
async fn again() -> Vec<Answer> {
    static ATTEMPTS: AtomicU64 = AtomicU64::new(0);
    let service = service_fn(|number: u64| async move {
        let refused = ATTEMPTS.fetch_add(1, Ordering::Relaxed) < 2;
        Some(number * 2).filter(|_| !refused).ok_or_else(|| BoxError::from("refused"))
    });
    vec![ServiceBuilder::new().retry(Again).service(service).oneshot(1).await]
}

async fn answer(request: Request<Incoming>) -> Result<Response<String>, Infallible> {
    let (layers, service) = (ServiceBuilder::new(), service_fn(double));
    let path = request.uri().path();
    let answers = match path {
        "/timeout" => twice(layers.timeout(SHORT).service(service)).await,
        "/concurrency_limit" => twice(layers.concurrency_limit(1).service(service)).await,
        "/load_shed" => twice(layers.load_shed().concurrency_limit(1).service(service)).await,
        "/rate_limit" => twice(layers.buffer(2).rate_limit(1, LONG).service(service)).await,
        _ => again().await,
    };
    println!("{path}: {answers:?}");
    let mut response = Response::new(String::new());
    if answers.iter().any(Result::is_err) {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    Ok(response)
}

/// Sends a request that is in no span.
async fn get(address: SocketAddr, path: &str) -> io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    let head = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    stream.read_to_string(&mut String::new()).await.map(drop)
}

async fn serve(listener: &TcpListener) -> io::Result<()> {
    let (stream, _) = listener.accept().await?;
    let service = hyper::service::service_fn(answer);
    let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    connection.await.map_err(io::Error::other)
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    for path in ["/timeout", "/concurrency_limit", "/load_shed", "/rate_limit", "/retry"] {
        tokio::try_join!(get(address, path), serve(&listener))?;
    }
    Ok(())
}
