//! A server whose answer takes tasks of all kinds: each sends a request, whose span is a child of the server's.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{client, server, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{self, Handle};
use tokio::task::{spawn_blocking, spawn_local, JoinSet, LocalSet};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Sends a request.
async fn get(address: SocketAddr, path: &'static str) -> Result<()> {
    let stream = TokioIo::new(TcpStream::connect(address).await?);
    let (mut sender, connection) = client::conn::http1::handshake(stream).await?;
    let connection = tokio::spawn(connection);
    let request = Request::get(format!("http://{address}{path}")).header("host", address.to_string());
    drop(sender.send_request(request.body(String::new())?).await?);
    drop(sender);
    Ok(connection.await??)
}

/// The server of the tasks' requests, which has no spans.
async fn serve_tasks(listener: TcpListener) -> io::Result<()> {
    loop {
        let (mut stream, _) = listener.accept().await?;
        let _ = stream.read(&mut [0; 1024]).await?;
        stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").await?;
    }
}

/// One task of each kind. `local` executes its tasks outside of the request that spawned them.
async fn answer(tasks: SocketAddr, local: Rc<LocalSet>) -> Result<Response<String>> {
    tokio::spawn(get(tasks, "/spawn")).await??;
    Handle::current().spawn(get(tasks, "/spawn_on")).await??;
    spawn_blocking(move || Handle::current().block_on(get(tasks, "/spawn_blocking"))).await??;
    spawn_local(get(tasks, "/spawn_local")).await??;
    local.spawn_local(get(tasks, "/local_set")).await??;
    let mut set = JoinSet::new();
    set.spawn(get(tasks, "/join_set"));
    while let Some(end) = set.join_next().await {
        end??;
    }
    Ok(Response::new("hello".to_owned()))
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<()> {
    let (listener, tasks) = (TcpListener::bind("127.0.0.1:0").await?, TcpListener::bind("127.0.0.1:0").await?);
    let (address, tasks_address) = (listener.local_addr()?, tasks.local_addr()?);
    tokio::spawn(serve_tasks(tasks));
    let client = tokio::spawn(get(address, "/"));
    let local = Rc::new(LocalSet::new());
    let service = service_fn(|_: Request<Incoming>| answer(tasks_address, Rc::clone(&local)));
    let serve = async {
        let (stream, _) = listener.accept().await?;
        Ok::<_, io::Error>(server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await)
    };
    local.run_until(serve).await??;
    client.await??;

    // A runtime that is gone at the end, and this one, which is not: the metrics are exported meanwhile.
    let other = runtime::Builder::new_current_thread().build()?;
    spawn_blocking(move || other.block_on(async { tokio::spawn(async {}).await })).await??;

    // The runtime catches the panics of its tasks: a hook that calls no other leaves them to it. On one thread, so that the
    // records keep their order.
    let third = runtime::Builder::new_current_thread().build()?;
    let panics = async {
        assert!(tokio::spawn(async { panic!("seen by the hook") }).await.is_err());
        std::panic::set_hook(Box::new(|_| {}));
        assert!(tokio::spawn(async { panic!("out of {}", "kettles") }).await.is_err());
    };
    spawn_blocking(move || third.block_on(panics)).await?;
    println!("answered");
    tokio::time::sleep(Duration::from_secs(2)).await;
    std::process::exit(0)
}
