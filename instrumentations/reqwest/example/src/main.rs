//! A call that is redirected, one that takes too long, and one that blocks.

use std::error::Error;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const MOVED: &str =
    "HTTP/1.1 307 Temporary Redirect\r\nlocation: /new\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
const HELLO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello";

async fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut head = [0; 4096];
    let length = stream.read(&mut head).await?;
    match &head[..length] {
        head if head.starts_with(b"GET /old ") => stream.write_all(MOVED.as_bytes()).await,
        head if head.starts_with(b"GET /new ") => stream.write_all(HELLO.as_bytes()).await,
        _ => {
            tokio::time::sleep(Duration::from_secs(5)).await;
            Ok(())
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let base = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream));
        }
    });
    let client = reqwest::Client::new();
    println!("{}", client.get(format!("{base}/old")).send().await?.text().await?);
    let late = client.get(format!("{base}/slow")).timeout(Duration::from_millis(100)).send().await;
    println!("timed out: {}", late.is_err_and(|error| error.is_timeout()));
    let url = format!("{base}/new");
    println!("{}", tokio::task::spawn_blocking(move || reqwest::blocking::get(url)?.text()).await??);
    Ok(())
}
