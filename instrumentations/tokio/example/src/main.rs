//! A server that answers each connection in tasks of all kinds.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinSet, LocalSet};

async fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut name = [0; 16];
    let length = stream.read(&mut name).await?;
    let mut tasks = JoinSet::new();
    tasks.spawn(async { tokio::time::sleep(Duration::from_millis(2)).await });
    tasks.spawn_blocking(|| std::thread::sleep(Duration::from_millis(2)));
    while tasks.join_next().await.is_some() {}
    stream.write_all(&name[..length]).await
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(answer(stream)).await?
    });
    let mut client = TcpStream::connect(address).await?;
    client.write_all(b"hello").await?;
    let mut echo = String::new();
    client.read_to_string(&mut echo).await?;
    server.await??;

    let local = LocalSet::new();
    let length = local.run_until(async { tokio::task::spawn_local(async move { echo.len() }).await }).await?;
    println!("{length} bytes");
    Ok(())
}
