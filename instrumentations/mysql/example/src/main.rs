//! A shelf of books in MySQL or MariaDB, at DATABASE_URL: two transactions, one of them dropped, rows that are read to the
//! end or not, several statements at once, statements that fail, and a pool that has no more.

use std::time::Duration;

use mysql::prelude::Queryable;
use mysql::{params, Error, Opts, Pool, TxOpts};

fn main() -> Result<(), Error> {
    let url = std::env::var("DATABASE_URL").expect("DATABASE_URL, such as mysql://user@localhost/database");
    let pool = Pool::new(Opts::from_url(&format!("{url}?prefer_socket=false&pool_min=1&pool_max=2"))?)?;
    let mut conn = pool.get_conn()?;
    conn.query_drop("DROP TABLE IF EXISTS books")?;
    conn.query_drop("CREATE TABLE books (title VARCHAR(50) NOT NULL UNIQUE)")?;

    let mut transaction = conn.start_transaction(TxOpts::default())?;
    for title in ["Emma", "Dune"] {
        transaction.exec_drop("INSERT INTO books (title) VALUES (?)", (title,))?;
    }
    transaction.commit()?;

    let mut transaction = conn.start_transaction(TxOpts::default())?;
    transaction.query_drop("DELETE FROM books")?;
    drop(transaction);

    let books: Vec<String> = conn.query("SELECT title FROM books ORDER BY title")?;
    let emma = conn.prep("SELECT title FROM books WHERE title = :title")?;
    let found: Option<String> = conn.exec_first(&emma, params! { "title" => "Emma" })?;
    println!("{} books, {} first, Emma: {}", books.len(), books[0], found.is_some());

    let twice = conn.query_drop("INSERT INTO books (title) VALUES ('Emma')");
    let typo = conn.exec_drop("SELEC title FROM books", ());
    println!("twice: {}, typo: {}", twice.is_ok(), typo.is_ok());

    let one = conn.query_iter("SELECT title FROM books LIMIT 2")?.next().transpose()?;
    let text = "SELECT title FROM books; UPDATE books SET title = 'Ulysses' WHERE title = 'Dune'";
    let both = conn.query_iter(text)?.count();
    println!("{} of {both}", one.is_some());
    conn.exec_batch("INSERT INTO books (title) VALUES (?)", [("Persuasion",), ("Walden",)])?;

    // All connections are in use.
    let second = pool.get_conn()?;
    println!("a third: {}", pool.try_get_conn(Duration::from_millis(10)).is_ok());
    drop(second);
    drop(conn);
    std::mem::forget(pool);
    Ok(())
}
