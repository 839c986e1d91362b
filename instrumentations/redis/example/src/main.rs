//! A shelf of books in Redis, at REDIS_URL: commands, pipelines and transactions of both kinds of connection, and some
//! that fail, some of them since the server is gone.

use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{cmd, pipe, Client, RedisResult, Value};
use tokio::net::{TcpListener, TcpStream};

fn shelf(client: &Client) -> RedisResult<()> {
    let mut shelf = client.get_connection()?;
    cmd("SET").arg("book:1").arg("Emma").query::<()>(&mut shelf)?;
    let title: String = cmd("GET").arg("book:1").query(&mut shelf)?;
    let wrong = cmd("LPUSH").arg("book:1").arg("Dune").query::<i64>(&mut shelf);
    let refused = cmd("AUTH").arg("hunter2").query::<()>(&mut shelf);
    println!("{title}, not a list: {}, no password: {}", wrong.is_err(), refused.is_err());

    let (visits, books): (i64, Vec<String>) =
        pipe().cmd("INCR").arg("visits").cmd("MGET").arg("book:1").arg("visits").query(&mut shelf)?;
    pipe()
        .atomic()
        .cmd("SET")
        .arg("book:2")
        .arg("Dune")
        .cmd("SET")
        .arg("book:3")
        .arg("Walden")
        .query::<()>(&mut shelf)?;
    let wrong =
        pipe().cmd("GET").arg("book:1").cmd("LPUSH").arg("book:1").arg("Dune").query::<(String, i64)>(&mut shelf);
    println!("{visits} visit, {books:?}, not a list: {}", wrong.is_err());
    Ok(())
}

async fn async_shelf(client: &Client) -> RedisResult<()> {
    let shelf = client.get_multiplexed_async_connection().await?;
    let visit = || {
        let mut shelf = shelf.clone();
        async move { cmd("INCRBY").arg("visits").arg(1).query_async::<i64>(&mut shelf).await.is_ok() }
    };
    let visits = tokio::join!(visit(), visit(), visit());
    let mut shelf = shelf.clone();
    pipe().cmd("SET").arg("book:4").arg("Ulysses").query_async::<()>(&mut shelf).await?;
    pipe().cmd("DEL").arg("book:4").cmd("DEL").arg("book:3").query_async::<()>(&mut shelf).await?;
    let (visits_now,): (i64,) = pipe()
        .atomic()
        .cmd("SET")
        .arg("book:5")
        .arg("Persuasion")
        .ignore()
        .cmd("INCR")
        .arg("visits")
        .query_async(&mut shelf)
        .await?;
    let wrong = pipe().atomic().cmd("LPUSH").arg("book:1").arg("Dune").query_async::<Value>(&mut shelf).await;
    let gone = cmd("LPUSH").arg("book:1").arg("Dune").query_async::<i64>(&mut shelf).await;
    println!("{visits:?}, {visits_now} visits, not a list: {}, {}", wrong.is_err(), gone.is_err());

    let mut mail = client.get_multiplexed_async_connection().await?;
    let mut letter = cmd("BLPOP");
    letter.arg("mail").arg(1);
    let waited = tokio::time::timeout(Duration::from_millis(50), letter.query_async::<Value>(&mut mail)).await;
    println!("no mail: {}", waited.is_err());
    Ok(())
}

/// A manager of connections, whose server is gone after one command.
async fn lost_shelf(url: &str) -> RedisResult<()> {
    let door = TcpListener::bind("127.0.0.1:0").await?;
    let street = Client::open(format!("redis://{}/1", door.local_addr()?))?;
    let server = url.trim_start_matches("redis://").trim_end_matches('/').to_owned();
    let open = tokio::spawn(async move {
        let (mut visitor, _) = door.accept().await?;
        drop(door);
        tokio::io::copy_bidirectional(&mut visitor, &mut TcpStream::connect(server).await?).await
    });
    let once = ConnectionManagerConfig::new().set_number_of_retries(1);
    let mut shelf = ConnectionManager::new_with_config(street, once).await?;
    let found: bool = cmd("EXISTS").arg("book:1").query_async(&mut shelf).await?;
    open.abort();
    let _ = open.await;
    let lost = cmd("STRLEN").arg("book:1").query_async::<i64>(&mut shelf).await.is_err();
    let unsent = cmd("TTL").arg("book:1").query_async::<i64>(&mut shelf).await.is_err();
    let none = pipe().cmd("TTL").arg("book:1").cmd("STRLEN").arg("book:1").query_async::<Value>(&mut shelf).await;
    println!("found: {found}, then lost: {lost}, unsent: {unsent}, {}", none.is_err());
    Ok(())
}

fn main() -> RedisResult<()> {
    let url = std::env::var("REDIS_URL").expect("REDIS_URL, such as redis://localhost");
    let client = Client::open(format!("{url}/1"))?;
    shelf(&client)?;
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async_shelf(&client))?;
    runtime.block_on(lost_shelf(&url))
}
