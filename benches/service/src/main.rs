//! A small service: a greeting, a lookup in SQLite, and a call of its own lookup over HTTP. With the feature `manual` it is
//! instrumented by hand; without, it has no word of telemetry.

#[cfg(feature = "manual")]
mod telemetry;

use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

#[cfg(feature = "manual")]
type Pool = sqlx_tracing::Pool<sqlx::Sqlite>;
#[cfg(not(feature = "manual"))]
type Pool = sqlx::SqlitePool;
#[cfg(feature = "manual")]
type Client = reqwest_middleware::ClientWithMiddleware;
#[cfg(not(feature = "manual"))]
type Client = reqwest::Client;

#[derive(Clone)]
struct Service {
    pool: Pool,
    client: Client,
    own: String,
}

async fn hello() -> &'static str {
    "Hello, World!"
}

async fn user(State(service): State<Service>, Path(id): Path<i64>) -> Result<String, StatusCode> {
    let query = sqlx::query_as("SELECT name, email FROM users WHERE id = ?").bind(id);
    let found: Result<Option<(String, String)>, sqlx::Error> = query.fetch_optional(&service.pool).await;
    let found = found.map_err(|error| {
        tracing::error!(%error, "the query failed");
        StatusCode::INTERNAL_SERVER_ERROR
    })?;
    tracing::info!(user_id = id, found = found.is_some(), "user lookup");
    let (name, email) = found.ok_or(StatusCode::NOT_FOUND)?;
    Ok(format!("{{\"id\":{id},\"name\":\"{name}\",\"email\":\"{email}\"}}"))
}

async fn proxy(State(service): State<Service>, Path(id): Path<i64>) -> Result<String, StatusCode> {
    let answer = service.client.get(format!("{}/users/{id}", service.own)).send().await.map_err(|error| {
        tracing::error!(%error, "the call failed");
        StatusCode::BAD_GATEWAY
    })?;
    tracing::info!(user_id = id, status = answer.status().as_u16(), "upstream answered");
    if !answer.status().is_success() {
        return Err(StatusCode::BAD_GATEWAY);
    }
    answer.text().await.map_err(|_| StatusCode::BAD_GATEWAY)
}

async fn database() -> Result<sqlx::SqlitePool, sqlx::Error> {
    // Memory, not a disk: what is measured is not the disk's.
    let options = SqliteConnectOptions::new().filename("file:users?mode=memory&cache=shared").shared_cache(true);
    let pool = SqlitePoolOptions::new().max_connections(4).min_connections(1).idle_timeout(None::<Duration>);
    let pool = pool.max_lifetime(None::<Duration>).connect_with(options).await?;
    sqlx::query("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL)")
        .execute(&pool)
        .await?;
    for id in 1..=100 {
        let insert = sqlx::query("INSERT INTO users VALUES (?, ?, ?)").bind(id);
        insert.bind(format!("user {id}")).bind(format!("user{id}@example.com")).execute(&pool).await?;
    }
    Ok(pool)
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    #[cfg(feature = "manual")]
    let telemetry = telemetry::init()?;
    #[cfg(not(feature = "manual"))]
    tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).init();

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    #[cfg_attr(not(feature = "manual"), expect(clippy::useless_conversion, reason = "another type with the feature"))]
    let pool = database().await?.into();
    let client = reqwest::Client::new();
    #[cfg(feature = "manual")]
    let client = telemetry::client(client);
    let service = Service { pool, client, own: format!("http://{address}") };
    let router = Router::new();
    let router = router.route("/hello", get(hello)).route("/users/{id}", get(user)).route("/proxy/{id}", get(proxy));
    #[cfg(feature = "manual")]
    let router = telemetry::layers(router);
    let router = router.with_state(service);

    println!("{address}");
    let ended = async {
        let mut signal = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).expect("a handler");
        signal.recv().await;
    };
    // Without waiting for the connections that the load generator keeps.
    tokio::select! {
        result = axum::serve(listener, router) => result?,
        () = ended => {}
    }
    #[cfg(feature = "manual")]
    telemetry.shutdown();
    Ok(())
}
