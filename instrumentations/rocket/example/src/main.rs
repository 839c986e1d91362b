//! Routes at two places, and what becomes of requests that they do not take.

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};

use rocket::config::{LogLevel, Shutdown};
use rocket::fairing::AdHoc;
use rocket::http::Status;
use rocket::{get, routes, Config};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

#[get("/users/<id>?<full>")]
fn user(id: u32, full: Option<bool>) -> String {
    format!("user {id}, {full:?}")
}

#[get("/items/<name>")]
fn item(name: &str) -> String {
    format!("a {name}")
}

#[get("/broken")]
fn broken() -> Status {
    Status::InternalServerError
}

#[get("/panic")]
fn panic() -> &'static str {
    panic!("out of kettles")
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
async fn main() -> Result<(), Box<dyn Error>> {
    let shutdown = Shutdown { ctrlc: false, ..Shutdown::default() };
    let config = Config { port: 0, log_level: LogLevel::Off, shutdown, ..Config::debug_default() };
    let (lifted, port) = oneshot::channel();
    let liftoff = AdHoc::on_liftoff("port", |rocket| {
        let _ = lifted.send(rocket.config().port);
        Box::pin(async {})
    });
    let rocket = rocket::custom(config).mount("/", routes![user, broken, panic]).mount("/shop", routes![item]);
    tokio::spawn(rocket.attach(liftoff).launch());
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.await?));
    for target in ["/users/7?full=true", "/shop/items/kettle", "/users/nobody", "/elsewhere", "/broken", "/panic"] {
        send(address, "GET", target).await?;
    }
    send(address, "POST", "/users/7").await?;
    send(address, "HEAD", "/users/7").await?;
    Ok(())
}
