//! A client and the server that it calls: an answer, a redirect, an error, no answer in time, and no server.

use std::error::Error;
use std::net::TcpListener;
use std::time::Duration;

use actix_web::{get, rt, web, App, HttpRequest, HttpResponse, HttpServer};
use awc::Client;

#[get("/users/{id}")]
async fn user(id: web::Path<u32>, request: HttpRequest) -> String {
    format!("user {id}, for {}", request.headers().get("shop").map_or("nobody", |shop| shop.to_str().unwrap_or("?")))
}

#[get("/moved")]
async fn moved() -> HttpResponse {
    HttpResponse::Found().insert_header(("location", "/users/2")).finish()
}

#[get("/slow")]
async fn slow() -> &'static str {
    tokio::time::sleep(Duration::from_millis(600)).await;
    "late"
}

#[get("/socket")]
async fn socket() -> HttpResponse {
    HttpResponse::Forbidden().finish()
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let nobody = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let url = |path: &str| format!("http://{}{path}", listener.local_addr().expect("it listens"));
    let (home, users, frozen_url) = (url(""), url("/users/1"), url("/users/3"));
    let (moved_url, missing, slow_url, socket_url) = (url("/moved"), url("/missing"), url("/slow"), url("/socket"));
    let server = HttpServer::new(|| App::new().service(user).service(moved).service(slow).service(socket));
    rt::spawn(server.workers(2).disable_signals().listen(listener)?.run());

    let client = Client::new();
    for url in [&users, &moved_url, &missing] {
        let mut response = client.get(url).send().await?;
        let body = response.body().await?;
        println!("{} {}", response.status(), String::from_utf8_lossy(&body));
    }
    // The head of a frozen request is shared: what is added to it is not.
    let mut response = client.get(&frozen_url).freeze()?.extra_header(("shop", "one")).send().await?;
    println!("{}", String::from_utf8_lossy(&response.body().await?));
    let late = client.get(&slow_url).timeout(Duration::from_millis(100)).send().await;
    println!("{}", late.map(|_| "an answer").unwrap_or("no answer in time"));
    let given_up = tokio::time::timeout(Duration::from_millis(100), client.get(&slow_url).send()).await;
    println!("{}", given_up.map(|_| "an answer").unwrap_or("given up"));
    let refused = client.post(format!("http://{nobody}/")).send_body("nobody reads this").await;
    println!("{}", refused.map(|_| "an answer").unwrap_or("no server"));
    let refused = client.ws(socket_url.replace(&home, &home.replace("http:", "ws:"))).connect().await;
    println!("{}", refused.map(|_| "a socket").unwrap_or("no socket"));
    tokio::time::sleep(Duration::from_millis(700)).await;
    Ok(())
}
