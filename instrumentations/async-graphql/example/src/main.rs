//! A GraphQL server, and requests for a query, a mutation that fails, and a document that is not valid.

use std::error::Error;

use async_graphql::{EmptySubscription, Object, Request, Schema};
use axum::extract::State;
use axum::routing::post;
use axum::Router;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

type Shop = Schema<Query, Mutation, EmptySubscription>;

struct Query;

#[Object]
impl Query {
    async fn stock(&self, item: String) -> i32 {
        item.len() as i32
    }
}

struct Mutation;

#[Object]
impl Mutation {
    async fn order(&self, item: String) -> async_graphql::Result<i32> {
        Err(format!("no {item} left").into())
    }
}

async fn answer(State(shop): State<Shop>, document: String) -> String {
    let response = shop.execute(Request::new(document)).await;
    serde_json::to_string(&response.data).unwrap_or_default() + &format!(" {} errors", response.errors.len())
}

async fn ask(port: u16, document: &str) -> Result<String, std::io::Error> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let length = document.len();
    let head = format!("POST /graphql HTTP/1.1\r\nhost: shop\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all((head + document).as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer.lines().last().unwrap_or_default().to_owned())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let shop = Shop::new(Query, Mutation, EmptySubscription);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    let router = Router::new().route("/graphql", post(answer)).with_state(shop);
    tokio::spawn(async move { axum::serve(listener, router).await });
    for document in [
        r#"{ stock(item: "book") }"#,
        r#"query Stock { pens: stock(item: "pen") }"#,
        r#"mutation Order { order(item: "book") }"#,
        r#"{ nothing }"#,
    ] {
        println!("{}", ask(port, document).await?);
    }
    Ok(())
}
