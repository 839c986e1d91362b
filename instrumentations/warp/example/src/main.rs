//! Filters that take paths, and what becomes of requests that they reject.

use std::convert::Infallible;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use warp::http::StatusCode;
use warp::reject::{MethodNotAllowed, Reject};
use warp::{Filter, Rejection};

#[derive(Debug)]
struct Broken;

impl Reject for Broken {}

async fn recover(rejection: Rejection) -> Result<StatusCode, Infallible> {
    Ok(if rejection.find::<Broken>().is_some() {
        StatusCode::INTERNAL_SERVER_ERROR
    } else if rejection.find::<MethodNotAllowed>().is_some() {
        StatusCode::METHOD_NOT_ALLOWED
    } else {
        StatusCode::NOT_FOUND
    })
}

async fn send(address: SocketAddr, method: &str, target: &str) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("{method} {target} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    println!("{method} {target}: {}", answer.split(' ').nth(1).unwrap_or_default());
    Ok(())
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let get = || warp::get().or(warp::head()).unify();
    let index = warp::path::end().and(get()).map(|| "the shop".to_owned());
    let me = warp::path!("users" / "me" / "cart").and(warp::put()).map(|| "full".to_owned());
    let user = warp::path!("users" / u32).and(get()).map(|id| format!("user {id}"));
    let item = warp::path("shop").and(warp::path!("items" / String)).and(get()).map(|name| format!("a {name}"));
    let file = warp::path("files").and(warp::path::tail()).map(|tail: warp::path::Tail| tail.as_str().to_owned());
    let broken = warp::path!("broken" / String).and(get());
    let broken = broken.and_then(|_| async { Err::<String, _>(warp::reject::custom(Broken)) });
    let slow = warp::path!("slow" / u32).and(get()).then(|_| std::future::pending::<String>());
    // Two filters take this path, and both reject the request.
    let one = warp::path!("either" / "one").and(warp::post()).map(|| "one".to_owned());
    let other = warp::path!("either" / String).and(warp::post());
    let routes = index.or(me).unify().or(user).unify().or(item).unify().or(file).unify().or(broken).unify();
    let routes = routes.or(slow).unify().or(one).unify().or(other).unify().recover(recover);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(warp::serve(routes).incoming(listener).run());
    for target in ["/", "/users/7?full=true", "/shop/items/kettle", "/files/a/b", "/users/me", "/elsewhere"] {
        send(address, "GET", target).await?;
    }
    send(address, "GET", "/broken/pot").await?;
    send(address, "GET", "/either/one").await?;
    send(address, "POST", "/users/7").await?;
    send(address, "HEAD", "/users/7").await?;
    // A client that does not wait for the answer.
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(b"GET /slow/7 HTTP/1.1\r\nhost: shop.test\r\n\r\n").await?;
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    drop(stream);
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    Ok(())
}
