//! Scopes, guards and errors, served by two workers.

use std::net::SocketAddr;

use actix_web::{error, get, guard, middleware, post, rt, web, App, HttpResponse, HttpServer, Responder};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[get("/{id}")]
async fn user(id: web::Path<u32>) -> String {
    format!("user {id}")
}

// GET would go to the one above.
#[post("/new")]
async fn new_user() -> Result<&'static str, error::Error> {
    web::block(|| log::info!("a new user")).await?;
    Ok("user 1")
}

#[get("/refused")]
async fn refused() -> Result<&'static str, error::Error> {
    Err(error::ErrorInternalServerError("not today"))
}

#[get("/panic")]
async fn panics() -> &'static str {
    panic!("no answer")
}

async fn home() -> impl Responder {
    HttpResponse::Ok().body("home")
}

async fn for_admins() -> &'static str {
    "for admins"
}

async fn talk(address: SocketAddr, requests: &str) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(requests.as_bytes()).await?;
    let mut answers = Vec::new();
    let _ = stream.read_to_end(&mut answers).await;
    let answers = String::from_utf8_lossy(&answers);
    answers.lines().filter(|line| !line.contains(": ") && !line.is_empty()).for_each(|line| println!("{line}"));
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

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    log::set_logger(&Silent).map(|()| log::set_max_level(log::LevelFilter::Info)).expect("there is no other logger");
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let server = HttpServer::new(|| {
        let users = web::scope("/users").service(user).service(new_user).wrap(middleware::DefaultHeaders::new());
        let admins =
            web::scope("/team").guard(guard::Header("role", "admin")).route("/{page}", web::get().to(for_admins));
        App::new()
            .service(web::scope("/api").service(users).service(refused))
            .service(admins)
            .service(panics)
            .service(web::resource("/").route(web::get().to(home)))
    });
    let server = server.workers(2).disable_signals().listen(listener)?.run();
    let handle = server.handle();
    rt::spawn(server);

    let close = "host: shop\r\nconnection: close\r\n\r\n";
    talk(address, &format!("GET /api/users/7 HTTP/1.1\r\nhost: shop\r\n\r\nGET / HTTP/1.1\r\n{close}")).await?;
    let role = "role: admin\r\n";
    for (request, role) in [
        ("POST /api/users/new", ""),
        ("GET /team/accounts", role),
        ("GET /team/accounts", ""),
        ("GET /api/users/7/friends", ""),
        ("DELETE /", ""),
        ("GET /api/users/seven", ""),
        ("GET /api/refused", ""),
        ("GET /panic", ""),
    ] {
        talk(address, &format!("{request} HTTP/1.1\r\n{role}{close}")).await?;
    }
    handle.stop(false).await;
    Ok(())
}
