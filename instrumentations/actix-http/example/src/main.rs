//! A server with two workers, over HTTP/1 and HTTP/2, and a client that writes what it sends by hand.

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use actix_http::body::{BodyStream, BoxBody, MessageBody};
use actix_http::{HttpService, Method, Request, Response, StatusCode};
use bytes::Bytes;
use futures_util::{stream, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

type Answer = Result<Response<BoxBody>, Response<BoxBody>>;

fn answer(status: StatusCode, body: impl MessageBody + 'static) -> Response<BoxBody> {
    Response::with_body(status, body).map_into_boxed_body()
}

/// A body that logs a line for each part when it is read.
fn parts(parts: &'static [&'static str]) -> impl MessageBody {
    let parts = stream::iter(parts).then(|part| async move {
        tokio::task::yield_now().await;
        log::info!("part {part}");
        if part.is_empty() {
            Err("no more parts")
        } else {
            Ok(Bytes::from_static(part.as_bytes()))
        }
    });
    BodyStream::new(parts.boxed_local())
}

async fn serve(mut request: Request) -> Answer {
    if request.method() == Method::POST {
        let mut body = request.take_payload();
        let mut bytes = 0;
        while let Some(Ok(part)) = body.next().await {
            bytes += part.len();
        }
        return Ok(answer(StatusCode::OK, format!("{bytes} bytes")));
    }
    match request.path() {
        "/nothing" => Ok(answer(StatusCode::NO_CONTENT, ())),
        "/parts" => Ok(answer(StatusCode::OK, parts(&["one", "two"]))),
        "/broken" => Ok(answer(StatusCode::OK, parts(&["one", ""]))),
        "/error" => Err(answer(StatusCode::INTERNAL_SERVER_ERROR, "it does not work")),
        "/panic" => panic!("no answer"),
        "/slow" => {
            tokio::time::sleep(Duration::from_secs(60)).await;
            Ok(answer(StatusCode::OK, "late"))
        }
        "/socket" => {
            let mut response = Response::build(StatusCode::SWITCHING_PROTOCOLS);
            Ok(response.upgrade("echo").body(parts(&["welcome", "bye"])).map_into_boxed_body())
        }
        path => Ok(answer(StatusCode::OK, format!("hello {path}"))),
    }
}

/// Sends requests at once, and prints the lines of what comes back, without most of the headers.
async fn talk(address: SocketAddr, requests: &[&str]) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(requests.concat().as_bytes()).await?;
    let mut answers = Vec::new();
    let _ = stream.read_to_end(&mut answers).await;
    let answers = String::from_utf8_lossy(&answers);
    answers.lines().filter(|line| !line.contains(": ") && !line.is_empty()).for_each(|line| println!("{line}"));
    Ok(())
}

async fn http1(address: SocketAddr) -> Result<(), Box<dyn Error>> {
    let close = "host: shop\r\nconnection: close\r\n\r\n";
    talk(address, &["GET /one?two=three HTTP/1.1\r\nhost: shop\r\n\r\nGET /nothing HTTP/1.1\r\n", close]).await?;
    talk(address, &["GET /parts HTTP/1.1\r\n", close]).await?;
    talk(address, &["HEAD /head HTTP/1.0\r\n\r\n"]).await?;
    talk(address, &["POST /post HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 4\r\n", close, "four"]).await?;
    for path in ["/error", "/broken", "/panic", "/socket"] {
        talk(address, &["GET ", path, " HTTP/1.1\r\n", close]).await?;
    }
    talk(address, &["nonsense\r\n\r\n"]).await?;

    let mut lost = TcpStream::connect(address).await?;
    #[allow(deprecated)]
    lost.set_linger(Some(Duration::ZERO))?;
    lost.write_all(b"GET /slow HTTP/1.1\r\nhost: shop\r\n\r\n").await?;
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(lost);
    Ok(())
}

async fn http2(address: SocketAddr) -> Result<(), Box<dyn Error>> {
    let (mut client, connection) = h2::client::handshake(TcpStream::connect(address).await?).await?;
    tokio::spawn(connection);
    for (method, path, sent) in [("GET", "/two", ""), ("POST", "/post", "sixteen bytes :-)"), ("GET", "/panic", "")] {
        let request = http::Request::builder().method(method).uri(format!("http://{address}{path}")).body(())?;
        let (response, mut body) = client.send_request(request, sent.is_empty())?;
        if !sent.is_empty() {
            body.send_data(Bytes::from_static(sent.as_bytes()), true)?;
        }
        match response.await {
            Ok(response) => {
                let status = response.status();
                let mut body = response.into_body();
                let body = body.data().await.unwrap_or(Ok(Bytes::new()))?;
                println!("{status} {}", String::from_utf8_lossy(&body));
            }
            Err(_) => println!("no answer"),
        }
    }
    Ok(())
}

struct Silent;

impl log::Log for Silent {
    fn enabled(&self, metadata: &log::Metadata) -> bool {
        metadata.target() == module_path!()
    }

    fn log(&self, _: &log::Record) {}

    fn flush(&self) {}
}

fn main() -> Result<(), Box<dyn Error>> {
    log::set_logger(&Silent).map(|()| log::set_max_level(log::LevelFilter::Info)).expect("there is no other logger");
    actix_rt::System::new().block_on(async {
        let listen = || std::net::TcpListener::bind("127.0.0.1:0");
        let (one, two) = (listen()?, listen()?);
        let (first, second) = (one.local_addr()?, two.local_addr()?);
        let server = actix_server::Server::build()
            .workers(2)
            .disable_signals()
            .listen("http1", one, || HttpService::build().finish(serve).tcp())?
            .listen("http2", two, || HttpService::build().h2(serve).tcp())?
            .run();
        let handle = server.handle();
        actix_rt::spawn(server);
        http1(first).await?;
        http2(second).await?;
        tokio::time::sleep(Duration::from_millis(100)).await;
        handle.stop(false).await;
        Ok(())
    })
}
