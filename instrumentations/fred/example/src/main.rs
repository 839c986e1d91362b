//! A shelf of books in Redis, at REDIS_URL: commands, pipelines, transactions, messages, some that fail or are given up, and
//! one after the connection is lost.

use std::time::Duration;

use fred::cmd;
use fred::prelude::*;
use fred::types::RespVersion;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::var("REDIS_URL").expect("REDIS_URL, such as redis://localhost:6379");
    let (host, port) = url.trim_start_matches("redis://").split_once(':').expect("a host and a port");
    let (host, port) = (host.to_string(), port.trim_end_matches('/').parse()?);
    let mut builder = Builder::default_centralized();
    builder.with_config(|config| {
        config.server = ServerConfig::new_centralized(host, port);
        config.database = Some(2);
        config.version = RespVersion::RESP3;
    });
    let shelf = builder.set_policy(ReconnectPolicy::new_constant(3, 10)).build()?;
    shelf.init().await?;
    let _: () = shelf.set("book:1", "Emma", None, None, false).await?;
    let title: String = shelf.get("book:1").await?;
    let wrong = shelf.lpush::<i64, _, _>("book:1", "Dune").await;
    // There is no password. That is no error for the client.
    let _ = shelf.auth(None, "hunter2").await;
    println!("{title}, not a list: {}", wrong.is_err());

    let pipeline = shelf.pipeline();
    let _: () = pipeline.incr("visits").await?;
    let _: () = pipeline.mget(vec!["book:1", "visits"]).await?;
    let (visits, books): (i64, Vec<String>) = pipeline.all().await?;
    let pipeline = shelf.pipeline();
    let _: () = pipeline.incr("visits").await?;
    let _: () = pipeline.incr("visits").await?;
    let last: i64 = pipeline.last().await?;
    let pipeline = shelf.pipeline();
    let _: () = pipeline.get("book:1").await?;
    let _: () = pipeline.lpush("book:1", "Dune").await?;
    let each = pipeline.try_all::<String>().await;
    println!("{visits} visit, {books:?}, then {last}, not a list: {}", each[1].is_err());

    let transaction = shelf.multi();
    let _: () = transaction.set("book:2", "Dune", None, None, false).await?;
    let _: () = transaction.set("book:3", "Walden", None, None, false).await?;
    let _: () = transaction.exec(true).await?;
    let transaction = shelf.multi();
    let _: () = transaction.lpush("book:1", "Dune").await?;
    let wrong = transaction.exec::<Vec<i64>>(true).await;
    println!("transaction, not a list: {}", wrong.is_err());

    let reader = shelf.clone_new();
    reader.init().await?;
    let mut news = reader.message_rx();
    let _: () = reader.subscribe("news").await?;
    // Only the answer to the next command shows that it has subscribed.
    let _: String = reader.custom(cmd!("PING"), Vec::<String>::new()).await?;
    let readers: i64 = shelf.publish("news", "Ulysses").await?;
    println!("{readers} reader of {:?}", news.recv().await?.value.as_string());

    // The connection is lost, and made again for the next command. Where that fails, no connection has the number.
    let id: i64 = shelf.custom(cmd!("CLIENT"), vec!["ID"]).await?;
    let id = if cfg!(feature = "stays-lost") { i64::MAX } else { id };
    let other = shelf.clone_new();
    other.init().await?;
    let _: i64 = other.custom(cmd!("CLIENT"), vec!["KILL".to_string(), "ID".to_string(), id.to_string()]).await?;
    let title: String = shelf.get("book:2").await?;
    println!("again: {title}");

    let options = Options { timeout: Some(Duration::from_millis(50)), ..Options::default() };
    let late = shelf.with_options(&options).blpop::<Vec<String>, _>("mail", 5.0).await;
    let given_up = tokio::time::timeout(Duration::from_millis(50), other.blpop::<Vec<String>, _>("mail", 5.0)).await;
    println!("mail: {}, {}", late.is_ok(), given_up.is_ok());
    Ok(())
}
