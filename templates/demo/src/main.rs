//! Two services in one program: `shop` knows the orders and asks `stock` how many of an item are left.
//! There is no telemetry in it.

use std::future::IntoFuture;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use sqlx::sqlite::{SqlitePool, SqlitePoolOptions};

type Answer<T> = Result<Json<T>, StatusCode>;

#[derive(Serialize)]
struct Order {
    id: i64,
    item: String,
    left: i64,
}

#[derive(Serialize, Deserialize, sqlx::FromRow)]
struct Stock {
    item: String,
    left: i64,
}

#[derive(Clone)]
struct Shop {
    db: SqlitePool,
    http: reqwest::Client,
    stock: String,
}

async fn order(State(shop): State<Shop>, Path(id): Path<i64>) -> Answer<Order> {
    let item: Option<String> = sqlx::query_scalar("SELECT item FROM orders WHERE id = ?")
        .bind(id)
        .fetch_optional(&shop.db)
        .await
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let item = item.ok_or(StatusCode::NOT_FOUND)?;
    let url = format!("{}/stock/{item}", shop.stock);
    let answer = shop.http.get(url).send().await.map_err(|_| StatusCode::BAD_GATEWAY)?;
    let stock: Stock = answer.json().await.map_err(|_| StatusCode::BAD_GATEWAY)?;
    Ok(Json(Order { id, item, left: stock.left }))
}

async fn stock(State(db): State<SqlitePool>, Path(item): Path<String>) -> Answer<Stock> {
    let stock = sqlx::query_as("SELECT item, left FROM stock WHERE item = ?")
        .bind(item)
        .fetch_optional(&db)
        .await
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    stock.map(Json).ok_or(StatusCode::NOT_FOUND)
}

async fn open_database() -> Result<SqlitePool, sqlx::Error> {
    // One connection that is never closed: each one would have an in-memory database of its own.
    let db = SqlitePoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None).connect("sqlite::memory:").await?;
    for statement in [
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, item TEXT NOT NULL)",
        "CREATE TABLE stock (item TEXT PRIMARY KEY, left INTEGER NOT NULL)",
        "INSERT INTO orders VALUES (1, 'teapot'), (2, 'kettle'), (3, 'cup')",
        "INSERT INTO stock VALUES ('teapot', 4), ('kettle', 0), ('cup', 31)",
    ] {
        sqlx::query(statement).execute(&db).await?;
    }
    Ok(db)
}

fn port(variable: &str, default: u16) -> u16 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (shop_port, stock_port) = (port("SHOP_PORT", 3000), port("STOCK_PORT", 3001));
    let db = open_database().await?;

    let stock_app = Router::new().route("/stock/{item}", get(stock)).with_state(db.clone());
    let stock_listener = tokio::net::TcpListener::bind(("127.0.0.1", stock_port)).await?;
    tokio::spawn(axum::serve(stock_listener, stock_app).into_future());

    let shop = Shop { db, http: reqwest::Client::new(), stock: format!("http://127.0.0.1:{stock_port}") };
    let shop_app = Router::new().route("/orders/{id}", get(order)).with_state(shop);
    let shop_listener = tokio::net::TcpListener::bind(("127.0.0.1", shop_port)).await?;
    println!("shop listens on http://127.0.0.1:{shop_port}");
    axum::serve(shop_listener, shop_app).await?;
    Ok(())
}
