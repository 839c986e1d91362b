//! A shelf of books in MySQL or MariaDB, at DATABASE_URL: two transactions, one of them dropped, rows that are read to the
//! end or not, several statements at once, statements that fail or are given up, and a pool that has no more.

use std::time::Duration;

use futures_util::TryStreamExt;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error, Opts, Pool, TxOpts};

async fn shelf(url: &str) -> Result<(), Error> {
    let pool = Pool::new(Opts::from_url(url)?);
    let mut conn = pool.get_conn().await?;
    conn.query_drop("DROP TABLE IF EXISTS books").await?;
    conn.query_drop("CREATE TABLE books (title VARCHAR(50) NOT NULL UNIQUE)").await?;

    let mut transaction = conn.start_transaction(TxOpts::default()).await?;
    for title in ["Emma", "Dune"] {
        transaction.exec_drop("INSERT INTO books (title) VALUES (?)", (title,)).await?;
    }
    transaction.commit().await?;

    let mut transaction = conn.start_transaction(TxOpts::default()).await?;
    transaction.query_drop("DELETE FROM books").await?;
    drop(transaction);

    let books: Vec<String> = conn.query("SELECT title FROM books ORDER BY title").await?;
    let emma = conn.prep("SELECT title FROM books WHERE title = ?").await?;
    let found: Option<String> = conn.exec_first(&emma, ("Emma",)).await?;
    println!("{} books, {} first, Emma: {}", books.len(), books[0], found.is_some());

    let twice = conn.query_drop("INSERT INTO books (title) VALUES ('Emma')").await;
    let typo = conn.exec_drop("SELEC title FROM books", ()).await;
    println!("twice: {}, typo: {}", twice.is_ok(), typo.is_ok());

    // One row of the two is read; the rest is thrown away by the next statement.
    let mut titles = conn.query_stream::<String, _>("SELECT title FROM books LIMIT 2").await?;
    let one = titles.try_next().await?;
    drop(titles);
    let mut both =
        conn.query_iter("SELECT title FROM books; UPDATE books SET title = 'Ulysses' WHERE title = 'Dune'").await?;
    let all: Vec<String> = both.collect().await?;
    both.drop_result().await?;
    conn.exec_batch("INSERT INTO books (title) VALUES (?)", [("Persuasion",), ("Walden",)]).await?;
    println!("{} of {}", one.is_some(), all.len());

    // All connections are in use.
    let second = pool.get_conn().await?;
    println!("a third: {}", tokio::time::timeout(Duration::from_millis(10), pool.get_conn()).await.is_ok());
    drop((conn, second));
    std::mem::forget(pool.clone());
    pool.disconnect().await?;

    // A connection of the program's own. It is of no use after that.
    let mut conn = Conn::from_url(url).await?;
    let slow = tokio::time::timeout(Duration::from_millis(50), conn.query_drop("SELECT SLEEP(0.2)")).await;
    println!("slow: {}", slow.is_err());
    Ok(())
}

fn main() -> Result<(), Error> {
    let url = std::env::var("DATABASE_URL").expect("DATABASE_URL, such as mysql://user@localhost/database");
    tokio::runtime::Runtime::new()
        .expect("a runtime")
        .block_on(shelf(&format!("{url}?prefer_socket=false&pool_min=1&pool_max=2")))
}
