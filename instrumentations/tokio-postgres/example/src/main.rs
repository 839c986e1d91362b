//! A shelf of books in PostgreSQL, at DATABASE_URL: transactions, statements that overlap, copied data, and statements that
//! fail or are given up. Then the same shelf without a runtime of the program's own.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, TryStreamExt};
use tokio_postgres::types::Type;
use tokio_postgres::{Error, NoTls};

async fn shelf(url: &str) -> Result<(), Error> {
    let (mut client, connection) = tokio_postgres::connect(url, NoTls).await?;
    let driver = tokio::spawn(connection);
    client.batch_execute("DROP TABLE IF EXISTS books; CREATE TABLE books (title TEXT NOT NULL UNIQUE)").await?;

    let transaction = client.transaction().await?;
    for title in ["Emma", "Dune"] {
        transaction.execute("INSERT INTO books (title) VALUES ($1)", &[&title]).await?;
    }
    let titles = transaction.bind("SELECT title FROM books ORDER BY title", &[]).await?;
    let first = transaction.query_portal(&titles, 1).await?.len();
    transaction.commit().await?;

    let transaction = client.transaction().await?;
    transaction.execute("DELETE FROM books", &[]).await?;
    drop(transaction);

    let titles = client.prepare("SELECT title FROM books").await?;
    let (all, emma) = tokio::join!(
        client.query(&titles, &[]),
        client.query_typed("SELECT title FROM books WHERE title = $1", &[(&"Emma", Type::TEXT)])
    );
    let twice = client.execute("INSERT INTO books (title) VALUES ('Emma')", &[]).await;
    let typo = client.query("SELEC title FROM books", &[]).await;
    println!("{first} of {} books, {} Emma", all?.len(), emma?.len());
    println!("twice: {}, typo: {}", twice.is_ok(), typo.is_ok());

    let messages = client.simple_query("SELECT title FROM books WHERE title <> 'Emma'").await?;
    {
        let mut copy = pin!(client.copy_in("COPY books (title) FROM STDIN").await?);
        copy.send(Bytes::from_static(b"Persuasion\nWalden\n")).await?;
        let copied = copy.as_mut().finish().await?;
        let mut copy = pin!(client.copy_out("COPY books TO STDOUT").await?);
        let mut lines = 0;
        while let Some(data) = copy.try_next().await? {
            lines += data.iter().filter(|byte| **byte == b'\n').count();
        }
        println!("{} messages, {copied} books copied in, {lines} out", !messages.is_empty());
    }

    let slow = client.query_one("SELECT pg_sleep(0.2)", &[]);
    println!("slow: {}", tokio::time::timeout(Duration::from_millis(50), slow).await.is_err());
    drop(client);
    driver.await.expect("the driver")
}

fn main() -> Result<(), Error> {
    let url = std::env::var("DATABASE_URL").expect("DATABASE_URL, such as postgres://user@localhost/database");
    tokio::runtime::Runtime::new().expect("a runtime").block_on(shelf(&url))?;
    let mut client = postgres::Client::connect(&url, postgres::NoTls)?;
    let mut transaction = client.transaction()?;
    transaction.execute("UPDATE books SET title = 'Ulysses' WHERE title = $1", &[&"Walden"])?;
    transaction.commit()?;
    let books = client.query("SELECT title FROM books LIMIT 3", &[])?;
    println!("{} books", books.len());
    Ok(())
}
