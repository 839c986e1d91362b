//! Statements, a bulk load, a procedure and a transaction of SQL Server: answered, refused, given up. A stand-in answers.

mod stand_in;

use std::time::Duration;

use futures_util::TryStreamExt;
use tiberius::{AuthMethod, Client, Config, EncryptionLevel, IntoRow, Query};
use tokio::net::TcpStream;
use tokio_util::compat::{Compat, TokioAsyncWriteCompatExt};

type Error = Box<dyn std::error::Error>;

#[cfg(tiberius_0_12)]
async fn newer(_: &mut Client<Compat<TcpStream>>) -> Result<(), Error> {
    Ok(())
}

#[cfg(not(tiberius_0_12))]
async fn newer(client: &mut Client<Compat<TcpStream>>) -> Result<(), Error> {
    client.begin_transaction().await?;
    let mut add = tiberius::Command::new("add_book");
    add.bind_param("@title", "hunter2");
    add.exec(client).await?.into_command_result().await?;
    client.commit_transaction().await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let mut config = Config::new();
    config.host("127.0.0.1");
    config.port(stand_in::start()?);
    config.database("shop");
    config.authentication(AuthMethod::sql_server("ada", "hunter2"));
    config.encryption(EncryptionLevel::NotSupported);
    let tcp = TcpStream::connect(config.get_addr()).await?;
    let mut client = Client::connect(config, tcp.compat_write()).await?;

    client.execute("CREATE TABLE books (n INT)", &[]).await?;
    let mut insert = Query::new("INSERT INTO books (n) VALUES (@P1)");
    insert.bind(7_i32);
    println!("inserted: {}", insert.execute(&mut client).await?.total());
    let rows = client.query("SELECT n FROM books WHERE n > @P1", &[&6_i32]).await?.into_first_result().await?;
    println!("rows: {}", rows.len());
    let mut rows = client.simple_query("SELECT n FROM books WHERE n < 'hunter2'").await?.into_row_stream();
    println!("first: {:?}", rows.try_next().await?.and_then(|row| row.get::<i32, _>(0)));
    drop(rows);
    let nowhere = Query::new("SELECT n FROM nowhere").query(&mut client).await;
    println!("nowhere: {}", nowhere.is_ok());
    drop(nowhere);

    let mut load = client.bulk_insert("books").await?;
    load.send(9_i32.into_row()).await?;
    println!("loaded: {}", load.finalize().await?.total());
    newer(&mut client).await?;

    let slow = client.execute("WAITFOR DELAY '00:00:07'", &[]);
    println!("given up: {}", tokio::time::timeout(Duration::from_millis(50), slow).await.is_err());
    Ok(())
}
