//! Calls that middleware repeats: because of the answer, after a redirect, and because they took too long.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use http::Extensions;
use reqwest::{Client, Method, Request, Response, Url};
use reqwest_middleware::{ClientBuilder, Next, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

static REFUSED: AtomicU32 = AtomicU32::new(0);
static STALLED: AtomicU32 = AtomicU32::new(0);

async fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut head = [0; 4096];
    let length = stream.read(&mut head).await?;
    let status = match &head[..length] {
        head if head.starts_with(b"GET /busy ") => match REFUSED.fetch_add(1, Ordering::Relaxed) {
            0 => "503 Service Unavailable",
            _ => "307 Temporary Redirect\r\nlocation: /here",
        },
        head if head.starts_with(b"GET /slow ") && STALLED.fetch_add(1, Ordering::Relaxed) == 0 => {
            sleep(Duration::from_secs(5)).await;
            "200 OK"
        }
        _ => "200 OK",
    };
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    stream.write_all(answer.as_bytes()).await
}

/// Repeats what fails or takes too long, each time with a token of its own.
fn repeat<'a>(
    request: Request,
    extensions: &'a mut Extensions,
    next: Next<'a>,
) -> Pin<Box<dyn Future<Output = Result<Response>> + Send + 'a>> {
    Box::pin(async move {
        loop {
            let token = request.url().join("/token").expect("a URL");
            Client::new().execute(Request::new(Method::GET, token)).await?;
            let attempt = request.try_clone().expect("a request without a body");
            match timeout(Duration::from_millis(300), next.clone().run(attempt, extensions)).await {
                Ok(Ok(response)) if response.status() == 503 => {}
                Ok(result) => return result,
                Err(_) => {}
            }
        }
    })
}

#[tokio::main]
async fn main() -> std::result::Result<(), Box<dyn Error + Send + Sync>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let base = Url::parse(&format!("http://{}", listener.local_addr()?))?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream));
        }
    });
    let client = ClientBuilder::new(Client::new()).with(repeat).build();
    let mut extensions = Extensions::new();
    for path in ["/busy", "/slow", "/once"] {
        let request = Request::new(Method::GET, base.join(path)?);
        let response = client.execute_with_extensions(request, &mut extensions).await?;
        println!("{path}: {}", response.status().as_u16());
    }
    Ok(())
}
