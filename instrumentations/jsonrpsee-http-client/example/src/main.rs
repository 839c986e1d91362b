//! Calls that a client sends over HTTP: answered, refused, given up.

use std::error::Error;
use std::time::Duration;

use jsonrpsee_core::client::ClientT;
use jsonrpsee_core::params::BatchRequestBuilder;
use jsonrpsee_core::rpc_params;
use jsonrpsee_http_client::HttpClientBuilder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

/// Answers one request. Ids of calls count up from 0.
async fn answer(mut stream: TcpStream, id: u32) -> std::io::Result<()> {
    let mut request = String::new();
    while !request.ends_with(['}', ']']) {
        let mut bytes = [0; 4096];
        let length = stream.read(&mut bytes).await?;
        request.push_str(&String::from_utf8_lossy(&bytes[..length]));
    }
    let (status, body) = if request.contains("shop_wait") {
        sleep(Duration::from_secs(5)).await;
        return Ok(());
    } else if request.contains("shop_broken") {
        ("503 Service Unavailable", String::new())
    } else if request.ends_with(']') {
        let error = r#"{"jsonrpc":"2.0","id":4,"error":{"code":-32601,"message":"no"}}"#;
        ("200 OK", format!(r#"[{{"jsonrpc":"2.0","id":3,"result":7}},{error}]"#))
    } else if request.contains("shop_steal") {
        ("200 OK", format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32601,"message":"no"}}}}"#))
    } else {
        ("200 OK", format!(r#"{{"jsonrpc":"2.0","id":{id},"result":7}}"#))
    };
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(format!("{head}{body}").as_bytes()).await
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/shop", listener.local_addr()?);
    tokio::spawn(async move {
        for id in 0.. {
            if let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, id));
            }
        }
    });

    let client = HttpClientBuilder::default().request_timeout(Duration::from_millis(200)).build(&url)?;
    println!("count: {}", client.request::<u32, _>("shop_count", rpc_params![]).await?);
    println!("no text: {}", client.request::<String, _>("shop_count", rpc_params![]).await.is_err());
    println!("unknown: {}", client.request::<u32, _>("shop_steal", rpc_params![]).await.is_err());
    let mut batch = BatchRequestBuilder::new();
    batch.insert("shop_count", rpc_params![])?;
    batch.insert("shop_steal", rpc_params![])?;
    println!("batch: {}", client.batch_request::<u32>(batch).await?.num_successful_calls());
    client.notification("shop_note", rpc_params![]).await?;
    println!("broken: {}", client.request::<u32, _>("shop_broken", rpc_params![]).await.is_err());
    println!("too late: {}", client.request::<u32, _>("shop_wait", rpc_params![]).await.is_err());
    let waiting = timeout(Duration::from_millis(50), client.request::<u32, _>("shop_wait", rpc_params![]));
    println!("given up: {}", waiting.await.is_err());
    let nobody = HttpClientBuilder::default().build("http://127.0.0.1:1")?;
    println!("refused: {}", nobody.request::<u32, _>("shop_count", rpc_params![]).await.is_err());
    Ok(())
}
